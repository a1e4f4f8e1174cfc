"""Due times by date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dunning_service.billing.calendar import MAX_EVERY, NoSuchDate, due_at
from dunning_service.billing.states import FrequencyUnit

DAY, WEEK, MONTH = FrequencyUnit.DAY, FrequencyUnit.WEEK, FrequencyUnit.MONTH
OSLO = ZoneInfo("Europe/Oslo")
NEW_YORK = ZoneInfo("America/New_York")
SAMOA = ZoneInfo("Pacific/Apia")
UTC_ZONE = ZoneInfo("UTC")


def local_times(anchor: str, unit: FrequencyUnit, every: int, count: int, zone: ZoneInfo) -> list[str]:
    times = (due_at(datetime.fromisoformat(anchor), unit, every, number, zone) for number in range(1, count + 1))
    return [moment.astimezone(zone).isoformat(timespec="minutes") for moment in times]


def test_months_from_the_31st_end_on_the_last_day_and_come_back() -> None:
    assert local_times("2027-01-31T09:00+01:00", MONTH, 1, 6, OSLO) == [
        "2027-01-31T09:00+01:00",
        "2027-02-28T09:00+01:00",
        "2027-03-31T09:00+02:00",
        "2027-04-30T09:00+02:00",
        "2027-05-31T09:00+02:00",
        "2027-06-30T09:00+02:00",
    ]


def test_years_from_a_leap_day_come_back_to_it() -> None:
    assert [text[:10] for text in local_times("2028-02-29T12:00Z", MONTH, 12, 5, UTC_ZONE)] == [
        "2028-02-29",
        "2029-02-28",
        "2030-02-28",
        "2031-02-28",
        "2032-02-29",
    ]


def test_weeks_keep_the_wall_clock_when_the_clocks_change() -> None:
    assert local_times("2026-10-18T09:00+02:00", WEEK, 1, 3, OSLO) == [
        "2026-10-18T09:00+02:00",
        "2026-10-25T09:00+01:00",
        "2026-11-01T09:00+01:00",
    ]


def test_a_time_that_the_clocks_skip_falls_due_as_much_later_as_they_jump() -> None:
    assert local_times("2027-03-27T02:30+01:00", DAY, 1, 3, OSLO) == [
        "2027-03-27T02:30+01:00",
        "2027-03-28T03:30+02:00",
        "2027-03-29T02:30+02:00",
    ]


def test_a_time_that_comes_twice_falls_due_the_first_time() -> None:
    assert local_times("2026-10-24T02:30+02:00", DAY, 1, 3, OSLO) == [
        "2026-10-24T02:30+02:00",
        "2026-10-25T02:30+02:00",
        "2026-10-26T02:30+01:00",
    ]


def test_a_start_at_the_second_of_two_equal_times_is_kept() -> None:
    assert local_times("2026-11-01T01:30-05:00", DAY, 1, 2, NEW_YORK) == [
        "2026-11-01T01:30-05:00",
        "2026-11-02T01:30-05:00",
    ]


def test_the_day_is_the_merchants_whatever_the_offset_of_the_start() -> None:
    # the 31st in Oslo is still the 30th in UTC
    assert [text[:10] for text in local_times("2027-01-30T23:30Z", MONTH, 1, 3, OSLO)] == [
        "2027-01-31",
        "2027-02-28",
        "2027-03-31",
    ]


def test_a_day_that_a_zone_never_had_lies_between_its_neighbours() -> None:
    assert local_times("2011-12-29T00:00-10:00", DAY, 1, 3, SAMOA) == [
        "2011-12-29T00:00-10:00",
        "2011-12-29T12:00-10:00",
        "2011-12-31T00:00+14:00",
    ]


def test_the_first_payment_keeps_its_fraction_of_a_second() -> None:
    anchor = datetime(2027, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
    assert due_at(anchor, DAY, 1, 1, OSLO) == anchor
    assert due_at(anchor, DAY, 1, 2, OSLO) == anchor + timedelta(days=1)


@pytest.mark.parametrize("unit", FrequencyUnit)
@pytest.mark.parametrize("zone", [UTC_ZONE, OSLO, NEW_YORK, SAMOA], ids=str)
def test_the_end_of_the_calendar_is_said(unit: FrequencyUnit, zone: ZoneInfo) -> None:
    with pytest.raises(NoSuchDate, match=r"payment 1200 .* 9999"):
        due_at(datetime(2027, 1, 1, tzinfo=UTC), unit, MAX_EVERY[unit], 1200, zone)
    with pytest.raises(NoSuchDate, match=r"payment 2 .* 9999"):
        due_at(datetime(9999, 12, 31, 12, tzinfo=UTC), unit, 1, 2, zone)


@pytest.mark.parametrize(("unit", "every"), [(DAY, 0), (DAY, -1), (DAY, 3651), (WEEK, 521), (MONTH, 121)])
def test_steps_that_nobody_means_are_refused(unit: FrequencyUnit, every: int) -> None:
    with pytest.raises(NoSuchDate, match="must be from 1 to"):
        due_at(datetime(2027, 1, 1, tzinfo=UTC), unit, every, 2, OSLO)


def test_a_time_without_an_offset_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="offset"):
        due_at(datetime(2027, 1, 1), DAY, 1, 1, OSLO)  # noqa: DTZ001


def test_payments_are_numbered_from_one() -> None:
    with pytest.raises(ValueError, match="from 1"):
        due_at(datetime(2027, 1, 1, tzinfo=UTC), DAY, 1, 0, OSLO)
