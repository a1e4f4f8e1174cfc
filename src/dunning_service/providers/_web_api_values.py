"""Values as .NET reads them: whole numbers and decimals also as text, dates in two forms, null only for text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Annotated

from pydantic import BaseModel, Field, PlainValidator
from pydantic_core import PydanticCustomError

from dunning_service.errors import UnreadableNotice
from dunning_service.events import MAX_IDENTIFIER
from dunning_service.values.moments import read_moment

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE = re.compile(r"\s*[+-]?\d{1,20}\s*", re.ASCII)
_DECIMAL = re.compile(r"\s*[+-]?\d{1,40}(?:\.\d{0,40})?(?:[Ee][+-]?\d{1,3})?\s*", re.ASCII)
_MAX_DIGITS = 28  # what a .NET decimal holds whatever its value, and what Decimal scales without rounding
_UNSET_MILLISECONDS = frozenset({-62_135_596_800_000, 253_402_300_799_999, 253_402_300_800_000})
_MICROSOFT_DATE = re.compile(r"/Date\((-?\d{1,18})(?:[+-]\d{4})?\)/", re.ASCII)


def _whole(low: int, high: int, example: str, value: object) -> int:
    if type(value) is not int:
        if type(value) is not str or _WHOLE.fullmatch(value) is None:
            raise PydanticCustomError("whole_number", "it must be a whole number, {example}", {"example": example})
        value = int(value)
    if not low <= value <= high:
        raise PydanticCustomError("range", "it must be from {low} to {high}", {"low": low, "high": high})
    return value


def _decimal(low: int, value: object) -> Decimal:
    try:
        if type(value) is str and _DECIMAL.fullmatch(value):
            number = Decimal(value.strip())
        elif type(value) is int or type(value) is Decimal:
            number = Decimal(value)
        else:
            raise PydanticCustomError("decimal", "it must be a number such as 19.99")
    except InvalidOperation:
        raise PydanticCustomError("decimal", "it must be a number such as 19.99") from None
    if len(number.as_tuple().digits) > _MAX_DIGITS:
        raise PydanticCustomError("decimal", "it must have {digits} digits at most", {"digits": _MAX_DIGITS})
    if number < low:
        raise PydanticCustomError("range", "it must be {low} or more", {"low": low})
    return number


def _moment(value: object) -> datetime | None:
    if type(value) is not str:
        raise PydanticCustomError("moment", "it must be a date and time such as 2026-01-11T19:31:58Z, as text")
    text = value.strip()
    try:
        return _microsoft_date(text) if text.startswith("/") else read_moment(text)
    except UnreadableNotice as error:
        raise PydanticCustomError("moment", "{message}", {"message": error.message}) from None


def _microsoft_date(text: str) -> datetime | None:
    """`/Date(1768159918062)/`: milliseconds since 1970 in UTC; an offset behind them only says how to show it. None for
    .NET's first and last moment, which it writes for a date that was never set."""
    match = _MICROSOFT_DATE.fullmatch(text)
    if match is None:
        raise UnreadableNotice(f"{text[:40]!a} is not a date such as /Date(1768159918062)/")
    milliseconds = int(match[1])
    if milliseconds in _UNSET_MILLISECONDS:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise UnreadableNotice(f"{text[:40]!a} is outside the years 1 to 9999") from None


# The types beside the functions say in JSON Schema what they accept; null is refused, as for every plain value of .NET,
# and None is a default only.
Int32 = Annotated[
    int,
    PlainValidator(
        partial(_whole, -(2**31), 2**31 - 1, "such as 5"),
        json_schema_input_type=Annotated[int, Field(ge=-(2**31), le=2**31 - 1)],
    ),
]
MinorUnits = Annotated[
    int | None,
    PlainValidator(
        partial(_whole, 0, 2**63 - 1, "the amount in minor units: 1999 for 19.99"),
        json_schema_input_type=Annotated[int, Field(ge=0, le=2**63 - 1)],
    ),
]
Number = Annotated[Decimal | None, PlainValidator(partial(_decimal, -(10**28)), json_schema_input_type=float)]
PositiveNumber = Annotated[
    Decimal | None,
    PlainValidator(partial(_decimal, 0), json_schema_input_type=Annotated[float, Field(ge=0, le=10**15)]),
]
Moment = Annotated[datetime | None, PlainValidator(_moment, json_schema_input_type=datetime)]
Text = str | None


class _Exact:
    """Marks identifiers and addresses: fields in which an unkeepable character is refused rather than replaced."""


Identifier = Annotated[str | None, Field(max_length=MAX_IDENTIFIER), _Exact()]


def identifiers_of(model: type[BaseModel]) -> frozenset[str]:
    """The fields of a model that are of the type Identifier."""
    return frozenset(
        name for name, field in model.model_fields.items() if any(isinstance(mark, _Exact) for mark in field.metadata)
    )
