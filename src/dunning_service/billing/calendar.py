"""The calendar of a subscription: when each of its payments falls due.

Every due time is counted from the first, never from the one before, so nothing drifts: the month after the 31st of
January is the 28th of February, and the one after that is the 31st of March again.

The wall clock of the merchant's zone is what stays the same. Where it has no such time of day on the day in question,
because the clocks were put forward, the payment falls due as much later as they jumped (02:30 becomes 03:30). Where
the time comes twice, because they were put back, it falls due the first time. The first payment is due at exactly the
moment that was agreed.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from dunning_service.billing.states import FrequencyUnit

MAX_EVERY = {FrequencyUnit.DAY: 3_650, FrequencyUnit.WEEK: 520, FrequencyUnit.MONTH: 120}
"""The longest step: ten years, which no payment method outlives. More is a mistake of unit."""

MAX_PAYMENTS = 1_200
"""The most payments of a subscription that has an end: a hundred years of months, or three years of days. All of them
are written and answered at once; longer ones are left open-ended and terminated."""

_DAY = timedelta(days=1)


class NoSuchDate(ValueError):
    """A due time that the calendar cannot hold, or a step that no subscription has."""


def due_at(anchor: datetime, unit: FrequencyUnit, every: int, number: int, zone: ZoneInfo) -> datetime:
    """The due time of payment `number` (1, 2, 3...), in UTC, if the first falls due at `anchor`.

    It is always later than that of the payment before. Raises NoSuchDate outside the years 1 to 9999, and for a step
    that is not from 1 to `MAX_EVERY`.
    """
    if anchor.utcoffset() is None:
        raise ValueError("the first due time needs an offset from UTC")
    require_step(unit, every)
    if number < 1:
        raise ValueError(f"payments are numbered from 1, not {number}")
    if number == 1:
        return anchor.astimezone(UTC)
    try:
        first = anchor.astimezone(zone)
        wall = datetime.combine(_stepped(first.date(), unit, every * (number - 1)), first.time().replace(fold=0))
        return _moment(wall, zone)
    except (OverflowError, ValueError):
        raise NoSuchDate(f"payment {number} would fall due outside the years 1 to 9999") from None


def require_step(unit: FrequencyUnit, every: int) -> None:
    """Raises NoSuchDate for a step between payments that is below 1 or above `MAX_EVERY`."""
    if not 1 <= every <= MAX_EVERY[unit]:
        raise NoSuchDate(f"must be from 1 to {MAX_EVERY[unit]} when it counts {unit.name.lower()}s")


def _stepped(day: date, unit: FrequencyUnit, steps: int) -> date:
    if unit is FrequencyUnit.DAY:
        return day + timedelta(days=steps)
    if unit is FrequencyUnit.WEEK:
        return day + timedelta(weeks=steps)
    years, month = divmod(day.month - 1 + steps, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _moment(wall: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which the clocks of `zone` show `wall`, by the rules above."""
    moment = wall.replace(tzinfo=zone)
    before, after = moment.utcoffset(), moment.replace(fold=1).utcoffset()
    assert before is not None
    assert after is not None
    if after - before >= _DAY:
        # a day that the zone never had (Samoa left out the 30th of December 2011): the rule would charge it together
        # with the day that follows, so it falls due halfway between its neighbours
        return (wall - (before + after) / 2).replace(tzinfo=UTC)
    # inside a jump, fold=0 counts with the offset from before it; inside a repeat, with that of the first time
    return moment.astimezone(UTC)
