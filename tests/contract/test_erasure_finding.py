"""Whose rows an erasure finds, however many there are and whatever comes in meanwhile."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from building import a_failure, a_notice, a_receipt
from contract._erasure import (
    EMAIL,
    KARI,
    Kari,
    a_failure_of_kari,
    a_maple_failure_of_kari,
    erase,
    everything,
    money,
)
from contract._goodparty import A_DEPOSIT, LOG, SUCCEEDED
from contract._payments import an_attempt, record
from contract._subscriptions import created, send
from contract._webhooks import an_event, post
from dunning_service.billing.models import ScheduledPaymentRow
from dunning_service.erasure.person import Person, Words
from dunning_service.erasure.service import Erased, survey
from dunning_service.errors import RuleBroken, Unavailable
from dunning_service.ledger.commit import Committer
from dunning_service.ledger.models import ReceiptRow
from ledgers import complaints
from running import NOON, RunningService


async def test_an_address_is_found_in_any_case_and_in_an_older_attempt(service: RunningService) -> None:
    source = await service.add_source(service.merchant)
    older = {"created_at": "2026-11-21T10:00:00Z", "updated_at": None}
    await post(service, source, a_maple_failure_of_kari(id="old", customer_id="x", customer={"email": EMAIL}, **older))
    await post(service, source, a_maple_failure_of_kari(id="new", customer_id="y", customer={"email": "b@example.com"}))
    assert erase(service, Person.named([], [EMAIL.upper()])).payments == 1
    assert "kari.nordmann@" not in everything(service)


SPELLINGS = [
    ("ÅSE@example.com", "åse@example.com"),
    ("åse@example.com", "ÅSE@EXAMPLE.COM"),
    ("A\u030ase@example.com", "åse@example.com"),  # decomposed
    ("\u212bse@example.com", "åse@example.com"),  # the sign for the unit
    ("\u212aARI@example.com", "kari@example.com"),  # the sign for kelvin
    ("STRASSE@example.com", "straße@example.com"),
    ("ΟΔΟΣ@example.com", "οδος@example.com"),
    ("İda@example.com", "i\u0307da@example.com"),
    ("ДИМА@example.com", "дима@example.com"),
    ("ida@example.com", "IDA@EXAMPLE.COM"),
]


async def test_an_address_is_found_in_any_case_of_any_alphabet(service: RunningService) -> None:
    """In an attempt that one with another address follows."""
    other = await service.add_merchant("Other")
    for number, (told, asked) in enumerate(SPELLINGS):
        payment = f"in_{number}"
        await record(service, [an_attempt(provider_payment_id=payment, customer_email=told)])
        later = {"provider_attempt_id": "2", "occurred_at": NOON + timedelta(hours=1)}
        await record(
            service, [an_attempt(provider_payment_id=payment, customer_email=f"other{number}@example.com", **later)]
        )
        await record(service, [an_attempt(customer_email=told)], merchant=other)

        erased = erase(service, Person.named([], [asked]))

        assert (erased.payments, erased.attempts) == (1, 2), told
        assert told.casefold() not in everything(service, but=other), told
        assert told.casefold() in everything(service), told


@pytest.mark.parametrize("told", ["ÅSE@Example.com", "A\u030ase@example.com"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_an_address_is_recognised_in_bytes_of_any_encoding(told: str, encoding: str) -> None:
    words = Words(Person.named([], ["åse@example.com"]).words)
    body = f'{{"email": "{told}"}}'.encode(encoding, "replace")
    assert words.are_in(body) == ("?" not in body.decode(encoding))
    assert words.are_in(json.dumps({"email": told}).encode())
    assert words.are_in(quote(told).encode())
    assert not words.are_in(f"1{told}".encode(encoding, "replace"))


async def test_an_address_of_a_subscription_is_found_in_any_case_of_any_alphabet(seller: RunningService) -> None:
    customer = {"customerName": "Åse", "emailAddress": "ÅSE@example.com"}
    made = await created(seller, customer=customer, customerId="ABCDEF00-2222-4333-8444-555555555555")
    assert (await send(seller, "POST", f"/{made['id']}/terminate")).status_code == 200
    for person in (
        Person.named([], ["åse@example.com"]),
        Person.named(["ABCDEF00-2222-4333-8444-555555555555"], []),
    ):
        assert survey(seller.database, seller.merchant, person).subscriptions == 1


async def test_a_customer_is_not_erased_while_an_attempt_has_no_outcome(seller: RunningService) -> None:
    customer = {"customerName": "Åse", "emailAddress": "ase@example.com"}
    made = await created(seller, customer=customer)
    assert (await send(seller, "POST", f"/{made['id']}/terminate")).status_code == 200
    in_flight = sa.update(ScheduledPaymentRow).where(ScheduledPaymentRow.subscription_id == made["id"])
    with seller.database.write() as connection:
        connection.execute(in_flight.values(attempt_in_flight=1))
    with pytest.raises(RuleBroken, match=f"a payment of the subscription {made['id']} is being charged"):
        survey(seller.database, seller.merchant, Person.named([], ["ase@example.com"]))


async def test_a_payer_whose_id_differs_in_case_only_is_somebody_else(service: RunningService) -> None:
    await record(service, [a_receipt(payer="7:CUS_KARI"), a_receipt("txn_2", payer="7:cus_kari")])
    await record(service, [an_attempt(payer_key="7:CUS_KARI", customer_name="Ola")])
    erased = erase(service)
    assert (erased.receipts, erased.payments) == (1, 0)
    assert "7:CUS_KARI" in [row["payer_key"] for row in rows(service, ReceiptRow)]


def rows(service: RunningService, model: Any) -> list[Any]:
    with service.database.write() as connection:
        return [dict(row) for row in connection.execute(sa.select(model.__table__)).mappings()]


async def test_an_id_is_not_found_inside_another(service: RunningService) -> None:
    source = await service.add_source(service.merchant)
    await post(service, source, an_event(customer_id="cus_karin", id="txn_9", invoice_uuid="inv_9", customer=None))
    await post(service, source, b'{"event_type":"payment.failed","data":{"note":"cus_karin"}}')
    assert erase(service) == Erased()
    assert everything(service).count("cus_karin") >= 3


async def test_a_short_id_is_not_looked_for_in_raw_bytes(service: RunningService) -> None:
    source = await service.add_source(service.merchant)
    await post(service, source, an_event(customer_id="42", customer=None))
    await post(service, source, b'{"event_type":"payment.failed","data":{"amount":42}}')
    person = Person.named(["42"], [])
    assert person.short_ids == ["42"]
    erased = erase(service, person)
    assert (erased.payments, erased.deliveries) == (1, {"recorded": 1})


async def test_payments_that_come_while_somebody_erases_are_erased_too(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Kari(service, await service.add_source(service.merchant))
    await kari.goodparty(LOG, **a_failure_of_kari())
    await kari.goodparty(SUCCEEDED, **A_DEPOSIT | {"StripeCustomerId": KARI})
    before = money(service, service.merchant)
    commit, late = Committer.commit, []

    def committed(self: Committer, works: Any, now: Any) -> Any:
        if not late:  # between looking and locking, another process commits one more of the same payer
            late.append(1)
            other = Committer(service.database)
            commit(other, [a_late_notice(service)], now)
        return commit(self, works, now)

    monkeypatch.setattr(Committer, "commit", committed)
    erased = erase(service)
    assert erased.payments == 2
    assert "kari" not in everything(service)
    after = money(service, service.merchant)
    assert {number: after[number] for number in before} == before
    assert complaints(service.database) == []


async def test_it_says_so_when_more_keeps_coming_in(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    kari = Kari(service, await service.add_source(service.merchant))
    await kari.goodparty(LOG, **a_failure_of_kari())
    commit, numbers = Committer.commit, itertools.count()

    def committed(self: Committer, works: Any, now: Any) -> Any:
        commit(Committer(service.database), [a_late_notice(service, f"in_{next(numbers)}")], now)
        return commit(self, works, now)

    with monkeypatch.context() as patch:
        patch.setattr(Committer, "commit", committed)
        with pytest.raises(Unavailable, match="run the command again"):
            erase(service)
    assert erase(service).payments > 0
    assert "kari" not in everything(service)


def a_late_notice(service: RunningService, payment: str = "in_late") -> Any:
    late = a_failure(payment, provider_customer_id=KARI, customer_name="Kari", payer_key=f"9:{KARI}", amount_minor=7)
    return a_notice(
        late, merchant_id=service.merchant.id, provider="goodparty", origin=LOG, body=f"{payment} of {KARI}".encode()
    )


async def test_more_payments_than_one_portion_holds(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dunning_service.erasure.service._PAYMENTS_AT_ONCE", 3)
    monkeypatch.setattr("dunning_service.erasure.service._DELIVERIES_AT_ONCE", 2)
    monkeypatch.setattr("dunning_service.erasure.deliveries._PAGE", 2)
    monkeypatch.setattr("dunning_service.erasure.finding._AT_ONCE", 2)
    for number in range(10):
        payer = f"{number // 4}:{KARI}" if number < 8 else None
        await record(service, [an_attempt(provider_customer_id=KARI, payer_key=payer, customer_name="Kari")])
    assert erase(service).payments == 10
    assert "kari" not in everything(service)
    assert complaints(service.database) == []
