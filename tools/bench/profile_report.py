"""Where the service spends its time while it takes in notices."""

from __future__ import annotations

import pstats
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BUILT_IN = "~"
_Function = tuple[str, int, str]


def is_possible() -> bool:
    """From Python 3.12 on, cProfile mixes up threads: it can watch one process, but not one thread of it."""
    return sys.version_info < (3, 12)


def top_functions(folder: Path, notices: int, count: int) -> str:
    """Own time for each notice, the most expensive first, of all threads together."""
    rows = [
        (own, calls, thread, _named(function))
        for thread, stats in _stats(folder)
        for function, (_, calls, own, *_) in stats.items()
        if own
    ]
    rows.sort(reverse=True)
    total = sum(row[0] for row in rows)
    lines = [
        f"{notices} notices, {total / notices * 1e6:.0f} µs each in Python; cProfile makes every call dearer, and a "
        "garbage collection is the time of whatever it interrupts",
        f"{'µs/notice':>9}  {'share':>6}  {'calls/notice':>12}  {'thread':<8}function",
    ]
    for own, calls, thread, name in rows[:count]:
        lines.append(f"{own / notices * 1e6:9.2f}  {own / total:6.1%}  {calls / notices:12.2f}  {thread:<8}{name}")
    return "\n".join(lines)


def top_modules(folder: Path, notices: int, count: int) -> str:
    """Own time by file, where what is built in counts as time of the file that called it."""
    totals: Counter[tuple[str, str]] = Counter()
    for thread, stats in _stats(folder):
        for function, (_, _, own, _, callers) in stats.items():
            if function[0] != _BUILT_IN:
                totals[thread, _file(function)] += own
                continue
            for caller, (_, _, own_there, _) in callers.items():
                totals[thread, "(built in)" if caller[0] == _BUILT_IN else _file(caller)] += own_there
    total = sum(totals.values())
    lines = [f"{'µs/notice':>9}  {'share':>6}  {'thread':<8}file, with what is built in and called from it"]
    for (thread, name), own in totals.most_common(count):
        lines.append(f"{own / notices * 1e6:9.2f}  {own / total:6.1%}  {thread:<8}{name}")
    return "\n".join(lines)


def by_thread(folder: Path, notices: int) -> str:
    """One line for all threads."""
    totals: Counter[str] = Counter()
    for thread, stats in _stats(folder):
        totals[thread] += sum(own for _, _, own, *_ in stats.values())
    return ", ".join(f"{thread} {seconds / notices * 1e6:.0f} µs/notice" for thread, seconds in sorted(totals.items()))


def _stats(folder: Path) -> Iterator[tuple[str, dict[_Function, Any]]]:
    for path in sorted(folder.glob("*.prof")):
        thread = path.stem.partition("-")[2]
        kind = {"MainThread": "loop"}.get(thread, "writer" if thread.startswith("ledger-writer") else "other")
        yield kind, vars(pstats.Stats(str(path)))["stats"]


def _named(function: _Function) -> str:
    return function[2] if function[0] == _BUILT_IN else f"{_file(function)}:{function[1]} {function[2]}"


def _file(function: _Function) -> str:
    path = function[0].rpartition("site-packages/")[2].rpartition("/src/")[2]
    return path.rpartition("/lib/")[2] if path.startswith("/") else path
