from __future__ import annotations

from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import given

from dunning_service.values.moments import read_moment, require_possible

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-11T19:31:58.0620744+00:00", datetime(2026, 1, 11, 19, 31, 58, 62074, UTC)),
        ("2026-01-11T19:31:58Z", datetime(2026, 1, 11, 19, 31, 58, tzinfo=UTC)),
        ("2026-01-11t19:31:58.5z", datetime(2026, 1, 11, 19, 31, 58, 500000, UTC)),
        ("2026-01-11T19:31:58", datetime(2026, 1, 11, 19, 31, 58, tzinfo=UTC)),
        ("2026-01-11 19:31", datetime(2026, 1, 11, 19, 31, tzinfo=UTC)),
        ("2026-01-11", datetime(2026, 1, 11, tzinfo=UTC)),
        ("2026-01-11T19:31:58.123456789+02:00", datetime(2026, 1, 11, 17, 31, 58, 123456, UTC)),
        ("2026-01-11T00:30:00+0130", datetime(2026, 1, 10, 23, 0, tzinfo=UTC)),
        ("2024-02-29T23:59:59.9999999-05:00", datetime(2024, 3, 1, 4, 59, 59, 999999, UTC)),
        ("2026-01-11T19:31:58.0620744 +00:00", datetime(2026, 1, 11, 19, 31, 58, 62074, UTC)),
        ("2026-01-11 20:31:58 +01", datetime(2026, 1, 11, 19, 31, 58, tzinfo=UTC)),
        ("2026-01-11T19:31 Z", datetime(2026, 1, 11, 19, 31, tzinfo=UTC)),
        ("Sun, 11 Jan 2026 19:31:58 GMT", datetime(2026, 1, 11, 19, 31, 58, tzinfo=UTC)),
        ("sun, 11 JAN 2026 19:31:58 UTC", datetime(2026, 1, 11, 19, 31, 58, tzinfo=UTC)),
        ("1 Feb 2026 00:31 +0100", datetime(2026, 1, 31, 23, 31, tzinfo=UTC)),
        ("0001-01-02T00:00:00", datetime(1, 1, 2, tzinfo=UTC)),
        ("9999-12-31T00:00:00", datetime(9999, 12, 31, tzinfo=UTC)),
    ],
)
def test_moment_is_read_in_utc(text: str, moment: datetime) -> None:
    read = read_moment(text)

    assert read == moment
    assert read is not None
    assert read.tzinfo is UTC


@given(st.integers(-14 * 4, 14 * 4), st.booleans(), st.sampled_from(["", ".0", ".9999999", ".0000000"]))
def test_a_date_that_was_never_set_is_none(quarters: int, is_first: bool, fraction: str) -> None:
    """.NET's first and last moment: as they are, with any offset, and moved to UTC by a client east or west of it."""
    hours, minutes = divmod(abs(quarters) * 15, 60)
    day = "0001-01-01T00:00:00" if is_first else "9999-12-31T23:59:59"
    for offset in ("", "Z", f"{'-' if quarters < 0 else '+'}{hours:02}:{minutes:02}", f" +{hours:02}{minutes:02}"):
        assert read_moment(f"{day}{fraction}{offset}") is None
    shifted = datetime.fromisoformat(day) + timedelta(minutes=abs(quarters) * (15 if is_first else -15))
    assert read_moment(f"{shifted.isoformat()}{fraction}Z") is None
    for moment in (datetime.fromisoformat(day), shifted):  # as .NET's format "r" writes it
        written = f"{moment:%a, %d %b} {moment.year:04} {moment:%H:%M:%S}"
        assert [read_moment(f"{written} {zone}") for zone in ("GMT", "+0100")] == [None, None]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-02-30T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-01-11T24:00:00Z",
        "2026-01-11T23:59:60Z",
        "2026-01-11T19:31:58+25:00",
        "0001-01-02T00:00:00+24:00",
        "9999-12-31T23:00:00-01:00",
        "2026-01-11T19:31:58  +00:00",
        "2026-01-11 +00:00",
        "2026-01-11T19:31:58 ",
        "Mon, 11 Jan 2026 19:31:58 GMT",
        "Sun, 11 Jan 2026 19:31:58",
        "Sun, 11 Jan 2026 19:31:58 PST",
        "Sun, 11 Jan 2026 25:31:58 GMT",
        "30 Feb 2026 19:31:58 GMT",
        "31 Dec 9999 23:00:00 -0100",
        "Sun 11 Jan 2026 19:31:58 GMT",
        "11 janvier 2026 19:31:58 GMT",
        "2026-W02-7",
        "20260111T193158Z",
        "2026-01-11T19:31:58,5Z",
        "２０２６-01-11T19:31:58Z",
        "2026-01-11T19:31:58Z\n",
        " 2026-01-11",
    ],
)
def test_what_is_not_a_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a|is outside"):
        read_moment(text)


def test_a_day_ahead_may_be_a_wrong_clock() -> None:
    require_possible(NOW + timedelta(hours=24), NOW)


@pytest.mark.parametrize(
    "moment", [NOW + timedelta(hours=24, microseconds=1), datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)]
)
def test_a_moment_that_cannot_have_been_is_refused(moment: datetime) -> None:
    with pytest.raises(ValueError, match=r"before 1970|24 hours ahead"):
        require_possible(moment, NOW)


def test_the_first_second_of_1970_may_be_a_payment() -> None:
    require_possible(datetime(1970, 1, 1, tzinfo=UTC), NOW)
