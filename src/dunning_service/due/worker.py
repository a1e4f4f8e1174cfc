"""The worker: leases due rows of every kind of work, runs them, and goes on until it is stopped."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from dunning_service.database.engines import Database, is_outage
from dunning_service.database.outages import why
from dunning_service.due.leases import DueWork, Share, lease_due
from dunning_service.errors import Unavailable
from dunning_service.values.clock import Clock

log = structlog.get_logger("dunning_service.due")

_AFTER_AN_OUTAGE_S = 2.0
_AFTER_A_CRASH_S = 10.0


class Worker:
    """Runs several kinds of due work side by side; any number of workers share one database.

    A row is leased in a transaction of its own, so a worker that dies leaves a lease behind, which expires; the next
    worker finds out first what has happened. Each kind has `concurrency` places of its own, so that one that hangs does
    not stop another.
    """

    def __init__(
        self,
        database: Database,
        work: Sequence[DueWork[Any]],
        clock: Clock,
        *,
        concurrency: int = 32,
        lease: timedelta = timedelta(seconds=120),
        poll_seconds: float = 1.0,
    ) -> None:
        self._stopping = asyncio.Event()
        self._lanes = [_Lane(database, kind, clock, concurrency, lease, poll_seconds, self._stopping) for kind in work]
        self._concurrency = concurrency
        self._lease = lease

    def stop(self, *, within: timedelta | None = None) -> None:
        """Leases nothing more; `run` returns when the items under way are done, or abandoned after `within`."""
        self._stopping.set()
        if within is not None:
            asyncio.get_running_loop().call_later(within.total_seconds(), self.give_up)

    def give_up(self) -> None:
        """Stops, and abandons the items under way: they are due again when their leases expire."""
        self._stopping.set()
        abandoned = [item for lane in self._lanes for item in lane.under_way]
        if abandoned:
            log.warning("worker.gave_up", attempts=len(abandoned))
        for item in abandoned:
            item.cancel()

    async def run(self) -> None:
        """Runs what falls due, until `stop`."""
        log.info("worker.started", concurrency=self._concurrency, claim_seconds=self._lease.total_seconds())
        async with asyncio.TaskGroup() as lanes:
            for lane in self._lanes:
                lanes.create_task(lane.run())
        log.info("worker.stopped")

    async def keep_running(self) -> None:
        """`run`, and again after an unexpected error: for a process that must not end with it."""
        while not self._stopping.is_set():
            try:
                await self.run()
            except Exception as error:
                log.error("worker.crashed", exc_info=error)
                await _pause(self._stopping, _AFTER_A_CRASH_S)

    async def run_once(self) -> int:
        """Runs what is due now, and what falls due meanwhile; answers how many leases that were: a row that is leased
        again, to find out what became of it, counts again.

        Raises Unavailable when the database is out of reach.
        """
        total = 0
        while not self._stopping.is_set():
            leased = sum([await lane.run_once() for lane in self._lanes])
            total += leased
            if not leased:
                break
        return total


@dataclass(frozen=True)
class _Lane:
    """One kind of due work in a worker, with its limit of items under way."""

    database: Database
    work: DueWork[Any]
    clock: Clock
    concurrency: int
    lease: timedelta
    poll_seconds: float
    stopping: asyncio.Event
    under_way: dict[asyncio.Task[None], int] = field(default_factory=dict)
    """Items under way, with the id of their merchant."""

    async def run(self) -> None:
        try:
            while not self.stopping.is_set():
                self._begin(await self._leased())
                if self._is_full():
                    # more may be due than there was room for
                    await asyncio.wait(self.under_way, timeout=self.poll_seconds, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await _pause(self.stopping, self.poll_seconds)
        finally:
            await self._finish()

    async def run_once(self) -> int:
        """Runs until nothing is due; answers how many leases that were. Raises Unavailable."""
        total = 0
        try:
            while not self.stopping.is_set():
                items = await asyncio.to_thread(self._lease_due, self._room(), self._share())
                total += len(items)
                self._begin(items)
                if not self.under_way:
                    break
                await asyncio.wait(self.under_way, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._finish()
        return total

    def _begin(self, items: Sequence[Any]) -> None:
        for item in items:
            task = asyncio.create_task(self._run_item(item))
            self.under_way[task] = self.work.merchant_of(item)
            task.add_done_callback(self.under_way.pop)

    async def _run_item(self, item: Any) -> None:
        try:
            await self.work.run(item)
        except Exception as error:
            log.error("work.crashed", table=self.work.table.name, exc_info=error)

    async def _leased(self) -> Sequence[Any]:
        try:
            return await asyncio.to_thread(self._lease_due, self._room(), self._share())
        except Unavailable as error:
            log.warning("claim.unavailable", **why(error.__cause__))
            await _pause(self.stopping, _AFTER_AN_OUTAGE_S)
            return []

    def _room(self) -> int:
        return self.concurrency - len(self.under_way)

    def _is_full(self) -> bool:
        """True when the lane, or one merchant, has its limit of items under way."""
        share = self._share()
        return self._room() == 0 or any(count >= share.most for count in share.under_way.values())

    def _share(self) -> Share:
        """The share of one merchant: three quarters of the places, so that others go on while its endpoint hangs."""
        most = max(1, self.concurrency - self.concurrency // 4)
        return Share(most, Counter(self.under_way.values()))

    def _lease_due(self, wanted: int, share: Share) -> Sequence[Any]:
        """Leases due rows. Raises Unavailable when the database is out of reach."""
        try:
            with self.database.write() as connection:
                return lease_due(connection, self.work, self.clock(), limit=wanted, lease=self.lease, share=share)
        except SQLAlchemyError as error:
            if not is_outage(error):
                raise
            raise Unavailable("the database cannot be reached") from error

    async def _finish(self) -> None:
        if self.under_way:
            await asyncio.wait(self.under_way)


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return
