"""SQL functions that compare texts by their bytes: the same on both databases and in every locale."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class ascii_lower(FunctionElement[str]):  # noqa: N801 - reads as an SQL function
    """`ascii_lower(text)`: the text with A to Z as small letters, and all others as they are."""

    type = sa.Text()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)


class byte_length(FunctionElement[int]):  # noqa: N801
    """`byte_length(text)`: how many bytes it has in UTF-8; more than characters where one is beyond ASCII."""

    type = sa.Integer()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)


@compiles(ascii_lower, "sqlite")
def _lower(element: ascii_lower, compiler: SQLCompiler, **options: Any) -> str:
    return f"lower({_argument(element, compiler, options)})"


@compiles(ascii_lower, "postgresql")
def _lower_by_bytes(element: ascii_lower, compiler: SQLCompiler, **options: Any) -> str:
    return f'lower({_argument(element, compiler, options)} COLLATE "C")'  # elsewhere it goes by the locale


@compiles(byte_length, "sqlite")
def _length_of_blob(element: byte_length, compiler: SQLCompiler, **options: Any) -> str:
    return f"length(CAST({_argument(element, compiler, options)} AS BLOB))"


@compiles(byte_length, "postgresql")
def _octet_length(element: byte_length, compiler: SQLCompiler, **options: Any) -> str:
    return f"octet_length({_argument(element, compiler, options)})"


def _argument(element: FunctionElement[Any], compiler: SQLCompiler, options: dict[str, Any]) -> str:
    return compiler.process(next(iter(element.clauses)), **options)
