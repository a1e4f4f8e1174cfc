"""Many rows in one statement, in the way each database does it fastest.

PostgreSQL gets a whole batch as one JSON parameter and unpacks it with `json_to_recordset`: binding row by row in
Python costs more than everything else on the way of a notice. SQLite's own `executemany` is quick as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from datetime import date, datetime
from functools import cache
from itertools import chain
from operator import itemgetter, methodcaller
from typing import Any, Protocol

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection

from dunning_service.database.engines import UtcDateTime

Row = Mapping[str, Any]

LockName = tuple[str | int, ...]
"""What a lock is for, such as ("payment", merchant_id, provider, provider_payment_id); the row need not be there."""


class Bulk(Protocol):
    """The statements the ledger's writer needs, for many rows at a time. Each answers at once when there are none."""

    def lock(self, connection: Connection, locks: Set[LockName], merchants: Collection[int]) -> None:
        """Waits until no other transaction holds any of these locks, and holds them until the end of this one; the time
        zones of `merchants` are held together with other transactions."""
        ...

    def lacking(self, locks: Set[LockName], held: Set[LockName]) -> Set[LockName]:
        """Which of these locks a transaction would need beside those it holds; none where it is the only one anyway."""
        ...

    def hold_time_zone(self, connection: Connection, merchant_id: int) -> None:
        """Waits until no other transaction has locked anything for this merchant, and keeps others from it until the
        end of this one."""
        ...

    def free_shard(self, connection: Connection, shards: range) -> int:
        """A shard of the counts that nobody else adds to until the end of this transaction, as far as there are any."""
        ...

    def select(
        self,
        connection: Connection,
        table: sa.Table,
        by: Sequence[str],
        keys: Collection[tuple[Any, ...]],
        *,
        holds: bool = False,
    ) -> Sequence[Row]:
        """The rows whose columns `by` equal one of `keys`; with `holds`, nobody else changes them until the end of this
        transaction."""
        ...

    def insert(self, connection: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
        """Inserts rows that all have the same columns. Raises IntegrityError when one is there already."""
        ...

    def update(self, connection: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
        """Sets the columns of each row but its primary key, by its primary key."""
        ...

    def add(self, connection: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
        """Adds what is beside the primary key to what the row of that key holds, which begins at 0."""
        ...


@cache
def adding(table: sa.Table) -> str:
    """What makes an INSERT into a table of counts add to the rows that are there."""
    keys = ", ".join(key.name for key in table.primary_key)
    sums = ", ".join(
        f"{column.name} = {table.name}.{column.name} + excluded.{column.name}"
        for column in table.c
        if not column.primary_key
    )
    return f"ON CONFLICT ({keys}) DO UPDATE SET {sums}"


def bulk_for(connection: Connection) -> Bulk:
    """The bulk statements of the connection's database."""
    return _POSTGRES if connection.dialect.name == "postgresql" else _SQLITE


# Tried one after the other until one is ours. Locks with two keys of 32 bits are apart from the other ones, with one of
# 64.
_FREE_SHARD = (
    "SELECT shard FROM generate_series(%(first)s::int, %(last)s::int) AS shard "  # noqa: S608
    f"WHERE pg_try_advisory_xact_lock({0x64756E6E}, shard) LIMIT 1"
)


_ZONE_LOCKS = 0x7A6F6E65  # "zone": the second key is the merchant's id
_LOCK = (
    f"SELECT pg_advisory_xact_lock_shared({_ZONE_LOCKS}, merchant::int) "  # noqa: S608
    "FROM json_array_elements_text(%(merchants)s::json) AS merchant UNION ALL "
    "SELECT pg_advisory_xact_lock(key::bigint) FROM json_array_elements_text(%(rows)s::json) AS key"
)


def _lock_key(name: LockName) -> int:
    """A 64-bit number for a lock. Two locks that share one are taken together, which is slower but not wrong."""
    text = "\x00".join(map(str, name)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big", signed=True)


class _Postgres:
    """One statement, one parameter."""

    def lock(self, connection: Connection, locks: Set[LockName], merchants: Collection[int]) -> None:
        # in one order everywhere, so that two batches do not wait for each other
        keys = sorted({_lock_key(name) for name in locks})
        connection.exec_driver_sql(
            _LOCK, {"rows": orjson.dumps(keys).decode(), "merchants": orjson.dumps(sorted(merchants)).decode()}
        )

    def lacking(self, locks: Set[LockName], held: Set[LockName]) -> Set[LockName]:
        return locks - held

    def hold_time_zone(self, connection: Connection, merchant_id: int) -> None:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ZONE_LOCKS}, %(id)s)", {"id": merchant_id})

    def free_shard(self, connection: Connection, shards: range) -> int:
        bounds = {"first": shards[0], "last": shards[-1]}
        found: int | None = connection.exec_driver_sql(_FREE_SHARD, bounds).scalar()
        return shards[0] if found is None else found

    def select(
        self,
        connection: Connection,
        table: sa.Table,
        by: Sequence[str],
        keys: Collection[tuple[Any, ...]],
        *,
        holds: bool = False,
    ) -> Sequence[Row]:
        if not keys:
            return []
        rows = [dict(zip(by, key, strict=True)) for key in keys]
        statement = _postgres_select(table, tuple(by)) + (" FOR UPDATE OF held" if holds else "")
        names = _names(table)
        return [dict(zip(names, row, strict=True)) for row in self._run(connection, statement, rows)]

    def insert(self, connection: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
        if rows:
            self._run(connection, _postgres_insert(table, tuple(rows[0])), rows)

    def update(self, connection: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
        if rows:
            self._run(connection, _postgres_update(table, tuple(rows[0])), rows)

    def add(self, connection: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
        if rows:
            self._run(connection, _postgres_add(table, tuple(rows[0])), rows)

    def _run(self, connection: Connection, statement: str, rows: Sequence[Row]) -> sa.CursorResult[Any]:
        return connection.exec_driver_sql(statement, {"rows": orjson.dumps(rows, default=_hex).decode()})


def _hex(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} is not kept in the ledger")


def _recordset(table: sa.Table, columns: Sequence[str]) -> str:
    """`json_to_recordset(...) AS given(...)` with the columns' types; bytes travel as hex."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    types = (
        "text" if isinstance(table.c[name].type, sa.LargeBinary) else table.c[name].type.compile(dialect)
        for name in columns
    )
    listed = ", ".join(f"{name} {kind}" for name, kind in zip(columns, types, strict=True))
    return f"json_to_recordset(%(rows)s::json) AS given({listed})"


def _given(table: sa.Table, column: str) -> str:
    if isinstance(table.c[column].type, sa.LargeBinary):
        return f"decode(given.{column}, 'hex')"
    return f"given.{column}"


@cache
def _postgres_select(table: sa.Table, by: tuple[str, ...]) -> str:
    matches = " AND ".join(f"held.{name} = {_given(table, name)}" for name in by)
    columns = ", ".join(f"held.{name}" for name in _names(table))
    return f"SELECT {columns} FROM {_recordset(table, by)} JOIN {table.name} AS held ON {matches}"  # noqa: S608


@cache
def _postgres_insert(table: sa.Table, columns: tuple[str, ...]) -> str:
    values = ", ".join(_given(table, name) for name in columns)
    return f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {values} FROM {_recordset(table, columns)}"  # noqa: S608


@cache
def _postgres_update(table: sa.Table, columns: tuple[str, ...]) -> str:
    keys = [column.name for column in table.primary_key]
    changes = ", ".join(f"{name} = {_given(table, name)}" for name in columns if name not in keys)
    matches = " AND ".join(f"held.{name} = {_given(table, name)}" for name in keys)
    return f"UPDATE {table.name} AS held SET {changes} FROM {_recordset(table, columns)} WHERE {matches}"  # noqa: S608


@cache
def _postgres_add(table: sa.Table, columns: tuple[str, ...]) -> str:
    keys = ", ".join(key.name for key in table.primary_key)
    return f"{_postgres_insert(table, columns)} ORDER BY {keys} {adding(table)}"


class _Sqlite:
    """Statements of many rows, of a few fixed lengths, so that each is prepared once and then kept by the driver.

    `executemany` would let go of the interpreter's lock after every row, and wait for it again.
    """

    def lock(self, connection: Connection, locks: Set[LockName], merchants: Collection[int]) -> None:
        """The transaction began with the write lock: no other is running."""

    def lacking(self, locks: Set[LockName], held: Set[LockName]) -> Set[LockName]:
        return frozenset()

    def hold_time_zone(self, connection: Connection, merchant_id: int) -> None:
        """The transaction began with the write lock: no other is running."""

    def free_shard(self, connection: Connection, shards: range) -> int:
        return shards[0]

    def select(
        self,
        connection: Connection,
        table: sa.Table,
        by: Sequence[str],
        keys: Collection[tuple[Any, ...]],
        *,
        holds: bool = False,
    ) -> Sequence[Row]:
        found: list[Row] = []
        for some in _in_parts(list(keys)):
            statement = _sqlite_select(table, tuple(by), len(some))
            result = connection.exec_driver_sql(statement, tuple(chain.from_iterable(some)))
            found += [_as_read(table, row) for row in result]
        return found

    def insert(self, connection: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
        if rows:
            columns = tuple(rows[0])
            for some in _in_parts(_bound(table, columns, rows)):
                statement = _sqlite_insert(table, columns, len(some))
                connection.exec_driver_sql(statement, tuple(chain.from_iterable(some)))

    def update(self, connection: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
        if rows:
            keys = [column.name for column in table.primary_key]
            changed = [name for name in rows[0] if name not in keys]
            changes = ", ".join(f"{name} = ?" for name in changed)
            matches = " AND ".join(f"{name} = ?" for name in keys)
            statement = f"UPDATE {table.name} SET {changes} WHERE {matches}"  # noqa: S608
            connection.exec_driver_sql(statement, _bound(table, (*changed, *keys), rows))

    def add(self, connection: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
        if rows:
            columns = tuple(rows[0])
            statement = f"{_sqlite_insert(table, columns, 1)} {adding(table)}"
            connection.exec_driver_sql(statement, _bound(table, columns, rows))


_PARTS = (64, 16, 4, 1)
"""How many rows a statement of SQLite may have."""


def _in_parts(items: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    at = 0
    for size in _PARTS:
        while len(items) - at >= size:
            yield items[at : at + size]
            at += size


@cache
def _sqlite_insert(table: sa.Table, columns: tuple[str, ...], count: int) -> str:
    row = f"({', '.join('?' for _ in columns)})"
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES {', '.join([row] * count)}"  # noqa: S608


@cache
def _sqlite_select(table: sa.Table, by: tuple[str, ...], count: int) -> str:
    """CROSS JOIN keeps SQLite to this order: look each key up, rather than scan the table for all of them."""
    keys = ", ".join([f"({', '.join('?' for _ in by)})"] * count)
    matches = " AND ".join(f"held.{name} = given.{name}" for name in by)
    columns = ", ".join(f"held.{name}" for name in _names(table))
    return (
        f"WITH given ({', '.join(by)}) AS (VALUES {keys}) "  # noqa: S608
        f"SELECT {columns} FROM given CROSS JOIN {table.name} AS held ON {matches}"
    )


def _bound(table: sa.Table, columns: Sequence[str], rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Rows as SQLite keeps them: moments and days as ISO 8601 text, JSON as text."""
    written = _ways_in(table, tuple(columns))
    in_order = itemgetter(*columns)
    bound = []
    for row in rows:
        values = dict(row)
        for name, way in written:
            if values[name] is not None:
                values[name] = way(values[name])
        bound.append(in_order(values))
    return bound


@cache
def _ways_in(table: sa.Table, columns: tuple[str, ...]) -> tuple[tuple[str, Callable[[Any], str]], ...]:
    return tuple((name, way) for name in columns if (way := _way_in(table.c[name].type)) is not None)


def _way_in(kind: sa.types.TypeEngine[Any]) -> Callable[[Any], str] | None:
    if isinstance(kind, (UtcDateTime, sa.Date)):
        return methodcaller("isoformat")
    if isinstance(kind, sa.JSON):
        return _json_text
    return None


def _json_text(value: Any) -> str:
    return orjson.dumps(value).decode()


def _as_read(table: sa.Table, row: Iterable[Any]) -> Row:
    """A row of SQLite, which has all columns of the table, with its texts read back."""
    values = dict(zip(_names(table), row, strict=True))
    for name, way in _ways_out(table):
        if values[name] is not None:
            values[name] = way(values[name])
    return values


@cache
def _names(table: sa.Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.c)


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


_POSTGRES = _Postgres()
_SQLITE = _Sqlite()
