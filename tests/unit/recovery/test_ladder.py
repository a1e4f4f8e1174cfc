"""When a retry is planned."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from dunning_service.errors import ConfigurationError
from dunning_service.recovery.ladder import (
    DEFAULT_LADDER,
    NO_RETRIES,
    Ladder,
    duration_text,
    local_moment,
    parse_ladder,
)

OSLO = ZoneInfo("Europe/Oslo")


def moments(ladder: Ladder, first_failed_at: datetime, zone: ZoneInfo = OSLO) -> list[datetime]:
    return [ladder.moment(retry, first_failed_at, zone) for retry in range(len(ladder))]


def seconds(*offsets: int) -> Ladder:
    return Ladder(tuple(timedelta(seconds=offset) for offset in offsets))


def test_the_default_is_nine_in_the_morning_on_four_days() -> None:
    first = datetime(2027, 3, 25, 23, 30, tzinfo=UTC)  # already the 26th in Oslo, and clocks go forward on the 28th
    assert moments(DEFAULT_LADDER, first) == [
        datetime(2027, 3, 27, 8, tzinfo=UTC),
        datetime(2027, 3, 29, 7, tzinfo=UTC),
        datetime(2027, 3, 31, 7, tzinfo=UTC),
        datetime(2027, 4, 2, 7, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    ("text", "ladder"),
    [
        ("1d 3d 5d 7d at 09:00", DEFAULT_LADDER),
        ("1d, 3d,5d 7d AT 9:00", DEFAULT_LADDER),
        ("2d at 23:59", Ladder((timedelta(days=2),), time(23, 59))),
        ("10s 20s 30s", seconds(10, 20, 30)),
        (" 90s 1h ", seconds(90, 3600)),
        ("1d 2d", seconds(86_400, 172_800)),
        ("none", NO_RETRIES),
        ("NONE", NO_RETRIES),
    ],
)
def test_a_ladder_is_read_from_a_setting(text: str, ladder: Ladder) -> None:
    assert parse_ladder(text) == ladder
    assert parse_ladder(str(ladder)) == ladder


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("at 09:00", "'at'"),
        (" at 09:00", "'at'"),
        ("1x", "'1x' is not a step"),
        ("1", "'1' is not a step"),
        ("-1d", "is not a step"),
        ("1.5h", "is not a step"),
        ("٣d", "is not a step"),
        ("3d 1d at 09:00", "later than the one before"),
        ("1d 1d at 09:00", "later than the one before"),
        ("0d at 09:00", "the first than 0"),
        ("0s", "the first than 0"),
        ("1h 2h at 09:00", "days only"),
        ("1d at 25:00", "'25:00' is not a time of day"),
        ("1d at 09:60", "is not a time of day"),
        ("1d at nine", "is not a time of day"),
        ("1d at 09:00 at 10:00", "is not a time of day"),
        ("none 1d", "'none' is not a step"),
        ("91d", "more than 90 days"),
        ("999999999d", "more than 90 days"),
        (" ".join(f"{step}s" for step in range(1, 22)), "at most 20 steps"),
    ],
)
def test_what_is_wrong_with_a_ladder_is_said(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_ladder(text)
    assert problem in refused.value.message


def test_a_time_that_clocks_jump_over_is_later_by_the_jump() -> None:
    assert local_moment(date(2027, 3, 28), time(2, 30), OSLO) == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)
    assert datetime(2027, 3, 28, 1, 30, tzinfo=UTC).astimezone(OSLO).time() == time(3, 30)


def test_a_time_that_comes_twice_is_the_first_of_the_two() -> None:
    assert local_moment(date(2027, 10, 31), time(2, 30), OSLO) == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
    later = time(2, 30, fold=1)
    assert local_moment(date(2027, 10, 31), later, OSLO) == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)


def test_a_day_that_a_zone_left_out_becomes_the_next() -> None:
    apia = ZoneInfo("Pacific/Apia")  # went from the 29th straight to the 31st
    assert local_moment(date(2011, 12, 30), time(9), apia).astimezone(apia).date() == date(2011, 12, 31)


def test_a_missed_step_keeps_its_distance() -> None:
    failed_at = datetime(2027, 1, 20, 12, tzinfo=UTC)
    assert DEFAULT_LADDER.spaced(2, failed_at, OSLO) == datetime(2027, 1, 22, 8, tzinfo=UTC)
    assert DEFAULT_LADDER.spaced(0, failed_at, OSLO) == datetime(2027, 1, 21, 8, tzinfo=UTC)
    assert seconds(10, 20, 40).spaced(2, failed_at, OSLO) == failed_at + timedelta(seconds=20)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(days=4), "4d"),
        (timedelta(hours=36), "36h"),
        (timedelta(seconds=90), "90s"),
        (timedelta(hours=72), "3d"),
        (timedelta(milliseconds=1500), "1.5s"),
    ],
)
def test_durations_are_told_in_the_largest_whole_unit(duration: timedelta, text: str) -> None:
    assert duration_text(duration) == text


def test_a_step_can_be_said_in_words() -> None:
    assert DEFAULT_LADDER.words(0, OSLO) == "1 day after the first failure, at 09:00 Europe/Oslo"
    assert DEFAULT_LADDER.words(1, OSLO) == "3 days after the first failure, at 09:00 Europe/Oslo"
    assert seconds(10).words(0, OSLO) == "10s after the first failure"
