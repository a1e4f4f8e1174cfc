"""Readers of single values from outside: strict, pure, and each raises ValueError for what it does not take.

The error's text is the rest of a sentence that begins with the field's name: "must be a whole number". A value is what
`read_json` makes of a body (str, int, Decimal, bool, None), or the text of a form or a query string. What one sender
writes in a way of its own is read in that sender's file, on top of these.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from pydantic import ValidationError

from dunning_service.errors import FieldError
from dunning_service.values.moments import read_moment
from dunning_service.values.money import MAX_MINOR, currency_exponent

INT32 = range(-(2**31), 2**31)
INT64 = range(-(2**63), 2**63)
_MINOR = range(MAX_MINOR + 1)
_SIZES = {INT32: "must fit 32 bits", INT64: "must fit 64 bits"}

_DIGITS = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_WITH_OFFSET = re.compile(
    r"((?:\d{4}-\d\d-\d\d|\d{8})[T ]\d\d:?\d\d(?::?\d\d(?:[.,]\d{1,20})?)?) ?(Z|[+-]\d\d(?::?\d\d)?)", re.ASCII
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def text(value: object, longest: int) -> str | None:
    """Text without the blanks around it; None for null and for text that is blank."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("must be text")
    stripped = value.strip()
    _require_length(stripped, longest)
    return stripped or None


def exact_text(value: object, longest: int) -> str:
    """Text as it was sent, nothing trimmed: an id, an address, what is compared."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    if not value:
        raise ValueError("must not be empty; leave it out instead")
    _require_length(value, longest)
    return value


def _require_length(value: str, longest: int) -> None:
    if len(value) > longest:
        raise ValueError(f"must not be longer than {longest} characters")


def whole_number(value: object, allowed: range = INT64) -> int:
    """A whole number of JSON: neither text, nor true, nor 1.0."""
    if type(value) is not int:
        raise ValueError("must be a number, without quotes" if isinstance(value, str) else "must be a whole number")
    if value not in allowed:
        raise ValueError(_SIZES.get(allowed) or f"must be from {allowed[0]} to {allowed[-1]}")
    return value


def digits(value: str) -> int:
    """The whole number that a text of digits is, without a sign: neither `1.0` nor `1_000` nor `01`."""
    if not _DIGITS.fullmatch(value):
        raise ValueError("must be a whole number, in digits only")
    return int(value)


def number(value: object) -> Decimal:
    """A number of JSON, exactly."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise ValueError("must be a number, without quotes" if isinstance(value, str) else "must be a number")
    return Decimal(value)


def minor_units(value: object) -> int:
    """An amount in whole minor units, not negative, that the ledger can hold."""
    if type(value) is not int:
        raise ValueError("must be a whole number of minor units: 1999 for 19.99")
    return whole_number(value, _MINOR)


def currency(value: object) -> str:
    """The code of an ISO 4217 currency with a minor unit, in upper case; sent in any case."""
    if not isinstance(value, str):
        raise ValueError("must be a currency code such as NOK")
    code = value.upper() if value.isascii() else value  # beyond ASCII, upper case can be other letters
    currency_exponent(code)
    return code


def day(value: object) -> date:
    """A date as YYYY-MM-DD."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("must be a date such as 2026-11-21 (YYYY-MM-DD)")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value} is not a day of the calendar") from None


def moment(value: object) -> datetime | None:
    """A date and time in any form that senders use, in UTC; None for a date that was never set (see `read_moment`)."""
    if not isinstance(value, str):
        raise ValueError("must be a text such as 2026-01-11T19:31:58Z")
    return read_moment(value)


def moment_with_offset(value: object) -> datetime:
    """A date and time in ISO 8601 that names its offset from UTC, in UTC; fractions are cut to microseconds."""
    shape = _WITH_OFFSET.fullmatch(value.upper()) if isinstance(value, str) else None
    if shape is None:
        raise ValueError("must be a date and time with its offset from UTC, such as 2027-01-31T09:00:00+01:00")
    try:
        return datetime.fromisoformat("".join(shape.groups())).astimezone(UTC)
    except ValueError:
        raise ValueError("must be a date and time that exists") from None
    except OverflowError:
        raise ValueError("must be in the years 1 to 9999") from None


def flag(value: object) -> bool:
    """A truth value of JSON: neither text nor a number."""
    if not isinstance(value, bool):
        raise ValueError("must be true, false or null")
    return value


def uuid(value: object) -> UUID:
    """A UUID with hyphens. The one of zeros is .NET's way of saying that there is none."""
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise ValueError("must be a UUID such as b6df8625-cd25-4123-b345-638aa7b5d011")
    found = UUID(value)
    if not found.int:
        raise ValueError("must not be the empty UUID")
    return found


def field_errors(error: ValidationError, where: str = "") -> list[FieldError]:
    """The errors of a pydantic model, each field by its path after `where`, without positions in lists."""
    return [
        FieldError(
            (where + ".".join(str(part) for part in found["loc"] if not isinstance(part, int))).rstrip("."),
            found["msg"].removeprefix("Value error, "),
        )
        for found in error.errors(include_url=False, include_input=False, include_context=False)
    ]
