"""Erasing a customer: nothing of them is left anywhere, and not a cent moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from building import a_failure, a_notice
from contract._erasure import (
    A_REASON,
    EMAIL,
    KARI,
    KARI_AT_ARISE,
    PERSONAL,
    WHO,
    Kari,
    a_failure_of_kari,
    a_maple_failure_of_kari,
    erase,
    everything,
    money,
    personal_in,
    summary,
)
from contract._gateways import NO_MONEY, charges
from contract._goodparty import A_DEPOSIT, LOG, SUCCEEDED
from contract._goodparty import listed as listed_at_goodparty
from contract._payments import an_attempt, record
from contract._subscriptions import a_request, created, failed_orders, failed_payments, get, send, told, work
from contract._subscriptions import post as post_subscription
from contract._webhooks import post
from dunning_service.database.name_index import NAMES
from dunning_service.erasure.person import Person
from dunning_service.erasure.service import Erased, impersonal, survey
from dunning_service.errors import InvalidInput, RuleBroken
from dunning_service.intake.service import replayed_notice
from dunning_service.ledger.models import AttemptRow, DeliveryRow, PaymentRow
from dunning_service.ledger.work import ERASED, Erasure, ErasureDone, NoticeRecorded
from ledgers import Ledger, complaints
from running import NOON, RunningService


async def a_full_ledger(seller: RunningService) -> Kari:
    kari = await Kari.tells_everything(seller)
    await kari.terminate()
    await kari.decide()
    return kari


async def test_nothing_of_the_customer_is_left_and_no_money_moves(seller: RunningService) -> None:
    await a_full_ledger(seller)
    text = everything(seller)
    assert all(word in text for word in PERSONAL)
    assert A_REASON.casefold() in text
    before, summed = money(seller, seller.merchant), await summary(seller)

    erased = erase(seller)

    text = everything(seller)
    assert personal_in(text) == []
    assert money(seller, seller.merchant) == before
    assert await summary(seller) == summed
    assert complaints(seller.database) == []
    assert (erased.payments, erased.receipts, erased.subscriptions) == (6, 2, 2)
    assert erased.actions > 0
    assert erased.answers > 0


async def test_no_part_of_the_name_is_left_in_the_index_of_names(service: RunningService) -> None:
    await record(service, [an_attempt(provider_customer_id=KARI, customer_name="Xqzwyd")])
    for number in range(40):
        await record(service, [an_attempt(customer_name=f"Ola Hansen {number}")])
    erase(service)
    with service.database.write() as connection:
        tables = sa.MetaData()
        tables.reflect(connection)
        kept = [table for table in tables.sorted_tables if table.name.startswith(NAMES)]
        text = b"".join(
            bytes(value)
            for table in kept
            for row in connection.execute(sa.select(table))
            for value in row
            if isinstance(value, bytes)
        )
    assert bool(kept) == service.database.is_sqlite
    assert (b"ola" in text) == service.database.is_sqlite
    assert [part for part in (b"xqz", b"qzw", b"zwy", b"wyd") if part in text] == []
    assert len(await failed_payments(service, "?q=hansen 1&limit=200")) == 11


async def test_the_same_customer_of_another_merchant_is_not_touched(service: RunningService) -> None:
    other = await service.add_merchant("Norway & Co", "NOK")
    source, elsewhere = await service.add_source(service.merchant), await service.add_source(other)
    for one in (source, elsewhere):
        assert (await post(service, one, a_maple_failure_of_kari())).status_code == 200
    erase(service)
    assert "kari" not in everything(service, but=other)
    with service.database.write() as connection:
        attempts = sa.select(AttemptRow.customer_email).where(AttemptRow.merchant_id == other.id)
        bodies = sa.select(DeliveryRow.body).where(DeliveryRow.merchant_id == other.id)
        assert list(connection.scalars(attempts)) == [EMAIL]
        assert list(connection.scalars(bodies)) == [a_maple_failure_of_kari()]


async def test_every_api_still_lists_what_is_erased_and_others_as_they_were(seller: RunningService) -> None:
    kari = await a_full_ledger(seller)
    before = await failed_orders(seller, "?pageSize=100")
    erase(seller)
    shown = await kari.records.retrieve(kari.record_id)
    assert shown["customer_details"] is None
    assert (shown["metadata"], shown["shipping_details"], shown["description"]) == ({}, None, None)
    assert shown["amount_refunded"]["value"] == 5
    assert len((await kari.records.attempts(kari.record_id))["data"]) == 2
    after = await failed_orders(seller, "?pageSize=100")
    assert [order["orderUuid"] for order in after] == [order["orderUuid"] for order in before] != []
    subscription = await get(seller, f"/{kari.subscription_id}")
    assert set(subscription["customer"].values()) == {None}
    payments = (await seller.client.get("/api/v1/failed-payments?limit=200", headers=seller.auth)).json()["data"]
    assert len(payments) == len(before)
    for payment in payments:
        one = await seller.client.get(f"/api/v1/failed-payments/{payment['id']}", headers=seller.auth)
        assert one.status_code == 200
    orders = await listed_at_goodparty(seller)
    assert {order["InvoiceId"]: order["ArtistName"] for order in orders} == {
        "in_1": None,
        "in_2": None,
        "in_ola": "Ola",
    }
    assert {order["InvoiceId"]: order["UserId"] for order in orders} == {"in_1": 0, "in_2": 0, "in_ola": 10}
    assert "cus_ola" in everything(seller)
    assert "nafees@example.com" in everything(seller)


async def test_a_repeat_brings_nothing_back(seller: RunningService) -> None:
    kari = await a_full_ledger(seller)
    erase(seller)
    before = money(seller, seller.merchant)
    for body in kari.bodies:
        assert (await post(seller, kari.source, body)).status_code == 200
    await kari.goodparty(LOG, **a_failure_of_kari())
    # told of anew, in bytes that nobody has seen: what it states is known, so no fact takes it in
    await kari.goodparty(SUCCEEDED, **A_DEPOSIT | {"StripeCustomerId": KARI})
    again = await kari.records.post("/v1/payment_records/report_payment", kari.report, key="key-1")
    assert (again.json()["id"], again.json()["customer_details"]) == (kari.record_id, None)
    text = everything(seller)
    assert personal_in(text) == []
    assert money(seller, seller.merchant) == before
    assert complaints(seller.database) == []


async def test_what_was_never_understood_is_not_read_when_it_comes_again(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await service.add_source(service.merchant)
    with monkeypatch.context() as patch:
        patch.setattr("dunning_service.providers.maple._OUTCOMES", {})
        await post(service, source, a_maple_failure_of_kari())
    erased = erase(service)
    assert erased.deliveries == {"ignored": 1}
    assert (await post(service, source, a_maple_failure_of_kari())).status_code == 200
    with service.database.write() as connection:
        (row,) = connection.execute(sa.select(DeliveryRow.__table__)).all()
        assert connection.scalars(sa.select(PaymentRow.id)).all() == []
    assert (row.outcome, row.reason, row.body, row.times_received) == ("ignored", ERASED, None, 2)


async def test_an_erased_notice_cannot_be_replayed_not_even_by_who_had_read_it_before(service: RunningService) -> None:
    source = await service.add_source(service.merchant)
    await post(service, source, a_maple_failure_of_kari())

    def stored() -> DeliveryRow:
        with service.database.write() as connection:
            (row,) = connection.execute(sa.select(*DeliveryRow.__table__.c)).all()
        return DeliveryRow(**row._mapping)

    read_before = replayed_notice(stored(), service.merchant, None, service.clock())
    erase(service)
    with pytest.raises(InvalidInput, match="erased"):
        replayed_notice(stored(), service.merchant, None, service.clock())
    # as a corrected adapter would have read it: another statement, which no fact knows
    event = replace(read_before.events[0], description="Kari Nordmann")
    await service.writer.record(replace(read_before, events=[event]))
    assert "kari" not in everything(service)


async def test_a_new_notice_is_new(service: RunningService) -> None:
    source = await service.add_source(service.merchant)
    await post(service, source, a_maple_failure_of_kari())
    erase(service)
    await post(
        service, source, a_maple_failure_of_kari(id="txn_k2", created_at="2026-11-21T11:50:00Z", updated_at=None)
    )
    with service.database.write() as connection:
        (payment,) = connection.execute(sa.select(PaymentRow.__table__)).all()
        emails = sorted(map(str, connection.scalars(sa.select(AttemptRow.customer_email))))
    assert (payment.customer_email, payment.attempt_count) == (EMAIL, 2)
    assert emails == sorted([EMAIL, "None"])
    assert erase(service).payments == 1
    assert "kari" not in everything(service)


async def test_a_dry_run_counts_what_is_erased_then_and_not_again(seller: RunningService) -> None:
    await a_full_ledger(seller)
    text = everything(seller)
    surveyed = survey(seller.database, seller.merchant, Person.named([KARI], []))
    assert everything(seller) == text
    assert (surveyed.payments, surveyed.subscriptions) == (4, 0)
    assert EMAIL in surveyed.others
    whole = survey(seller.database, seller.merchant, WHO)
    erased = erase(seller)
    assert (whole.payments, whole.receipts, whole.subscriptions) == (
        erased.payments,
        erased.receipts,
        erased.subscriptions,
    )
    assert whole.open_payments == erased.open_payments
    assert whole.deliveries == erased.deliveries
    assert erase(seller) == Erased()  # there is nothing left to be found


async def test_a_subscription_that_goes_on_charging_stands_in_the_way(seller: RunningService) -> None:
    kari = await Kari.tells_everything(seller)
    text = everything(seller)
    with pytest.raises(RuleBroken, match=f"{kari.paid_subscription_id}|{kari.subscription_id}"):
        erase(seller)
    assert everything(seller) == text


async def test_nobody_is_charged_for_an_erased_subscription(seller: RunningService) -> None:
    await a_full_ledger(seller)
    erase(seller)
    made = await charges(seller)
    assert await work(seller, seller.clock() + timedelta(days=40)) == 1  # for the one who was not erased
    assert await charges(seller) == made + 1
    assert "kari" not in everything(seller)
    assert complaints(seller.database) == []


async def test_nobody_is_charged_for_an_erased_subscription_even_on_request(
    seller: RunningService,
) -> None:
    await created(seller, customerId=KARI_AT_ARISE, paymentMethodId=NO_MONEY, numberOfPayments=1)
    for _ in range(40):
        await work(seller, seller.clock() + timedelta(days=1))
    (tried,) = await failed_payments(seller)
    assert (tried["status"], tried["next_attempt_at"]) == ("failed", None)
    before, summed, made = money(seller, seller.merchant), await summary(seller), await charges(seller)
    (ordered,) = await failed_orders(seller, "/failed")

    erase(seller)

    (shown,) = await failed_payments(seller, "?status=failed&next_attempt=none")
    assert shown["id"] == tried["id"]
    (order,) = await failed_orders(seller, "/failed")
    assert (order["status"], order["amount"]) == (ordered["status"], ordered["amount"])
    assert money(seller, seller.merchant) == before
    assert await summary(seller) == summed
    path = f"/api/v1/failed-payments/{tried['id']}/actions"
    response = await seller.client.post(path, headers=seller.auth, json={"action": "retry"})
    assert response.status_code == 409, response.text
    assert "nothing of it is to be charged any more: the customer's data were erased" in response.json()["detail"]
    await work(seller, seller.clock() + timedelta(days=1))
    assert await charges(seller) == made


async def test_payments_of_one_payer_are_erased_together_whatever_names_them(service: RunningService) -> None:
    kari = Kari(service, await service.add_source(service.merchant))
    await kari.goodparty(LOG, **a_failure_of_kari(InvoiceId="in_a", CustomerEmail="other@example.com"))
    await kari.goodparty(LOG, **a_failure_of_kari(InvoiceId="in_b"))
    await kari.goodparty(SUCCEEDED, **A_DEPOSIT | {"StripeCustomerId": KARI})
    before = money(service, service.merchant)
    assert sorted(row[2] for row in before.values()) == ["failed", "paid"]
    assert erase(service, Person.named([], [EMAIL])).payments == 2
    assert money(service, service.merchant) == before
    assert "other@example.com" not in everything(service)
    assert complaints(service.database) == []


@pytest.mark.parametrize(
    "told_later",
    [
        {"AttemptCount": 2, "FailedTimeStamp": "2026-01-12T19:31:58+00:00"},
        {"AttemptCount": 2, "FailedTimeStamp": "2026-01-10T19:31:58+00:00"},
        {"AttemptCount": 2, "FailedTimeStamp": "2026-01-12T19:31:58+00:00", "UserId": 10},
        {"FailedTimeStamp": "2026-01-12T19:31:58+00:00"},
    ],
    ids=["a newer attempt", "an older attempt", "an attempt of another payer", "a correction"],
)
async def test_what_paid_for_a_payment_still_does_whatever_is_told_of_it_afterwards(
    service: RunningService, told_later: dict[str, Any]
) -> None:
    kari = Kari(service, await service.add_source(service.merchant))
    await kari.goodparty(LOG, **a_failure_of_kari())
    await kari.goodparty(SUCCEEDED, **A_DEPOSIT | {"StripeCustomerId": KARI})
    erase(service)
    for _ in range(2):
        await kari.goodparty(LOG, **a_failure_of_kari(**told_later))
        assert paid_by(service) == [("paid", 1999, "ch_1")]
        assert complaints(service.database) == []
        erase(service)
        assert "kari" not in everything(service)
    assert paid_by(service) == [("paid", 1999, "ch_1")]
    assert complaints(service.database) == []


def paid_by(service: RunningService) -> list[tuple[Any, ...]]:
    with service.database.write() as connection:
        table = PaymentRow.__table__.c
        return [
            tuple(row)
            for row in connection.execute(sa.select(table.status, table.paid_minor, table.provider_receipt_id))
        ]


async def test_a_subscription_made_with_a_key_is_answered_as_before(seller: RunningService) -> None:
    asked = a_request(customerId=KARI_AT_ARISE, customer={"customerName": "Kari", "emailAddress": EMAIL})
    first = told(await post_subscription(seller, asked, key="once"))
    assert (await send(seller, "POST", f"/{first['id']}/terminate")).status_code == 200
    erase(seller)
    again = told(await post_subscription(seller, asked, key="once"))
    assert again["id"] == first["id"]
    assert "kari" not in everything(seller)


def test_an_erasure_has_a_transaction_of_its_own_whatever_it_is_handed_over_with(ledger: Ledger) -> None:
    ledger.committer.commit([a_notice(a_failure("in_1", customer_name="Kari"))], NOON)
    (payment_id,) = ledger.payment_ids(1).values()
    erasure = Erasure(
        merchant_id=1, time_zone="UTC", payment_ids=[payment_id], impersonal=impersonal, impersonal_answer=dict
    )
    results = ledger.committer.commit([erasure, a_notice(a_failure("in_1", "2", customer_name="Kari N"))], NOON)
    assert [type(result) for result in results] == [ErasureDone, NoticeRecorded]
    assert ledger.payment(1)["customer_name"] == "Kari N"
    names = sorted(str(row["customer_name"]) for row in ledger.rows(AttemptRow, 1))
    assert names == ["Kari N", "None"]
