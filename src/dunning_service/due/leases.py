"""Leases on due rows: each is held by one worker until its `wake_at`, and by another one if that worker died."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

ItemT = TypeVar("ItemT")

Row = Mapping[str, Any]


class DueWork(Protocol[ItemT]):
    """One kind of due work: the rows of one table, and what is done with each when its `wake_at` has come.

    The table has the columns `merchant_id` and `wake_at` (None: nothing is due), and `merchant_id` leads its primary
    key. An index on `wake_at` keeps the search for due rows short.
    """

    @property
    def table(self) -> sa.Table: ...

    def leased(self, connection: Connection, rows: Sequence[Row], now: datetime, until: datetime) -> Sequence[ItemT]:
        """Writes `wake_at = until` into these rows, and whatever else a lease changes; answers the work to be done.

        A row without an item is put off by the implementation. Runs in the transaction that locked the rows.
        """
        ...

    def merchant_of(self, item: ItemT) -> int:
        """The merchant whose share of the worker the item takes."""
        ...

    async def run(self, item: ItemT) -> None:
        """Does the work, outside any transaction, and sets `wake_at` in the transaction that records the result.

        What it raises leaves the row as it is: when the lease expires, the row is due again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Share:
    """The limit of items of one merchant under way at once, so that one that hangs leaves room for the others."""

    most: int
    under_way: Mapping[int, int] = field(default_factory=dict)
    """The items under way, by the merchant's id."""


def lease_due(
    connection: Connection,
    work: DueWork[ItemT],
    now: datetime,
    *,
    limit: int,
    lease: timedelta,
    share: Share | None = None,
) -> list[ItemT]:
    """Leases up to `limit` rows that are due at `now`, the longest waiting first; of each merchant no more than its
    `share` has room for.

    The transaction of `connection` has to be committed before any work is done. Two callers at the same time get
    different rows. A row whose earlier lease has expired is due again.
    """
    share = share or Share(limit)
    under_way = Counter(share.under_way)
    leased: list[ItemT] = []
    while len(leased) < limit:
        full = [merchant_id for merchant_id, count in under_way.items() if count >= share.most]
        rows = _due(connection, work.table, now, limit - len(leased), full)
        if not rows:
            break
        within = []
        for row in rows:
            if under_way[row["merchant_id"]] < share.most:
                under_way[row["merchant_id"]] += 1
                within.append(row)
        leased += work.leased(connection, within, now, now + lease)
        if len(within) == len(rows):
            break
    return leased


def _due(connection: Connection, table: sa.Table, now: datetime, limit: int, full: Sequence[int]) -> list[Row]:
    """Due rows that no other transaction is leasing, without those of merchants that have their share."""
    due = sa.select(table).where(table.c.wake_at <= now).order_by(table.c.wake_at).limit(limit)
    due = due.with_for_update(skip_locked=True)
    if full:
        due = due.where(table.c.merchant_id.not_in(full))
    return [dict(row) for row in connection.execute(due).mappings()]


@dataclass(frozen=True, slots=True)
class Backlog:
    """The rows of one table that are due and have not been run."""

    items: int
    oldest: datetime | None


def backlog(connection: Connection, table: sa.Table, now: datetime) -> Backlog:
    """The backlog of one table at `now`."""
    due = sa.select(sa.func.count(), sa.func.min(table.c.wake_at)).where(table.c.wake_at <= now)
    count, oldest = connection.execute(due).one()
    return Backlog(count, oldest)
