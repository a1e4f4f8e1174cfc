"""`make docs`: writes the pages of docs/reference/ from the code, and examples into the other pages from their files.
`tests/unit/test_readme.py` fails while one is out of date.
"""

from __future__ import annotations

from reference.examples import with_examples
from reference.pages import FOLDER, PAGES, rendered


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        path = FOLDER / name
        text = rendered(name)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"written: docs/reference/{name}")
    for path in sorted(set(FOLDER.iterdir()) - {FOLDER / name for name in PAGES}):
        path.unlink()
        print(f"deleted: docs/reference/{path.name}")
    for path in sorted(FOLDER.parent.glob("*.md")):
        text = path.read_text("utf-8")
        if (shown := with_examples(text)) != text:
            path.write_text(shown, "utf-8")
            print(f"written: docs/{path.name}")


if __name__ == "__main__":
    main()
