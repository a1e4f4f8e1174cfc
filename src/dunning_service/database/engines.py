"""The database: naming convention, column types, engines and transactions, for SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Dialect, Engine, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

from dunning_service.database.watching import WatchedAsyncConnection, WatchedConnection
from dunning_service.errors import ConfigurationError

_BUSY_TIMEOUT_MS = 5_000
_CONNECT_TIMEOUT_S = 3
_POOL_TIMEOUT_S = 5
_ONLY_READS = "dunning_only_reads"
_OUT_OF_REACH = ("08", "25006", "40", "42P01", "42703", "53", "55", "57", "58")
"""No connection, read-only, contended, not migrated yet, out of resources, locked, shutting down, system error."""


class Base(DeclarativeBase):
    """Every table. The convention gives each constraint a name, so that a migration can speak of it."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in UTC. PostgreSQL keeps a timestamptz, SQLite an ISO 8601 text that sorts as the moments do."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.String(32))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(UTC)
        return value.isoformat() if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.astimezone(UTC)


def database_url(text: str) -> URL:
    """A URL as people write it: `sqlite:///file`, `postgresql://...`, `postgres://...`.

    Raises ConfigurationError for anything else.
    """
    try:
        url = make_url(text)
    except sa.exc.ArgumentError:
        raise ConfigurationError(
            "DUNNING_DATABASE_URL is not a database URL; write sqlite:///dunning.db or postgresql://user:password@host/name"
        ) from None
    backend = url.drivername.split("+")[0]
    if backend == "sqlite":
        if not url.database or url.database == ":memory:":
            raise ConfigurationError(
                "DUNNING_DATABASE_URL names no file, and a ledger in memory is lost on exit; write sqlite:///dunning.db"
            )
        return url.set(drivername="sqlite")
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise ConfigurationError(
        f"DUNNING_DATABASE_URL is for {backend!r}; this service runs on sqlite:/// and on postgresql://"
    )


def is_sqlite(url: URL) -> bool:
    """True of the URL of an embedded database."""
    return url.get_backend_name() == "sqlite"


def embedded_file(url: URL) -> Path | None:
    """The file of an embedded database; None for one that a server keeps."""
    return sqlite_file(url) if is_sqlite(url) else None


def sqlite_file(url: URL) -> Path:
    """The file of an SQLite URL."""
    assert url.database is not None
    return Path(url.database)


def create_write_engine(url: URL, *, pool_size: int = 1) -> Engine:
    """The engine for transactions that write: on SQLite each begins with the write lock, so that none has to be
    repeated because another writer came first."""
    if is_sqlite(url):
        engine = sa.create_engine(url, pool_size=pool_size, hide_parameters=True, connect_args=_sqlite_arguments())
        _prepare_sqlite(engine, begin="BEGIN IMMEDIATE")
        return engine
    engine = sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        hide_parameters=True,
        # whatever the server's default: who has waited for a lock must see what was committed in the meantime
        isolation_level="READ COMMITTED",
        connect_args=_postgres_arguments(more_options=_FIND_BY_KEY),
    )
    event.listen(engine, "do_connect", _connect_watched)
    return engine


def create_read_engine(url: URL, *, pool_size: int = 5) -> AsyncEngine:
    """The engine for requests that only read; it never has more than `pool_size` connections.

    As with the others, its errors do not show the values of a statement: they are people's.
    """
    if is_sqlite(url):
        engine = create_async_engine(
            url.set(drivername="sqlite+aiosqlite"),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=_POOL_TIMEOUT_S,
            hide_parameters=True,
            connect_args=_sqlite_arguments(),
        )
        _prepare_sqlite(engine.sync_engine, begin="BEGIN")
        return engine
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_TIMEOUT_S,
        hide_parameters=True,
        isolation_level="REPEATABLE READ",  # a page and its total are of the same moment
        connect_args=_postgres_arguments() | {"async_creator_fn": WatchedAsyncConnection.connect},
    )


def _connect_watched(_dialect: Dialect, _record: Any, arguments: Any, options: Any) -> WatchedConnection:
    return WatchedConnection.connect(*arguments, **options)


def _sqlite_arguments() -> dict[str, Any]:
    return {"timeout": _BUSY_TIMEOUT_MS / 1000}


# Whoever writes finds rows by their keys, many at a time. A plan made, and kept, while a table was small would scan it
# once it is large: so each plan is made anew, and none of them scans.
_FIND_BY_KEY = (
    " -c plan_cache_mode=force_custom_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
    " -c jit=off"
)


def _postgres_arguments(*, more_options: str = "") -> dict[str, Any]:
    return {
        "connect_timeout": _CONNECT_TIMEOUT_S,
        "application_name": "dunning-service",
        "options": "-c timezone=UTC -c statement_timeout=30000 -c lock_timeout=10000"
        f" -c idle_in_transaction_session_timeout=60000{more_options}",
        # a server that vanished without a word is noticed within seconds
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
    }


def _prepare_sqlite(engine: Engine, *, begin: str) -> None:
    """Durable, checked and concurrent: WAL, an fsync for every commit, foreign keys on, transactions begun by us."""

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin or commit by itself
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        only_reads = connection.get_execution_options().get(_ONLY_READS, False)
        connection.exec_driver_sql("BEGIN" if only_reads else begin)


def sqlstate(error: DBAPIError) -> str | None:
    """PostgreSQL's own code of an error; None on SQLite, and where the server said nothing."""
    return getattr(error.orig, "sqlstate", None)


def is_outage(error: BaseException) -> bool:
    """True for a database that is down, full, read-only, locked, overloaded or gone in the middle: the same may succeed
    later."""
    if isinstance(error, (OperationalError, InterfaceError, sa.exc.TimeoutError)):
        return True
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or (sqlstate(error) or "").startswith(_OUT_OF_REACH)


class Database:
    """The two ways to the database: `write()` for a transaction that may change it, `read()` for one that does not."""

    def __init__(self, url: URL, *, read_connections: int = 5, write_connections: int = 1) -> None:
        self.url = url
        self.is_sqlite = is_sqlite(url)
        self.write_engine = create_write_engine(url, pool_size=write_connections)
        self.read_engine = create_read_engine(url, pool_size=read_connections)

    def kind_and_version(self) -> tuple[str, str]:
        """Which database it is, and its version as its first connection learned it; empty before that."""
        known = self.read_engine.dialect.server_version_info or self.write_engine.dialect.server_version_info
        return self.read_engine.dialect.name, ".".join(map(str, known or ()))

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: commit on return, roll back on raise. Blocks: the service does it in its own threads."""
        with self.write_engine.begin() as connection:
            yield connection

    @contextmanager
    def write_batch(self) -> Iterator[Connection]:
        """One transaction of the ledger's writer; `Bulk.together` commits it, and without that it is rolled back.

        On PostgreSQL the connection is in autocommit, so that BEGIN and COMMIT are sent with the writer's statements.
        """
        with self.write_engine.connect() as connection:
            if not self.is_sqlite:
                connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.begin()
            yield connection

    @contextmanager
    def read_blocking(self) -> Iterator[Connection]:
        """One consistent view of the database, for commands: on SQLite it keeps nobody from writing."""
        with self.write_engine.connect() as connection:
            if self.is_sqlite:
                connection.execution_options(**{_ONLY_READS: True})
            else:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """One consistent view of the database."""
        async with self.read_engine.connect() as connection:
            yield connection

    async def close(self) -> None:
        self.write_engine.dispose()
        await self.read_engine.dispose()
