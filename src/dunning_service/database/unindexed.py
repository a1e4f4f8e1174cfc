"""A column that a planner must not look up in an index.

Without statistics SQLite takes whichever index gives the order that was asked for, and so reads all of a merchant's
payments to find the five of one customer. Its documentation names a unary + for telling it not to. PostgreSQL keeps
statistics and is left to choose, but where one of many values is asked for, few of which there are, it expects too many
rows and does the same: 0.7 s for a phone number among a million payments.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from dunning_service.database.engines import UtcDateTime


class unindexed(FunctionElement[Any]):  # noqa: N801 - reads as an SQL function
    """`unindexed(column)`: the same value, which SQLite looks up in no index."""

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(unindexed)
def _plain(element: unindexed, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(next(iter(element.clauses)), **options)


@compiles(unindexed, "sqlite")
def _with_plus(element: unindexed, compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(next(iter(element.clauses)), **options)}"


class unindexed_anywhere(unindexed):  # noqa: N801
    """The same, and PostgreSQL does not find it in an index either if it is a day or a moment."""

    inherit_cache = True


@compiles(unindexed_anywhere, "postgresql")
def _with_nothing_added(element: unindexed_anywhere, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(next(iter(element.clauses)), **options)
    if isinstance(element.type, UtcDateTime):
        return f"({column} + interval '0')"
    return f"({column} + 0)" if isinstance(element.type, sa.Date) else column


@compiles(unindexed_anywhere, "sqlite")
def _with_plus_too(element: unindexed_anywhere, compiler: SQLCompiler, **options: Any) -> str:
    return _with_plus(element, compiler, **options)
