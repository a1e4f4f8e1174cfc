"""The database of a command: opened for reading or writing, and its errors in words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_service.commands.printing import warn
from dunning_service.database.engines import Database, database_url, embedded_file
from dunning_service.database.migrating import require_current
from dunning_service.errors import DunningError
from dunning_service.merchants.directory import MerchantView
from dunning_service.merchants.service import merchant_named
from dunning_service.settings import Settings, load_settings
from dunning_service.values.clock import utc_now

_NO_SUCH_TABLE = ("42P01", "42703")
_NOT_PERMITTED = "42501"
_LOCKED = "55P03"

HIDDEN = "***"
"""Printed in place of a secret."""

_SECRET = re.compile(r"pass|secret|key|token", re.IGNORECASE)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Opened:
    """One transaction on the ledger, with the settings and the time of the command."""

    settings: Settings
    connection: Connection
    now: datetime

    def merchant(self, name: str | None) -> MerchantView | None:
        """The merchant of that name, or None for no name; raises ConfigurationError naming those that exist."""
        return None if name is None else merchant_named(self.connection, name)


@contextmanager
def opened_database() -> Iterator[tuple[Settings, Database]]:
    """The database that the settings name, its schema checked."""
    settings = load_settings(warn)
    url = database_url(settings.database_url)
    require_current(url)
    database = Database(url)
    try:
        yield settings, database
    finally:
        database.write_engine.dispose()


@contextmanager
def transaction() -> Iterator[Opened]:
    """One transaction: commit on return, roll back on raise."""
    with opened_database() as (settings, database), database.write() as connection:
        yield Opened(settings, connection, utc_now())


@contextmanager
def reading() -> Iterator[Opened]:
    """One view of the ledger, which does not block writers."""
    with opened_database() as (settings, database), database.read_blocking() as connection:
        yield Opened(settings, connection, utc_now())


def read_as_requests(database: Database, read: Callable[[AsyncConnection], Awaitable[_T]]) -> _T:
    """The answer of `read` in one view of the database, with the plans of requests; it does not block writers."""

    async def answer() -> _T:
        try:
            async with database.read() as connection:
                return await read(connection)
        finally:
            await database.read_engine.dispose()

    return asyncio.run(answer())


def explained(error: sa.exc.DBAPIError) -> str:
    """An error of the database in one line, with what to do about it."""
    cause = str(error.orig).strip() or type(error.orig).__name__
    first_line = cause.splitlines()[0].rstrip()
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate in _NO_SUCH_TABLE or first_line.startswith(("no such table", "no such column")):
        return "the database's schema is missing or behind; run `dunning migrate`"
    if sqlstate == _LOCKED or first_line == "database is locked":
        return "another process holds a lock on the database (a migration, perhaps); try again when it is done"
    if sqlstate == _NOT_PERMITTED:
        return (
            f"the database user may not do that: {first_line}; grant it, or name another user in DUNNING_DATABASE_URL"
        )
    url = _url()
    file = None if url is None else embedded_file(url)
    if file is not None:
        return _about_file(file.absolute(), first_line)
    where = "" if url is None else f" at {shown_url(url)}"
    if sqlstate is None:  # nothing the server said: it was never reached, or went away
        return f"cannot reach the database{where}: {first_line}; check DUNNING_DATABASE_URL and that the server runs"
    return f"the database{where} refused: {first_line}"


def shown_url(url: URL) -> str:
    """A database's URL without its passwords."""
    file = embedded_file(url)
    if file is not None:
        return f"sqlite:///{file.absolute()}"
    query = {name: HIDDEN if _SECRET.search(name) else value for name, value in url.query.items()}
    return url.set(drivername="postgresql", query=query).render_as_string(hide_password=True).replace("%2A", "*")


def _about_file(path: Path, cause: str) -> str:
    if not path.parent.is_dir():
        return f"the folder {path.parent} of the database does not exist; make it, or change DUNNING_DATABASE_URL"
    if cause == "file is not a database":
        return f"{path} is not an SQLite database; name another file in DUNNING_DATABASE_URL"
    return f"cannot use the database {path}: {cause}; check that this user may write the file and its folder"


def _url() -> URL | None:
    try:
        return database_url(load_settings().database_url)
    except DunningError:
        return None
