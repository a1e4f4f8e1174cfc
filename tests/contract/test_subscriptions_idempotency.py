"""The same creation of a subscription sent again: done once, and answered again."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from contract._gateways import NO_MONEY, Reluctant, charges, use_gateway, use_sandbox
from contract._subscriptions import FIRST_RETRY, METHOD, TOMORROW, a_request, created, get, post, send, told, work
from dunning_service.billing import service as subscriptions
from dunning_service.errors import DunningError, Unavailable, UnreadableNotice
from dunning_service.ledger.work import Command, CommandDone
from running import NOON, RunningService


async def a_creation_that_dies(service: RunningService) -> Reluctant:
    """It is gone while the gateway is asked, which answers nobody any more."""
    gateway = Reluctant()
    use_gateway(service, gateway)
    dying = asyncio.create_task(post(service, a_request(), key="k-1"))
    await gateway.once_asked()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    return gateway


async def test_same_key_and_request_is_one_subscription_and_one_charge(seller: RunningService) -> None:
    first = await post(seller, a_request(), key="k-1")
    again = await post(seller, a_request(), key="k-1")

    assert again.content == first.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert (await get(seller))["total"] == 1
    assert await charges(seller) == 1


async def test_same_request_however_it_is_written_is_the_same(seller: RunningService) -> None:
    asked = a_request(amount=25.5, paymentStartDateTime=TOMORROW)
    first = told(await post(seller, asked, key="k-1"))
    for amount in ("25.50", "2.55e1", "0.255E+2"):
        names = sorted(asked, reverse=True)
        text = ", ".join(f'"{name}": {amount if name == "amount" else json.dumps(asked[name])}' for name in names)
        again = await send(
            seller, "POST", key="k-1", content=f"{{ {text} }}", headers={"Content-Type": "application/json"}
        )
        assert told(again) == first, amount


async def test_a_repeat_is_answered_though_it_could_no_longer_be_created(seller: RunningService) -> None:
    asked = a_request(paymentStartDateTime=NOON + timedelta(minutes=1))
    first = await post(seller, asked, key="k-1")
    seller.clock.advance(timedelta(hours=23))

    assert (await post(seller, asked)).status_code == 400
    again = await post(seller, asked, key="k-1")

    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"


async def test_a_repeat_tells_of_the_first_attempt_whatever_came_later(seller: RunningService) -> None:
    asked = a_request(paymentMethodId=NO_MONEY)
    first = await post(seller, asked, key="k-1")
    assert await work(seller, FIRST_RETRY) == 1

    again = await post(seller, asked, key="k-1")

    assert again.content == first.content


async def test_same_key_with_another_request_is_refused(seller: RunningService) -> None:
    await post(seller, a_request(), key="k-1")
    for other in (a_request(amount=251), a_request(amount=0), a_request(amount="250")):
        refused = await post(seller, other, key="k-1")
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert (await get(seller))["total"] == 1


@pytest.mark.parametrize("depth", [10, 300, 700])
async def test_same_key_with_another_request_is_refused_however_deep_what_nobody_reads_is(
    seller: RunningService, depth: int
) -> None:
    def nested(amount: int) -> bytes:
        return f'{json.dumps(a_request(amount=amount))[:-1]}, "note": {"[" * depth}{"]" * depth}}}'.encode()

    json_too = {"Content-Type": "application/json"}
    first = told(await send(seller, "POST", key="k-1", content=nested(250), headers=json_too))
    refused = await send(seller, "POST", key="k-1", content=nested(999), headers=json_too)
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert told(await send(seller, "POST", key="k-1", content=nested(250), headers=json_too)) == first


async def test_a_refused_request_leaves_its_key_free(seller: RunningService) -> None:
    assert (await post(seller, a_request(amount=0), key="k-1")).status_code == 400
    assert (await post(seller, a_request(), key="k-1")).status_code == 200


async def test_keys_belong_to_one_merchant(seller: RunningService) -> None:
    other = await seller.add_merchant("Other", "NOK")
    use_sandbox(seller, other)
    token = await seller.add_token(other)

    ours = told(await post(seller, a_request(), key="k-1"))
    theirs = told(await post(seller, a_request(), key="k-1", token=token))

    assert ours["id"] != theirs["id"]


async def test_without_a_key_each_request_is_a_subscription(seller: RunningService) -> None:
    assert (await created(seller))["id"] != (await created(seller))["id"]


async def test_twenty_at_once_under_one_key_are_one_subscription_and_one_charge(seller: RunningService) -> None:
    answers = await asyncio.gather(*(post(seller, a_request(), key="k-1") for _ in range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert told(answers[0])["payNowSuccess"] is True
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert (await get(seller))["total"] == 1
    assert await charges(seller) == 1


async def test_a_repeat_waits_with_the_first(service: RunningService) -> None:
    gateway = Reluctant()
    use_gateway(service, gateway)
    first = asyncio.create_task(post(service, a_request(), key="k-1"))
    await gateway.once_asked()
    again = asyncio.create_task(post(service, a_request(), key="k-1"))
    (read,) = (await get(service))["items"]
    (attempt,) = (await get(service, f"/{read['id']}/payments"))[0]["attempts"]
    assert (attempt["status"], attempt["executionDateTime"]) == ("Pending", "2026-11-21T12:00:00Z")
    assert not again.done()

    gateway.may_answer.set()

    answers = await asyncio.gather(first, again)
    assert answers[0].content == answers[1].content
    assert told(answers[1])["transactionId"] == METHOD
    assert gateway.charged == 1


async def test_a_repeat_does_not_wait_for_ever(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "PATIENCE_S", 0)
    gateway = Reluctant()
    use_gateway(service, gateway)
    first = asyncio.create_task(post(service, a_request(), key="k-1"))
    await gateway.once_asked()

    again = told(await post(service, a_request(), key="k-1"))

    assert again["payNowSuccess"] is False
    assert again["payNowResponse"]["status"] == "Pending"
    gateway.may_answer.set()
    assert told(await first)["payNowSuccess"] is True


async def test_a_creation_whose_process_died_is_finished_by_a_worker(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "PATIENCE_S", 0)
    gateway = await a_creation_that_dies(service)
    gateway.may_answer.set()
    assert told(await post(service, a_request(), key="k-1"))["payNowResponse"]["status"] == "Pending"

    assert await work(service, NOON + timedelta(minutes=1)) == 0
    assert await work(service, NOON + timedelta(minutes=3)) == 1

    assert told(await post(service, a_request(), key="k-1"))["payNowSuccess"] is True
    assert gateway.charged == 1


@pytest.mark.parametrize("refusal", [Unavailable("not now"), UnreadableNotice("not so"), DunningError("not at all")])
async def test_a_creation_is_answered_though_the_outcome_of_its_charge_cannot_be_recorded(
    seller: RunningService, monkeypatch: pytest.MonkeyPatch, refusal: DunningError
) -> None:
    execute, executed = seller.writer.execute, []

    async def refusing(command: Command) -> CommandDone:
        executed.append(command)
        if len(executed) == 2:
            raise refusal
        return await execute(command)

    monkeypatch.setattr(seller.writer, "execute", refusing)
    first = told(await post(seller, a_request()))
    assert (first["payNowSuccess"], first["payNowResponse"]["status"]) == (False, "Pending")

    assert await work(seller, NOON + timedelta(minutes=3)) == 1
    assert (await get(seller, f"/{first['id']}/payments"))[0]["status"] == "Paid"
    assert (await get(seller))["total"] == 1
    assert await charges(seller) == 1


async def test_a_charge_that_was_given_up_is_an_error(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "PATIENCE_S", 0)
    gateway = await a_creation_that_dies(service)
    (made,) = (await get(service))["items"]
    told(await send(service, "POST", f"/{made['id']}/terminate"))
    assert await work(service, NOON + timedelta(minutes=3)) == 1

    again = told(await post(service, a_request(), key="k-1"))

    assert (again["payNowSuccess"], again["payNowResponse"]["status"]) == (False, "Error")
    assert "terminated" in again["payNowResponse"]["details"]["hostResponseMessage"]
    first = (await get(service, f"/{made['id']}/payments"))[0]
    assert (first["status"], first["attempts"]) == ("Cancelled", [])
    assert gateway.charged == 0
