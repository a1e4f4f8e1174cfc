"""What an exercise found out: the figures, and every promise that did not hold."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from drill.load import Load
from drill.places import Operator
from e2e.senders import Account, payments_of

_SHOWN = 5


@dataclass
class Result:
    """One exercise on one database."""

    exercise: str
    database: str
    what_took: str = ""
    """What `seconds` is the time of."""
    meanwhile: int = 0
    """Notices that were acknowledged while the operator was at work."""
    refused: int = 0
    sent_again: int = 0
    """Notices that found nobody to answer, and went again."""
    seconds: float = 0.0
    check: str = "not run"
    notes: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """One sentence for each promise that did not hold."""

    @contextmanager
    def timed(self, load: Load, what: str) -> Iterator[None]:
        """What the operator does, which the seconds and the notices meanwhile are of."""
        self.what_took = what
        acknowledged, began = len(load.book.acknowledged), time.monotonic()
        yield
        self.seconds = time.monotonic() - began
        self.meanwhile = len(load.book.acknowledged) - acknowledged

    def promise(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.broken.append(otherwise)

    def nothing_refused(self, load: Load) -> None:
        self.refused += sum(load.book.refused.values())
        self.sent_again += len(load.book.sent_again)
        self.promise(not self.refused, f"{self.refused} notices were refused: {dict(load.book.refused)}")
        self.promise(self.meanwhile > 0, "no notice came in meanwhile, so it was no drill")

    def each_once(self, url: str, account: Account, expected: Iterable[str]) -> None:
        """The ledger has exactly these payments, each once."""
        found, wanted = payments_of(url, account), set(expected)
        self.promise(len(found) == len(set(found)), f"{len(found) - len(set(found))} payments are there twice")
        self._nothing("are lost", wanted - set(found))
        self._nothing("were never sent", set(found) - wanted)

    def holds_all(self, url: str, account: Account, expected: Iterable[str], known: Iterable[str]) -> None:
        """The ledger has at least `expected`, and nothing that is not among `known`."""
        found = payments_of(url, account)
        self.promise(len(found) == len(set(found)), f"{len(found) - len(set(found))} payments are there twice")
        self._nothing("are lost", set(expected) - set(found))
        self._nothing("were never sent", set(found) - set(known))

    def _nothing(self, what: str, payments: set[str]) -> None:
        some = ", ".join(sorted(payments)[:_SHOWN])
        self.promise(not payments, f"{len(payments)} payments {what}, such as {some}")

    async def checked(self, url: str) -> None:
        """`dunning ledger check`, as an operator runs it."""
        found = (await Operator(url)("ledger", "check", "--json", fails=None)).json["differences"]
        self.check = f"{len(found)} differences" if found else "adds up"
        self.broken += [f"ledger check: {one['difference']}" for one in found[:_SHOWN]]


def table(results: Iterable[Result]) -> str:
    """The results in Markdown."""
    heading = (
        "Exercise",
        "Database",
        "Notices meanwhile",
        "Refused",
        "Sent again",
        "Seconds",
        "`ledger check`",
        "What was timed, and what else was seen",
    )
    lines = [f"| {' | '.join(heading)} |", f"|{' --- |' * len(heading)}"]
    for one in results:
        cells = (
            one.exercise,
            one.database,
            f"{one.meanwhile:,}",
            str(one.refused),
            str(one.sent_again),
            f"{one.seconds:.1f}",
            one.check,
            "; ".join([*(["FAIL"] if one.broken else []), one.what_took or "not finished", *one.notes]),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
