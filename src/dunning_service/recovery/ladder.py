"""When a payment that failed is tried again, counted from its first failure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
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


def _require_steps(steps: Sequence[timedelta]) -> None:
    if len(steps) > MAX_RETRIES:
        raise ConfigurationError(f"a retry ladder has at most {MAX_RETRIES} steps, and this one has {len(steps)}")
    if any(later <= earlier for earlier, later in zip([timedelta(0), *steps], steps, strict=False)):
        raise ConfigurationError(
            "each step of a retry ladder has to be later than the one before, and the first than 0"
        )
    if steps and steps[-1] > MAX_SPAN:
        raise ConfigurationError(f"the last retry is more than {MAX_SPAN.days} days after the first failure")


@dataclass(frozen=True, slots=True)
class DailyLadder:
    """Retries at one local time of day, on the given days after the day of the first failure."""

    days: tuple[int, ...]
    at: time

    def __post_init__(self) -> None:
        _require_steps([timedelta(days=day) for day in self.days])

    def __len__(self) -> int:
        return len(self.days)

    def __str__(self) -> str:
        return f"{' '.join(f'{day}d' for day in self.days)} at {self.at:%H:%M}" if self.days else "none"

    def moment(self, retry: int, first_failed_at: datetime, zone: tzinfo) -> datetime:
        """When the retry of that index (0 is the first) is planned, in UTC."""
        return local_moment(_local_day(first_failed_at, zone) + timedelta(days=self.days[retry]), self.at, zone)

    def spaced(self, retry: int, failed_at: datetime, zone: tzinfo) -> datetime:
        """The same retry as far from a failure as the ladder has it from the step before."""
        gap = self.days[retry] - (self.days[retry - 1] if retry else 0)
        return local_moment(_local_day(failed_at, zone) + timedelta(days=gap), self.at, zone)

    def words(self, retry: int, zone: tzinfo) -> str:
        """The step as a person would say it."""
        day = self.days[retry]
        return f"{day} {'day' if day == 1 else 'days'} after the first failure, at {self.at:%H:%M} {zone}"


@dataclass(frozen=True, slots=True)
class OffsetLadder:
    """Retries after plain stretches of time since the first failure: for demonstrations, tests and short ladders."""

    offsets: tuple[timedelta, ...]

    def __post_init__(self) -> None:
        _require_steps(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets)

    def __str__(self) -> str:
        return " ".join(duration_text(offset) for offset in self.offsets) or "none"

    def moment(self, retry: int, first_failed_at: datetime, zone: tzinfo) -> datetime:
        """When the retry of that index (0 is the first) is planned, in UTC."""
        return first_failed_at.astimezone(UTC) + self.offsets[retry]

    def spaced(self, retry: int, failed_at: datetime, zone: tzinfo) -> datetime:
        """The same retry as far from a failure as the ladder has it from the step before."""
        gap = self.offsets[retry] - (self.offsets[retry - 1] if retry else timedelta(0))
        return failed_at.astimezone(UTC) + gap

    def words(self, retry: int, zone: tzinfo) -> str:
        """The step as a person would say it."""
        return f"{duration_text(self.offsets[retry])} after the first failure"


Ladder = DailyLadder | OffsetLadder

DEFAULT_LADDER: Final[Ladder] = DailyLadder((1, 3, 5, 7), time(9))
NO_RETRIES: Final[Ladder] = OffsetLadder(())


def parse_ladder(text: str) -> Ladder:
    """A ladder as it stands in a setting: `1d 3d 5d 7d at 09:00`, `10s 20s 30s`, `1h 6h 2d`, or `none`.

    Steps count from the first failure and may be divided by commas. Without a time of day, a day is 24 hours. Raises
    ConfigurationError saying which word is wrong.
    """
    steps, at, time_of_day = text.strip().lower().partition(" at ")
    words = steps.replace(",", " ").split()
    if words == ["none"] and not at:
        return NO_RETRIES
    if not words:
        raise ConfigurationError(f"the retry ladder is empty; {_EXAMPLES}")
    found = [_step(word) for word in words]
    if not at:
        return OffsetLadder(tuple(count * _UNITS[unit] for count, unit in found))
    if any(unit != "d" for _, unit in found):
        raise ConfigurationError(f"a retry ladder with a time of day counts in days only; {_EXAMPLES}")
    return DailyLadder(tuple(count for count, _ in found), _time_of_day(time_of_day.strip()))


def local_moment(day: date, at: time, zone: tzinfo) -> datetime:
    """That time of that day in that zone, in UTC.

    Where clocks go forward past it, it is as much later as they were moved (02:30 is 03:30 by the new time); where they
    go back and it comes twice, it is the first of the two.
    """
    return datetime.combine(day, at.replace(fold=0), tzinfo=zone).astimezone(UTC)


def duration_text(duration: timedelta) -> str:
    """A whole number of the largest unit that divides it: `90s`, `36h`, `4d`."""
    for unit, size in _UNITS.items():
        if duration % size == timedelta(0):
            return f"{duration // size}{unit}"
    return f"{duration.total_seconds():g}s"


def _local_day(moment: datetime, zone: tzinfo) -> date:
    return moment.astimezone(zone).date()


def _step(word: str) -> tuple[int, str]:
    step = _STEP.fullmatch(word)
    if step is None:
        raise ConfigurationError(f"{word[:40]!a} is not a step of a retry ladder; {_EXAMPLES}")
    count, unit = int(step[1]), step[2]
    if count * _UNITS[unit] > MAX_SPAN:
        raise ConfigurationError(f"the step {word} is more than {MAX_SPAN.days} days after the first failure")
    return count, unit


def _time_of_day(text: str) -> time:
    found = _TIME.fullmatch(text)
    try:
        if found is not None:
            return time(int(found[1]), int(found[2]))
    except ValueError:
        pass
    raise ConfigurationError(f"{text[:40]!a} is not a time of day such as 09:00; {_EXAMPLES}")
