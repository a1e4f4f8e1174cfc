"""The ledger's statements on PostgreSQL: a whole batch in one JSON parameter, a whole transaction in two round trips.

`json_to_recordset` unpacks the batch: to bind row by row in Python costs more than everything else on the way of a
notice. Statements go to the driver itself, in a pipeline (https://www.postgresql.org/docs/current/libpq-pipeline-mode.html).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from functools import cache
from typing import Any

import orjson
import psycopg
import sqlalchemy as sa
from psycopg.pq import PipelineStatus, TransactionStatus
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection

from dunning_service.database.bulk_sql import (
    CommitInDoubt,
    LockName,
    Row,
    Through,
    adding,
    as_sqlalchemy_raises,
    column_names,
    joined,
)

_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
"""Whatever the server's default: who has waited for a lock must see what was committed in the meantime."""

# Tried one after the other until one is ours. Locks with two keys of 32 bits are apart from the other ones, with one of
# 64.
_FREE_SHARD = (
    "SELECT coalesce((SELECT shard FROM generate_series(%(first)s::int, %(last)s::int) AS shard "  # noqa: S608
    f"WHERE pg_try_advisory_xact_lock({0x64756E6E}, shard) LIMIT 1), %(first)s::int)"
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


class PostgresBulk:
    """The bulk statements of one transaction on PostgreSQL, each with all its rows in one parameter.

    On a connection in autocommit (see `Database.write_batch`) BEGIN is sent with the first of them: in a pipeline the
    driver would wait for the reply to its own.
    """

    is_remote = True
    takes_locks = True

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        driver: Any = connection.connection.driver_connection
        self._driver = driver
        self._has_begun = not driver.autocommit or driver.info.transaction_status is not TransactionStatus.IDLE
        self._is_together = False
        self._waiting: list[tuple[psycopg.Cursor[Any], sa.Table | None, list[Any]]] = []

    @contextmanager
    def together(self, *, commits: bool = False) -> Iterator[None]:
        commit = self._driver.cursor()
        is_sent = False
        try:
            with as_sqlalchemy_raises(self._connection, psycopg.Error, self._is_usable), self._driver.pipeline():
                self._is_together = True
                try:
                    yield
                finally:
                    self._is_together = False
                if commits:
                    is_sent = True
                    commit.execute("COMMIT")
        except sa.exc.DBAPIError as error:
            if is_sent and commit.statusmessage == "COMMIT":
                return  # the server has said so, and only then ended the connection
            if is_sent and error.connection_invalidated:
                raise CommitInDoubt from error
            raise
        if commits:
            self._connection.commit()  # the server has; this ends SQLAlchemy's transaction
        waiting, self._waiting = self._waiting, []
        for cursor, table, into in waiting:
            into += _rows(cursor, table)

    def _is_usable(self) -> bool:
        """False for a connection that is lost, or was left in the middle of a pipeline: the driver does not say so of
        one whose server has announced that it ends it."""
        state = self._driver.pgconn
        return (
            not self._driver.closed
            and state.pipeline_status == PipelineStatus.OFF
            and state.transaction_status not in (TransactionStatus.ACTIVE, TransactionStatus.UNKNOWN)
        )

    def lock(self, locks: Set[LockName], merchants: Collection[int]) -> None:
        # in one order everywhere, so that two batches do not wait for each other
        keys = sorted({_lock_key(name) for name in locks})
        self._run(_LOCK, {"rows": orjson.dumps(keys).decode(), "merchants": orjson.dumps(sorted(merchants)).decode()})

    def hold_time_zone(self, merchant_id: int) -> None:
        self._run(f"SELECT pg_advisory_xact_lock({_ZONE_LOCKS}, %(id)s)", {"id": merchant_id})

    def free_shard(self, shards: range) -> Sequence[int]:
        return self._find(_FREE_SHARD, {"first": shards[0], "last": shards[-1]}, None)

    def select(
        self,
        table: sa.Table,
        by: Sequence[str],
        keys: Collection[tuple[Any, ...]],
        *,
        through: Through | None = None,
        holds: bool = False,
    ) -> Sequence[Row]:
        if not keys:
            return []
        statement = _select(table, tuple(by), through) + (" FOR UPDATE OF held" if holds else "")
        return self._find(statement, _parameter([dict(zip(by, key, strict=True)) for key in keys]), table)

    def insert(self, table: sa.Table, columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            self._run(_insert(table, columns), _parameter([dict(zip(columns, row, strict=True)) for row in rows]))

    def update(self, table: sa.Table, rows: Sequence[Row]) -> None:
        if rows:
            self._run(_update(table, tuple(rows[0])), _parameter(rows))

    def add(self, table: sa.Table, rows: Sequence[Row]) -> None:
        if rows:
            self._run(_add(table, tuple(rows[0])), _parameter(rows))

    def _run(self, statement: str, values: dict[str, Any]) -> None:
        self._begin()
        if self._is_together:
            self._driver.cursor().execute(statement, values)
        else:
            self._connection.exec_driver_sql(statement, values)

    def _find(self, statement: str, values: dict[str, Any], table: sa.Table | None) -> list[Any]:
        """What it finds: rows of `table`, or the values of its one column. Inside `together` it is there at the end of
        the block."""
        self._begin()
        if not self._is_together:
            return _rows(self._connection.exec_driver_sql(statement, values), table)
        found: list[Any] = []
        self._waiting.append((self._driver.cursor().execute(statement, values), table, found))
        return found

    def _begin(self) -> None:
        if self._has_begun:
            return
        self._has_begun = True
        if self._is_together:
            self._driver.cursor().execute(_BEGIN)
        else:
            self._connection.exec_driver_sql(_BEGIN)


def _rows(cursor: Iterable[Any], table: sa.Table | None) -> list[Any]:
    if table is None:
        return [value for (value,) in cursor]
    names = column_names(table)
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _parameter(rows: Sequence[Row]) -> dict[str, str]:
    return {"rows": orjson.dumps(rows, default=_hex).decode()}


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
def _select(table: sa.Table, by: tuple[str, ...], through: Through | None) -> str:
    keyed = table if through is None else through.table
    columns = ", ".join(f"held.{name}" for name in column_names(table))
    given = [_given(keyed, name) for name in by]
    joins = " ".join(f"JOIN {one} ON {on}" for one, on in joined(through, table, by, given))
    return f"SELECT {columns} FROM {_recordset(keyed, by)} {joins}"  # noqa: S608


@cache
def _insert(table: sa.Table, columns: tuple[str, ...]) -> str:
    values = ", ".join(_given(table, name) for name in columns)
    return f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {values} FROM {_recordset(table, columns)}"  # noqa: S608


@cache
def _update(table: sa.Table, columns: tuple[str, ...]) -> str:
    keys = [column.name for column in table.primary_key]
    changes = ", ".join(f"{name} = {_given(table, name)}" for name in columns if name not in keys)
    matches = " AND ".join(f"held.{name} = {_given(table, name)}" for name in keys)
    return f"UPDATE {table.name} AS held SET {changes} FROM {_recordset(table, columns)} WHERE {matches}"  # noqa: S608


@cache
def _add(table: sa.Table, columns: tuple[str, ...]) -> str:
    keys = ", ".join(key.name for key in table.primary_key)
    return f"{_insert(table, columns)} ORDER BY {keys} {adding(table)}"
