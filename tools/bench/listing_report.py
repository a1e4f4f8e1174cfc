"""The measurements of the lists as a table in Markdown, which is what stands in the documentation, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.listing_cases import MIDDLE, Line
from bench.listing_intake import Intake, as_json

WANTED_GROWTH = 2.0
WANTED_TIMES_PLAIN = 20.0
OF_AT_LEAST = 1_000_000
"""Of fewer matching payments COUNT plus OFFSET is quick as well."""
WANTED_SLOWER = 0.15


@dataclass
class Listing:
    """One database, measured with few rows and with all."""

    database: str
    few: int
    rows: int
    lines: list[Line] = field(default_factory=list)
    intakes: list[Intake] = field(default_factory=list)
    gave_up: list[str] = field(default_factory=list)
    """What took longer than the service lets a request take."""

    def misses(self) -> Iterator[str]:
        """What is wanted and was not reached."""
        for line in self.lines:
            what = f"{self.database}, {line.case} {line.page}".rstrip()
            if line.is_wanted:
                for kind, growth in (("a request", line.growth), ("the query code", line.query_growth)):
                    if growth is not None and growth > WANTED_GROWTH:
                        yield f"{what}: {kind} takes {growth:.2f} times as long as with {self.few:,} rows"
                if _is_too_near(line):
                    yield f"{what}: COUNT plus OFFSET takes only {line.times_plain:.1f} times as long"
        yield from (f"{self.database}, {what}" for what in self.gave_up)
        for intake in self.intakes:
            if intake.slower > WANTED_SLOWER:
                yield f"{self.database}, {_processes(intake.processes)}: {intake.slower:.0%} slower with the counts"

    def problems(self) -> list[str]:
        return [problem for line in self.lines for problem in line.problems]


def table(found: Listing) -> str:
    """The measurements of one database; what misses what is wanted is in bold."""
    head = (
        f"| {found.database}: {found.few:,} and {found.rows:,} rows | Page | Matching | Request, ms | Growth | "
        "Query code, ms | Growth | COUNT + OFFSET, ms | Times as long |"
    )
    rows = [head, "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for line in found.lines:
        cells = (
            line.case,
            line.page,
            f"{line.total:,}",
            _pair(line.request_ms),
            _marked(line.growth, line.is_wanted and line.growth > WANTED_GROWTH),
            _pair(line.query_ms),
            _marked(line.query_growth, line.is_wanted and (line.query_growth or 0) > WANTED_GROWTH),
            _pair(line.plain_ms),
            _marked(line.times_plain, _is_too_near(line)),
        )
        rows.append(f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |"))
    return "\n".join(rows)


def _is_too_near(line: Line) -> bool:
    """True of a middle page on which COUNT plus OFFSET does too well."""
    is_meant = line.is_wanted and line.page == MIDDLE and line.total >= OF_AT_LEAST
    return is_meant and line.times_plain is not None and line.times_plain < WANTED_TIMES_PLAIN


def intake_table(found: Sequence[Listing]) -> str:
    rows = ["| Taking notices in | Processes | With the counts, notices a second | Without | Slower by |"]
    rows.append("| --- | ---: | ---: | ---: | ---: |")
    for one in found:
        for intake in one.intakes:
            slower = f"{intake.slower:.1%}"
            rows.append(
                f"| {one.database}, {one.rows:,} rows | {intake.processes} | {intake.with_counts:,.0f} | "
                f"{intake.without_counts:,.0f} | {f'**{slower}**' if intake.slower > WANTED_SLOWER else slower} |"
            )
    return "\n".join(rows)


def write(path: Path, machine: dict[str, object], found: Sequence[Listing]) -> None:
    """All of it as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "machine": machine,
        "wanted": {"growth": WANTED_GROWTH, "times_plain": WANTED_TIMES_PLAIN, "slower": WANTED_SLOWER},
        "databases": [
            {
                "database": one.database,
                "few": one.few,
                "rows": one.rows,
                "gave_up": one.gave_up,
                "lines": [_line(line) for line in one.lines],
                "intake": [as_json(intake) for intake in one.intakes],
                "misses": list(one.misses()),
            }
            for one in found
        ],
    }
    path.write_text(json.dumps(result, indent=2) + "\n")


def _line(line: Line) -> dict[str, Any]:
    ratios = {"growth": line.growth, "query_growth": line.query_growth, "times_plain": line.times_plain}
    times = {name: getattr(line, name) for name in ("request_ms", "query_ms", "plain_ms")}
    return (
        asdict(line)
        | {name: None if value is None else round(value, 3) for name, value in ratios.items()}
        | {name: None if value is None else [round(one, 3) for one in value] for name, value in times.items()}
    )


def _pair(milliseconds: tuple[float, float] | None) -> str:
    return "" if milliseconds is None else " → ".join(_ms(one) for one in milliseconds)


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _marked(value: float | None, is_missed: bool) -> str:
    if value is None:
        return ""
    shown = f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    return f"**{shown}**" if is_missed else shown


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count} processes"
