"""Erasing somebody in the middle of any story moves no money, and what was told before brings nobody back."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from building import NOON, a_failure, a_notice, a_receipt
from dunning_service.erasure.person import Person
from dunning_service.erasure.service import erase_person
from dunning_service.events import Event
from dunning_service.ledger.models import AttemptRow, DeliveryRow, PaymentRow, ReceiptRow
from dunning_service.ledger.work import Notice
from dunning_service.merchants.directory import MerchantView
from ledgers import MONEY, Ledger
from property._stories import PAYMENTS, a_story, decide, decisions, moments, record, several_examples, stories

PAYER = "7:cus_7"


@settings(several_examples, max_examples=20)
@given(story=stories, later=stories, wanted=decisions, sizes=st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_money_stays_and_a_repeat_brings_nothing_back(
    ledger: Ledger,
    story: list[list[Event]],
    later: list[list[Event]],
    wanted: list[Any],
    sizes: list[int],
) -> None:
    merchant = ledger.add_merchant()
    notices = a_story(merchant.id, story)
    record(ledger, notices, sizes)
    record(ledger, decide(ledger, merchant.id, wanted), [1])
    before = money(ledger, merchant)

    erase_person(ledger.database, merchant, Person.named([PAYER], []), lambda: NOON)

    assert money(ledger, merchant) == before
    assert_nobody(ledger, merchant)
    record(ledger, notices, sizes)
    assert money(ledger, merchant) == before
    assert_nobody(ledger, merchant)
    record(ledger, [in_other_bytes(notice) for notice in notices], sizes)
    assert money(ledger, merchant) == before
    assert_nobody(ledger, merchant)
    assert ledger.complaints(merchant.id) == []

    record(ledger, a_story(merchant.id, [told for told in later if told not in story]), sizes)
    assert ledger.complaints(merchant.id) == []


@settings(several_examples, max_examples=20)
@given(
    story=stories,
    wanted=decisions,
    more=st.lists(st.tuples(st.sampled_from(PAYMENTS), moments, st.sampled_from([100, 60])), min_size=1, max_size=4),
    shuffled=st.randoms(use_true_random=False),
)
def test_further_attempts_come_to_the_same_as_if_nobody_had_been_erased(
    ledger: Ledger,
    story: list[list[Event]],
    wanted: list[Any],
    more: list[Any],
    shuffled: random.Random,
) -> None:
    kept, erased = ledger.add_merchant(), ledger.add_merchant()
    paid: list[list[Event]] = [
        [a_failure(payer_key=PAYER, amount_minor=100)],
        [a_receipt("txn_0", PAYER, amount_minor=100)],
    ]
    for merchant in (kept, erased):
        record(ledger, a_story(merchant.id, [*paid, *story]), [3])
        record(ledger, decide(ledger, merchant.id, wanted), [1])
    theirs = {row["provider_payment_id"] for row in ledger.rows(PaymentRow, kept.id) if row["payer_key"] == PAYER}
    told = [
        a_failure(payment, f"further {number}", occurred_at=moment, amount_minor=amount, payer_key=PAYER)
        for number, (payment, moment, amount) in enumerate(more)
        if payment in theirs
    ]

    erase_person(ledger.database, erased, Person.named([PAYER], []), lambda: NOON)

    for merchant in (kept, erased):
        shuffled.shuffle(told)
        record(ledger, [a_notice(event, merchant_id=merchant.id) for event in told], [1, 2])
        assert ledger.complaints(merchant.id) == []
    assert money(ledger, kept) == money(ledger, erased)


def in_other_bytes(notice: Notice) -> Notice:
    return replace(notice, delivery=replace(notice.delivery, body=notice.delivery.body + b" "))


def money(ledger: Ledger, merchant: MerchantView) -> list[Any]:
    return sorted(str([row[name] for name in MONEY]) for row in ledger.rows(PaymentRow, merchant.id))


def assert_nobody(ledger: Ledger, merchant: MerchantView) -> None:
    """Neither the payer, nor whoever stood beside, nor the notices that told of them."""
    for model in (AttemptRow, PaymentRow, ReceiptRow):
        assert all(row["payer_key"] != PAYER for row in ledger.rows(model, merchant.id))
    for row in ledger.rows(DeliveryRow, merchant.id):
        assert row["body"] is None or PAYER not in row["body"].decode()
