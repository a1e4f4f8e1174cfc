"""What holds of every file: its length, a docstring for what is public, and first sentences in plain words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_LINES = 400
VAGUE = re.compile(r"\b(whoever|somebody|nobody)\b", re.IGNORECASE)
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

FILES = sorted(
    path
    for folder in ("src", "tools", "tests", "docs", "migrations")
    for ending in ("py", "md")
    for path in (ROOT / folder).rglob(f"*.{ending}")
)
MODULES = sorted((ROOT / "src").rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def public_parts(path: Path) -> Iterator[tuple[str, Documented]]:
    """The module itself, and its public classes and functions."""
    module = ast.parse(path.read_text("utf-8"))
    yield name_of(path), module
    for part in module.body:
        if isinstance(part, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not part.name.startswith("_"):
            yield part.name, part


def first_sentence(docstring: str) -> str:
    return re.split(r"[.:;]\s", docstring, maxsplit=1)[0]


def test_no_file_is_longer_than_a_reader_keeps_in_mind() -> None:
    lengths = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_what_is_public_says_what_it_is() -> None:
    parts = [(name_of(path), *part) for path in MODULES for part in public_parts(path)]
    assert [f"{path}: {name}" for path, name, part in parts if not ast.get_docstring(part)] == []


def test_first_sentences_name_the_thing_that_acts() -> None:
    sentences = {
        f"{name_of(path)}: {name}": first_sentence(ast.get_docstring(part) or "")
        for path in MODULES
        for name, part in public_parts(path)
    }
    assert {name: sentence for name, sentence in sentences.items() if VAGUE.search(sentence)} == {}
