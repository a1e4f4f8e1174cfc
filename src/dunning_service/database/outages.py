"""Errors of the databases: in words for the log (the kind of the error, never its text, which may hold values), and
whether a transaction is worth another try."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

import orjson
import sqlalchemy as sa
from psycopg.errors import ConnectionTimeout, lookup

from dunning_service.database.engines import sqlstate

_OF_THE_CONNECTION = (
    ("connection refused", "the server refuses connections"),
    ("failed to resolve", "the host name cannot be resolved"),
    ("could not translate host", "the host name cannot be resolved"),
    ("no such file", "nothing listens on the server's socket"),
    ("timeout", "the server did not answer in time"),
    ("timed out", "the server did not answer in time"),
    ("no route to host", "the server's network cannot be reached"),
    ("network is unreachable", "the server's network cannot be reached"),
    ("password authentication", "the server refuses the password"),
    ("no password supplied", "the server refuses the password"),
    ("no pg_hba.conf entry", "the server refuses this host or user"),
    ("too many clients", "the server has no connection left"),
    ("connection slots", "the server has no connection left"),
    ("too many connections", "the server has no connection left"),
    ("starting up", "the server is starting"),
    ("shutting down", "the server is shutting down"),
    ("recovery mode", "the server is recovering from a crash"),
    ("not yet accepting", "the server is starting"),
    ("ssl", "no TLS connection could be agreed on"),
    ("does not exist", "the server has no such database or user"),
    ("does not answer any more", "the server stopped answering"),
    ("reset by peer", "the connection was lost"),
    ("closed the connection", "the connection was lost"),
    ("connection is lost", "the connection was lost"),
    ("connection is closed", "the connection was lost"),
    ("consuming input failed", "the connection was lost"),
    ("sending query", "the connection was lost"),
)
"""A part of what libpq or psycopg says where the server sent no SQLSTATE, and what it means."""

_OF_SQLITE = {
    sqlite3.SQLITE_ERROR: "the schema does not fit, or the statement is wrong",
    sqlite3.SQLITE_PERM: "the file may not be used by this user",
    sqlite3.SQLITE_BUSY: "another connection holds the lock on the database",
    sqlite3.SQLITE_LOCKED: "another connection holds the lock on a table",
    sqlite3.SQLITE_NOMEM: "no memory is left",
    sqlite3.SQLITE_READONLY: "the file is read-only",
    sqlite3.SQLITE_INTERRUPT: "the statement was interrupted",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_PROTOCOL: "another connection holds the lock on the database",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database",
}
"""By SQLite's primary result code."""

_TRY_AGAIN = {
    "40001",  # serialization failure
    "40P01",  # deadlock
    "23505",  # another process inserted the same delivery first: the next try finds it
}
_REFUSED = ("22", "23", "54")
"""Data exceptions, broken constraints, limits exceeded: one notice's fault, not the database's."""
_FAILED = "XX"
"""A fault of the database's own, such as a file that cannot become larger. It may be one notice that brings it about,
so the others in the batch are tried without it."""

_PRIMARY = 0xFF
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def why(error: BaseException | None) -> dict[str, Any]:
    """`reason`, and the code that the database gave with it: the fields of a log line about a failed database.

    `sqlstate` is PostgreSQL's, and `sqlite_error` is SQLite's name of its result code; each is left out where there is
    none.
    """
    if not isinstance(error, sa.exc.DBAPIError):
        return {"reason": _of_the_pool(error)}
    state = sqlstate(error)
    if state is not None:
        return {"reason": _named(state), "sqlstate": state}
    name = getattr(error.orig, "sqlite_errorname", None)
    if name is not None:
        code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
        return {"reason": _OF_SQLITE.get(code, "SQLite failed"), "sqlite_error": name}
    return {"reason": _without_code(error)}


def _named(state: str) -> str:
    """PostgreSQL's own name of the error, such as `admin shutdown`."""
    try:
        return _WORDS.sub(" ", lookup(state).__name__.rstrip("_")).lower()
    except KeyError:
        return "an error that this version has no name for"


def _of_the_pool(error: BaseException | None) -> str:
    if isinstance(error, sa.exc.TimeoutError):
        return "all connections of this process are in use"
    return "the database failed" if error is None else type(error).__name__


def _without_code(error: sa.exc.DBAPIError) -> str:
    if isinstance(error.orig, ConnectionTimeout):
        return "the server did not answer in time"
    text = str(error.orig).lower()
    known = next((words for part, words in _OF_THE_CONNECTION if part in text), None)
    if known is not None:
        return known
    return "the connection was lost" if error.connection_invalidated else "no connection to the server"


def may_succeed_again(error: sa.exc.DBAPIError) -> bool:
    """True for an error that the same transaction need not meet again, such as a deadlock."""
    if error.connection_invalidated:
        return False
    state = sqlstate(error)
    if state is not None:
        return state in _TRY_AGAIN
    return isinstance(error, sa.exc.IntegrityError) and "UNIQUE" in str(error.orig)


def is_about_values(error: Exception) -> bool:
    """True when it is a value that the database cannot keep, or that cannot even be written down for it."""
    if isinstance(error, sa.exc.DBAPIError):
        state = sqlstate(error)
        return state.startswith(_REFUSED) if state else isinstance(error, (sa.exc.IntegrityError, sa.exc.DataError))
    return isinstance(error, (OverflowError, UnicodeError, orjson.JSONEncodeError))


def is_own_fault(error: Exception) -> bool:
    """True when the database failed in itself while it did what it was asked."""
    return isinstance(error, sa.exc.DBAPIError) and (sqlstate(error) or "").startswith(_FAILED)
