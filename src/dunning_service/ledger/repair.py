"""The repair of the ledger: derived columns and counts are computed from the facts again, while notices come in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dunning_service.database.engines import Database
from dunning_service.database.long_work import lift_limits
from dunning_service.errors import DunningError
from dunning_service.ledger.check import payments_after
from dunning_service.ledger.commit import Committer
from dunning_service.ledger.counting import chunks_of, counted_days, miscounted_days, recount
from dunning_service.ledger.work import Refold, RefoldDone
from dunning_service.values.chunks import in_chunks
from dunning_service.values.clock import Clock
from dunning_service.values.progress import Progress

_WRITTEN_AT_ONCE = 100
"""In one transaction, for which notices wait."""
FOLDED = "payments folded again"
"""The first step of a repair; how much there is to do in it the caller knows."""
_PASSES = (FOLDED, *["payments folded once more"] * 4)


@dataclass
class Repaired:
    """How much a repair has written so far."""

    payments: int = 0
    days: int = 0
    """Whose counts were wrong."""


def repair(
    database: Database,
    merchant_id: int,
    time_zone: str,
    clock: Clock,
    repaired: Repaired,
    progress: Progress,
) -> None:
    """Writes what a merchant's facts derive wherever the ledger has something else; changes no fact.

    Each chunk is a transaction of its own, so an interrupted repair keeps what it has done and is finished by another.
    Raises Unavailable when the database does not take it.
    """
    _repair_payments(database, merchant_id, time_zone, clock, repaired, progress)
    _repair_counts(database, merchant_id, repaired, progress)


def _repair_payments(
    database: Database,
    merchant_id: int,
    time_zone: str,
    clock: Clock,
    repaired: Repaired,
    progress: Progress,
) -> None:
    """Writes each payment of which a derived column is wrong, and moves the counts with it.

    Which of a payer's failures a receipt pays depends on what the others' rows say, so passes are made until one finds
    nothing: the first puts payers and statuses right, the second the receipts.
    """
    committer = Committer(database)
    for step in _PASSES:
        before, last = repaired.payments, 0
        while True:
            progress.begin(step)
            with database.read_blocking() as connection:
                page = payments_after(connection, merchant_id, time_zone, last)
            if not page:
                break
            last = page[-1][1].id
            wrong = [payment.id for row, payment in page if payment.differing(row)]
            progress.advance(len(page))
            if wrong:
                progress.begin("payments written")
            for changed in refold(committer, merchant_id, time_zone, wrong, clock):
                repaired.payments += changed
                progress.advance(changed)
        if repaired.payments == before:
            return


def _repair_counts(database: Database, merchant_id: int, repaired: Repaired, progress: Progress) -> None:
    """Counts the payments of each day again, and puts the counts of all kinds right."""
    progress.begin("days counted again")
    with database.read_blocking() as connection:
        lift_limits(connection, may_scan=True)
        days = counted_days(connection, merchant_id)
    for chunk in chunks_of(days):
        with database.read_blocking() as connection:
            wrong = miscounted_days(connection, merchant_id, chunk)
        if wrong:
            with database.write() as connection:
                recount(connection, merchant_id, wrong)
            repaired.days += len(wrong)
        progress.advance(len(chunk))


def refold(
    committer: Committer, merchant_id: int, time_zone: str, payment_ids: Sequence[int], clock: Clock
) -> Iterator[int]:
    """Folds these payments again in chunks; yields after each commit how many of them had other values.

    Raises Unavailable when the database does not take it.
    """
    for chunk in in_chunks(payment_ids, _WRITTEN_AT_ONCE):
        work = Refold(merchant_id=merchant_id, time_zone=time_zone, payment_ids=chunk)
        (done,) = committer.commit([work], clock())
        if isinstance(done, DunningError):
            raise done
        assert isinstance(done, RefoldDone)
        yield done.changed
