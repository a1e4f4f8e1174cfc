"""Money that came in is recorded however late it is heard of, and nothing is charged that nobody would record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contract._gateways import LEASE, PAID, Scripted, declined, leased, use_gateway, use_sandbox
from contract._subscriptions import created, failed_payments, get, send, told
from dunning_service.billing.due_payments import DuePayment, first_payment_of
from dunning_service.due.leases import Share
from dunning_service.due.worker import Worker
from dunning_service.gateways import NotCharged, NotSent, OutcomeUnknown
from dunning_service.gateways.service import choose_none
from dunning_service.merchants.directory import Scope
from running import RunningService

TOMORROW = "2026-11-22T09:00:00Z"


def leased_now(service: RunningService) -> DuePayment:
    (due,) = leased(service, service.clock())
    return due


def worker_of(service: RunningService) -> Worker:
    return Worker(service.database, [service.app.state.services.charging], service.clock)


async def a_due_payment(service: RunningService, **given: Any) -> dict[str, Any]:
    made: dict[str, Any] = await created(service, paymentStartDateTime=TOMORROW, numberOfPayments=1, **given)
    service.clock.advance(timedelta(days=1))
    return made


async def test_a_late_success_is_recorded_though_another_has_given_the_attempt_up(service: RunningService) -> None:
    gateway = Scripted(PAID)
    use_gateway(service, gateway)
    made = await a_due_payment(service)
    late = leased_now(service)
    service.clock.advance(LEASE + timedelta(seconds=1))
    told(await send(service, "POST", f"/{made['id']}/terminate"))
    await service.app.state.services.charging.attempt(leased_now(service))  # looked up, not found, withheld

    still_held = replace(late, payment={**late.payment, "wake_at": service.clock() + LEASE})
    await service.app.state.services.charging.attempt(still_held)

    assert len(gateway.charged) == 1
    (payment,) = await get(service, f"/{made['id']}/payments")
    assert (payment["status"], [one["status"] for one in payment["attempts"]]) == ("Paid", ["Succeeded"])


async def test_a_late_success_is_recorded_though_another_was_told_that_nothing_was_charged(
    service: RunningService,
) -> None:
    gateway = Scripted(NotCharged("no such customer"), PAID)
    use_gateway(service, gateway)
    made = await a_due_payment(service)
    late = leased_now(service)
    service.clock.advance(LEASE + timedelta(seconds=1))
    await service.app.state.services.charging.attempt(leased_now(service))  # not found, and then refused
    (payment,) = await get(service, f"/{made['id']}/payments")
    assert (payment["status"], [one["status"] for one in payment["attempts"]]) == ("Failed", ["Error"])

    still_held = replace(late, payment={**late.payment, "wake_at": service.clock() + LEASE})
    for _ in range(2):  # heard of again it is no news
        await service.app.state.services.charging.attempt(still_held)
        gateway.answers.append(PAID)

    (payment,) = await get(service, f"/{made['id']}/payments")
    assert (payment["status"], [one["status"] for one in payment["attempts"]]) == ("Paid", ["Succeeded"])
    (failure,) = await failed_payments(service)
    assert (failure["status"], failure["paid_minor"]) == ("paid", failure["amount_minor"])


async def test_what_was_leased_without_a_gateway_is_charged_when_there_is_one(service: RunningService) -> None:
    """Its worker died before it could put it off: nobody had been asked, so there is nothing to look up."""
    use_sandbox(service)
    made = await a_due_payment(service)
    with service.database.write() as connection:
        choose_none(connection, service.merchant)
    leased_now(service)
    service.clock.advance(LEASE + timedelta(seconds=1))
    worker = worker_of(service)
    await worker.run_once()
    (payment,) = await get(service, f"/{made['id']}/payments")
    assert payment["status"] == "Scheduled"

    use_sandbox(service)
    service.clock.advance(timedelta(minutes=10))
    await worker.run_once()

    (payment,) = await get(service, f"/{made['id']}/payments")
    assert (payment["status"], [one["status"] for one in payment["attempts"]]) == ("Paid", ["Succeeded"])


async def test_nothing_is_charged_when_the_lease_has_expired(service: RunningService) -> None:
    gateway = Scripted(PAID)
    use_gateway(service, gateway)
    await a_due_payment(service)
    due = leased_now(service)
    service.clock.advance(LEASE)

    await service.app.state.services.charging.attempt(due)

    assert gateway.charged == []


async def test_the_first_attempt_is_not_made_for_whoever_comes_too_late(service: RunningService) -> None:
    use_sandbox(service)
    made = await created(service)  # paid at once

    async with service.database.read() as connection:
        assert await first_payment_of(connection, service.merchant.id, made["id"]) is None


async def test_a_refusal_after_it_was_not_found_is_certain(service: RunningService) -> None:
    use_gateway(service, Scripted(OutcomeUnknown("no answer"), NotCharged("no such customer")))
    made = await a_due_payment(service)
    worker = worker_of(service)

    await worker.run_once()
    service.clock.advance(timedelta(seconds=5))
    await worker.run_once()

    (payment,) = await get(service, f"/{made['id']}/payments")
    assert (payment["status"], [one["status"] for one in payment["attempts"]]) == ("Failed", ["Error"])


@pytest.mark.parametrize("tried_before", [False, True])
async def test_what_could_not_be_asked_for_stays_due(service: RunningService, tried_before: bool) -> None:
    before = [declined("insufficient_funds")] if tried_before else []
    gateway = Scripted(*before, NotSent("no connection"), PAID)
    use_gateway(service, gateway)
    made = await a_due_payment(service)
    worker = worker_of(service)
    if tried_before:
        await worker.run_once()
        service.clock.advance(timedelta(days=1))

    await worker.run_once()
    assert len(await failed_payments(service)) == tried_before
    (payment,) = await get(service, f"/{made['id']}/payments")
    assert payment["status"] == ("Failed" if tried_before else "Scheduled")

    service.clock.advance(timedelta(seconds=5))
    await worker.run_once()
    (payment,) = await get(service, f"/{made['id']}/payments")
    assert payment["status"] == "Paid"


async def test_a_merchant_whose_gateway_hangs_leaves_room_for_the_others(service: RunningService) -> None:
    other = await service.add_merchant("Denmark", time_zone="UTC")
    token = await service.add_token(other, scopes=[Scope.READ, Scope.WRITE])
    use_sandbox(service)
    use_sandbox(service, other)
    for _ in range(4):
        await created(service, paymentStartDateTime=TOMORROW, numberOfPayments=1)
    await created(service, token=token, paymentStartDateTime="2026-11-22T09:01:00Z", numberOfPayments=1)
    service.clock.advance(timedelta(days=1))

    def merchants(share: Share) -> list[int]:
        return [due.payment["merchant_id"] for due in leased(service, service.clock(), limit=4, share=share)]

    mine = service.merchant.id
    assert merchants(Share(most=3, under_way={mine: 1})) == [mine, mine, other.id]
    assert merchants(Share(most=3, under_way={mine: 3})) == []
    assert merchants(Share(most=3)) == [mine, mine]
