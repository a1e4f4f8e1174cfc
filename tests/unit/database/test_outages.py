"""What is an outage of the database, and what is a fault of the request or of ours."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from psycopg import OperationalError
from psycopg.errors import ConnectionTimeout, InternalError_, ReadOnlySqlTransaction, SyntaxError, UndefinedTable

from dunning_service.database.engines import create_write_engine, database_url, is_outage
from dunning_service.database.outages import why


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (sa.exc.OperationalError("", {}, Exception()), True),
        (sa.exc.InterfaceError("", {}, Exception()), True),
        (sa.exc.TimeoutError(), True),
        (sa.exc.DBAPIError("", {}, Exception(), connection_invalidated=True), True),
        (sa.exc.DBAPIError("", {}, Exception()), False),
        (sa.exc.IntegrityError("", {}, Exception()), False),
        (sa.exc.ProgrammingError("", {}, Exception()), False),
        (sa.exc.ProgrammingError("", {}, UndefinedTable()), True),
        (sa.exc.ProgrammingError("", {}, SyntaxError()), False),
        (sa.exc.InternalError("", {}, ReadOnlySqlTransaction()), True),
        (sa.exc.InternalError("", {}, InternalError_()), False),
        (ValueError(), False),
    ],
    ids=str,
)
def test_only_what_may_pass_by_itself_is_an_outage(error: Exception, outage: bool) -> None:
    assert is_outage(error) is outage


def _lost(text: str) -> sa.exc.DBAPIError:
    """An error without a SQLSTATE, as psycopg raises it when the server itself said nothing."""
    return sa.exc.OperationalError("SELECT", {}, OperationalError(text), connection_invalidated=True)


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (sa.exc.InternalError("", {}, ReadOnlySqlTransaction("kari")), ("read only sql transaction", "25006")),
        (sa.exc.ProgrammingError("", {}, UndefinedTable("kari")), ("undefined table", "42P01")),
        (sa.exc.OperationalError("", {}, ConnectionTimeout("kari")), ("the server did not answer in time", None)),
        (_lost("consuming input failed: kari"), ("the connection was lost", None)),
        (_lost("the database server does not answer any more"), ("the server stopped answering", None)),
        (_lost("FATAL:  sorry, too many clients already"), ("the server has no connection left", None)),
        (_lost('FATAL:  password authentication failed for user "kari"'), ("the server refuses the password", None)),
        (_lost('FATAL:  database "kari" does not exist'), ("the server has no such database or user", None)),
        (_lost("kari"), ("the connection was lost", None)),
        (sa.exc.TimeoutError("kari"), ("all connections of this process are in use", None)),
        (ValueError("kari"), ("ValueError", None)),
        (None, ("the database failed", None)),
    ],
    ids=str,
)
def test_the_log_says_why_in_words_and_without_values(
    error: BaseException | None, fields: tuple[str, str | None]
) -> None:
    reason, sqlstate = fields
    assert why(error) == {"reason": reason} | ({"sqlstate": sqlstate} if sqlstate else {})


def _nobody_listens(folder: Path) -> str:
    with socket.create_server(("127.0.0.1", 0)) as closed_at_once:
        return f"postgresql://kari:hunter2@127.0.0.1:{closed_at_once.getsockname()[1]}/dunning"


def _no_file(folder: Path) -> str:
    (folder / "other.db").write_bytes(b"kari" * 1000)
    return f"sqlite:///{folder / 'other.db'}"


@pytest.mark.parametrize(
    ("url", "fields"),
    [
        (_nobody_listens, {"reason": "the server refuses connections"}),
        (lambda _: "postgresql://kari@db.invalid/dunning", {"reason": "the host name cannot be resolved"}),
        (
            lambda folder: f"sqlite:///{folder}/kari/dunning.db",
            {"reason": "the file cannot be opened", "sqlite_error": "SQLITE_CANTOPEN"},
        ),
        (_no_file, {"reason": "the file is not an SQLite database", "sqlite_error": "SQLITE_NOTADB"}),
    ],
)
def test_the_log_says_why_a_database_cannot_be_reached(
    tmp_path: Path, url: Callable[[Path], str], fields: dict[str, Any]
) -> None:
    engine = create_write_engine(database_url(url(tmp_path)))
    with pytest.raises(sa.exc.DBAPIError) as failed, engine.connect():
        pass
    engine.dispose()
    assert why(failed.value) == fields
