"""The parts of statements that both databases' bulk statements have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

Row = Mapping[str, Any]

LockName = tuple[str | int, ...]
"""What a lock is for, such as ("payment", merchant_id, provider, provider_payment_id); the row need not be there."""


class Through(NamedTuple):
    """A way to a table's rows: over those rows of another table that the keys name."""

    table: sa.Table
    columns: tuple[tuple[str, str], ...]
    """(of the table that is read, of the other one): what is equal in both."""


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


@cache
def column_names(table: sa.Table) -> tuple[str, ...]:
    """The names of a table's columns, in their order."""
    return tuple(column.name for column in table.c)


def joined(through: Through | None, table: sa.Table, by: Sequence[str], given: Sequence[str]) -> list[tuple[str, str]]:
    """The tables to join with the `given` values, each with its condition; the last one is the `held` rows."""
    first = "held" if through is None else "via"
    matches = " AND ".join(f"{first}.{name} = {value}" for name, value in zip(by, given, strict=True))
    if through is None:
        return [(f"{table.name} AS held", matches)]
    ways = " AND ".join(f"held.{one} = via.{other}" for one, other in through.columns)
    return [(f"{through.table.name} AS via", matches), (f"{table.name} AS held", ways)]


class CommitInDoubt(Exception):
    """Raised when the connection was lost after COMMIT was sent and before its reply: whether it was done is not known.
    Its cause is the DBAPIError."""


@contextmanager
def as_sqlalchemy_raises(
    connection: Connection, driver_error: type[Exception], is_usable: Callable[[], bool] = lambda: True
) -> Iterator[None]:
    """Raises the errors of a driver that is used directly as SQLAlchemy raises them, and gives up a connection that
    cannot be used any more."""
    try:
        yield
    except driver_error as error:
        is_lost = not is_usable()
        said: BaseException = error
        if is_lost:
            connection.invalidate(error)
            if isinstance(error.__context__, driver_error):
                said = error.__context__  # the server's last word, which the driver's own on the lost line hides
        raise sa.exc.DBAPIError.instance(
            None,
            None,
            said,
            driver_error,
            hide_parameters=True,
            connection_invalidated=is_lost,
            dialect=connection.dialect,
        ) from error
