"""Terminating a subscription."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from contract._gateways import NO_MONEY, Reluctant, use_gateway
from contract._payments import act
from contract._subscriptions import (
    FIRST_RETRY,
    TOMORROW,
    created,
    failed_orders,
    failed_payments,
    get,
    send,
    told,
    work,
)
from dunning_service.apis.arise.wire import SubscriptionTerminated
from dunning_service.gateways import ChargeOutcome
from dunning_service.gateways.sandbox import FAILS_TWICE_THEN_PAYS
from running import NOON, RunningService

WORDS = "Subscription is terminated. Future payments will no longer be processed. This action is permanent."


async def terminated(service: RunningService, made: Any, method: str = "POST", **how: Any) -> Any:
    return told(await send(service, method, f"/{made['id']}/terminate", **how))


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_what_is_scheduled_is_dropped(seller: RunningService, method: str) -> None:
    made = await created(seller, numberOfPayments=3)
    seller.clock.advance(timedelta(hours=1))

    answer = await terminated(seller, made, method)

    SubscriptionTerminated.model_validate(answer)
    assert answer == {"id": made["id"], "statusId": 5, "status": "Terminated", "message": WORDS}
    read = await get(seller, f"/{made['id']}")
    assert (read["statusId"], read["status"], read["nextPaymentDate"]) == (5, "Terminated", None)
    assert (read["subscriptionEndDate"], read["successfulPaymentsCount"]) == ("2026-11-21T13:00:00Z", 1)
    listed = await get(seller, f"/{made['id']}/payments")
    assert [(one["statusId"], one["status"]) for one in listed] == [(3, "Paid"), (5, "Cancelled"), (5, "Cancelled")]
    assert await work(seller, NOON + timedelta(days=99)) == 0


async def test_an_open_end_gets_one(seller: RunningService) -> None:
    made = await created(seller, numberOfPayments=None)
    await terminated(seller, made)
    assert (await get(seller, f"/{made['id']}"))["subscriptionEndDate"] == "2026-11-21T12:00:00Z"
    assert await work(seller, NOON + timedelta(days=99)) == 0


async def test_the_second_time_is_answered_as_the_first(seller: RunningService) -> None:
    made = await created(seller)
    first = await send(seller, "POST", f"/{made['id']}/terminate")
    seller.clock.advance(timedelta(days=1))

    for method in ("POST", "PUT"):
        again = await send(seller, method, f"/{made['id']}/terminate")
        assert (again.status_code, again.content) == (200, first.content)
        assert "idempotent-replayed" not in again.headers
    assert (await get(seller, f"/{made['id']}"))["subscriptionEndDate"] == "2026-11-21T12:00:00Z"


@pytest.mark.parametrize("content", [b"", b"{}", b"not JSON", b'{"reason": "moved away"}'])
async def test_any_body_is_passed_over(seller: RunningService, content: bytes) -> None:
    made = await created(seller, paymentStartDateTime=TOMORROW)
    await terminated(seller, made, "PUT", content=content, headers={"Content-Type": "application/json"})


async def test_open_failures_are_cancelled_and_not_tried_again(seller: RunningService) -> None:
    made = await created(seller, paymentMethodId=NO_MONEY)
    other = await created(seller, paymentMethodId=NO_MONEY)
    seller.clock.advance(timedelta(hours=1))

    await terminated(seller, made)

    (ours,) = await failed_payments(seller, f"?subscription={made['id']}")
    assert ours["status"] == "cancelled"
    (order,) = await failed_orders(seller, f"/cancelled?subscriptionUuid={made['id']}")
    assert (order["status"], order["orderUuid"]) == ("CANCELLED", ours["id"])
    (theirs,) = await failed_payments(seller, f"?subscription={other['id']}")
    assert theirs["status"] == "failed"
    detail = await seller.client.get(f"/api/v1/failed-payments/{ours['id']}", headers=seller.auth)
    action = next(entry for entry in detail.json()["timeline"] if entry["type"] == "action")
    assert (action["action"], action["actor"]) == ("cancel", "dunning-service")
    assert (action["reason"], action["at"]) == ("the subscription was terminated", "2026-11-21T13:00:00Z")
    assert (await get(seller, f"/{made['id']}/payments"))[0]["status"] == "Cancelled"
    # the other one is tried again
    assert await work(seller, FIRST_RETRY) == 1


async def test_history_stays(seller: RunningService) -> None:
    made = await created(seller, paymentMethodId=FAILS_TWICE_THEN_PAYS)
    await work(seller, FIRST_RETRY)

    await terminated(seller, made)

    first = (await get(seller, f"/{made['id']}/payments"))[0]
    assert [one["status"] for one in first["attempts"]] == ["Declined", "Declined"]


async def test_what_a_person_has_decided_stands(seller: RunningService) -> None:
    made = [await created(seller, paymentMethodId=NO_MONEY) for _ in range(2)]
    numbers = [(await failed_payments(seller, f"?subscription={one['id']}"))[0]["id"] for one in made]
    await act(seller, numbers[0], "invoice")
    await act(seller, numbers[1], "mark_paid")

    for one in made:
        await terminated(seller, one)

    listed = {one["id"]: one["status"] for one in await failed_payments(seller)}
    assert listed == {numbers[0]: "invoiced", numbers[1]: "paid"}


@pytest.mark.parametrize(
    ("outcome", "status", "listed"),
    [(ChargeOutcome.SUCCEEDED, "Paid", []), (ChargeOutcome.DECLINED, "Cancelled", ["cancelled"])],
)
async def test_what_is_being_charged_has_its_outcome_recorded(
    service: RunningService, outcome: ChargeOutcome, status: str, listed: list[str]
) -> None:
    gateway = Reluctant(outcome)
    use_gateway(service, gateway)
    made = await created(service, paymentStartDateTime=TOMORROW, numberOfPayments=None)
    working = asyncio.create_task(work(service, TOMORROW))
    await gateway.once_asked()

    await terminated(service, made)
    gateway.may_answer.set()
    await working

    (payment,) = await get(service, f"/{made['id']}/payments")
    assert payment["status"] == status
    assert [one["status"] for one in await failed_payments(service)] == listed
    assert (await get(service, f"/{made['id']}"))["nextPaymentDate"] is None
    assert await work(service, NOON + timedelta(days=99)) == 0


async def test_many_at_once_are_one_termination(seller: RunningService) -> None:
    made = await created(seller, paymentMethodId=NO_MONEY)
    answers = await asyncio.gather(*(terminated(seller, made, method) for method in ("POST", "PUT") * 5))
    assert answers == [answers[0]] * 10
    (listed,) = await failed_payments(seller)
    detail = await seller.client.get(f"/api/v1/failed-payments/{listed['id']}", headers=seller.auth)
    assert sum(entry["type"] == "action" for entry in detail.json()["timeline"]) == 1


async def test_a_key_is_answered_again_and_belongs_to_one_request(seller: RunningService) -> None:
    made, other = await created(seller), await created(seller)
    path = f"/{made['id']}/terminate"
    first = await send(seller, "POST", path, key="k-1")

    again = await send(seller, "POST", path, key="k-1")

    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    for refused in (
        await send(seller, "POST", f"/{other['id']}/terminate", key="k-1"),
        await send(seller, "PUT", path, key="k-1"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert (await get(seller, f"/{other['id']}"))["status"] == "Active"


async def test_one_that_is_complete_can_be_terminated(seller: RunningService) -> None:
    made = await created(seller, numberOfPayments=1)
    assert (await get(seller, f"/{made['id']}"))["status"] == "Completed"

    await terminated(seller, made)

    read = await get(seller, f"/{made['id']}")
    assert (read["status"], read["alreadyPaidAmount"]) == ("Terminated", 250)
    assert (await get(seller, f"/{made['id']}/payments"))[0]["status"] == "Paid"
