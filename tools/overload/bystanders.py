"""Somebody who posts one notice after the other, as ever, and notes how long each takes."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from e2e.senders import Account, Line, a_goodparty_notice

_BETWEEN_S = 0.02
_WINDOW = 20


class Bystander:
    """One connection of its own. `refused` counts what was not answered 200."""

    def __init__(self, account: Account, line: Line) -> None:
        self.acknowledged: list[str] = []
        self.refused = 0
        self._account = account
        self._line = line
        self._serial = itertools.count()

    async def post(self) -> float:
        """One notice; how many seconds its answer took."""
        posted = a_goodparty_notice(self._account, f"bystander{next(self._serial)}")
        began = time.perf_counter()
        answer = await self._line.post(posted)
        took = time.perf_counter() - began
        if answer.status == 200:
            self.acknowledged.append(posted.payment)
        else:
            self.refused += 1
        return took

    async def median_ms(self, count: int) -> float:
        """Of so many notices, with a pause between them."""
        taken = []
        for _ in range(count):
            taken.append(await self.post())
            await asyncio.sleep(_BETWEEN_S)
        return statistics.median(taken) * 1000

    async def median_while_ms(self, going_on: asyncio.Task[Any]) -> float:
        """Of as many notices as there is time for until that is done; NaN when there was none for any."""
        taken = []
        while not going_on.done():
            taken.append(await self.post())
            await asyncio.sleep(_BETWEEN_S)
        return statistics.median(taken) * 1000 if taken else float("nan")

    async def back_to(self, median_ms: float, *, within_s: float) -> float:
        """Seconds until a window of its notices has that median again; infinite when that took too long."""
        began = time.perf_counter()
        while (so_far := time.perf_counter() - began) < within_s:
            if await self.median_ms(_WINDOW) <= median_ms:
                return so_far
        return float("inf")


@asynccontextmanager
async def bystander(port: int, account: Account) -> AsyncIterator[Bystander]:
    line = await Line.open(port)
    try:
        yield Bystander(account, line)
    finally:
        line.close()
