"""The numbers of payments: taken in blocks, so that handing one out costs no round trip and waits for no lock.

The first one, set by the migration, has nine digits.
"""

from __future__ import annotations

import sqlalchemy as sa

from dunning_service.database.engines import Database
from dunning_service.ledger.models import NumberBlockRow

_BLOCK = 1_000


class PaymentNumbers:
    """Hands out numbers that no other process has. A block that is not used up leaves a gap, which is harmless."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next = 0
        self._end = 0

    def reserve(self, count: int) -> None:
        """Makes sure that `count` calls of `take` will succeed. A transaction of its own, when one is needed."""
        if self._end - self._next >= count:
            return
        size = max(count, _BLOCK)
        with self._database.write() as connection:
            end = connection.execute(
                sa.update(NumberBlockRow)
                .where(NumberBlockRow.name == "payments")
                .values(next_number=NumberBlockRow.next_number + size)
                .returning(NumberBlockRow.next_number)
            ).scalar_one()
        self._next, self._end = end - size, end

    def take(self) -> int:
        """The next number; `reserve` must have been called for it."""
        assert self._next < self._end, "reserve() first"
        self._next += 1
        return self._next - 1
