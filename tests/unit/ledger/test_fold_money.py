"""What a payment's money adds up to: attempts, receipts and amounts decide whether it is paid."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from building import NOON, a_failure, a_success
from dunning_service.events import Outcome
from dunning_service.ledger.facts import Receipt
from dunning_service.ledger.fold import fold_payment
from dunning_service.ledger.status import ActionKind, Status
from dunning_service.values.money import MAX_MINOR
from unit.ledger._facts import DAY, HOUR, a_receipt, an_action, attempts, folded, pending


def test_a_success_pays() -> None:
    payment = folded(a_failure(), a_success(occurred_at=NOON + HOUR))
    assert (payment.status, payment.paid_minor) == (Status.PAID, 1999)


def test_a_guarantee_pays() -> None:
    assert folded(a_failure(), a_success(outcome=Outcome.GUARANTEED)).status is Status.PAID


def test_a_failure_of_another_attempt_does_not_undo_it() -> None:
    payment = folded(a_success(attempt="1"), a_failure(attempt="2", occurred_at=NOON + DAY))
    assert payment.status is Status.PAID
    assert payment.failed_attempt_count == 1


def test_a_later_failure_of_the_same_attempt_a_bank_return_does() -> None:
    payment = folded(a_success(attempt="1"), a_failure(attempt="1", stated_at=NOON + DAY))
    assert (payment.status, payment.paid_minor) == (Status.FAILED, 0)
    assert (payment.attempt_count, payment.failed_attempt_count) == (1, 1)


def test_an_earlier_failure_of_the_same_attempt_does_not() -> None:
    payment = folded(a_success(attempt="1", stated_at=NOON + HOUR), a_failure(attempt="1", stated_at=NOON))
    assert payment.status is Status.PAID
    # that it failed first is history, so it is in the failed list
    assert payment.order_on == NOON.date()
    assert payment.failed_attempt_count == 1


@pytest.mark.parametrize("verb", [ActionKind.CANCEL, ActionKind.SEND_TO_COLLECTION, ActionKind.INVOICE])
def test_it_is_paid_also_after_a_decision(verb: ActionKind) -> None:
    later = an_action(verb, NOON + DAY)
    assert folded(a_failure(), a_success(), actions=[later]).status is Status.PAID


def test_reopening_does_not_undo_a_real_success() -> None:
    assert folded(a_failure(), a_success(), actions=[an_action(ActionKind.REOPEN, NOON + DAY)]).status is Status.PAID


def test_what_pending_promises_is_not_money() -> None:
    assert folded(a_failure(), pending("2", occurred_at=NOON + HOUR)).status is Status.FAILED


@pytest.mark.parametrize(
    ("parts", "status", "paid_minor"),
    [
        ((40,), Status.FAILED, 40),
        ((40, 59), Status.FAILED, 99),
        ((40, 60), Status.PAID, 100),
        ((40, 70), Status.PAID, 110),
        ((None,), Status.PAID, 0),
        ((40, None), Status.PAID, 40),
        ((0,), Status.FAILED, 0),
    ],
)
def test_parts_pay_when_they_cover_the_amount(parts: Sequence[int | None], status: Status, paid_minor: int) -> None:
    paid = [a_success(attempt=f"part {number}", amount_minor=part) for number, part in enumerate(parts)]
    payment = folded(a_failure(amount_minor=100), *paid)
    assert (payment.status, payment.paid_minor) == (status, paid_minor)
    assert payment.amount_minor == 100  # what is owed, not what came last


def test_a_failure_after_a_part_payment_is_about_the_rest() -> None:
    story = [
        a_failure(attempt="1", amount_minor=100),
        a_success(attempt="2", amount_minor=60, occurred_at=NOON + HOUR),
        a_failure(attempt="3", amount_minor=40, occurred_at=NOON + 2 * HOUR),
    ]
    assert folded(*story).status == Status.FAILED
    rest = a_success(attempt="4", amount_minor=40, occurred_at=NOON + 3 * HOUR)
    payment = folded(*story, rest)
    assert (payment.status, payment.paid_minor) == (Status.PAID, 100)


PAID, FAILED = Outcome.SUCCEEDED, Outcome.FAILED


@pytest.mark.parametrize(
    ("story", "status", "amount_minor", "paid_minor"),
    [
        # more than the rest restates the whole debt
        ([(FAILED, 100), (PAID, 60), (FAILED, 100)], Status.FAILED, 100, 60),
        ([(FAILED, 100), (PAID, 60), (FAILED, 100), (PAID, 40)], Status.PAID, 100, 100),
        ([(FAILED, 100), (PAID, 60), (FAILED, 120), (PAID, 40)], Status.FAILED, 120, 100),
        ([(FAILED, 100), (PAID, 20), (FAILED, 90), (PAID, 70)], Status.PAID, 90, 90),
        # the rest or less is the rest
        ([(FAILED, 100), (PAID, 60), (FAILED, 40)], Status.FAILED, 100, 60),
        ([(FAILED, 100), (PAID, 60), (FAILED, 30), (PAID, 30)], Status.PAID, 90, 90),
        ([(FAILED, 100), (PAID, 60), (FAILED, 40), (PAID, 20), (FAILED, 20), (PAID, 20)], Status.PAID, 100, 100),
        # what fails settles nothing
        ([(FAILED, 100), (PAID, 60), (FAILED, 50)], Status.FAILED, 100, 60),
        ([(FAILED, 100), (PAID, 60), (FAILED, 0)], Status.FAILED, 100, 60),
        # nor does it undo what was paid
        ([(FAILED, 100), (PAID, 100), (FAILED, 120)], Status.PAID, 100, 100),
        ([(FAILED, 0), (PAID, 0), (FAILED, 100)], Status.FAILED, 100, 0),
        ([(FAILED, MAX_MINOR), (PAID, MAX_MINOR - 1), (FAILED, MAX_MINOR)], Status.FAILED, MAX_MINOR, MAX_MINOR - 1),
    ],
)
def test_an_attempt_after_a_part_payment_is_for_the_rest_or_restates_the_debt(
    story: list[tuple[Outcome, int]], status: Status, amount_minor: int, paid_minor: int
) -> None:
    events = [
        a_failure(attempt=str(number), outcome=outcome, amount_minor=amount, occurred_at=NOON + number * HOUR)
        for number, (outcome, amount) in enumerate(story)
    ]
    payment = fold_payment(attempts(*events), (), None, "UTC")
    assert (payment.status, payment.amount_minor, payment.paid_minor) == (status, amount_minor, paid_minor)


def test_an_amount_in_another_currency_is_not_shown_as_one_of_this() -> None:
    tried = [a_failure(amount_minor=100), a_failure(attempt="2", amount_minor=None, currency="JPY", sequence=1)]
    payment = folded(*tried)
    assert (payment.amount_minor, payment.currency) == (None, "JPY")


any_amount = st.sampled_from([None, 0, 20, 40, 60, 100, 120, MAX_MINOR])
any_currency = st.sampled_from(["NOK", "NOK", None, "SEK"])
any_attempts = st.lists(
    st.builds(
        lambda outcome, amount, currency, hours: {
            "outcome": outcome,
            "amount_minor": amount,
            "currency": currency,
            "occurred_at": None if hours is None else NOON + timedelta(hours=hours),
        },
        st.sampled_from(Outcome),
        any_amount,
        any_currency,
        st.one_of(st.none(), st.integers(0, 9)),
    ),
    min_size=1,
    max_size=7,
)


@given(told=any_attempts, receipt=st.one_of(st.none(), st.builds(a_receipt, any_amount, any_currency)))
def test_a_payment_whose_real_money_covers_its_amount_is_paid_always(
    told: list[dict[str, Any]], receipt: Receipt | None
) -> None:
    revisions = attempts(*(a_failure(attempt=str(number), **fields) for number, fields in enumerate(told)))
    payment = fold_payment(revisions, (), receipt, "UTC")
    money = [one for one in (*revisions, receipt) if one is receipt or one.outcome in ("succeeded", "guaranteed")]
    amounts = [
        one.amount_minor
        for one in money
        if one is not None and (None in (one.currency, payment.currency) or one.currency == payment.currency)
    ]
    assert payment.paid_minor == min(sum(amount or 0 for amount in amounts), MAX_MINOR)
    covers = payment.amount_minor is None or payment.paid_minor >= payment.amount_minor
    if amounts and (covers or None in amounts):
        assert payment.status is Status.PAID
    else:
        assert payment.status is not Status.PAID


@given(told=any_attempts, amount_minor=any_amount)
def test_another_failure_neither_pays_a_payment_nor_undoes_that_it_was_paid(
    told: list[dict[str, Any]], amount_minor: int | None
) -> None:
    revisions = attempts(
        a_failure(attempt="first", amount_minor=100, occurred_at=NOON - HOUR),
        *(a_failure(attempt=str(number), **(fields | {"currency": "NOK"})) for number, fields in enumerate(told)),
    )
    (one_more,) = attempts(a_failure(attempt="last", amount_minor=amount_minor, occurred_at=NOON + DAY))
    before, after = (fold_payment(some, (), None, "UTC") for some in (revisions, [*revisions, one_more]))
    assert (before.status is Status.PAID) == (after.status is Status.PAID)
    assert before.paid_minor == after.paid_minor


def test_a_lower_amount_asked_for_later_is_what_is_owed() -> None:
    asked = [
        a_failure(attempt="1", amount_minor=150),
        a_failure(attempt="2", amount_minor=100, occurred_at=NOON + HOUR),
    ]
    paid = a_success(attempt="3", amount_minor=100, occurred_at=NOON + 2 * HOUR)
    assert folded(*asked, paid).status == Status.PAID


def test_what_was_received_never_exceeds_what_a_column_holds() -> None:
    payment = folded(*(a_success(attempt=str(number), amount_minor=MAX_MINOR) for number in range(3)))
    assert payment.paid_minor == MAX_MINOR


def test_any_success_pays_an_unknown_amount() -> None:
    payment = folded(a_failure(amount_minor=None), a_success(amount_minor=None))
    assert (payment.status, payment.amount_minor, payment.paid_minor) == (Status.PAID, None, 0)
    assert folded(a_failure(amount_minor=None), a_success(amount_minor=5)).status is Status.PAID


def test_an_amount_of_nothing_is_not_paid_by_nothing() -> None:
    assert folded(a_failure(amount_minor=0)).status is Status.FAILED


def test_currencies_are_never_added() -> None:
    payment = folded(
        a_failure(amount_minor=100),
        a_success(attempt="2", amount_minor=60),
        a_success(attempt="3", amount_minor=60, currency="SEK"),
    )
    assert (payment.status, payment.paid_minor, payment.currency) == (Status.FAILED, 60, "NOK")


def test_money_in_another_currency_pays_nothing() -> None:
    payment = folded(a_failure(), a_success(currency="SEK"))
    assert (payment.status, payment.paid_minor) == (Status.FAILED, 0)


def test_an_unknown_currency_contradicts_none() -> None:
    assert folded(a_failure(currency=None), a_success(currency="NOK")).status is Status.PAID
    assert folded(a_failure(currency="NOK"), a_success(currency=None)).status is Status.PAID


@pytest.mark.parametrize(
    ("receipt", "status", "paid_minor"),
    [
        (a_receipt(1999), Status.PAID, 1999),
        (a_receipt(1000), Status.FAILED, 1000),
        (a_receipt(None), Status.PAID, 0),
        (a_receipt(1999, "SEK"), Status.FAILED, 0),
        (a_receipt(1999, None), Status.PAID, 1999),
    ],
)
def test_an_applied_receipt_counts_as_money(receipt: Receipt, status: Status, paid_minor: int) -> None:
    payment = folded(a_failure(), receipt=receipt)
    assert (payment.status, payment.paid_minor, payment.provider_receipt_id) == (status, paid_minor, "txn_1")


def test_a_receipt_and_a_part_payment_are_added() -> None:
    payment = folded(a_failure(amount_minor=100), a_success(amount_minor=40), receipt=a_receipt(60))
    assert (payment.status, payment.paid_minor) == (Status.PAID, 100)
