"""The transaction of a batch, tried again with more locks or after a conflict, and halved when one work is at fault."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import datetime

import structlog
from sqlalchemy.exc import DBAPIError

from dunning_service.database.bulk_sql import CommitInDoubt, LockName
from dunning_service.database.engines import Database, is_outage
from dunning_service.database.outages import is_about_values, is_own_fault, may_succeed_again, why
from dunning_service.errors import DunningError, Unavailable, Unconfirmed, UnreadableNotice
from dunning_service.ledger.batch import Batch, Result
from dunning_service.ledger.numbers import PaymentNumbers
from dunning_service.ledger.reading import MoreNeeded
from dunning_service.ledger.work import Command, Notice, Work

log = structlog.get_logger("dunning_service.ledger")

_TRIES = 5
_LATER_S = 10
_NO_CONFIRMATION = "the database gives no confirmation of a commit; send it again"


class _OutOfReach(Exception):
    """The database is out of reach; perhaps only since it has committed."""

    def __init__(self, message: str, may_be_committed: bool) -> None:
        super().__init__(message)
        self.message = message
        self.may_be_committed = may_be_committed


def unconfirmed(work: Work, message: str) -> Unavailable:
    """The error for work whose commit is in doubt. `message` asks for it again, and is left out where it
    might then be done twice."""
    is_done_each_time = isinstance(work, Command) and work.idempotency_key is None and not work.is_idempotent
    return Unconfirmed() if is_done_each_time else Unavailable(message)


class Committer:
    """Commits batches, one at a time. Blocks, and must be used by one thread only."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._numbers = PaymentNumbers(database)

    def commit(self, works: Sequence[Work], now: datetime) -> list[Result]:
        """A result for each work once all of them are committed; what cannot be recorded is an error among the results.

        When the database is out of reach nothing is known to be recorded, and every result is Unavailable.
        """
        try:
            return self._commit(works, now)
        except _OutOfReach as reason:
            return [
                unconfirmed(work, reason.message) if reason.may_be_committed else Unavailable(reason.message)
                for work in works
            ]
        except Exception as error:
            return self._one_by_one(works, now, error)

    def _one_by_one(self, works: Sequence[Work], now: datetime, error: Exception) -> list[Result]:
        """Halves the batch until only what is at fault fails."""
        if len(works) == 1:
            return [_refusal(works[0], error)]
        middle = len(works) // 2
        return self.commit(works[:middle], now) + self.commit(works[middle:], now)

    def _commit(self, works: Sequence[Work], now: datetime) -> list[Result]:
        tries = 0
        also_lock: Set[LockName] = frozenset()
        while True:
            try:
                self._numbers.reserve(len(also_lock) + sum(_payments_at_most(work) for work in works))
                with self._database.write_batch() as connection:
                    batch = Batch(connection, works, self._numbers, now=now, also_lock=also_lock)
                    results = batch.run()
                    batch.commit()
                return results
            except MoreNeeded as needed:
                also_lock |= needed.locks
            except CommitInDoubt as doubt:
                log.warning("batch.in_doubt", works=len(works), **why(doubt.__cause__))
                raise _OutOfReach(_NO_CONFIRMATION, may_be_committed=True) from doubt
            except DBAPIError as error:
                tries += 1
                # one whose connection was lost earlier has committed nothing, and the next connection may be a good one
                was_lost = tries == 1 and error.connection_invalidated
                if was_lost or (tries < _TRIES and may_succeed_again(error)):
                    log.info("batch.retried", works=len(works), **why(error))
                elif is_outage(error) and not is_about_values(error):
                    log.warning("batch.refused", works=len(works), **why(error))
                    raise _OutOfReach(_NO_CONFIRMATION, may_be_committed=False) from error
                else:
                    raise


def _payments_at_most(work: Work) -> int:
    if isinstance(work, Notice):
        return len(work.events)
    return len(work.provider_payment_ids) if isinstance(work, Command) else 0


def _refusal(work: Work, error: Exception) -> DunningError:
    """The error for the one work of a batch that the database refuses."""
    if isinstance(error, DunningError):
        return error
    log.error("work.refused", kind=type(work).__name__, error=type(error).__name__, exc_info=error)
    if is_about_values(error):
        return UnreadableNotice("the notice holds a value that the database cannot keep")
    if is_own_fault(error):
        return Unavailable("the database failed to record it; send it again", _LATER_S)
    return DunningError("the notice could not be recorded; nothing was lost or changed")
