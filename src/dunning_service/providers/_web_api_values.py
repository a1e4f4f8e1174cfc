"""Types of fields that are read as .NET does: numbers also as text, dates in two forms, null only for text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated

from pydantic import BaseModel, Field, PlainValidator

from dunning_service.events import MAX_IDENTIFIER
from dunning_service.values.money import MAX_MINOR
from dunning_service.values.reading import INT32, minor_units, moment, number, whole_number

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE = re.compile(r"\s*[+-]?\d{1,20}\s*", re.ASCII)
_DECIMAL = re.compile(r"\s*[+-]?\d{1,40}(?:\.\d{0,40})?(?:[Ee][+-]?\d{1,3})?\s*", re.ASCII)
_MAX_DIGITS = 28  # what a .NET decimal holds whatever its value, and what Decimal scales without rounding
_UNSET_MILLISECONDS = frozenset({-62_135_596_800_000, 253_402_300_799_999, 253_402_300_800_000})
_MICROSOFT_DATE = re.compile(r"/Date\((-?\d{1,18})(?:[+-]\d{4})?\)/", re.ASCII)


def _whole(allowed: range, value: object) -> int:
    if type(value) is str and _WHOLE.fullmatch(value):
        value = int(value)
    if type(value) is not int:
        raise ValueError("must be a whole number")
    return whole_number(value, allowed)


def _minor_units(value: object) -> int:
    return minor_units(int(value) if type(value) is str and _WHOLE.fullmatch(value) else value)


def _decimal(low: int, value: object) -> Decimal:
    if type(value) is str and _DECIMAL.fullmatch(value):
        value = Decimal(value.strip())
    elif isinstance(value, str):
        raise ValueError("must be a number such as 19.99")
    decimal = number(value)
    if len(decimal.as_tuple().digits) > _MAX_DIGITS:
        raise ValueError(f"must have {_MAX_DIGITS} digits at most")
    if decimal < low:
        raise ValueError(f"must be {low} or more")
    return decimal


def _moment(value: object) -> datetime | None:
    written = value.strip() if isinstance(value, str) else ""
    return _microsoft_date(written) if written.startswith("/") else moment(written or value)


def _microsoft_date(text: str) -> datetime | None:
    """`/Date(1768159918062)/`: milliseconds since 1970 in UTC; an offset behind them only says how to show it. None for
    .NET's first and last moment, which it writes for a date that was never set."""
    match = _MICROSOFT_DATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!a} is not a date such as /Date(1768159918062)/")
    milliseconds = int(match[1])
    if milliseconds in _UNSET_MILLISECONDS:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise ValueError(f"{text[:40]!a} is outside the years 1 to 9999") from None


# The types beside the functions say in JSON Schema what they accept; null is refused, as for every plain value of .NET,
# and None is a default only.
Int32 = Annotated[
    int,
    PlainValidator(
        partial(_whole, INT32),
        json_schema_input_type=Annotated[int, Field(ge=-(2**31), le=2**31 - 1)],
    ),
]
MinorUnits = Annotated[
    int | None,
    PlainValidator(
        _minor_units,
        json_schema_input_type=Annotated[int, Field(ge=0, le=MAX_MINOR)],
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
