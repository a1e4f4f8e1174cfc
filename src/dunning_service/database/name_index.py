"""Part of a customer's name, found by trigrams instead of reading every name.

On SQLite triggers keep an FTS5 table beside the payments. On PostgreSQL the planner uses an index of pg_trgm, where
there is one.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_service.database.engines import Database

NAMES = "payment_names"
"""The table of SQLite; those that FTS5 keeps for it begin with its name."""

_LEAST = 3
_MOST = 2_000
"""With more than so many, walking over the payments in their order is no slower."""

_PAGES = 200
"""Of so many the table of names is put together again at a time, which takes a few hundredths of a second."""

_NAMES = sa.table(NAMES, sa.column("rowid"), sa.column("name"))
_HAS_NAMES = sa.text("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = :name").bindparams(name=NAMES)
_MERGE = sa.text(f"INSERT INTO {NAMES} ({NAMES}, rank) VALUES ('merge', :pages)")  # noqa: S608  (a constant)
_CHANGES = sa.text("SELECT total_changes()")


async def are_few(connection: AsyncConnection, part: str) -> bool:
    """True when the table of names finds this part of a folded name, and few payments by it."""
    if connection.dialect.name != "sqlite" or len(part) < _LEAST:
        return False
    if not (await connection.execute(_HAS_NAMES)).scalar_one():
        return False
    some = sa.select(_NAMES.c.rowid).where(_finds(part)).limit(_MOST + 1).subquery()
    return bool((await connection.execute(sa.select(sa.func.count()).select_from(some))).scalar_one() <= _MOST)


def has_name_like(payment_id: ColumnElement[int], part: str) -> ColumnElement[bool]:
    """True of a payment that the table of names finds by this part; some may have it in other letters."""
    return payment_id.in_(sa.select(_NAMES.c.rowid).where(_finds(part)))


def _finds(part: str) -> ColumnElement[Any]:
    phrase = '"' + part.replace('"', '""') + '"'
    return sa.literal_column(NAMES).op("MATCH")(phrase)


def forget_deleted_names(database: Database) -> None:
    """Takes out of SQLite's table of names what it keeps of deleted ones: it marks them, and drops their trigrams only
    when all of it has been put together again. That is done in steps, between which others write."""
    pages = -_PAGES  # below zero: all of it, from now on
    while database.is_sqlite:
        with database.write() as connection:
            if not connection.execute(_HAS_NAMES).scalar_one():
                return
            before = connection.execute(_CHANGES).scalar_one()
            connection.execute(_MERGE, {"pages": pages})
            if connection.execute(_CHANGES).scalar_one() - before < 2:  # so FTS5 says that nothing was left to do
                return
        pages = _PAGES
