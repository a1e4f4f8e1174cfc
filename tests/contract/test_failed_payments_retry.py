"""Somebody asks for another try of a payment that this service charges."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest

from contract._failed_payments import PATH, a_failure_of_ours, ask, asked, failure_of, listed, read
from contract._gateways import EXPIRED, NO_MONEY, PAID, Reluctant, Scripted, charges, declined, use_gateway, use_sandbox
from contract._payments import a_failed_payment, act
from contract._subscriptions import FIRST_RETRY, created, get, send, told, work
from dunning_service.app import create_app
from dunning_service.gateways.sandbox import FAILS_TWICE_THEN_PAYS
from ledgers import complaints
from running import NOON, RunningService


async def refused(service: RunningService, number: str) -> str:
    """Why not, in words."""
    response = await ask(service, number)
    assert (response.status_code, response.headers["content-type"]) == (409, "application/problem+json"), response.text
    body = response.json()
    assert body["code"] == "action_does_not_apply"
    words: str = body["detail"]
    return words


async def test_payment_that_waits_for_somebody_is_tried_at_once(service: RunningService) -> None:
    use_gateway(service, Scripted(declined("expired_card"), PAID))
    number = await a_failure_of_ours(service, numberOfPayments=1)
    assert (await read(service, number))["next_attempt_rule"] == "customer_action"
    service.clock.advance(timedelta(hours=2))

    answer = await asked(service, number, reason="the customer has a new expiry date")

    assert answer == {
        "id": number,
        "status": "failed",
        "action": {
            "id": 1,
            "action": "retry",
            "actor": "test",
            "reason": "the customer has a new expiry date",
            "decided_at": "2026-11-21T14:00:00Z",
        },
    }
    planned = await read(service, number)
    assert (planned["next_attempt_at"], planned["next_attempt_rule"], planned["updated_at"]) == (
        "2026-11-21T14:00:00Z",
        "requested",
        "2026-11-21T14:00:00Z",
    )
    assert planned["next_attempt_reason"] == "test asked for it: the customer has a new expiry date"
    found = await listed(service, "?next_attempt=planned&next_attempt_rule=requested")
    assert [item["id"] for item in found["data"]] == [number]

    assert await work(service) == 1
    paid = await read(service, number)
    assert (paid["status"], paid["attempt_count"], paid["next_attempt_at"]) == ("paid", 2, None)
    assert [(entry["type"], entry.get("requested_by"), entry.get("action")) for entry in paid["timeline"]] == [
        ("attempt", None, None),
        ("attempt", "test", None),
        ("action", None, "retry"),
    ]
    assert (await get(service, f"/{paid['subscription']}"))["status"] == "Completed"
    assert complaints(service.database) == []


async def test_many_who_ask_at_once_get_one_attempt(seller: RunningService) -> None:
    number = await a_failure_of_ours(seller, EXPIRED)
    made = await charges(seller)

    answers = await asyncio.gather(*(ask(seller, number) for _ in range(10)))

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    assert await work(seller) == 1
    assert await charges(seller) == made + 1
    detail = await read(seller, number)
    assert detail["attempt_count"] == 2
    assert sum(entry["type"] == "action" for entry in detail["timeline"]) == 1


async def test_many_who_ask_in_two_processes_at_once_get_one_attempt(seller: RunningService) -> None:
    number = await a_failure_of_ours(seller, EXPIRED)
    made = await charges(seller)
    app = create_app(seller.settings, seller.clock)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        other = RunningService(app, client, seller.clock, seller.settings)
        other.merchant, other.token = seller.merchant, seller.token

        answers = await asyncio.gather(*(ask(one, number) for one in (seller, other) * 5))
        made_by = await asyncio.gather(work(seller), work(other))

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    assert sum(made_by) == 1
    assert await charges(seller) == made + 1
    assert (await read(seller, number))["attempt_count"] == 2
    assert complaints(seller.database) == []


async def test_key_is_answered_as_the_first_time_also_after_the_attempt(seller: RunningService) -> None:
    number, other = await a_failure_of_ours(seller, EXPIRED), await a_failure_of_ours(seller, EXPIRED)
    first = await ask(seller, number, key="k-1", reason="new card")
    await work(seller)
    seller.clock.advance(timedelta(hours=1))

    again = await ask(seller, number, key="k-1", reason="new card")

    assert (first.status_code, again.status_code, again.content) == (200, 200, first.content)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert await work(seller) == 0
    for response in (
        await ask(seller, other, key="k-1", reason="new card"),
        await ask(seller, number, key="k-1"),
        await seller.client.post(
            f"{PATH}/{number}/actions",
            headers={**seller.auth, "Idempotency-Key": "k-1"},
            json={"action": "invoice", "reason": "new card"},
        ),
    ):
        assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")
    # a refusal is not kept: the same may apply later
    await act(seller, other, "invoice")
    assert (await ask(seller, other, key="k-2")).status_code == 409
    await act(seller, other, "reopen")
    assert (await ask(seller, other, key="k-2")).status_code == 200


async def test_planned_attempt_is_brought_forward_and_the_ladder_goes_on_from_there(seller: RunningService) -> None:
    number = await a_failure_of_ours(seller, FAILS_TWICE_THEN_PAYS)
    assert (await read(seller, number))["next_attempt_at"] == "2026-11-22T08:00:00Z"

    await asked(seller, number)
    assert await work(seller) == 1

    detail = await read(seller, number)
    assert (detail["next_attempt_at"], detail["next_attempt_rule"]) == ("2026-11-22T08:00:00Z", "ladder")
    assert "retry 1 of 4" in detail["next_attempt_reason"]
    await work(seller, FIRST_RETRY)
    assert (await read(seller, number))["status"] == "paid"


async def test_payment_that_was_given_up_is_tried_once_more(seller: RunningService) -> None:
    subscription = (await created(seller, paymentMethodId=NO_MONEY, paymentFrequencyUnit=3, numberOfPayments=None))[
        "id"
    ]
    number = await failure_of(seller, subscription)
    for day in (22, 24, 26, 28):
        await work(seller, FIRST_RETRY.replace(day=day))
    assert (await read(seller, number))["next_attempt_rule"] == "ladder_used_up"
    assert (await get(seller, f"/{subscription}"))["status"] == "Failed"
    seller.clock.advance(timedelta(hours=1))

    await asked(seller, number)
    assert await work(seller) == 1

    detail = await read(seller, number)
    assert (detail["attempt_count"], detail["next_attempt_at"]) == (6, None)
    assert "nothing more is planned, because the first payment never succeeded" in detail["next_attempt_reason"]
    read_again = await get(seller, f"/{subscription}")
    assert (read_again["status"], read_again["nextPaymentDate"]) == ("Failed", None)
    assert complaints(seller.database) == []


@pytest.mark.parametrize(
    ("count", "status", "payments"),
    [(1, "Completed", ["Paid"]), (2, "Failed", ["Paid", "Cancelled"]), (None, "Failed", ["Paid"])],
)
async def test_paid_retry_collects_that_payment_and_charges_no_other(
    service: RunningService, count: int | None, status: str, payments: list[str]
) -> None:
    # two tries in all for a code that nobody knows
    use_gateway(service, Scripted(declined("never_heard_of"), declined("never_heard_of"), PAID))
    subscription = (await created(service, numberOfPayments=count))["id"]
    await work(service, FIRST_RETRY)
    number = await failure_of(service, subscription)
    assert (await get(service, f"/{subscription}"))["status"] == "Failed"

    await asked(service, number)
    assert await work(service) == 1

    found = await get(service, f"/{subscription}")
    assert (found["status"], found["successfulPaymentsCount"]) == (status, 1)
    shown = [payment["status"] for payment in await get(service, f"/{subscription}/payments")]
    assert shown[: len(payments)] == payments
    assert await work(service, NOON + timedelta(days=400)) == 0
    assert complaints(service.database) == []


async def test_payment_of_another_system_is_not_tried_here(seller: RunningService) -> None:
    number = await a_failed_payment(seller)
    words = await refused(seller, number)
    assert "maple" in words
    assert "only the system that charges it can try it again" in words
    assert [entry["type"] for entry in (await read(seller, number))["timeline"]] == ["attempt"]


async def test_somebody_who_decided_otherwise_has_to_reopen_it_first(seller: RunningService) -> None:
    for action, status in (
        ("invoice", "invoiced"),
        ("send_to_collection", "debt_collection"),
        ("mark_paid", "paid"),
        ("cancel", "cancelled"),
    ):
        number = await a_failure_of_ours(seller, EXPIRED)
        await act(seller, number, action)
        assert await refused(seller, number) == f"retry does not apply to this payment: it is {status}; reopen it first"
        await act(seller, number, "reopen")
        await asked(seller, number)


async def test_it_says_why_there_is_nothing_to_try(service: RunningService) -> None:
    use_gateway(service, Scripted(declined("stolen_card"), declined("expired_card"), PAID))
    stolen = await a_failure_of_ours(service)
    assert "forbids this payment method for ever: the card is reported lost or stolen" in await refused(service, stolen)
    assert "(stripe stolen_card)" in await refused(service, stolen)

    expired = await a_failure_of_ours(service, EXPIRED)
    await asked(service, expired)
    assert "a worker tries it as soon as it can: test asked for it" in await refused(service, expired)
    await work(service)
    assert (await refused(service, expired)).endswith("it is paid")


async def test_attempt_that_is_being_made_is_not_made_twice(service: RunningService) -> None:
    use_gateway(service, Scripted(declined("insufficient_funds")))
    number = await a_failure_of_ours(service)
    gateway = Reluctant()
    use_gateway(service, gateway)
    working = asyncio.create_task(work(service, FIRST_RETRY))
    await gateway.once_asked()

    assert (await refused(service, number)).endswith("an attempt is being made just now")

    gateway.may_answer.set()
    await working
    assert gateway.charged == 1


async def test_terminated_subscription_is_charged_no_more(seller: RunningService) -> None:
    number = await a_failure_of_ours(seller, EXPIRED)
    told(await send(seller, "POST", f"/{(await read(seller, number))['subscription']}/terminate"))
    assert "the subscription was terminated" in await refused(seller, number)
    await act(seller, number, "reopen")
    assert "the subscription was terminated" in await refused(seller, number)


async def test_termination_drops_what_was_asked_for(seller: RunningService) -> None:
    number = await a_failure_of_ours(seller, EXPIRED)
    await asked(seller, number)
    made = await charges(seller)

    told(await send(seller, "POST", f"/{(await read(seller, number))['subscription']}/terminate"))

    assert await work(seller, NOON + timedelta(days=99)) == 0
    assert await charges(seller) == made
    detail = await read(seller, number)
    assert [entry.get("action") for entry in detail["timeline"]] == [None, "retry", "cancel"]


async def test_decision_after_it_was_asked_for_holds(seller: RunningService) -> None:
    number = await a_failure_of_ours(seller, EXPIRED)
    await asked(seller, number)
    await act(seller, number, "cancel")
    made = await charges(seller)

    await work(seller)

    assert await charges(seller) == made
    assert (await read(seller, number))["status"] == "cancelled"
    await act(seller, number, "reopen")
    await asked(seller, number)
    assert await work(seller) == 1
    assert await charges(seller) == made + 1


async def test_what_the_network_asks_to_wait_is_not_cut_short(service: RunningService) -> None:
    use_gateway(service, Scripted(declined("insufficient_funds", network="mastercard", network_advice="27")))
    number = await a_failure_of_ours(service)
    assert "the card network asks to wait until 2026-11-25 12:00 UTC" in await refused(service, number)


async def test_gateway_that_was_missing_is_tried_at_once_when_it_is_back(service: RunningService) -> None:
    use_gateway(service, Scripted(declined("insufficient_funds")))
    number = await a_failure_of_ours(service)
    for _ in range(4):
        await work(service, service.clock() + timedelta(days=1))
    use_gateway(service, Scripted(PAID))
    assert (await read(service, number))["next_attempt_rule"] == "postponed"

    await asked(service, number)
    assert await work(service) == 1
    assert (await read(service, number))["status"] == "paid"


async def test_another_merchant_cannot_ask_and_reading_is_not_enough(seller: RunningService) -> None:
    number = await a_failure_of_ours(seller, EXPIRED)
    other = await seller.add_merchant("Other", "NOK", "UTC")
    use_sandbox(seller, other)
    assert (await ask(seller, number, token=await seller.add_token(other))).status_code == 404
    assert (
        await ask(seller, number, token=await seller.add_token(seller.merchant, scopes=("read",)))
    ).status_code == 403
    for unknown in ("ODR0", "ODR999999999", "1"):
        assert (await ask(seller, unknown)).status_code == 404
    assert await work(seller) == 0
