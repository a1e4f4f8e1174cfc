"""Reading deliveries again: the ledger ends at what each of them says now, whatever it said in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from building import NOON, a_notice, a_receipt
from dunning_service.events import AttemptReported, Delivery, Event, ReceiptReported
from dunning_service.ledger.models import PaymentRow, ReceiptRow
from dunning_service.ledger.work import Notice
from ledgers import Ledger
from property._stories import PAYERS, PAYMENTS, record, several_examples, stories

AS_IT_CAME, IN_EUROS, OF_OTHERS, IGNORED, UNREADABLE = range(5)

_CAME_AND_WENT = {"created_at", "updated_at", "merchant_id", "id"}


@several_examples
@given(
    story=stories,
    meanwhile=st.lists(st.tuples(st.integers(0, 7), st.integers(AS_IT_CAME, UNREADABLE)), max_size=8),
    receipts_end=st.integers(AS_IT_CAME, OF_OTHERS),
    ends=st.lists(st.integers(AS_IT_CAME, IGNORED), min_size=8, max_size=8),
    last=st.permutations(range(8)),
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4),
)
def test_replays_in_any_order_end_at_what_deliveries_say_now(
    ledger: Ledger,
    story: list[list[Event]],
    meanwhile: list[tuple[int, int]],
    receipts_end: int,
    ends: list[int],
    last: Sequence[int],
    sizes: list[int],
) -> None:
    # receipts of one number have to agree in the end, or one of them would have been refused from the beginning
    ends = [receipts_end if _has_receipt(said) else end for said, end in zip(story, ends, strict=False)]
    one, other = ledger.add_merchant().id, ledger.add_merchant().id

    record(ledger, [_read(one, number, said, AS_IT_CAME) for number, said in enumerate(story)], sizes)
    replays = [*meanwhile, *((number, ends[number]) for number in last if number < len(story))]
    again = [
        _read(one, number, story[number], version, is_replay=True) for number, version in replays if number < len(story)
    ]
    record(ledger, again, sizes)

    record(ledger, [_read(other, number, said, ends[number]) for number, said in enumerate(story)], sizes)
    assert _payments(ledger, one) == _payments(ledger, other)
    assert ledger.counts(one) == ledger.counts(other)
    assert ledger.complaints(one) == []
    assert ledger.complaints(other) == []


def test_a_receipt_that_was_ignored_for_a_while_is_not_refused_when_it_is_read_again(ledger: Ledger) -> None:
    """Its second delivery still says the old currency then, and is read again afterwards."""
    merchant_id = ledger.add_merchant().id
    said: list[Event] = [a_receipt()]
    record(ledger, [_read(merchant_id, number, said, AS_IT_CAME) for number in (0, 1)], [1])
    again = [(0, IGNORED), (0, IN_EUROS), (1, IN_EUROS)]
    results = record(
        ledger, [_read(merchant_id, number, said, version, is_replay=True) for number, version in again], [1]
    )
    assert [result.outcome for result in results] == ["ignored", "recorded", "recorded"]
    held = [row for row in ledger.rows(ReceiptRow, merchant_id) if not row["is_superseded"]]
    assert [row["currency"] for row in held] == ["EUR", "EUR"]


def _has_receipt(said: list[Event]) -> bool:
    return any(isinstance(event, ReceiptReported) for event in said)


def _read(merchant_id: int, number: int, said: list[Event], version: int, *, is_replay: bool = False) -> Notice:
    """The delivery of that number as one version of its adapter reads it."""
    body = f"{number}: {said!r}".encode()
    delivery = Delivery(body, (), NOON + timedelta(seconds=number))
    if version in (IGNORED, UNREADABLE):
        outcome: Any = "ignored" if version == IGNORED else "failed"
        return a_notice(
            merchant_id=merchant_id, delivery=delivery, outcome=outcome, reason="a reason", is_replay=is_replay
        )
    events = [_as_read_by(version, event) for event in said]
    return a_notice(*events, merchant_id=merchant_id, delivery=delivery, is_replay=is_replay)


def _as_read_by(version: int, event: Event) -> Event:
    if version == IN_EUROS:
        return replace(event, currency="EUR")
    if version == OF_OTHERS and isinstance(event, AttemptReported):
        return replace(event, provider_payment_id=PAYMENTS[PAYMENTS.index(event.provider_payment_id) - 1])
    if version == OF_OTHERS and event.payer_key is not None:
        return replace(event, payer_key=PAYERS[PAYERS.index(event.payer_key) - 1])
    return event


def _payments(ledger: Ledger, merchant_id: int) -> list[dict[str, Any]]:
    """What is derived, of the payments of which something is said; of the others there has to be nothing."""
    rows = sorted(ledger.rows(PaymentRow, merchant_id), key=lambda row: str(row["provider_payment_id"]))
    for row in rows:
        if not row["attempt_count"]:
            assert (row["order_on"], row["paid_minor"], row["provider_receipt_id"]) == (None, 0, None)
    return [
        {name: value for name, value in row.items() if name not in _CAME_AND_WENT}
        for row in rows
        if row["attempt_count"]
    ]
