"""Due times, in every zone there is."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import example, given
from hypothesis import strategies as st

from dunning_service.billing.calendar import MAX_EVERY, due_at
from dunning_service.billing.states import FrequencyUnit

ZONES = st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"})).map(ZoneInfo)
ANCHORS = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
UNITS = st.sampled_from(FrequencyUnit)
SMALL_STEPS = st.integers(1, 13)
NUMBERS = st.integers(1, 400)

SAMOA = ZoneInfo("Pacific/Apia")  # had no 30th of December 2011
OSLO = ZoneInfo("Europe/Oslo")


def wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def exists(local: datetime, zone: ZoneInfo) -> bool:
    return wall(local.replace(tzinfo=zone).astimezone(UTC), zone) == local


@given(anchor=ANCHORS, unit=UNITS, every=SMALL_STEPS, number=NUMBERS, zone=ZONES)
@example(datetime(2011, 12, 29, 10, tzinfo=UTC), FrequencyUnit.DAY, 1, 1, SAMOA)
@example(datetime(2011, 12, 29, 10, tzinfo=UTC), FrequencyUnit.DAY, 1, 2, SAMOA)
@example(datetime(2011, 12, 29, 20, tzinfo=UTC), FrequencyUnit.DAY, 1, 2, SAMOA)
@example(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), FrequencyUnit.DAY, 1, 1, OSLO)  # 02:30 for the second time
@example(datetime(2027, 3, 27, 1, 30, tzinfo=UTC), FrequencyUnit.DAY, 1, 1, OSLO)  # 02:30, then no 02:30
@example(datetime(2027, 3, 27, 1, 30, tzinfo=UTC), FrequencyUnit.DAY, 1, 2, OSLO)
def test_each_payment_falls_due_after_the_one_before(
    anchor: datetime, unit: FrequencyUnit, every: int, number: int, zone: ZoneInfo
) -> None:
    assert due_at(anchor, unit, every, number, zone) < due_at(anchor, unit, every, number + 1, zone)


@given(anchor=ANCHORS, unit=UNITS, every=SMALL_STEPS, number=NUMBERS, zone=ZONES)
def test_the_wall_clock_stays_where_it_has_the_time(
    anchor: datetime, unit: FrequencyUnit, every: int, number: int, zone: ZoneInfo
) -> None:
    due = due_at(anchor, unit, every, number, zone)
    assert due.tzinfo is UTC
    first, local = wall(anchor, zone), wall(due, zone)
    meant = local.replace(hour=first.hour, minute=first.minute, second=first.second, microsecond=first.microsecond)
    if exists(meant, zone):
        assert local == meant
    if number == 1:
        assert due == anchor


@given(anchor=ANCHORS, every=SMALL_STEPS, number=NUMBERS)
def test_months_are_counted_from_the_first_and_end_on_their_last_day(anchor: datetime, every: int, number: int) -> None:
    due = due_at(anchor, FrequencyUnit.MONTH, every, number, ZoneInfo("UTC"))
    months = (due.year - anchor.year) * 12 + due.month - anchor.month
    assert months == every * (number - 1)
    assert due.day == min(anchor.day, monthrange(due.year, due.month)[1])


@given(anchor=ANCHORS, every=SMALL_STEPS, number=st.integers(1, 60), factor=st.integers(1, 6), zone=ZONES)
def test_steps_do_not_drift(anchor: datetime, every: int, number: int, factor: int, zone: ZoneInfo) -> None:
    # every third payment of a monthly subscription is due when a quarterly one is
    for unit in FrequencyUnit:
        fine = due_at(anchor, unit, every, (number - 1) * factor + 1, zone)
        assert fine == due_at(anchor, unit, every * factor, number, zone)


@given(anchor=ANCHORS, every=SMALL_STEPS, number=NUMBERS, zone=ZONES)
def test_weeks_are_seven_days(anchor: datetime, every: int, number: int, zone: ZoneInfo) -> None:
    due = due_at(anchor, FrequencyUnit.WEEK, every, number, zone)
    assert due == due_at(anchor, FrequencyUnit.DAY, 7 * every, number, zone)


@given(anchor=ANCHORS, number=NUMBERS, zone=ZONES)
def test_a_time_that_is_skipped_or_repeated_moves_by_no_more_than_a_day(
    anchor: datetime, number: int, zone: ZoneInfo
) -> None:
    due = due_at(anchor, FrequencyUnit.DAY, 1, number, zone)
    even = anchor + timedelta(days=number - 1)
    assert abs(due - even) <= timedelta(hours=26)


@given(anchor=ANCHORS, unit=UNITS)
def test_the_longest_step_is_ten_years(anchor: datetime, unit: FrequencyUnit) -> None:
    second = due_at(anchor, unit, MAX_EVERY[unit], 2, ZoneInfo("UTC"))
    assert timedelta(days=3_640) <= second - anchor <= timedelta(days=3_653)
