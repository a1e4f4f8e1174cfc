"""The worker: claims what is due, has it charged, and goes on until it is told to stop."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from dunning_service.charging.attempts import Charging
from dunning_service.charging.claims import Claim, Share, claim_due
from dunning_service.clock import Clock
from dunning_service.db import Database, is_outage
from dunning_service.errors import DunningError, Unavailable
from dunning_service.outages import why

log = structlog.get_logger("dunning_service.charging")

_AFTER_AN_OUTAGE_S = 2.0
_AFTER_A_CRASH_S = 10.0


class Worker:
    """Any number of them share one database: each attempt is claimed by one.

    An attempt is claimed in a transaction of its own, so a worker that dies leaves a claim behind, which runs out;
    whoever takes it over finds out first what the gateway knows.
    """

    def __init__(
        self,
        database: Database,
        charging: Charging,
        clock: Clock,
        *,
        concurrency: int = 32,
        lease: timedelta = timedelta(seconds=120),
        poll_seconds: float = 1.0,
    ) -> None:
        self._database = database
        self._charging = charging
        self._clock = clock
        self._concurrency = concurrency
        self._lease = lease
        self._poll_seconds = poll_seconds
        self._stopping = asyncio.Event()
        self._attempts: dict[asyncio.Task[None], int] = {}
        """Those under way, and whose they are."""

    def stop(self, *, within: timedelta | None = None) -> None:
        """Claims nothing more; `run` returns when the attempts that have begun are done, or let go of because `within`
        is over."""
        self._stopping.set()
        if within is not None:
            asyncio.get_running_loop().call_later(within.total_seconds(), self.give_up)

    def give_up(self) -> None:
        """Stops, and lets go of the attempts that have begun: when their claims run out, they are looked up."""
        self._stopping.set()
        if self._attempts:
            log.warning("worker.gave_up", attempts=len(self._attempts))
        for attempt in self._attempts:
            attempt.cancel()

    async def run(self) -> None:
        """Works off what falls due, until `stop`."""
        log.info("worker.started", concurrency=self._concurrency, claim_seconds=self._lease.total_seconds())
        try:
            while not self._stopping.is_set():
                self._begin(await self._claimed())
                if self._is_crowded():
                    # more may be due than there was room for
                    await asyncio.wait(self._attempts, timeout=self._poll_seconds, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await self._pause(self._poll_seconds)
        finally:
            await self._finish()
        log.info("worker.stopped")

    async def keep_running(self) -> None:
        """`run`, and again after whatever nobody expected: beside something that must not end with it."""
        while not self._stopping.is_set():
            try:
                await self.run()
            except Exception as error:
                log.error("worker.crashed", exc_info=error)
                await self._pause(_AFTER_A_CRASH_S)

    async def run_once(self) -> int:
        """Works off what is due now, and what falls due meanwhile; answers how many claims that were: a payment that is
        claimed again, to look an attempt up, counts again.

        Raises Unavailable when the database is out of reach.
        """
        worked_off = 0
        try:
            while not self._stopping.is_set():
                claims = await asyncio.to_thread(self._claim, self._room(), self._share())
                worked_off += len(claims)
                self._begin(claims)
                if not self._attempts:
                    break
                await asyncio.wait(self._attempts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._finish()
        return worked_off

    def _begin(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            task = asyncio.create_task(self._attempt(claim))
            self._attempts[task] = claim.payment["merchant_id"]
            task.add_done_callback(self._attempts.pop)

    async def _attempt(self, claim: Claim) -> None:
        try:
            await self._charging.attempt(claim)
        except DunningError as error:
            # it is in flight still: when the claim runs out, it is looked up
            log.warning("attempt.unrecorded", payment_id=claim.payment["id"], attempt=claim.number, error=error.message)
        except Exception as error:
            log.error("attempt.crashed", payment_id=claim.payment["id"], attempt=claim.number, exc_info=error)

    async def _claimed(self) -> Sequence[Claim]:
        try:
            return await asyncio.to_thread(self._claim, self._room(), self._share())
        except Unavailable as error:
            log.warning("claim.unavailable", **why(error.__cause__))
            await self._pause(_AFTER_AN_OUTAGE_S)
            return []

    def _room(self) -> int:
        return self._concurrency - len(self._attempts)

    def _is_crowded(self) -> bool:
        """True when this worker has as much as it may have under way, or one merchant has."""
        share = self._share()
        return self._room() == 0 or any(count >= share.most for count in share.under_way.values())

    def _share(self) -> Share:
        """A quarter of the room is never one merchant's: its gateway may hang, and the others go on."""
        most = max(1, self._concurrency - self._concurrency // 4)
        return Share(most, Counter(self._attempts.values()))

    def _claim(self, wanted: int, share: Share) -> Sequence[Claim]:
        """Raises Unavailable when the database is out of reach."""
        try:
            with self._database.write() as connection:
                return claim_due(connection, self._clock(), limit=wanted, lease=self._lease, share=share)
        except SQLAlchemyError as error:
            if not is_outage(error):
                raise
            raise Unavailable("the database cannot be reached") from error

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    async def _finish(self) -> None:
        if self._attempts:
            await asyncio.wait(self._attempts)
