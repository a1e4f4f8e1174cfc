"""A cache of look-ups for two seconds, so that not every request reads the database."""

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
"""How long an entry is used: what was revoked is refused within 5 s, with room to spare."""

_A_MOMENT_S = 0.25

_MAX_ENTRIES = 10_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A value that was looked up, and the time from which it must be looked up again."""

    value: T
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    value: T
    asked_at: datetime
    until: datetime
    until_s: float
    """The same by the monotonic clock."""


class LookupCache(Generic[T]):
    """A cache of values no older than two seconds; concurrent callers of one key share one look-up.

    What could not be found (a DunningError was raised) is not cached.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[Hashable, _Entry[T]] = {}
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
        """Drops an entry, so that the next caller looks it up again; at most a few times a second for each key."""
        now = time.monotonic()
        if key in self._entries and now - self._forgotten_s.get(key, -_A_MOMENT_S) >= _A_MOMENT_S:
            del self._entries[key]
            self._forgotten_s[key] = now

    def _holds(self, entry: _Entry[T]) -> bool:
        # by both clocks: the wall clock may be set back, and a test's clock is set by the test
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
        self._entries[key] = _Entry(found.value, asked_at, until, until_s)
        return found

    def _finished(self, key: Hashable, task: asyncio.Task[Found[T]]) -> None:
        self._under_way.pop(key, None)
        if not task.cancelled():
            task.exception()  # retrieved, as every caller may have gone
