"""Moments as senders write them: ISO 8601, read strictly, in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from dunning_service.errors import FieldError, UnreadableNotice

_FUTURE_TOLERANCE = timedelta(hours=24)
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)  # a day earlier is not a date any more west of Greenwich
_SHAPE = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,20})?)?(?:[Zz]|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)


def read_moment(text: str) -> datetime:
    """`2026-01-11T19:31:58.0620744+00:00` as an aware datetime in UTC, truncated to microseconds.

    The offset may be missing (UTC), and so may the seconds or the whole time of day (midnight). Raises UnreadableNotice
    for anything else, for a date that does not exist, and for one that is not a date any more when it is moved to UTC.
    """
    if _SHAPE.fullmatch(text) is None:
        raise UnreadableNotice(f"{text[:40]!a} is not an ISO 8601 date and time such as 2026-01-11T19:31:58Z")
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        raise UnreadableNotice(f"{text[:40]!a} is not a date and time that exists") from None
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise UnreadableNotice(f"{text[:40]!a} is outside the years 1 to 9999 in UTC") from None


def refuse_future(moment: datetime, now: datetime, field: str) -> None:
    """Raises UnreadableNotice, naming `field`, unless something can have happened at `moment`: at most 24 hours ahead
    of `now`, because clocks differ, and not so early that it has no date in some time zones."""
    if moment > now + _FUTURE_TOLERANCE:
        problem = f"{moment.isoformat()} is more than 24 hours ahead of the time it arrived, {now.isoformat()}"
    elif moment < _EARLIEST:
        problem = f"{moment.isoformat()} is too early to be the time of a payment"
    else:
        return
    raise UnreadableNotice(f"{field}: {problem}", [FieldError(field, problem)])
