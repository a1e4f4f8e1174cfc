"""Tables and pages in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def code(*values: object) -> str:
    """The values as code, with commas between."""
    return ", ".join(f"`{value}`" for value in values)


def shown(default: object) -> str:
    """A default value in a cell."""
    if default in (None, ()):
        return "none"
    return code(str(default).lower() if isinstance(default, bool) else default)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a `|` inside a cell is escaped."""
    lines = [_row(heads), _row(["---"] * len(heads))]
    lines += [_row([cell.replace("|", "\\|") for cell in row]) for row in rows]
    return "\n".join(lines)


def page(title: str, *parts: str) -> str:
    """A page that says who wrote it."""
    return "\n\n".join([f"# {title}", "<!-- Written by `make docs` from the code: do not edit. -->", *parts]) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
