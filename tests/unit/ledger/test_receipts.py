"""Which failure a receipt pays when it names only a payer."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from building import NOON, a_failure, a_success
from dunning_service.events import AttemptReported
from dunning_service.ledger.facts import Action, Receipt, attempt_of
from dunning_service.ledger.receipts import Move, OpenFailure, apply_receipts, current_receipts
from dunning_service.ledger.status import ActionKind, ReceiptDue
from dunning_service.ledger.working_set import Payment


def a_receipt(
    name: str,
    amount_minor: int | None = 100,
    currency: str | None = "NOK",
    digest: bytes = b"\x01",
    hours: int = 0,
    **row: Any,
) -> Receipt:
    known: dict[str, Any] = {
        "provider_receipt_id": name,
        "digest": digest,
        "payer_key": "7:",
        "amount_minor": amount_minor,
        "currency": currency,
        "received_at": NOON + timedelta(hours=hours),
    }
    return Receipt(**(known | row))


def an_action(verb: ActionKind, number: int = 1, hours: float = 0, receipt: ReceiptDue | None = None) -> Action:
    decided_at = NOON + timedelta(hours=hours)
    return Action(number=number, verb=verb, actor="test", reason=None, decided_at=decided_at, receipt=receipt)


def a_payment(name: str, *events: AttemptReported, verb: ActionKind | None = None) -> OpenFailure:
    actions = [an_action(verb)] if verb else []
    return standing(name, events, actions)


def standing(name: str, events: Iterable[AttemptReported], actions: Iterable[Action]) -> OpenFailure:
    payment = Payment((1, "test", name), 1, "UTC", actions=list(actions))
    for number, event in enumerate(events, 1):
        payment.hold(attempt_of(event, delivery_digest=None, received_at=NOON, number=number))
    return payment.without_receipts()


def marked(name: str, hours: int = 0, *then: Action, amount_minor: int = 100, failed_hours: int = 0) -> OpenFailure:
    """A failure that was marked as paid with a receipt expected so many hours after noon."""
    mark = an_action(ActionKind.MARK_PAID, hours=hours, receipt=ReceiptDue.EXPECTED)
    failure = a_failure(name, occurred_at=NOON + timedelta(hours=failed_hours), amount_minor=amount_minor)
    return standing(name, [failure], [mark, *then])


def a_move(receipt: str, payment: str, hours: int = 0, number: int = 1) -> Move:
    return Move(
        decided_at=NOON + timedelta(hours=hours),
        number=number,
        provider_receipt_id=receipt,
        provider_payment_id=payment,
    )


def failed(name: str, hours: int = 0, amount_minor: int | None = 100, currency: str | None = "NOK") -> OpenFailure:
    occurred_at = NOON + timedelta(hours=hours)
    return a_payment(name, a_failure(name, occurred_at=occurred_at, amount_minor=amount_minor, currency=currency))


def paying(receipts: list[Receipt], failures: list[OpenFailure], *moves: Move) -> dict[str, str]:
    """{payment: receipt}, the same in whatever order they are told."""
    results = [
        {payment: receipt.provider_receipt_id for payment, receipt in apply_receipts(some, others, decided).items()}
        for some in itertools.permutations(receipts)
        for others in itertools.permutations(failures)
        for decided in itertools.permutations(moves)
    ]
    assert all(result == results[0] for result in results)
    return results[0]


def test_it_pays_the_oldest_open_failure_of_its_amount() -> None:
    failures = [failed("new", 2), failed("old", 1), failed("older, but of another amount", 0, 90)]
    assert paying([a_receipt("txn_1")], failures) == {"old": "txn_1"}


def test_each_receipt_pays_one_and_each_failure_is_paid_once() -> None:
    failures = [failed("a", 1), failed("b", 2), failed("c", 3)]
    receipts = [a_receipt("txn_1"), a_receipt("txn_2")]
    assert paying(receipts, failures) == {"a": "txn_1", "b": "txn_2"}
    assert paying([*receipts, a_receipt("txn_3"), a_receipt("txn_4")], failures) == {
        "a": "txn_1",
        "b": "txn_2",
        "c": "txn_3",
    }


def test_failures_of_the_same_moment_are_told_apart_by_their_ids() -> None:
    assert paying([a_receipt("txn_1")], [failed("b"), failed("a")]) == {"a": "txn_1"}


@pytest.mark.parametrize(
    ("receipt", "failure"),
    [
        (a_receipt("r", 100), failed("p", amount_minor=99)),
        (a_receipt("r", 100), failed("p", amount_minor=None)),
        (a_receipt("r", None), failed("p", amount_minor=100)),
        (a_receipt("r", None), failed("p", amount_minor=None)),
        (a_receipt("r", 100, "SEK"), failed("p")),
    ],
)
def test_what_does_not_match_is_not_paid(receipt: Receipt, failure: OpenFailure) -> None:
    assert paying([receipt], [failure]) == {}


@pytest.mark.parametrize(("one", "other"), [(None, "NOK"), ("NOK", None), (None, None)])
def test_an_unknown_currency_matches_any(one: str | None, other: str | None) -> None:
    assert paying([a_receipt("r", 100, one)], [failed("p", currency=other)]) == {"p": "r"}


@pytest.mark.parametrize(
    ("payment", "is_open"),
    [
        (a_payment("p", a_failure(amount_minor=100), verb=ActionKind.INVOICE), True),
        (a_payment("p", a_failure(amount_minor=100), verb=ActionKind.SEND_TO_COLLECTION), True),
        (a_payment("p", a_failure(amount_minor=100), verb=ActionKind.CANCEL), False),
        (a_payment("p", a_failure(amount_minor=100), verb=ActionKind.MARK_PAID), False),
        (a_payment("p", a_failure(amount_minor=100), a_success(amount_minor=100)), False),
        (a_payment("p", a_success(amount_minor=100)), False),
    ],
)
def test_only_what_is_open_is_paid(payment: OpenFailure, is_open: bool) -> None:
    assert paying([a_receipt("r")], [payment]) == ({"p": "r"} if is_open else {})


def test_a_part_payment_leaves_the_rest_for_a_receipt() -> None:
    part = a_payment("part", a_failure(amount_minor=100), a_success(amount_minor=60))
    assert paying([a_receipt("r", 40)], [part]) == {"part": "r"}
    assert paying([a_receipt("r", 100)], [part, failed("whole", 9)]) == {"whole": "r"}


# --- marked as paid with a receipt expected


def test_an_expected_receipt_goes_to_the_payment_that_expects_it_before_any_open_failure() -> None:
    failures = [marked("january"), failed("february", 1), failed("december", -1)]
    assert paying([a_receipt("r", hours=1)], failures) == {"january": "r"}
    receipts = [a_receipt("r", hours=1), a_receipt("s", hours=2)]
    assert paying(receipts, failures) == {"january": "r", "december": "s"}


@pytest.mark.parametrize(
    ("receipt", "january"),
    [
        (a_receipt("r", hours=-1), marked("january")),  # it had arrived before
        (a_receipt("r", 90, hours=1), marked("january")),
        (a_receipt("r", 100, "SEK", hours=1), marked("january")),
        (a_receipt("r", hours=9), marked("january", 0, an_action(ActionKind.REOPEN, 2))),
        (a_receipt("r", hours=1), a_payment("january", a_failure(amount_minor=100), verb=ActionKind.MARK_PAID)),
        (a_receipt("r", hours=1), a_payment("january", a_success(amount_minor=100))),
    ],
    ids=["earlier", "amount", "currency", "reopened", "none expected", "paid otherwise"],
)
def test_any_other_receipt_is_laid_as_ever(receipt: Receipt, january: OpenFailure) -> None:
    open_failure = failed("other", -1, receipt.amount_minor, receipt.currency)
    assert paying([receipt], [january, open_failure]) == {"other": "r"}


def test_what_was_reopened_waits_in_line_and_what_was_marked_again_expects_a_receipt_from_then_on() -> None:
    reopened = an_action(ActionKind.REOPEN, 2, hours=1)
    again = an_action(ActionKind.MARK_PAID, 3, hours=2, receipt=ReceiptDue.EXPECTED)
    failures = [marked("january", 0, reopened, again), failed("other", -1)]
    assert paying([a_receipt("r", hours=1)], failures) == {"other": "r"}
    assert paying([a_receipt("r", hours=1), a_receipt("s", hours=3)], failures) == {"other": "r", "january": "s"}


def test_of_two_that_expect_one_the_first_marked_gets_the_first_that_arrives() -> None:
    failures = [marked("january", 2), marked("february", 1, failed_hours=1)]
    assert paying([a_receipt("r", hours=3)], failures) == {"february": "r"}
    assert paying([a_receipt("b", hours=3), a_receipt("a", hours=4)], failures) == {"february": "b", "january": "a"}
    assert paying([a_receipt("b", hours=1), a_receipt("a", hours=4)], failures) == {"february": "b", "january": "a"}


# --- receipts that were moved


def test_a_moved_receipt_pays_what_it_was_moved_to() -> None:
    by_hand = a_payment("by hand", a_failure(amount_minor=100), verb=ActionKind.MARK_PAID)
    failures = [by_hand, failed("open", 1)]
    assert paying([a_receipt("r")], failures) == {"open": "r"}
    assert paying([a_receipt("r")], failures, a_move("r", "by hand")) == {"by hand": "r"}
    assert paying([a_receipt("r")], failures, a_move("r", "by hand"), a_move("r", "open", 1)) == {"open": "r"}
    # of two made at the same moment the one recorded later holds
    assert paying([a_receipt("r")], failures, a_move("r", "by hand", 0, 2), a_move("r", "open")) == {"by hand": "r"}


def test_what_paid_the_failure_before_is_laid_anew() -> None:
    receipts = [a_receipt("r"), a_receipt("s")]
    failures = [failed("a", 1), failed("b", 2)]
    assert paying(receipts, failures) == {"a": "r", "b": "s"}
    assert paying(receipts, failures, a_move("s", "a")) == {"a": "s", "b": "r"}


def test_of_two_moved_to_one_failure_the_one_moved_last_pays_it() -> None:
    receipts = [a_receipt("r"), a_receipt("s")]
    moves = [a_move("r", "b", 1), a_move("s", "b")]
    assert paying(receipts, [failed("a"), failed("b", 1)], *moves) == {"b": "r", "a": "s"}


def test_a_move_goes_before_an_expected_receipt_and_the_next_one_is_expected_still() -> None:
    receipts = [a_receipt("r", hours=1), a_receipt("s", hours=2)]
    failures = [marked("january"), failed("february", 1)]
    assert paying(receipts[:1], failures, a_move("r", "february", 3)) == {"february": "r"}
    assert paying(receipts, failures, a_move("r", "february", 3)) == {"february": "r", "january": "s"}


@pytest.mark.parametrize("target", ["gone", "never failed", "sek"])
def test_a_move_that_names_nothing_it_can_pay_changes_nothing(target: str) -> None:
    others = [failed("sek", -1, currency="SEK"), a_payment("never failed", a_success(amount_minor=100))]
    assert paying([a_receipt("r")], [failed("open", 1), *others], a_move("r", target)) == {"open": "r"}


def test_a_move_holds_when_the_amount_is_corrected_or_other_money_comes() -> None:
    corrected = failed("p", amount_minor=150)
    paid = a_payment("p", a_failure(amount_minor=100), a_success(amount_minor=100))
    for payment in (corrected, paid):
        assert paying([a_receipt("r")], [payment, failed("open")], a_move("r", "p")) == {"p": "r"}


names = st.sampled_from("abcd")
some_receipts = st.lists(
    st.builds(a_receipt, names, st.sampled_from([100, 90]), hours=st.integers(-2, 2)),
    max_size=4,
    unique_by=lambda receipt: receipt.provider_receipt_id,
)
some_failures = st.lists(
    st.one_of(
        st.builds(failed, names, st.integers(-2, 2), st.sampled_from([100, 90])),
        st.builds(marked, names, st.integers(-2, 2)),
    ),
    max_size=4,
    unique_by=lambda failure: failure.provider_payment_id,
)
some_moves = st.lists(
    st.builds(a_move, names, names, st.integers(0, 1), st.integers(1, 9)),
    max_size=4,
    unique_by=lambda move: move.number,
)


@given(receipts=some_receipts, failures=some_failures, moves=some_moves, chance=st.randoms(use_true_random=False))
def test_each_receipt_pays_one_failure_in_whatever_order_they_are_told(
    receipts: list[Receipt], failures: list[OpenFailure], moves: list[Move], chance: random.Random
) -> None:
    applied = apply_receipts(receipts, failures, moves)
    for facts in (receipts, failures, moves):
        chance.shuffle(facts)
    assert apply_receipts(receipts, failures, moves) == applied
    assert len({receipt.provider_receipt_id for receipt in applied.values()}) == len(applied)
    assert set(applied) <= {failure.provider_payment_id for failure in failures}
    newest = {move.provider_receipt_id: move for move in sorted(moves)}
    for failure in failures:
        moved_here = [one for one in newest.values() if one.provider_payment_id == failure.provider_payment_id]
        present = [one for one in moved_here if one.provider_receipt_id in {r.provider_receipt_id for r in receipts}]
        if present:  # what a person decided holds
            assert applied[failure.provider_payment_id].provider_receipt_id == max(present).provider_receipt_id


def test_of_statements_about_one_receipt_the_first_heard_of_those_still_made_holds() -> None:
    statements = [
        a_receipt("r", 80, digest=b"\x03", received_at=NOON, is_superseded=True),
        a_receipt("r", 100, digest=b"\x02", received_at=NOON + timedelta(hours=1)),
        a_receipt("r", 90, digest=b"\x01", received_at=NOON + timedelta(hours=2)),
        a_receipt("r", 70, digest=b"\x04", received_at=NOON + timedelta(hours=1)),  # the digest breaks a tie
        a_receipt("s", received_at=NOON + timedelta(hours=9)),
    ]
    for order in itertools.permutations(statements):
        held = sorted(current_receipts(order), key=lambda receipt: receipt.provider_receipt_id)
        assert held == [statements[1], statements[4]]
