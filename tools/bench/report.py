"""The result as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.due import DueMeasurement
from bench.floors import Verdict
from bench.measuring import Measurement, Memory

_GENERATOR_IS_THE_LIMIT = 0.95

_HEADS = ["", "database", "notice", "bytes", "req/s", "p50 ms", "p99 ms"]
_HEADS += ["of no-op", "x per-req", "x other", "server", "gen.", "cpu us", "of no-op"]


def head() -> str:
    return _line(_HEADS)


def line(found: Measurement) -> str:
    """One measurement."""
    return _line(
        (
            found.what,
            found.database,
            found.notice,
            str(found.body_bytes),
            f"{found.requests_per_s:,.0f}",
            f"{found.p50_ms:.1f}",
            f"{found.p99_ms:.1f}",
            _ratio(found.to_noop),
            _ratio(found.to_commit_per_request, 1),
            _ratio(found.to_against),
            _share(found.server_busy),
            _share(found.generator_busy) + ("!" if found.generator_busy > _GENERATOR_IS_THE_LIMIT else ""),
            "" if math.isnan(found.processor_us) else f"{found.processor_us:.0f}",
            _ratio(found.to_noop_by_processor),
        )
    )


LEGEND = """\
`server` and `gen.` are the shares of a core that they took; with `!` the generator measured itself.
`cpu us` is the server's processor time for one request, and the last column is the no-op route's by it: others on the
machine disturb it least, but waiting for the disk is not in it."""


def due_head() -> str:
    return _due_line(("Due payments", "database", "payments", "a second", "x loop"))


def due_line(found: DueMeasurement) -> str:
    """One way to work off what is due."""
    ratio = _ratio(found.to_loop, 1)
    return _due_line((found.what, found.database, f"{found.payments:,}", f"{found.payments_per_s:,.0f}", ratio))


def _due_line(cells: Sequence[str]) -> str:
    return f"{cells[0]:<18}  {cells[1]:<10}  {cells[2]:>8}  {cells[3]:>8}  {cells[4]:>7}".rstrip()


def memory_line(found: Memory) -> str:
    """What a server holds at start, after few notices and after many."""
    return (
        f"{found.database}: {found.mb_at_start:.0f} MB at start, {found.mb_after_few:.0f} MB after {found.few:,} "
        f"notices, {found.mb_after_many:.0f} MB after {found.many:,}: {found.grown_mb:+.1f} MB"
    )


def write(
    path: Path,
    machine: dict[str, object],
    found: Sequence[Measurement],
    memories: Sequence[Memory],
    worked_off: Sequence[DueMeasurement],
    verdicts: Sequence[Verdict],
) -> None:
    """All of it as JSON; what could not be measured is null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "machine": machine,
        "measurements": [_plain({**asdict(one), "processor_us": one.processor_us}) for one in found],
        "due": [_plain(asdict(one)) for one in worked_off],
        "memory": [_plain({**asdict(one), "grown_mb": one.grown_mb}) for one in memories],
        "floors": [_plain({**asdict(one), "is_met": one.is_met}) for one in verdicts],
    }
    path.write_text(json.dumps(result, indent=2) + "\n")


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    rounded = {name: round(value, 3) if isinstance(value, float) else value for name, value in fields.items()}
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in rounded.items()}


def _ratio(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.0%}"


def _line(cells: Sequence[str]) -> str:
    widths = (18, 10, 9, 5, 7, 7, 7, 8, 9, 7, 6, 5, 6, 8)
    left = 3
    return "  ".join(
        f"{cell:<{width}}" if at < left else f"{cell:>{width}}"
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ).rstrip()
