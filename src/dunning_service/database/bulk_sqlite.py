"""The ledger's statements on SQLite: of many rows, of a few fixed lengths, so that the driver keeps each prepared."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from datetime import date, datetime
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.database.bulk_sql import LockName, Row, Through, adding, as_sqlalchemy_raises, column_names, joined
from dunning_service.database.engines import UtcDateTime


class SqliteBulk:
    """The bulk statements of one transaction on SQLite, inserts and selects with many rows each.

    `executemany` would let go of the interpreter's lock after every row, and wait for it again.
    """

    is_remote = False
    takes_locks = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        if not connection.in_transaction():
            connection.begin()
        driver = connection.connection.dbapi_connection
        self._cursor = driver.cursor() if isinstance(driver, sqlite3.Connection) else None
        """The driver's own; None where another thread runs the statements. SQLAlchemy takes as long for each as SQLite
        does for a row."""

    @contextmanager
    def together(self, *, commits: bool = False) -> Iterator[None]:
        yield
        if commits:
            self._connection.commit()

    def lock(self, locks: Set[LockName], merchants: Collection[int]) -> None:
        """The transaction began with the write lock: no other is running."""

    def hold_time_zone(self, merchant_id: int) -> None:
        """The transaction began with the write lock: no other is running."""

    def free_shard(self, shards: range) -> Sequence[int]:
        return shards[:1]

    def select(
        self,
        table: sa.Table,
        by: Sequence[str],
        keys: Collection[tuple[Any, ...]],
        *,
        through: Through | None = None,
        holds: bool = False,
    ) -> Sequence[Row]:
        found: list[Row] = []
        for some in _in_parts(list(keys)):
            statement = _select(table, tuple(by), len(some), through)
            result = self._run(statement, tuple(chain.from_iterable(some)))
            found += [_as_read(table, row) for row in result]
        return found

    def insert(self, table: sa.Table, columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> None:
        for some in _in_parts(_bound(table, columns, rows)):
            self._run(_insert(table, columns, len(some)), tuple(chain.from_iterable(some)))

    def update(self, table: sa.Table, rows: Sequence[Row]) -> None:
        if rows:
            keys = [column.name for column in table.primary_key]
            changed = [name for name in rows[0] if name not in keys]
            changes = ", ".join(f"{name} = ?" for name in changed)
            matches = " AND ".join(f"{name} = ?" for name in keys)
            statement = f"UPDATE {table.name} SET {changes} WHERE {matches}"  # noqa: S608
            self._run_each(statement, _in_order(table, (*changed, *keys), rows))

    def add(self, table: sa.Table, rows: Sequence[Row]) -> None:
        if rows:
            columns = tuple(rows[0])
            self._run_each(f"{_insert(table, columns, 1)} {adding(table)}", _in_order(table, columns, rows))

    def _run(self, statement: str, values: tuple[Any, ...]) -> Iterable[Any]:
        if self._cursor is None:
            return self._connection.exec_driver_sql(statement, values)
        with as_sqlalchemy_raises(self._connection, sqlite3.Error):
            return self._cursor.execute(statement, values).fetchall()

    def _run_each(self, statement: str, rows: list[list[Any]]) -> None:
        if self._cursor is None:
            self._connection.exec_driver_sql(statement, rows)
            return
        with as_sqlalchemy_raises(self._connection, sqlite3.Error):
            self._cursor.executemany(statement, rows)


_PARTS = (64, 16, 4, 1)
"""How many rows a statement of SQLite may have."""


def _in_parts(items: Sequence[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
    at = 0
    for size in _PARTS:
        while len(items) - at >= size:
            yield items[at : at + size]
            at += size


@cache
def _insert(table: sa.Table, columns: tuple[str, ...], count: int) -> str:
    row = f"({', '.join('?' for _ in columns)})"
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES {', '.join([row] * count)}"  # noqa: S608


@cache
def _select(table: sa.Table, by: tuple[str, ...], count: int, through: Through | None) -> str:
    """CROSS JOIN keeps SQLite to this order: look each key up, rather than scan the table for all of them."""
    keys = ", ".join([f"({', '.join('?' for _ in by)})"] * count)
    columns = ", ".join(f"held.{name}" for name in column_names(table))
    joins = " ".join(f"CROSS JOIN {one} ON {on}" for one, on in joined(through, table, by, [f"given.{n}" for n in by]))
    return f"WITH given ({', '.join(by)}) AS (VALUES {keys}) SELECT {columns} FROM given {joins}"  # noqa: S608


def _in_order(table: sa.Table, columns: tuple[str, ...], rows: Sequence[Row]) -> list[list[Any]]:
    return _bound(table, columns, map(itemgetter(*columns), rows))


def _bound(table: sa.Table, columns: tuple[str, ...], rows: Iterable[Iterable[Any]]) -> list[list[Any]]:
    """Rows as SQLite keeps them: moments and days as ISO 8601 text, JSON as text."""
    written = _ways_in(table, columns)
    bound = []
    for row in rows:
        values = list(row)
        for place, way in written:
            value = values[place]
            if value is not None:
                values[place] = way(value)
        bound.append(values)
    return bound


@cache
def _ways_in(table: sa.Table, columns: tuple[str, ...]) -> tuple[tuple[int, Callable[[Any], str]], ...]:
    ways = enumerate(_way_in(table.c[name].type) for name in columns)
    return tuple((place, way) for place, way in ways if way is not None)


def _way_in(kind: sa.types.TypeEngine[Any]) -> Callable[[Any], str] | None:
    if isinstance(kind, UtcDateTime):
        return datetime.isoformat
    if isinstance(kind, sa.Date):
        return date.isoformat
    if isinstance(kind, sa.JSON):
        return _json_text
    return None


def _json_text(value: Any) -> str:
    return orjson.dumps(value).decode()


def _as_read(table: sa.Table, row: Iterable[Any]) -> Row:
    """A row of SQLite, which has all columns of the table, with its texts read back."""
    values = dict(zip(column_names(table), row, strict=True))
    for name, way in _ways_out(table):
        if values[name] is not None:
            values[name] = way(values[name])
    return values


@cache
def _ways_out(table: sa.Table) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    return tuple((column.name, way) for column in table.c if (way := _way_out(column.type)) is not None)


def _way_out(kind: sa.types.TypeEngine[Any]) -> Callable[[Any], Any] | None:
    if isinstance(kind, UtcDateTime):
        return datetime.fromisoformat
    if isinstance(kind, sa.Date):
        return date.fromisoformat
    if isinstance(kind, sa.JSON):
        return orjson.loads
    if isinstance(kind, sa.Boolean):
        return bool
    return None
