"""What may not be charged any more is not, also when it was begun, or ended at the very moment it fell due."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from contract._gateways import LEASE, NO_MONEY, charges, leased
from contract._subscriptions import FIRST_RETRY, TOMORROW, created, get, send, work
from dunning_service.database.engines import Database
from dunning_service.due.leases import lease_due
from dunning_service.gateways.sandbox import TIMES_OUT_DONE, TIMES_OUT_UNDONE
from ledgers import complaints
from running import NOON, RunningService

_SOON_S = 20.0


async def terminate(service: RunningService, subscription: str) -> None:
    response = await send(service, "POST", f"/{subscription}/terminate")
    assert response.status_code == 200, response.text


async def statuses(service: RunningService, subscription: str) -> list[str]:
    return [payment["status"] for payment in await get(service, f"/{subscription}/payments")]


async def test_attempt_that_was_lost_is_not_made_after_the_termination(seller: RunningService) -> None:
    subscription = (await created(seller, paymentMethodId=TIMES_OUT_UNDONE, numberOfPayments=2))["id"]
    await terminate(seller, subscription)
    made = await charges(seller)

    assert await work(seller, NOON + timedelta(seconds=5)) == 1

    assert await charges(seller) == made
    assert await statuses(seller, subscription) == ["Cancelled", "Cancelled"]
    assert await work(seller, NOON + timedelta(days=90)) == 0
    assert complaints(seller.database) == []


async def test_attempt_that_was_made_is_recorded_after_the_termination(seller: RunningService) -> None:
    subscription = (await created(seller, paymentMethodId=TIMES_OUT_DONE, numberOfPayments=2))["id"]
    await terminate(seller, subscription)

    assert await work(seller, NOON + timedelta(seconds=5)) == 1

    assert await statuses(seller, subscription) == ["Paid", "Cancelled"]
    assert complaints(seller.database) == []


async def test_lost_retry_is_not_made_after_the_termination(seller: RunningService) -> None:
    subscription = (await created(seller, paymentMethodId=NO_MONEY, numberOfPayments=2))["id"]
    lease_one(seller, FIRST_RETRY)  # and the worker that leased it dies
    await terminate(seller, subscription)
    made = await charges(seller)

    assert await work(seller, FIRST_RETRY + timedelta(minutes=2)) == 1

    assert await charges(seller) == made
    assert await statuses(seller, subscription) == ["Cancelled", "Cancelled"]
    failed = (await seller.client.get("/api/v1/failed-payments", headers=seller.auth)).json()["data"]
    assert [(item["status"], item["attempt_count"]) for item in failed] == [("cancelled", 1)]
    assert complaints(seller.database) == []


async def test_method_that_was_blocked_meanwhile_is_not_charged_again(seller: RunningService) -> None:
    first = (await created(seller, paymentMethodId=NO_MONEY, numberOfPayments=2))["id"]
    lease_one(seller, FIRST_RETRY)
    with seller.database.write() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO blocked_methods (merchant_id, payment_method_id, blocked_at, decline) "
                "VALUES (:merchant, :method, :at, :decline)"
            ),
            {
                "merchant": seller.merchant.id,
                "method": str(NO_MONEY),
                "at": FIRST_RETRY.isoformat(),
                "decline": '{"provider": "stripe", "code": "stolen_card"}',
            },
        )
    made = await charges(seller)

    assert await work(seller, FIRST_RETRY + timedelta(minutes=2)) == 1

    assert await charges(seller) == made
    assert await statuses(seller, first) == ["Failed", "Cancelled"]
    (item,) = (await seller.client.get("/api/v1/failed-payments", headers=seller.auth)).json()["data"]
    assert item["next_attempt_rule"] == "method_blocked"
    assert "(stripe stolen_card)" in item["next_attempt_reason"]


async def test_termination_waits_for_a_lease_and_does_not_undo_it(seller: RunningService) -> None:
    """Else the worker that leased the payment would charge it, and nobody would record it."""
    start = TOMORROW.isoformat()
    subscription = (await created(seller, paymentStartDateTime=start, numberOfPayments=2))["id"]
    seller.clock.now = TOMORROW
    has_leased, may_commit = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    work = seller.app.state.services.charging
    worker = Database(seller.database.url)

    def hold() -> Any:
        with worker.write() as connection:
            leases = lease_due(connection, work, TOMORROW, limit=9, lease=LEASE)
            loop.call_soon_threadsafe(has_leased.set)
            asyncio.run_coroutine_threadsafe(may_commit.wait(), loop).result(_SOON_S)
            return leases

    try:
        async with asyncio.timeout(_SOON_S):
            holding = asyncio.create_task(asyncio.to_thread(hold))
            await has_leased.wait()
            terminating = asyncio.create_task(terminate(seller, subscription))
            await someone_waits(seller)
            may_commit.set()
            (found,) = await holding
            await terminating
    finally:
        await worker.close()
    assert await statuses(seller, subscription) == ["Processing", "Cancelled"]

    await seller.app.state.services.charging.attempt(found)

    assert await statuses(seller, subscription) == ["Paid", "Cancelled"]
    assert complaints(seller.database) == []


def lease_one(service: RunningService, at: Any) -> None:
    service.clock.now = at
    assert len(leased(service, at)) == 1


async def someone_waits(service: RunningService) -> None:
    """Returns once a transaction waits for another; on SQLite, where one writes at a time, at once."""
    if service.database.is_sqlite:
        return
    waiting = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(_SOON_S):
        while True:
            async with service.database.read() as connection:
                if (await connection.execute(waiting)).scalar_one():
                    return
            await asyncio.sleep(0.01)
