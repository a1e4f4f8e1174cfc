"""Readers of the single values that ARISE writes in a way of its own, on top of `values.reading`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from dunning_service.apis.arise.numbers import EnumT, member_of
from dunning_service.events import MAX_IDENTIFIER, MAX_TEXT
from dunning_service.values.moments import is_unset, rfc_1123_moment
from dunning_service.values.rates import rate_units
from dunning_service.values.reading import INT32, moment_with_offset, number, text, whole_number

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def read_rate(value: object) -> Decimal:
    """A percentage that `pricing` takes."""
    rate = number(value)
    rate_units(rate)
    return rate


def read_moment(value: object) -> datetime | None:
    """ISO 8601 with its offset, or RFC 1123, in UTC. None for a date that was never set, as .NET writes it."""
    if isinstance(value, str):
        if is_unset(value):
            return None
        try:
            if (moment := rfc_1123_moment(value)) is not None:
                return moment
        except ValueError:
            raise ValueError("must be a date and time that exists") from None
    return moment_with_offset(value)


def read_whole_number(value: object) -> int:
    """A JSON number that a 32-bit integer holds."""
    return whole_number(value, INT32)


def reader_of(kind: type[EnumT]) -> Callable[[object], EnumT]:
    """Reads one of an enum's numbers."""

    def read(value: object) -> EnumT:
        return member_of(kind, read_whole_number(value))

    return read


def read_name(value: object) -> str | None:
    """Text to show; blank text is none."""
    return text(value, MAX_TEXT)


def read_address(value: object) -> str | None:
    """Text to look up; blank text is none."""
    return text(value, MAX_IDENTIFIER)


def read_email(value: object) -> str | None:
    """Something, an @ and something: more than that only its server knows."""
    address = read_address(value)
    if address is not None and not _EMAIL.fullmatch(address):
        raise ValueError("must be an e-mail address")
    return address
