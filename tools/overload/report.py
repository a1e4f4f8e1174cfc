"""The findings as the Markdown table of docs/evidence.md, and as JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from overload.drills import Finding

_HEADS = (
    "What is done",
    "To",
    "2xx",
    "Refused",
    "2xx a second",
    "p50, p99",
    "A bystander's median before, meanwhile",
    "Back after",
    "Peak memory",
    "Promises",
)


def head() -> str:
    return _row(_HEADS) + "\n" + _row(["---"] * len(_HEADS))


def line(found: Finding) -> str:
    """One finding."""
    return _row(
        (
            f"{found.drill}: {found.load}",
            found.setup,
            f"{found.acknowledged:,}",
            f"{found.refused:,}",
            _number(found.per_second),
            f"{_time(found.p50_ms)}, {_time(found.p99_ms)}" if found.p50_ms is not None else "",
            f"{_time(found.usual_ms)}, {_time(found.meanwhile_ms)}",
            "" if found.back_after_s is None else f"{found.back_after_s:.1f} s",
            f"{found.peak_mb:.0f} MB",
            "FAIL" if found.problems else "kept",
        )
    )


def write(path: Path, machine: dict[str, object], findings: Sequence[Finding]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    result = {"machine": machine, "findings": [_plain(found) for found in findings]}
    path.write_text(json.dumps(result, indent=2) + "\n")


def _plain(found: Finding) -> dict[str, object]:
    fields = asdict(found)
    for name, value in fields.items():
        if isinstance(value, float):
            fields[name] = round(value, 3) if math.isfinite(value) else None
    return fields


def _time(ms: float | None) -> str:
    if ms is None or not math.isfinite(ms):
        return "-"
    return f"{ms / 1000:.1f} s" if ms >= 1_000 else f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
