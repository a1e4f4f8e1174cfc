"""The payments of a subscription, and the attempts at each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from contract._gateways import NO_MONEY, STOLEN
from contract._payments import an_attempt, record
from contract._subscriptions import FIRST_RETRY, TOMORROW, created, failed_payments, get, work
from dunning_service.apis.arise.wire import SubscriptionPayment
from dunning_service.events import Outcome
from dunning_service.gateways.sandbox import FAILS_TWICE_THEN_PAYS, TIMES_OUT_UNDONE
from running import NOON, RunningService


async def payments(service: RunningService, made: Any) -> list[Any]:
    listed = await get(service, f"/{made['id']}/payments")
    for payment in listed:
        SubscriptionPayment.model_validate(payment)
    return list(listed)


async def test_all_of_them_are_there_from_the_start(seller: RunningService) -> None:
    start = datetime(2027, 1, 31, 8, tzinfo=UTC)
    made = await created(seller, amount=19.9, numberOfPayments=4, paymentStartDateTime=start)

    listed = await payments(seller, made)

    assert [
        (one["paymentOrder"], one["initialExecutionDateTime"], one["amount"], one["statusId"], one["status"])
        for one in listed
    ] == [
        (1, "2027-01-31T08:00:00Z", Decimal("19.9"), 1, "Scheduled"),
        (2, "2027-02-28T08:00:00Z", Decimal("19.9"), 1, "Scheduled"),
        # 09:00 in Oslo, where it is summer by then
        (3, "2027-03-31T07:00:00Z", Decimal("19.9"), 1, "Scheduled"),
        (4, "2027-04-30T07:00:00Z", Decimal("19.9"), 1, "Scheduled"),
    ]
    assert [one["attempts"] for one in listed] == [[], [], [], []]
    assert len({one["id"] for one in listed}) == 4


async def test_an_open_end_is_listed_up_to_the_next(seller: RunningService) -> None:
    later = await created(seller, numberOfPayments=None, paymentStartDateTime=TOMORROW)
    assert [one["status"] for one in await payments(seller, later)] == ["Scheduled"]

    now = await created(seller, numberOfPayments=None)
    assert [one["status"] for one in await payments(seller, now)] == ["Paid", "Scheduled"]


async def test_every_attempt_is_listed(seller: RunningService) -> None:
    made = await created(seller, paymentMethodId=FAILS_TWICE_THEN_PAYS, numberOfPayments=1)
    await work(seller, FIRST_RETRY)
    (failing,) = await payments(seller, made)
    assert (failing["statusId"], failing["status"]) == (4, "Failed")
    await work(seller, FIRST_RETRY + timedelta(days=2))

    (paid,) = await payments(seller, made)

    attempts = paid.pop("attempts")
    assert paid == {
        "id": failing["id"],
        "initialExecutionDateTime": "2026-11-21T12:00:00Z",
        "statusId": 3,
        "status": "Paid",
        "amount": 250,
        "paymentOrder": 1,
    }
    assert attempts[:2] == failing["attempts"]
    stated = [("2026-11-21T12:00:00Z", 3, "Declined"), ("2026-11-22T08:00:00Z", 3, "Declined")]
    stated.append(("2026-11-24T08:00:00Z", 2, "Succeeded"))
    assert attempts == [
        {
            "id": attempt["id"],
            "executionDateTime": at,
            "statusId": number,
            "status": word,
            "transactionStatusId": number,
            "transactionStatus": word,
            "transactionId": attempt["transactionId"],
        }
        for attempt, (at, number, word) in zip(attempts, stated, strict=True)
    ]
    assert attempts[0]["transactionId"] == made["transactionId"]
    assert len({UUID(attempt["id"]) for attempt in attempts} | {UUID(one["transactionId"]) for one in attempts}) == 6
    (listed,) = await failed_payments(seller)
    assert (listed["status"], listed["attempt_count"], listed["failed_attempt_count"]) == ("paid", 3, 2)


async def test_a_ladder_that_is_used_up_leaves_it_failed(seller: RunningService) -> None:
    made = await created(seller, paymentMethodId=NO_MONEY, numberOfPayments=1)
    for day in (1, 3, 5, 7):
        assert await work(seller, FIRST_RETRY + timedelta(days=day - 1)) == 1

    (failed,) = await payments(seller, made)

    assert (failed["status"], len(failed["attempts"])) == ("Failed", 5)
    assert (await get(seller, f"/{made['id']}"))["nextPaymentDate"] is None
    assert await work(seller, NOON + timedelta(days=60)) == 0


async def test_an_attempt_that_never_reached_the_method_is_an_error(seller: RunningService) -> None:
    await created(seller, paymentMethodId=STOLEN)

    made = await created(seller, paymentMethodId=STOLEN)

    assert made["payNowResponse"]["status"] == "Error"
    assert (made["payNowSuccess"], made["transactionId"]) == (False, None)
    (attempt,) = (await payments(seller, made))[0]["attempts"]
    assert (attempt["statusId"], attempt["transactionStatus"], attempt["transactionId"]) == (4, "Error", None)


async def test_an_attempt_in_flight_is_unknown_once_it_was_looked_up_in_vain(seller: RunningService) -> None:
    made = await created(seller, paymentMethodId=TIMES_OUT_UNDONE, paymentStartDateTime=TOMORROW)
    await work(seller, TOMORROW)

    first, second = (await payments(seller, made))[:2]

    assert (first["statusId"], first["status"]) == (2, "Processing")
    (attempt,) = first["attempts"]
    assert (attempt["statusId"], attempt["status"], attempt["transactionStatus"]) == (5, "Unknown", "Unknown")
    assert (attempt["executionDateTime"], attempt["transactionId"]) == ("2026-11-22T12:00:00Z", None)
    assert second["status"] == "Scheduled"
    identifier = attempt["id"]
    await work(seller, TOMORROW + timedelta(minutes=1))
    (attempt,) = (await payments(seller, made))[0]["attempts"]
    assert (attempt["id"], attempt["status"]) == (identifier, "Succeeded")


async def test_what_another_provider_says_of_the_subscription_is_not_listed(seller: RunningService) -> None:
    made = await created(seller)
    foreign = an_attempt(provider_subscription_id=made["id"], outcome=Outcome.SUCCEEDED, occurred_at=TOMORROW)
    await record(seller, [foreign])

    assert len((await payments(seller, made))[0]["attempts"]) == 1
    assert (await get(seller, f"/{made['id']}"))["lastPaymentDate"] == "2026-11-21T12:00:00Z"
