"""A database full of payments in little time: COPY on PostgreSQL, bulk inserts on SQLite, indexes made afterwards."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from bench.listing_rows import (
    COLUMNS,
    FOR_COPY,
    FOR_PARAMETERS,
    MERCHANT,
    Rows,
    chunks,
    insert_counts,
    insert_directory,
)
from dunning_service.database.engines import Base, create_write_engine, database_url, is_sqlite
from dunning_service.merchants.service import add_merchant, add_token
from dunning_service.merchants.tokens import Scope
from dunning_service.values.clock import utc_now

_SETTINGS = (
    "synchronous_commit = off",
    "maintenance_work_mem = '1GB'",
    "work_mem = '256MB'",
)
_LOADED = tuple(model.__tablename__ for model in COLUMNS)


def load(url: str, rows: int, say: Callable[[str], None]) -> str:
    """Fills a migrated, empty database; answers a token of its large merchant."""
    parsed = database_url(url)
    # not the service's own engine: that one has time limits
    engine = create_write_engine(parsed) if is_sqlite(parsed) else sa.create_engine(parsed, poolclass=sa.NullPool)
    try:
        with engine.begin() as connection:
            token = _add_merchant(connection)
            insert_directory(connection, rows)
        began = time.perf_counter()
        if is_sqlite(parsed):
            _load_sqlite(engine, rows)
        else:
            _load_postgres(engine, rows)
        say(f"  {rows:,} payments loaded in {time.perf_counter() - began:,.0f} s")
    finally:
        engine.dispose()
    return token


def _add_merchant(connection: sa.Connection) -> str:
    now = utc_now()
    merchant = add_merchant(connection, name="Benchmark", default_currency="NOK", time_zone="UTC", now=now)
    assert merchant.id == MERCHANT
    scopes = frozenset({Scope.INGEST, Scope.READ})
    return add_token(connection, merchant=merchant, name="benchmark", scopes=scopes, expires_at=None, now=now).token


def _load_sqlite(engine: sa.Engine, rows: int) -> None:
    indexes = _indexes(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = :of"
    )
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA temp_store=FILE")
        connection.exec_driver_sql("PRAGMA cache_size=-262144")
        definitions = indexes(connection)
        for chunk in chunks(rows, FOR_PARAMETERS):
            for model, found in chunk.items():
                if found:
                    places = ", ".join("?" * len(COLUMNS[model]))
                    connection.exec_driver_sql(f"INSERT INTO {_into(model)} VALUES ({places})", found)
        _make(connection, definitions)
        insert_counts(connection)
        connection.commit()


def _load_postgres(engine: sa.Engine, rows: int) -> None:
    indexes = _indexes(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = :of AND indexname NOT LIKE 'pk\\_%' "
        "AND indexname NOT LIKE 'uq\\_%'"
    )
    with engine.connect() as connection:
        _allow_large_writes(connection)
        for setting in _SETTINGS:
            connection.exec_driver_sql(f"SET {setting}")
        definitions = indexes(connection)
        cursor = connection.connection.cursor()
        for chunk in chunks(rows, FOR_COPY):
            _copy(cursor, chunk)
        _make(connection, definitions)
        insert_counts(connection)
        connection.commit()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # what autovacuum does by itself, in its own time
        connection.exec_driver_sql("SET maintenance_work_mem = '1GB'")
        connection.exec_driver_sql("VACUUM (ANALYZE)")
        connection.exec_driver_sql("CHECKPOINT")


def _allow_large_writes(connection: sa.Connection) -> None:
    """Fewer checkpoints while loading, on a server of our own; another's is left as it is."""
    if "DUNNING_TEST_DATABASE_URL" not in os.environ:
        raw: Any = connection.connection.driver_connection
        connection.rollback()
        raw.autocommit = True
        for setting in ("max_wal_size = '16GB'", "checkpoint_timeout = '30min'"):
            raw.execute(f"ALTER SYSTEM SET {setting}")
        raw.execute("SELECT pg_reload_conf()")
        raw.autocommit = False


def _copy(cursor: Any, chunk: Rows) -> None:
    for model, found in chunk.items():
        line = "\t".join(["%s"] * len(COLUMNS[model])) + "\n"
        with cursor.copy(f"COPY {_into(model)} FROM STDIN") as copy:
            for at in range(0, len(found), 1_000):
                copy.write("".join([line % row for row in found[at : at + 1_000]]))


def _into(model: type[Base]) -> str:
    return f"{model.__tablename__} ({', '.join(COLUMNS[model])})"


def _indexes(listing: str) -> Callable[[sa.Connection], Sequence[str]]:
    """Drops what can be made again in one go, and answers how."""

    def drop(connection: sa.Connection) -> Sequence[str]:
        found = [row for table in _LOADED for row in connection.execute(sa.text(listing), {"of": table})]
        for name, _ in found:
            connection.exec_driver_sql(f"DROP INDEX {name}")
        return [definition for _, definition in found]

    return drop


def _make(connection: sa.Connection, definitions: Sequence[str]) -> None:
    for definition in definitions:
        connection.exec_driver_sql(definition)
