"""How much was tried and what was answered, as a Markdown table."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))
"""For each operation; `make fuzz` takes more."""

MANY = 500
"""Of so many that are tried at one operation, some must have been accepted."""

_FILE = "FUZZ_TALLY"

_ELSEWHERE = "other methods and addresses"

Counts = dict[str, Counter[str]]
"""By operation: how often each outcome was seen."""


class Tally:
    """What one part of the fuzzing saw. Where FUZZ_TALLY names a file, it is added to it at the end."""

    def __init__(self) -> None:
        self._counts: Counts = defaultdict(Counter)

    def count(self, operation: str, outcome: object) -> None:
        self._counts[operation][str(outcome)] += 1

    def count_log(self, log: str, *, wanted: Iterable[str] = ()) -> Counts:
        """Takes the requests in a service's log, and answers those that were `wanted`, or all."""
        chosen = set(wanted)
        seen: Counts = defaultdict(Counter)
        for line in log.splitlines():
            if line.startswith("{") and (said := json.loads(line)).get("event") == "request":
                operation = f"{said['method']} {said['route'] or '(no route)'}"
                if not chosen or operation in chosen:
                    seen[operation][str(said["status"])] += 1
        for operation, outcomes in seen.items():
            self._counts[operation].update(outcomes)
        return seen

    def close(self) -> None:
        if name := os.environ.get(_FILE):
            with Path(name).open("a", encoding="utf-8") as file:
                file.write(json.dumps(self._counts) + "\n")


def table(lines: Iterable[str]) -> str:
    """What all parts have seen together. A finding is an answer of 500 or more, or what no refusal is."""
    counts: Counts = defaultdict(Counter)
    for line in lines:
        for operation, outcomes in json.loads(line).items():
            nowhere = operation.endswith("(no route)") or not outcomes.keys() - {"404", "405"}
            counts[_ELSEWHERE if nowhere else operation].update(outcomes)
    rows = ["| Operation | Cases | Statuses seen | Findings |", "| --- | ---: | --- | ---: |"]
    for operation in [*sorted(counts.keys() - {_ELSEWHERE}, key=lambda name: name.split(" ")[::-1]), _ELSEWHERE]:
        outcomes = counts[operation]
        seen = ", ".join(f"{outcome}: {outcomes[outcome]:,}" for outcome in sorted(outcomes))
        found = sum(number for outcome, number in outcomes.items() if outcome.startswith("5"))
        rows.append(f"| {operation} | {sum(outcomes.values()):,} | {seen} | {found} |")
    total = sum(sum(outcomes.values()) for outcomes in counts.values())
    return "\n".join([*rows, f"| all | {total:,} | | |"])
