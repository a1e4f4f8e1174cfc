"""Single values of a request, read strictly: each function raises ValueError saying what would be right.

They are given what `read_json` makes of a body: int and Decimal for numbers, never float.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from dunning_service.apis.arise.numbers import EnumT, member_of
from dunning_service.errors import UnreadableNotice
from dunning_service.events import MAX_IDENTIFIER, MAX_TEXT
from dunning_service.values.moments import is_unset, rfc_1123_moment
from dunning_service.values.rates import rate_units

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(\.\d{1,20})? ?(Z|[+-]\d\d:?\d\d)", re.ASCII | re.IGNORECASE
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_INT32 = range(-(2**31), 2**31)


def read_uuid(value: object) -> UUID:
    """A UUID with hyphens. The one of zeros is .NET's way of saying that there is none."""
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise ValueError("must be a UUID such as b6df8625-cd25-4123-b345-638aa7b5d011")
    found = UUID(value)
    if not found.int:
        raise ValueError("must not be the empty UUID")
    return found


def read_number(value: object) -> Decimal:
    """A JSON number, exactly."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise ValueError("must be a number" if not isinstance(value, str) else "must be a number, without quotes")
    return Decimal(value)


def read_rate(value: object) -> Decimal:
    """A percentage that `pricing` takes."""
    rate = read_number(value)
    rate_units(rate)
    return rate


def read_whole_number(value: object) -> int:
    """A JSON number that a 32-bit integer holds."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number" if not isinstance(value, str) else "must be a number, without quotes")
    if value not in _INT32:
        raise ValueError("must fit 32 bits")
    return value


def read_yes_or_no(value: object) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise ValueError("must be true, false or null")
    return value


def read_moment(value: object) -> datetime | None:
    """ISO 8601 with a time of day and its offset, or RFC 1123, in UTC; fractions of a second are cut to microseconds.
    None for a date that was never set, as .NET writes it."""
    if isinstance(value, str):
        if is_unset(value):
            return None
        try:
            if (moment := rfc_1123_moment(value)) is not None:
                return moment
        except UnreadableNotice:
            raise ValueError("must be a date and time that exists") from None
    shape = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if shape is None:
        raise ValueError("must be a date and time with its offset from UTC, such as 2027-01-31T09:00:00+01:00")
    day_and_time, fraction, offset = shape.groups(default="")
    try:
        moment = datetime.fromisoformat(f"{day_and_time.upper()}{fraction[:7]}{offset.upper()}").astimezone(UTC)
    except ValueError:
        raise ValueError("must be a date and time that exists") from None
    except OverflowError:
        raise ValueError("must be in the years 1 to 9999") from None
    return moment


def reader_of(kind: type[EnumT]) -> Callable[[object], EnumT]:
    """Reads one of an enum's numbers."""

    def read(value: object) -> EnumT:
        return member_of(kind, read_whole_number(value))

    return read


def read_name(value: object) -> str | None:
    """Text to show; blank text is none."""
    return _text(value, MAX_TEXT)


def read_address(value: object) -> str | None:
    """Text to look up; blank text is none."""
    return _text(value, MAX_IDENTIFIER)


def read_email(value: object) -> str | None:
    """Something, an @ and something: more than that only its server knows."""
    text = _text(value, MAX_IDENTIFIER)
    if text is not None and not _EMAIL.fullmatch(text):
        raise ValueError("must be an e-mail address")
    return text


def _text(value: object, longest: int) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("must be text")
    text = value.strip()
    if len(text) > longest:
        raise ValueError(f"must not be longer than {longest} characters")
    return text or None
