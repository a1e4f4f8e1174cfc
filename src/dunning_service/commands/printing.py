"""The output of commands: aligned tables for people, JSON for programs, messages on standard error."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import typer

INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 and the number of SIGINT, as shells have it."""

Cell = str | int | datetime | None


def say(text: str = "") -> None:
    """Prints a line for people."""
    typer.echo(text)


def warn(text: str) -> None:
    """Prints a line on standard error, which a program reading the output does not see."""
    typer.echo(text, err=True)


def print_json(value: Any) -> None:
    """Prints JSON: times as RFC 3339."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} is not for JSON")


def shown(value: Cell) -> str:
    """A value for people; a dash for none."""
    if value is None or value == "":
        return "-"
    return value.strftime("%Y-%m-%d %H:%M:%SZ") if isinstance(value, datetime) else str(value)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[Cell]], when_empty: str) -> None:
    """Prints rows under headings, each column as wide as its widest value."""
    if not rows:
        say(when_empty)
        return
    lines = [list(headings), *([_on_one_line(shown(value)) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        say("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def print_fields(fields: Mapping[str, Cell]) -> None:
    """Prints names and values, one pair a line."""
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        say(f"{name.ljust(width)}  {_on_one_line(shown(value))}")


def _on_one_line(text: str) -> str:
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)
