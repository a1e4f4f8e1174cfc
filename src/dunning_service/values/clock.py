"""The clock: a function that returns the current time, passed to what needs it."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Answers the present moment, aware and in UTC."""


def utc_now() -> datetime:
    """The current time in UTC by the wall clock. Only the entry points and the tests choose a clock."""
    return datetime.now(UTC)
