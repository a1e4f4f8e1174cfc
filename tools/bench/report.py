"""The result as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.due import WORKER, DueMeasurement
from bench.measuring import GROUP, Measurement, Memory

WANTED_TO_NOOP, AIM_TO_NOOP = 0.30, 0.50
WANTED_TO_EACH, AIM_TO_EACH = 3.5, 5.0
WANTED_P99_MS = 1_000.0
WANTED_GROWTH_MB = 30.0
WANTED_TO_LOOP = 5.0

_GENERATOR_IS_THE_LIMIT = 0.95

_HEADS = ["", "database", "notice", "bytes", "req/s", "p50 ms", "p99 ms"]
_HEADS += ["of no-op", "x per-req", "server", "gen.", "req/cpu-s", "of no-op"]


def head() -> str:
    return _line(_HEADS)


def line(found: Measurement) -> str:
    """One measurement; a ratio that misses what is wanted has a mark."""
    return _line(
        (
            found.what,
            found.database,
            found.notice,
            str(found.body_bytes),
            f"{found.requests_per_s:,.0f}",
            f"{found.p50_ms:.1f}",
            f"{found.p99_ms:.1f}" + _mark(found, found.p99_ms < WANTED_P99_MS),
            "" if found.to_noop is None else f"{found.to_noop:.2f}" + _mark(found, found.to_noop >= WANTED_TO_NOOP),
            ""
            if found.to_commit_per_request is None
            else f"{found.to_commit_per_request:.1f}" + _mark(found, found.to_commit_per_request >= WANTED_TO_EACH),
            _share(found.server_busy),
            _share(found.generator_busy) + ("!" if found.generator_busy > _GENERATOR_IS_THE_LIMIT else ""),
            "" if math.isnan(found.requests_per_processor_s) else f"{found.requests_per_processor_s:,.0f}",
            "" if found.to_noop_by_processor is None else f"{found.to_noop_by_processor:.2f}",
        )
    )


TARGETS = f"""\
Wanted of the group commit: at least {WANTED_TO_NOOP:.2f} of the no-op route (aim {AIM_TO_NOOP:.2f}), \
{WANTED_TO_EACH}x a commit per request (aim {AIM_TO_EACH:.0f}x), p99 under {WANTED_P99_MS / 1000:.0f} s; `*` misses it.
`server` and `gen.` are the shares of a core that they took; with `!` the generator measured itself.
`req/cpu-s` is per second of the server's processor time, and the last column is its ratio to the no-op route's: others
on the machine disturb it least, but waiting for the disk is not in it."""


def due_head() -> str:
    return _due_line(("Due payments", "database", "payments", "a second", "x loop"))


def due_line(found: DueMeasurement) -> str:
    """One way to work off what is due; a ratio that misses what is wanted has a mark."""
    ratio = "" if found.to_loop is None else f"{found.to_loop:.1f}"
    if found.what == WORKER and (found.to_loop or 0) < WANTED_TO_LOOP:
        ratio += "*"
    return _due_line((found.what, found.database, f"{found.payments:,}", f"{found.payments_per_s:,.0f}", ratio))


DUE_TARGET = f"Wanted of the worker: at least {WANTED_TO_LOOP:.0f}x the plain loop; `*` misses it."


def _due_line(cells: Sequence[str]) -> str:
    return f"{cells[0]:<18}  {cells[1]:<10}  {cells[2]:>8}  {cells[3]:>8}  {cells[4]:>7}".rstrip()


def memory_line(found: Memory) -> str:
    verdict = "within" if found.grown_mb <= WANTED_GROWTH_MB else "MORE THAN"
    return (
        f"{found.database}: {found.mb_at_start:.0f} MB at start, {found.mb_after_few:.0f} MB after {found.few:,} "
        f"notices, {found.mb_after_many:.0f} MB after {found.many:,}: {found.grown_mb:+.1f} MB, "
        f"{verdict} {WANTED_GROWTH_MB:.0f} MB"
    )


def write(
    path: Path,
    machine: dict[str, object],
    found: Sequence[Measurement],
    memories: Sequence[Memory],
    worked_off: Sequence[DueMeasurement],
) -> None:
    """All of it as JSON; what could not be measured is null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "machine": machine,
        "wanted": {
            "to_noop": WANTED_TO_NOOP,
            "to_commit_per_request": WANTED_TO_EACH,
            "p99_ms": WANTED_P99_MS,
            "memory_growth_mb": WANTED_GROWTH_MB,
            "to_loop": WANTED_TO_LOOP,
        },
        "measurements": [
            _plain({**asdict(one), "requests_per_processor_s": one.requests_per_processor_s}) for one in found
        ],
        "due": [_plain(asdict(one)) for one in worked_off],
        "memory": [_plain({**asdict(one), "grown_mb": one.grown_mb}) for one in memories],
    }
    path.write_text(json.dumps(result, indent=2) + "\n")


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    rounded = {name: round(value, 3) if isinstance(value, float) else value for name, value in fields.items()}
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in rounded.items()}


def _mark(found: Measurement, is_met: bool) -> str:
    return "*" if found.what == GROUP and not is_met else ""


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.0%}"


def _line(cells: Sequence[str]) -> str:
    widths = (18, 10, 9, 5, 7, 7, 7, 8, 9, 6, 5, 9, 8)
    left = 3
    return "  ".join(
        f"{cell:<{width}}" if at < left else f"{cell:>{width}}"
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ).rstrip()
