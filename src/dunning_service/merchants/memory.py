"""Answers that are remembered for a moment, so that the database is not asked for each request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from dunning_service.errors import DunningError
from dunning_service.values.clock import Clock

_MAX_AGE = timedelta(seconds=2)
"""How long an answer is believed: what was revoked is refused within 5 s, with room to spare."""

_A_MOMENT_S = 0.25

_MAX_ENTRIES = 10_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """An answer, and the moment from which it must be asked for again."""

    value: T
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Remembered(Generic[T]):
    value: T
    asked_at: datetime
    until: datetime
    until_s: float
    """The same by the clock that nobody can set."""


class Memory(Generic[T]):
    """Answers no older than two seconds; callers who ask for the same thing at once share one look-up.

    What could not be found (a DunningError was raised) is not remembered.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[Hashable, _Remembered[T]] = {}
        self._under_way: dict[Hashable, asyncio.Task[Found[T]]] = {}
        self._forgotten_s: dict[Hashable, float] = {}
        """When something that was found was last forgotten before its time; as many as there are sources."""

    async def get(self, key: Hashable, find: Callable[[], Awaitable[Found[T]]]) -> T:
        entry = self._entries.get(key)
        if entry is not None and self._holds(entry):
            return entry.value
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._look_up(key, find))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        # one caller hanging up must not take the answer from the others
        return (await asyncio.shield(task)).value

    def forget(self, key: Hashable) -> None:
        """Lets the next caller ask again, unless somebody has been let a moment ago."""
        now = time.monotonic()
        if key in self._entries and now - self._forgotten_s.get(key, -_A_MOMENT_S) >= _A_MOMENT_S:
            del self._entries[key]
            self._forgotten_s[key] = now

    def _holds(self, entry: _Remembered[T]) -> bool:
        # by both clocks: the wall clock may be set back, and a test's clock moves when it is told to
        return time.monotonic() < entry.until_s and entry.asked_at <= self._clock() < entry.until

    async def _look_up(self, key: Hashable, find: Callable[[], Awaitable[Found[T]]]) -> Found[T]:
        asked_at, until_s = self._clock(), time.monotonic() + _MAX_AGE.total_seconds()
        try:
            found = await find()
        except DunningError:
            self._entries.pop(key, None)
            raise
        self._entries.pop(key, None)
        while len(self._entries) >= _MAX_ENTRIES:
            self._entries.pop(next(iter(self._entries)))  # the one that was asked for longest ago
        until = asked_at + _MAX_AGE
        if found.valid_until is not None:
            until = min(until, found.valid_until)
        self._entries[key] = _Remembered(found.value, asked_at, until, until_s)
        return found

    def _finished(self, key: Hashable, task: asyncio.Task[Found[T]]) -> None:
        self._under_way.pop(key, None)
        if not task.cancelled():
            task.exception()  # every caller may have gone; nobody else would look at it then
