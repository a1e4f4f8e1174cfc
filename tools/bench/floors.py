"""What the figures have to reach, and whether they did.

A floor is what a run has to reach to pass; an aim is what is hoped for. Ratios are of the same run, so they hold on any
machine; processor time is of the machine that `docs/performance.md` names, and is only judged beside `--against`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.due import WORKER, DueMeasurement
from bench.measuring import GROUP, GROUP_FAR, Measurement, Memory


@dataclass(frozen=True)
class Floor:
    """A figure that must be at least `floor`, or at most where `is_ceiling`."""

    what: str
    floor: float
    aim: float
    is_ceiling: bool = False

    def is_met(self, value: float) -> bool:
        """False for a figure that is not known."""
        return value <= self.floor if self.is_ceiling else value >= self.floor


TO_NOOP = Floor("of the FastAPI no-op", 0.42, 0.55)
TO_EACH = Floor("times a commit per request", 3.5, 5.0)
TO_AGAINST = Floor("times the other revision", 1.6, 2.2)
P99_TO_P50 = Floor("p99 to p50", 2.5, 1.8, is_ceiling=True)
FAR_TO_AGAINST = Floor("times the other revision, database 1 ms away", 3.0, 4.0)
PROCESSOR_US = {
    "sqlite": Floor("processor us a notice", 150.0, 120.0, is_ceiling=True),
    "postgresql": Floor("processor us a notice", 110.0, 90.0, is_ceiling=True),
}
DUE_TO_LOOP = {
    "sqlite": Floor("times the plain loop", 8.0, 10.0),
    "postgresql": Floor("times the plain loop", 12.0, 15.0),
}
GROWTH_MB = Floor("MB more after many notices", 30.0, 10.0, is_ceiling=True)


@dataclass(frozen=True)
class Verdict:
    """One figure beside its floor."""

    database: str
    notice: str
    floor: Floor
    value: float

    @property
    def is_met(self) -> bool:
        """Whether the floor is reached."""
        return self.floor.is_met(self.value)

    def line(self) -> str:
        """As the report prints it."""
        bound = "at most" if self.floor.is_ceiling else "at least"
        shown = "unknown" if math.isnan(self.value) else f"{self.value:.2f}"
        return (
            f"{'passed' if self.is_met else 'MISSED'}  {self.database:<10}  {self.notice:<9}  "
            f"{shown:>8} {self.floor.what}; {bound} {self.floor.floor:g} (aim {self.floor.aim:g})"
        )


def judged(
    measured: Sequence[Measurement], worked_off: Sequence[DueMeasurement], memories: Sequence[Memory]
) -> Iterator[Verdict]:
    """Every figure that there is a floor for. Those beside another revision are judged where one was measured."""
    for found in measured:
        figures: list[tuple[Floor, float | None]] = []
        if found.what == GROUP:
            figures += [
                (TO_NOOP, found.to_noop),
                (TO_EACH, found.to_commit_per_request),
                (P99_TO_P50, found.p99_to_p50),
            ]
            if found.to_against is not None:
                figures += [(TO_AGAINST, found.to_against), (PROCESSOR_US[found.database], found.processor_us)]
        elif found.what == GROUP_FAR:
            figures = [(FAR_TO_AGAINST, found.to_against)]
        for floor, value in figures:
            if value is not None:
                yield Verdict(found.database, found.notice, floor, value)
    for due in worked_off:
        if due.what == WORKER and due.to_loop is not None:
            yield Verdict(due.database, "due", DUE_TO_LOOP[due.database], due.to_loop)
    for memory in memories:
        yield Verdict(memory.database, "memory", GROWTH_MB, memory.grown_mb)
