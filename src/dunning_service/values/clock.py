"""The time, as something that is handed in."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Answers the present moment, aware and in UTC."""


def utc_now() -> datetime:
    """The wall clock. Only the entry points and the tests choose a clock."""
    return datetime.now(UTC)
