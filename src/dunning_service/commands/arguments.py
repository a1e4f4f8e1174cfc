"""Options that several commands share, and the readers of their values."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from typing import Annotated

import typer

from dunning_service.errors import ConfigurationError

_DURATION = re.compile(r"(?P<count>\d{1,7})(?P<unit>[dhm])|0", re.ASCII)
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
_LONGEST = timedelta(days=36_500)


def duration(text: str) -> timedelta:
    """Reads a span of time: `90d`, `12h` or `30m`; a bare `0` is no time at all."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a span of time; write days, hours or minutes: 90d, 12h, 30m")
    if match["unit"] is None:
        return timedelta(0)
    span = int(match["count"]) * _UNITS[match["unit"]]
    if span > _LONGEST:
        raise typer.BadParameter(f"{text} is longer than a hundred years")
    return span


def given_secret(text: str | None) -> str | None:
    """The secret of `--secret`; `-` reads it from standard input, where neither `ps` nor the history shows it."""
    if text != "-":
        return text
    line = sys.stdin.readline().strip()
    if not line:
        raise ConfigurationError("--secret - reads the secret from standard input, and nothing came in")
    return line


def given_options(pairs: list[str]) -> dict[str, str]:
    """Reads `key=value` pairs."""
    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise typer.BadParameter(f"{pair!r} is not of the form key=value, such as tolerance_seconds=600")
        options[key.strip()] = value.strip()
    return options


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
IsAgreed = Annotated[bool, typer.Option("--yes", help="Do it without being asked, as scripts have to.")]
OnlyMerchant = Annotated[
    str | None, typer.Option("--merchant", metavar="NAME", help="Only this merchant's; all of them without it.")
]
OfMerchant = Annotated[str, typer.Option("--merchant", metavar="NAME", help="The merchant it is for.")]
