"""A second kind of due work, with a table of its own, runs in the same worker as the charges."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from contract._gateways import LEASE, PAID, Scripted, use_gateway
from contract._subscriptions import TOMORROW, created, get
from dunning_service.database.engines import Database, UtcDateTime
from dunning_service.due.leases import Row, backlog, lease_due
from dunning_service.due.worker import Worker
from running import RunningService

REMINDERS = sa.Table(
    "reminders",
    sa.MetaData(),
    sa.Column("merchant_id", sa.Integer, primary_key=True),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("wake_at", UtcDateTime, index=True),
)


class Reminders:
    """Sends each reminder once. The first try of number 2 fails."""

    table = REMINDERS

    def __init__(self, database: Database) -> None:
        self.tried: list[int] = []
        self.has_sent = asyncio.Event()
        self._database = database

    def leased(self, connection: sa.Connection, rows: Sequence[Row], now: datetime, until: datetime) -> Sequence[Row]:
        for row in rows:
            connection.execute(REMINDERS.update().where(REMINDERS.c.id == row["id"]).values(wake_at=until))
        return rows

    def merchant_of(self, item: Row) -> int:
        return int(item["merchant_id"])

    async def run(self, item: Row) -> None:
        self.tried.append(item["id"])
        if self.tried == [1, 2]:
            raise RuntimeError("the post office is closed")
        with self._database.write() as connection:
            connection.execute(REMINDERS.update().where(REMINDERS.c.id == item["id"]).values(wake_at=None))
        self.has_sent.set()


@pytest.fixture
def reminders(service: RunningService) -> Iterator[Reminders]:
    service.clock.now = TOMORROW
    with service.database.write() as connection:
        REMINDERS.create(connection)
        rows = [{"merchant_id": 1, "id": number, "wake_at": TOMORROW + timedelta(seconds=number)} for number in (1, 2)]
        connection.execute(REMINDERS.insert(), rows)
    yield Reminders(service.database)
    with service.database.write() as connection:
        REMINDERS.drop(connection)


async def test_both_kinds_are_run_and_a_failure_again_when_its_lease_expires(
    service: RunningService, reminders: Reminders
) -> None:
    use_gateway(service, Scripted(PAID))
    made = await created(service, paymentStartDateTime=TOMORROW.isoformat(), numberOfPayments=1)
    service.clock.advance(timedelta(seconds=2))
    charges = service.app.state.services.charging
    worker = Worker(service.database, [charges, reminders], service.clock, concurrency=1, lease=LEASE)

    assert await worker.run_once() == 3
    assert [payment["status"] for payment in await get(service, f"/{made['id']}/payments")] == ["Paid"]
    assert reminders.tried == [1, 2]

    service.clock.advance(LEASE)
    assert await worker.run_once() == 1
    assert reminders.tried == [1, 2, 2]
    assert await worker.run_once() == 0


async def test_a_kind_that_hangs_does_not_stop_the_other(service: RunningService, reminders: Reminders) -> None:
    released = asyncio.Event()

    class Hanging(Scripted):
        async def charge(self, key: str, request: Any) -> Any:
            await released.wait()
            return await super().charge(key, request)

    use_gateway(service, Hanging(PAID))
    await created(service, paymentStartDateTime=TOMORROW.isoformat(), numberOfPayments=1)
    service.clock.advance(timedelta(seconds=1))
    charges = service.app.state.services.charging
    worker = Worker(service.database, [charges, reminders], service.clock, concurrency=1, lease=LEASE)

    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(20):
        await reminders.has_sent.wait()
        worker.stop()
        released.set()
        await running


async def test_two_workers_lease_different_rows_and_the_backlog_counts_them(
    service: RunningService, reminders: Reminders
) -> None:
    at = TOMORROW + timedelta(seconds=2)
    with service.database.write() as connection:
        waiting = backlog(connection, REMINDERS, at)
        leases = [lease_due(connection, reminders, at, limit=1, lease=LEASE) for _ in range(3)]
        left = backlog(connection, REMINDERS, at)
    assert (waiting.items, waiting.oldest) == (2, TOMORROW + timedelta(seconds=1))
    assert [[one["id"] for one in some] for some in leases] == [[1], [2], []]
    assert (left.items, left.oldest) == (0, None)
