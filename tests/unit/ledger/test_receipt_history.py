"""How receipts moved from one payment to another as facts arrived."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from building import NOON, a_failure
from dunning_service.events import AttemptReported
from dunning_service.ledger.facts import Action, Receipt, attempt_of
from dunning_service.ledger.receipt_history import movements
from dunning_service.ledger.receipts import apply_receipts, move_of
from dunning_service.ledger.status import ActionKind, ReceiptDue
from dunning_service.ledger.working_set import Payment

HOUR = timedelta(hours=1)
PAYER = "7:"


def a_receipt(name: str = "r", hours: int = 1) -> Receipt:
    return Receipt(
        provider_receipt_id=name,
        digest=b"\x01",
        payer_key=PAYER,
        amount_minor=100,
        currency="NOK",
        received_at=NOON + hours * HOUR,
    )


def a_payment(name: str, number: int, *heard: tuple[int, AttemptReported | Action]) -> Payment:
    """A payment with what was heard of it, each so many hours after noon."""
    payment = Payment((1, "test", name), number, "UTC")
    for hours, fact in heard:
        if isinstance(fact, Action):
            payment.hold(fact)
        else:
            received_at = NOON + hours * HOUR
            attempt = attempt_of(fact, delivery_digest=None, received_at=received_at, number=payment.next_attempt)
            payment.hold(attempt)
    return payment


def failed(name: str, number: int, days: int, heard: int, *more: tuple[int, AttemptReported | Action]) -> Payment:
    return a_payment(name, number, (heard, a_failure_of(name, days)), *more)


def a_failure_of(name: str, days: int, **fields: Any) -> AttemptReported:
    stated = {"amount_minor": 100, "payer_key": PAYER, "occurred_at": NOON + timedelta(days=days)}
    return a_failure(name, **(stated | fields))


def an_action(hours: int, verb: ActionKind, number: int = 1, **names: Any) -> tuple[int, Action]:
    decided_at = NOON + hours * HOUR
    return hours, Action(number=number, verb=verb, actor="anna", reason=None, decided_at=decided_at, **names)


def moved(receipts: Sequence[Receipt], *payments: Payment) -> list[tuple[str, str, str | None, str, str | None]]:
    """(receipt, from, to, whose fact it was, which action) of each."""
    return [
        (
            one.receipt.provider_receipt_id,
            one.origin.key[2],
            None if one.target is None else one.target.key[2],
            one.cause.key[2],
            None if one.action is None else one.action.verb,
        )
        for one in movements(PAYER, receipts, payments)
    ]


def test_an_older_failure_that_is_heard_of_later_takes_the_receipt() -> None:
    february, january = failed("february", 2, 0, 0), failed("january", 1, -31, 2)
    assert moved([a_receipt()], february, january) == [("r", "february", "january", "january", None)]


def test_what_was_known_before_the_receipt_and_what_is_younger_moves_nothing() -> None:
    assert moved([a_receipt()], failed("february", 2, 0, 0), failed("january", 1, -31, 0)) == []
    assert moved([a_receipt()], failed("february", 2, 0, 0), failed("march", 1, 31, 2)) == []
    assert moved([], failed("february", 2, 0, 0), failed("january", 1, -31, 2)) == []


def test_each_receipt_of_a_row_moves_on() -> None:
    receipts = [a_receipt("r"), a_receipt("s")]
    payments = [failed("january", 1, -31, 3), failed("february", 2, 0, 0), failed("march", 3, 31, 0)]
    assert moved(receipts, *payments) == [
        ("r", "february", "january", "january", None),
        ("s", "march", "february", "january", None),
    ]


def test_a_further_receipt_with_a_smaller_id_is_no_reason_to_speak_of_it() -> None:
    assert moved([a_receipt("s"), a_receipt("r", 2)], failed("a", 1, 0, 0), failed("b", 2, 1, 0)) == []


def test_actions_move_receipts() -> None:
    there = an_action(2, ActionKind.MOVE_RECEIPT, provider_receipt_id="r", to_payment_id=1, move=1)
    back = an_action(3, ActionKind.MOVE_RECEIPT, 2, provider_receipt_id="r", to_payment_id=2, move=2)
    january, february = failed("january", 1, 0, 0), failed("february", 2, -31, 0, there, back)
    assert moved([a_receipt()], january, february) == [
        ("r", "february", "january", "february", "move_receipt"),
        ("r", "january", "february", "february", "move_receipt"),
    ]
    cancelled = failed("february", 2, -31, 0, an_action(2, ActionKind.CANCEL))
    assert moved([a_receipt()], january, cancelled) == [("r", "february", "january", "february", "cancel")]
    alone = failed("february", 2, -31, 0, an_action(2, ActionKind.CANCEL))
    assert moved([a_receipt()], alone) == [("r", "february", None, "february", "cancel")]


def test_a_correction_moves_a_receipt() -> None:
    other_amount = a_failure_of("february", -31, amount_minor=90, stated_at=NOON + HOUR)
    payments = [failed("february", 2, -31, 0, (2, other_amount)), failed("march", 3, 1, 0)]
    assert moved([a_receipt()], *payments) == [("r", "february", "march", "february", None)]
    other_payer = a_failure_of("february", -31, payer_key="8:", stated_at=NOON + HOUR)
    assert moved([a_receipt()], failed("february", 2, -31, 0, (2, other_payer))) == [
        ("r", "february", None, "february", None)
    ]


@given(chance=st.randoms(use_true_random=False))
def test_followed_move_by_move_a_receipt_ends_where_it_lies_now(chance: random.Random) -> None:
    receipts = [a_receipt(name) for name in "rst"[: chance.randint(1, 3)]]
    payments = []
    for number, name in enumerate("abcd"[: chance.randint(1, 4)], 1):
        facts: list[tuple[int, AttemptReported | Action]] = []
        for nth in range(chance.randint(0, 3)):
            verb = chance.choice([ActionKind.MARK_PAID, ActionKind.CANCEL, ActionKind.REOPEN, ActionKind.MOVE_RECEIPT])
            named: dict[str, Any] = {"receipt": chance.choice([*ReceiptDue])} if verb is ActionKind.MARK_PAID else {}
            if verb is ActionKind.MOVE_RECEIPT:
                named = {"provider_receipt_id": chance.choice("rst"), "to_payment_id": chance.randint(1, 4), "move": 1}
            facts.append(an_action(chance.randint(2, 9), verb, nth, **named))
        payments.append(failed(name, number, chance.randint(-3, 3), chance.choice([0, 0, 3, 5]), *facts))
    by_id = {payment.id: payment.key[2] for payment in payments}
    moves = [
        move_of(action, by_id[action.to_payment_id])
        for payment in payments
        for action in payment.actions
        if action.provider_receipt_id is not None and action.to_payment_id in by_id
    ]
    now = apply_receipts(receipts, [payment.without_receipts() for payment in payments], moves)
    lies = {receipt.provider_receipt_id: name for name, receipt in now.items()}

    last: dict[str, str | None] = {}
    for one in movements(PAYER, receipts, payments):
        name = one.receipt.provider_receipt_id
        assert last.get(name) in (None, one.origin.key[2])  # it lay nowhere for a while, or where it was left
        last[name] = None if one.target is None else one.target.key[2]
    for name, place in last.items():
        assert place in (None, lies.get(name))
