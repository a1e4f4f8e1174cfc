"""Stories that notices and decisions tell, and their being recorded: what properties of the ledger are asked of."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings

from building import NOON, a_decision, a_notice, in_batches
from dunning_service.events import AttemptReported, Event, Outcome, ReceiptReported
from dunning_service.ledger.models import ReceiptRow
from dunning_service.ledger.status import ActionKind, ReceiptDue
from dunning_service.ledger.work import ActionRequest, Notice
from ledgers import Ledger

several_examples = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

PAYMENTS = ("in_1", "in_2", "in_3")
PAYERS = ("7:cus_7", "8:")
CURRENCIES = ("NOK", "JPY", None)

moments = st.one_of(st.none(), st.integers(-3, 3).map(lambda hours: NOON + timedelta(hours=hours)))
amounts = st.sampled_from([0, 40, 60, 100, None])
attempts: st.SearchStrategy[AttemptReported] = st.builds(
    AttemptReported,
    provider_payment_id=st.sampled_from(PAYMENTS),
    provider_attempt_id=st.sampled_from(["1", "2", "3"]),
    outcome=st.sampled_from(Outcome),
    occurred_at=moments,
    stated_at=moments,
    sequence=st.integers(0, 3),
    amount_minor=amounts,
    currency=st.sampled_from(CURRENCIES),
    customer_name=st.sampled_from([None, "Nafees", "Ærlig Ås"]),
    customer_phone=st.sampled_from([None, "+47 465 67 468"]),
    payer_key=st.sampled_from([*PAYERS, None]),
)


@st.composite
def _stories(draw: st.DrawFn, attempts: st.SearchStrategy[AttemptReported]) -> list[list[Event]]:
    """What some notices say. A receipt's number is of one content: with another it is refused, whichever comes last."""
    receipts = [
        draw(
            st.builds(
                ReceiptReported,
                provider_receipt_id=st.just(number),
                payer_key=st.sampled_from(PAYERS),
                amount_minor=amounts,
                currency=st.sampled_from(CURRENCIES),
            )
        )
        for number in ("txn_1", "txn_2")
    ]
    events: st.SearchStrategy[Event] = st.one_of(attempts, attempts, attempts, st.sampled_from(receipts))
    return draw(st.lists(st.lists(events, min_size=1, max_size=3), min_size=1, max_size=8))


stories = _stories(attempts)


@st.composite
def _dated_stories(draw: st.DrawFn) -> list[list[Event]]:
    """Stories in which no two statements about one attempt are dated alike, and every attempt has a time."""
    story = draw(_stories(attempts.filter(lambda attempt: attempt.occurred_at is not None)))
    dates = itertools.count()

    def dated(event: Event) -> Event:
        if isinstance(event, ReceiptReported):
            return event
        return replace(event, stated_at=NOON + timedelta(seconds=next(dates)))

    return [[dated(event) for event in said] for said in story]


dated_stories = _dated_stories()
decisions = st.lists(
    st.tuples(st.sampled_from(PAYMENTS), st.sampled_from(ActionKind), st.integers(0, 9)),
    max_size=4,
    unique_by=lambda d: d[2],
)


def record(ledger: Ledger, works: list[Any], sizes: list[int]) -> list[Any]:
    results = []
    for batch in in_batches(works, sizes):
        results += ledger.committer.commit(batch, NOON)
    return results


def a_story(merchant_id: int, story: list[list[Event]]) -> list[Notice]:
    """The notices of a story; the same story gives every merchant the same bytes."""
    return [
        a_notice(*told, merchant_id=merchant_id, body=f"{number}: {told!r}".encode())
        for number, told in enumerate(story)
    ]


def as_they_come(notices: Sequence[Notice]) -> list[Notice]:
    """The notices, each a second after the one before it."""
    return [
        replace(notice, delivery=replace(notice.delivery, received_at=NOON + timedelta(seconds=second)))
        for second, notice in enumerate(notices)
    ]


def decide(ledger: Ledger, merchant_id: int, wanted: list[tuple[str, ActionKind, int]]) -> list[ActionRequest]:
    """The decisions about those payments that exist, made before and after the receipts arrived."""
    ids = ledger.payment_ids(merchant_id)
    known = {*ids, *(row["provider_receipt_id"] for row in ledger.rows(ReceiptRow, merchant_id))}
    return [
        a_decision(
            ids[payment],
            verb,
            merchant_id=merchant_id,
            decided_at=NOON + timedelta(minutes=minute - 5),
            must_apply=False,
            **what_it_names(verb, minute, ids),
        )
        for payment, verb, minute in wanted
        if payment in ids and (verb is not ActionKind.MOVE_RECEIPT or known >= {_target(minute), _receipt(minute)})
    ]


def what_it_names(verb: ActionKind, minute: int, ids: Mapping[str, int]) -> dict[str, Any]:
    """Every other mark expects a receipt; a move names a receipt and a payment, of whatever payer and amount."""
    if verb is ActionKind.MARK_PAID and minute % 2:
        return {"receipt": ReceiptDue.EXPECTED}
    if verb is ActionKind.MOVE_RECEIPT:
        return {"provider_receipt_id": _receipt(minute), "to_payment_id": ids[_target(minute)]}
    return {}


def _receipt(minute: int) -> str:
    return f"txn_{1 + minute % 2}"


def _target(minute: int) -> str:
    return PAYMENTS[minute % len(PAYMENTS)]
