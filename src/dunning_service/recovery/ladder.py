"""Retry ladders: the times at which a failed payment is tried again, counted from its first failure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Final

from dunning_service.errors import ConfigurationError

MAX_RETRIES: Final = 20
"""The longest ladder: card networks charge for more tries than about this many in a month."""
MAX_SPAN: Final = timedelta(days=90)
"""How long after the first failure the last retry may be."""

_EXAMPLES = 'write "1d 3d 5d 7d at 09:00" (days after the first failure, local time) or "10s 20s 30s", or "none"'
_STEP = re.compile(r"(\d{1,9})(s|m|h|d)", re.ASCII)
_TIME = re.compile(r"(\d{1,2}):(\d\d)", re.ASCII)
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}


@dataclass(frozen=True, slots=True)
class Ladder:
    """Retries after steps of time, each counted from the first failure; none where there are no steps."""

    steps: tuple[timedelta, ...]
    at: time | None = None
    """The local time of day of every retry: steps are whole days then, counted from the day of the first failure."""

    def __post_init__(self) -> None:
        if len(self.steps) > MAX_RETRIES:
            raise ConfigurationError(
                f"a retry ladder has at most {MAX_RETRIES} steps, and this one has {len(self.steps)}"
            )
        if any(later <= earlier for earlier, later in pairwise([timedelta(0), *self.steps])):
            raise ConfigurationError(
                "each step of a retry ladder has to be later than the one before, and the first than 0"
            )
        if self.steps and self.steps[-1] > MAX_SPAN:
            raise ConfigurationError(f"the last retry is more than {MAX_SPAN.days} days after the first failure")

    def __len__(self) -> int:
        return len(self.steps)

    def __str__(self) -> str:
        """The ladder as `parse_ladder` reads it."""
        if not self.steps:
            return "none"
        steps = " ".join(map(duration_text, self.steps))
        return steps if self.at is None else f"{steps} at {self.at:%H:%M}"

    def moment(self, retry: int, first_failed_at: datetime, zone: tzinfo) -> datetime:
        """The time of the retry of that index (0 is the first), in UTC."""
        return self._after(first_failed_at, self.steps[retry], zone)

    def spaced(self, retry: int, failed_at: datetime, zone: tzinfo) -> datetime:
        """The time of the same retry, as far from a failure as its step is from the step before."""
        gap = self.steps[retry] - (self.steps[retry - 1] if retry else timedelta(0))
        return self._after(failed_at, gap, zone)

    def words(self, retry: int, zone: tzinfo) -> str:
        """The step as a person would say it."""
        step = self.steps[retry]
        if self.at is None:
            return f"{duration_text(step)} after the first failure"
        return f"{step.days} {'day' if step.days == 1 else 'days'} after the first failure, at {self.at:%H:%M} {zone}"

    def _after(self, failed_at: datetime, step: timedelta, zone: tzinfo) -> datetime:
        if self.at is None:
            return failed_at.astimezone(UTC) + step
        return local_moment(failed_at.astimezone(zone).date() + step, self.at, zone)


DEFAULT_LADDER: Final = Ladder(tuple(timedelta(days=day) for day in (1, 3, 5, 7)), time(9))
NO_RETRIES: Final = Ladder(())


def parse_ladder(text: str) -> Ladder:
    """Reads a ladder as a setting holds it: `1d 3d 5d 7d at 09:00`, `10s 20s 30s`, `1h 6h 2d`, or `none`.

    Steps count from the first failure and may be divided by commas. Without a time of day, a day is 24 hours. Raises
    ConfigurationError saying which word is wrong.
    """
    steps, at, time_of_day = text.strip().lower().partition(" at ")
    words = steps.replace(",", " ").split()
    if words == ["none"] and not at:
        return NO_RETRIES
    if not words:
        raise ConfigurationError(f"the retry ladder is empty; {_EXAMPLES}")
    found = tuple(map(_step, words))
    if not at:
        return Ladder(found)
    if not all(word.endswith("d") for word in words):
        raise ConfigurationError(f"a retry ladder with a time of day counts in days only; {_EXAMPLES}")
    return Ladder(found, _time_of_day(time_of_day.strip()))


def local_moment(day: date, at: time, zone: tzinfo) -> datetime:
    """A time of a day in a zone, as a moment in UTC.

    Where clocks go forward past it, it is as much later as they were moved (02:30 is 03:30 by the new time); where they
    go back and it comes twice, it is the first of the two.
    """
    return datetime.combine(day, at.replace(fold=0), tzinfo=zone).astimezone(UTC)


def duration_text(duration: timedelta) -> str:
    """A duration as a whole number of the largest unit that divides it: `90s`, `36h`, `4d`."""
    for unit, size in _UNITS.items():
        if duration % size == timedelta(0):
            return f"{duration // size}{unit}"
    return f"{duration.total_seconds():g}s"


def _step(word: str) -> timedelta:
    step = _STEP.fullmatch(word)
    if step is None:
        raise ConfigurationError(f"{word[:40]!a} is not a step of a retry ladder; {_EXAMPLES}")
    span = int(step[1]) * _UNITS[step[2]]
    if span > MAX_SPAN:
        raise ConfigurationError(f"the step {word} is more than {MAX_SPAN.days} days after the first failure")
    return span


def _time_of_day(text: str) -> time:
    found = _TIME.fullmatch(text)
    try:
        if found is not None:
            return time(int(found[1]), int(found[2]))
    except ValueError:
        pass
    raise ConfigurationError(f"{text[:40]!a} is not a time of day such as 09:00; {_EXAMPLES}")
