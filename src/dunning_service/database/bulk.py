"""Many rows in one statement, and many statements in one round trip, in the way each database does it fastest."""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set
from contextlib import AbstractContextManager
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.database.bulk_postgres import PostgresBulk
from dunning_service.database.bulk_sql import LockName, Row, Through
from dunning_service.database.bulk_sqlite import SqliteBulk


class Bulk(Protocol):
    """The statements of one transaction of the ledger's writer, for many rows at a time. Each does nothing when there
    are none."""

    is_remote: bool
    """False where a statement costs no round trip."""
    takes_locks: bool
    """False where only one transaction writes at a time, so that it needs no locks."""

    def together(self, *, commits: bool = False) -> AbstractContextManager[None]:
        """Sends the statements of the block in one round trip, and what they find is there when it ends. With `commits`
        the transaction's commit is the last of them; raises CommitInDoubt when it is not known whether that was done.

        Where a statement costs no round trip each is sent at once.
        """
        ...

    def lock(self, locks: Set[LockName], merchants: Collection[int]) -> None:
        """Waits until no other transaction holds any of these locks, and holds them until the end of this one; the time
        zones of `merchants` are held together with other transactions."""
        ...

    def hold_time_zone(self, merchant_id: int) -> None:
        """Waits until no other transaction has locked anything for this merchant, and keeps others from it until the
        end of this one."""
        ...

    def free_shard(self, shards: range) -> Sequence[int]:
        """One element: a shard of the counts that no other transaction adds to until the end of this one, as far as
        there are any."""
        ...

    def select(
        self,
        table: sa.Table,
        by: Sequence[str],
        keys: Collection[tuple[Any, ...]],
        *,
        through: Through | None = None,
        holds: bool = False,
    ) -> Sequence[Row]:
        """The rows whose columns `by` equal one of `keys`, or that belong to such rows of `through`; with `holds`, no
        other transaction changes them until the end of this one."""
        ...

    def insert(self, table: sa.Table, columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> None:
        """Inserts rows, each with its values in the order of `columns`. Raises IntegrityError when one is there
        already."""
        ...

    def update(self, table: sa.Table, rows: Sequence[Row]) -> None:
        """Sets the columns of each row but its primary key, by its primary key."""
        ...

    def add(self, table: sa.Table, rows: Sequence[Row]) -> None:
        """Adds what is beside the primary key to what the row of that key holds, which begins at 0."""
        ...


def bulk_for(connection: Connection) -> Bulk:
    """The statements of the transaction that `connection` is in."""
    return PostgresBulk(connection) if connection.dialect.name == "postgresql" else SqliteBulk(connection)
