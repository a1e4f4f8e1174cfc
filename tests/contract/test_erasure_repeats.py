"""What repeats an erased statement in other bytes: none are kept or ever read again, and it is answered as before."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from building import a_notice
from contract._erasure import (
    Kari,
    a_failure_of_kari,
    a_maple_failure_of_kari,
    erase,
    everything,
    money,
    personal_in,
)
from contract._goodparty import A_DEPOSIT, LOG, SUCCEEDED, encoded
from contract._goodparty import post as post_to_action_service
from contract._payment_records import encoded as as_form
from contract._payment_records import pairs
from contract._payments import an_attempt, record
from contract._subscriptions import a_request, send, told
from dunning_service.errors import InvalidInput
from dunning_service.intake.service import replayed_notice
from dunning_service.ledger.commit import Committer
from dunning_service.ledger.models import AttemptRow, DeliveryRow
from dunning_service.ledger.work import ERASED_AT, delivery_digest
from dunning_service.merchants.models import Merchant
from dunning_service.providers.goodparty import ACTION_HEADER, LOG_FAILURE
from dunning_service.providers.maple import MapleOptions
from ledgers import complaints
from running import RunningService

OTHER_FORMATS = ("application/xml", "application/x-www-form-urlencoded", "text/json")
A_DEPOSIT_OF_KARI = A_DEPOSIT | {"StripeCustomerId": "cus_kari"}


def stored(service: RunningService) -> list[DeliveryRow]:
    """The deliveries as the database has them."""
    with service.database.write() as connection:
        return [DeliveryRow(**row._mapping) for row in connection.execute(sa.select(*DeliveryRow.__table__.c))]


def change(service: RunningService, statement: sa.Executable) -> None:
    with service.database.write() as connection:
        connection.execute(statement)


def attempts(service: RunningService) -> int:
    with service.database.write() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(AttemptRow)) or 0


def assert_nothing_is_back(service: RunningService) -> None:
    text = everything(service)
    assert personal_in(text) == []
    for row in stored(service):
        assert (row.body, list(row.headers)) == (None, [ERASED_AT])
    assert complaints(service.database) == []


async def in_format(service: RunningService, path: str, fields: Any, media_type: str) -> httpx.Response:
    root = "PaymentIntentFailed" if path == LOG else "DepositMoneyRequest"
    body = encoded(fields, media_type, root) if media_type != "text/json" else json.dumps(fields, indent=3).encode()
    return await post_to_action_service(service, path, body, media_type=media_type, accept="application/json")


async def test_a_known_statement_in_another_format_keeps_no_bytes_and_is_answered_as_before(
    service: RunningService,
) -> None:
    fields = {LOG: a_failure_of_kari(), SUCCEEDED: A_DEPOSIT_OF_KARI}
    first = {path: await post_to_action_service(service, path, fields[path]) for path in fields}
    erase(service)
    before, facts = money(service, service.merchant), attempts(service)

    for media_type in OTHER_FORMATS:
        for path in fields:
            again = await in_format(service, path, fields[path], media_type)
            assert (again.status_code, again.text) == (first[path].status_code, first[path].text), media_type
    assert len(stored(service)) >= 2 + len(OTHER_FORMATS)
    assert_nothing_is_back(service)
    for row in stored(service):
        assert (row.outcome, row.reason) == ("recorded", None)
        with pytest.raises(InvalidInput, match="erased"):
            replayed_notice(row, service.merchant, None, service.clock())
    assert (money(service, service.merchant), attempts(service)) == (before, facts)


async def test_what_was_not_understood_when_it_came_is_not_read_into_the_ledger_later(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Kari(service, await service.add_source(service.merchant))
    await kari.webhook(a_maple_failure_of_kari())
    erase(service)
    body = a_maple_failure_of_kari()
    with monkeypatch.context() as patch:
        patch.setattr("dunning_service.providers.maple._OUTCOMES", {})
        await kari.webhook(body + b"\n")
        await kari.webhook(body + b"\n\n")
    await kari.webhook(body + b"\n\n")  # understood now, without a replay
    assert [row.body for row in stored(service)].count(None) == 2
    unread = next(row for row in stored(service) if row.body is not None)
    await service.writer.record(replayed_notice(unread, service.merchant, None, service.clock()))
    assert_nothing_is_back(service)
    assert attempts(service) == 1


async def test_bytes_that_came_back_before_go_when_they_are_replayed_or_sent_again(service: RunningService) -> None:
    """As a version that kept them left them."""
    kari = Kari(service, await service.add_source(service.merchant))
    bodies = [a_maple_failure_of_kari() + b" " * number for number in range(3)]
    await kari.webhook(bodies[0])
    erase(service)
    for body in bodies[1:]:
        await kari.webhook(body)
    for body in bodies:
        kept = sa.update(DeliveryRow).where(DeliveryRow.digest == delivery_digest(kari.source.id, body))
        change(service, kept.values(body=body, headers={"content-type": "application/json"}))
    assert "kari" in everything(service)
    complaint = "repeats an erased statement, but its bytes are there; `dunning events replay "
    assert sum(complaint in one for one in complaints(service.database)) == 3
    await kari.webhook(bodies[0])
    assert [row.body for row in stored(service)].count(None) == 1
    await replay_what_has_bytes(service)
    assert_nothing_is_back(service)
    assert attempts(service) == 1


async def replay_what_has_bytes(service: RunningService) -> None:
    for row in stored(service):
        if row.body is not None:
            await service.writer.record(replayed_notice(row, service.merchant, None, service.clock()))


async def test_a_new_currency_brings_no_erased_notice_back(service: RunningService) -> None:
    """A replay with another default would state something else: another digest."""
    kari = Kari(service, await service.add_source(service.merchant))
    body = a_maple_failure_of_kari(total_amount={"value_in_cents": 500})
    await kari.webhook(body)
    erase(service)
    await kari.webhook(body + b" ")
    for row in stored(service):
        with pytest.raises(InvalidInput, match="erased"):
            replayed_notice(row, service.merchant, MapleOptions(default_currency="EUR"), service.clock())
    assert_nothing_is_back(service)


async def test_a_new_currency_brings_nothing_back_in_another_format(service: RunningService) -> None:
    """The notice names no currency: read with the new one, it says nothing new all the same."""
    await post_to_action_service(service, LOG, a_failure_of_kari())
    erase(service)
    before = money(service, service.merchant)
    for currency, media_type in zip(("EUR", "JPY", None), OTHER_FORMATS, strict=True):
        change(service, sa.update(Merchant).values(default_currency=currency))
        service.clock.advance(timedelta(minutes=1))  # until the service has forgotten the old one
        assert (await in_format(service, LOG, a_failure_of_kari(), media_type)).status_code == 200
        assert money(service, service.merchant) == before
        assert_nothing_is_back(service)
    body = json.dumps(a_failure_of_kari(), indent=3).encode()  # as a version that kept them left them
    kept = {"body": body, "headers": {"content-type": "text/json", ACTION_HEADER: LOG_FAILURE}}
    change(service, sa.update(DeliveryRow).values(kept))
    assert any("repeats an erased statement, but its bytes" in one for one in complaints(service.database))


async def test_an_answered_request_in_other_bytes_is_answered_again_and_keeps_none(seller: RunningService) -> None:
    kari = Kari(seller, await seller.add_source(seller.merchant))
    await kari._payment_records()
    asked = a_request(customerId="11111111-2222-4333-8444-555555555555", customer={"customerName": "Kari"})
    created = told(await send(seller, "POST", json=asked, key="once"))
    assert (await send(seller, "POST", f"/{created['id']}/terminate")).status_code == 200
    erase(seller)
    assert "kari" not in everything(seller)

    reordered = as_form(list(pairs(kari.report))[::-1])
    again = await kari.records.post("/v1/payment_records/report_payment", reordered, key="key-1")
    assert (again.status_code, again.json()["id"]) == (200, kari.record_id)
    spaced = json.dumps(asked, indent=4).encode()
    headers = {"Content-Type": "application/json"}
    assert told(await send(seller, "POST", content=spaced, headers=headers, key="once"))["id"] == created["id"]
    assert "kari" not in everything(seller)
    assert complaints(seller.database) == []


async def test_a_notice_about_two_customers_loses_its_bytes_and_states_what_is_new_about_the_other(
    service: RunningService,
) -> None:
    kari = an_attempt(provider_customer_id="cus_kari", customer_name="Kari")
    await record(service, [kari])
    erase(service)
    await record(service, [kari, an_attempt(customer_name="Ola")])
    with service.database.write() as connection:
        names = connection.scalars(sa.select(AttemptRow.customer_name)).all()
    assert sorted(map(str, names)) == ["None", "Ola"]
    assert_nothing_is_back(service)


async def test_a_repeat_that_comes_twice_in_one_batch_keeps_no_bytes(service: RunningService) -> None:
    kari = an_attempt(provider_customer_id="cus_kari", customer_name="Kari")
    await record(service, [kari])
    erase(service)
    notice = a_notice(kari, merchant_id=service.merchant.id, body=b"kari, in other bytes")
    Committer(service.database).commit([notice, notice], service.clock())
    assert_nothing_is_back(service)


async def test_a_correction_of_an_erased_attempt_is_new_and_can_be_erased_again(service: RunningService) -> None:
    kari = Kari(service, await service.add_source(service.merchant))
    await kari.goodparty(LOG, **a_failure_of_kari())
    erase(service)
    await kari.goodparty(LOG, **a_failure_of_kari(AmountDue=2500))
    assert "kari" in everything(service)
    erase(service)
    await in_format(service, LOG, a_failure_of_kari(AmountDue=2500), "application/xml")
    await in_format(service, LOG, a_failure_of_kari(), "application/xml")
    assert_nothing_is_back(service)
