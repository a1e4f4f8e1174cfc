"""Parsers of dates and times in ISO 8601 and RFC 1123, strict, with results in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_FUTURE_TOLERANCE = timedelta(hours=24)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)  # earlier than any payment that a sender could report
_SHAPE = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,20})?)?(?:[Zz]|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)
_BLANK_BEFORE_OFFSET = re.compile(r"(?<=\d) (?=(?:[Zz]|[+-]\d\d(?::?\d\d)?)\Z)", re.ASCII)
_UNSET = re.compile(
    r"(?:0001-01-01|9999-12-31(?=[Tt ]\d\d:(?:14|29|44|59):59))(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,20})?)?)?"
    r" ?(?:[Zz]|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_UNSET_RFC_1123 = re.compile(
    r"(?:(?:Mon, )?0?1 Jan 0001 \d\d:\d\d(?::\d\d)?|(?:Fri, )?31 Dec 9999 \d\d:(?:14|29|44|59):59) "
    r"(?:GMT|UTC|[+-]\d{4})",
    re.ASCII | re.IGNORECASE,
)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_RFC_1123 = re.compile(
    rf"(?:({'|'.join(_DAYS)}), )?(\d\d?) ({'|'.join(_MONTHS)}) (\d{{4}}) (\d\d:\d\d(?::\d\d)?) "
    r"(?:GMT|UTC|([+-]\d\d)(\d\d))",
    re.ASCII | re.IGNORECASE,
)


def is_unset(text: str) -> bool:
    """True for what senders write for a date that was never set: the first moment that .NET and Go have, and the last
    that .NET has. They are recognised with any offset or none, and when they were moved to UTC from another zone."""
    if text.startswith(("0001-01-01", "9999-12-31")):
        return _UNSET.fullmatch(text) is not None
    return (" 0001 " in text or " 9999 " in text) and _UNSET_RFC_1123.fullmatch(text) is not None


def read_moment(text: str) -> datetime | None:
    """`2026-01-11T19:31:58.0620744+00:00` or `Sun, 11 Jan 2026 19:31:58 GMT` as an aware datetime in UTC, truncated to
    microseconds; None for a date that was never set (`is_unset`).

    The offset may be missing (UTC), and so may the seconds or the whole time of day (midnight); a blank may precede
    it. Raises ValueError for anything else, for a date that does not exist, and for one that is not a date
    any more when it is moved to UTC.
    """
    if is_unset(text):
        return None
    if _SHAPE.fullmatch(text) is None:
        written = _BLANK_BEFORE_OFFSET.sub("", text)
        if _SHAPE.fullmatch(written) is None:
            moment = rfc_1123_moment(text)
            if moment is None:
                raise ValueError(f"{text[:40]!a} is not an ISO 8601 date and time such as 2026-01-11T19:31:58Z")
            return moment
    else:
        written = text
    try:
        moment = datetime.fromisoformat(written.upper())
    except ValueError:
        raise _no_such_date(text) from None
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text[:40]!a} is outside the years 1 to 9999 in UTC") from None


def rfc_1123_moment(text: str) -> datetime | None:
    """`Sun, 11 Jan 2026 19:31:58 GMT` in UTC; None for text of another form. Raises ValueError for a date that
    does not exist or falls on another weekday."""
    match = _RFC_1123.fullmatch(text)
    if match is None:
        return None
    weekday, day, month, year, time, hours, minutes = match.groups()
    number = _MONTHS.index(month.title()) + 1
    try:
        moment = datetime.fromisoformat(f"{year}-{number:02}-{int(day):02}T{time}{hours or '+00'}:{minutes or '00'}")
        in_utc = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _no_such_date(text) from None
    if weekday and _DAYS[moment.weekday()] != weekday.title():
        raise ValueError(f"{text[:40]!a} is not a date that exists: that day was a {_DAYS[moment.weekday()]}")
    return in_utc


def _no_such_date(text: str) -> ValueError:
    return ValueError(f"{text[:40]!a} is not a date and time that exists")


def require_possible(moment: datetime, now: datetime) -> None:
    """Raises ValueError unless something can have happened at `moment`: at most 24 hours ahead of `now`, because clocks
    differ, and not before 1970."""
    if moment > now + _FUTURE_TOLERANCE:
        raise ValueError(f"{moment.isoformat()} is more than 24 hours ahead of the time it arrived, {now.isoformat()}")
    if moment < _EARLIEST:
        raise ValueError(
            f"{moment.isoformat()} is before 1970, too early to be the time of a payment; leave it out if unknown"
        )
