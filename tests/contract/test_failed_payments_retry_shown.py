"""What the subscription, the list and whoever polls are shown of another try that somebody asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa

from contract._failed_payments import a_failure_of_ours, asked, failure_of, listed, read
from contract._gateways import NO_MONEY, Scripted, declined, use_gateway
from contract._payments import act
from contract._subscriptions import FIRST_RETRY, TOMORROW, created, get, work
from dunning_service.billing.models import SubscriptionRow
from dunning_service.gateways.sandbox import FAILS_TWICE_THEN_PAYS
from dunning_service.ledger.models import PaymentRow
from ledgers import complaints
from running import NOON, RunningService


async def test_subscription_shows_its_next_payment_as_it_will_be(seller: RunningService) -> None:
    subscription = (await created(seller, paymentMethodId=NO_MONEY, numberOfPayments=2))["id"]
    number = await failure_of(seller, subscription)
    second = "2026-12-21T12:00:00Z"

    async def next_payment() -> Any:
        return (await get(seller, f"/{subscription}"))["nextPaymentDate"]

    assert await next_payment() == "2026-11-22T08:00:00Z"
    await act(seller, number, "invoice")
    assert await next_payment() == second
    await act(seller, number, "reopen")
    assert await next_payment() == "2026-11-22T08:00:00Z"
    await asked(seller, number)
    assert await next_payment() == "2026-11-21T12:00:00Z"
    for action in ("mark_paid", "reopen", "cancel"):
        await act(seller, number, action)
        assert await next_payment() == ("2026-11-21T12:00:00Z" if action == "reopen" else second)


async def test_payment_that_was_reopened_says_when_it_is_tried(seller: RunningService) -> None:
    subscription = (await created(seller, paymentMethodId=FAILS_TWICE_THEN_PAYS, numberOfPayments=2))["id"]
    number = await failure_of(seller, subscription)
    await act(seller, number, "invoice")
    await work(seller, FIRST_RETRY)  # looked at, and left alone
    assert (await read(seller, number))["next_attempt_at"] is None

    await act(seller, number, "reopen")

    detail = await read(seller, number)
    assert detail["next_attempt_at"] == "2026-11-23T08:00:00Z"
    assert detail["next_attempt_reason"].startswith("it fell due while it was invoiced")
    for query in ("next_attempt=planned", "next_attempt_since=2026-11-23T08:00:00Z"):
        assert [item["id"] for item in (await listed(seller, f"?{query}"))["data"]] == [number]
    assert (await get(seller, f"/{subscription}"))["nextPaymentDate"] == "2026-11-23T08:00:00Z"
    assert await work(seller, FIRST_RETRY + timedelta(days=1)) == 1
    assert (await read(seller, number))["attempt_count"] == 2


async def changed_since(service: RunningService, at: Any) -> list[str]:
    query = urlencode({"updated_since": at.isoformat(), "sort": "updated_at"})
    return [item["id"] for item in (await listed(service, f"?{query}"))["data"]]


async def test_whoever_polls_sees_that_an_attempt_was_postponed(service: RunningService) -> None:
    use_gateway(service, Scripted(declined("insufficient_funds")))
    number = await a_failure_of_ours(service)
    await work(service, FIRST_RETRY)
    assert await changed_since(service, FIRST_RETRY) == [number]


async def test_whoever_polls_sees_that_an_attempt_was_left_alone(seller: RunningService) -> None:
    number = await a_failure_of_ours(seller)
    await act(seller, number, "invoice")
    await work(seller, FIRST_RETRY)
    assert await changed_since(seller, FIRST_RETRY) == [number]
    day_after = FIRST_RETRY + timedelta(days=1)
    await work(seller, day_after)  # it is still invoiced, so nothing has changed
    assert await changed_since(seller, day_after) == []


async def test_whoever_polls_sees_that_retries_were_dropped_with_the_subscription(service: RunningService) -> None:
    """The second payment is on its ladder when the first is given up."""
    use_gateway(
        service,
        Scripted(
            declined("insufficient_funds"),
            declined("insufficient_funds"),
            declined("stolen_card"),
        ),
    )
    subscription = (await created(service, paymentFrequencyUnit=1, paymentFrequency=1, numberOfPayments=3))["id"]
    first = await failure_of(service, subscription)
    service.clock.now = TOMORROW
    await act(service, first, "invoice")
    await work(service, TOMORROW)
    await act(service, first, "reopen")
    service.clock.advance(timedelta(hours=1))
    await asked(service, first)
    at = service.clock()
    await work(service)

    items = {item["id"]: item for item in (await listed(service))["data"]}
    (second,) = items.keys() - {first}
    assert (await get(service, f"/{subscription}"))["status"] == "Failed"
    assert (items[second]["next_attempt_at"], items[second]["next_attempt_reason"]) == (
        None,
        "the first payment never succeeded",
    )
    assert sorted(await changed_since(service, at)) == sorted([first, second])
    assert complaints(service.database) == []


async def test_nothing_changes_for_payments_that_are_in_no_list(seller: RunningService) -> None:
    """A subscription that is created, and whose payments go well, leaves what has failed alone."""
    number = await a_failure_of_ours(seller)
    at = NOON + timedelta(hours=1)
    seller.clock.now = at
    await created(seller)
    assert await changed_since(seller, at) == []
    with seller.database.write() as connection:
        ended = sa.select(SubscriptionRow.id).where(SubscriptionRow.ended_at.is_not(None))
        assert connection.execute(ended).all() == []
        assert connection.scalar(sa.select(PaymentRow.updated_at).where(PaymentRow.id == int(number[3:]))) == NOON
