"""What a payment's facts add up to: the sentences of the design, one by one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from building import NOON, a_failure, a_success
from dunning_service.events import AttemptReported, Category, Decline, Outcome
from dunning_service.ledger.facts import Action, Attempt, Receipt, attempt_of
from dunning_service.ledger.fold import FoldedPayment, day_in_zone, fold_payment, in_time_order
from dunning_service.ledger.status import ActionKind, Status
from dunning_service.values.money import MAX_MINOR

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def attempts(*events: AttemptReported, received_at: datetime = NOON) -> list[Attempt]:
    return [attempt_of(event, delivery_digest=None, received_at=received_at) for event in events]


def an_action(verb: ActionKind, decided_at: datetime = NOON, number: int = 1) -> Action:
    return Action(number=number, verb=verb, actor="test", reason=None, decided_at=decided_at)


def a_receipt(amount_minor: int | None = 1999, currency: str | None = "NOK") -> Receipt:
    return Receipt(
        provider_receipt_id="txn_1",
        digest=b"\x01",
        payer_key="7:cus_7",
        amount_minor=amount_minor,
        currency=currency,
        received_at=NOON,
    )


def folded(
    *events: AttemptReported,
    actions: Sequence[Action] = (),
    receipt: Receipt | None = None,
    time_zone: str = "UTC",
    received_at: datetime = NOON,
) -> FoldedPayment:
    """What the facts come to; the same in whatever order they are taken."""
    revisions = attempts(*events, received_at=received_at)
    results = [
        fold_payment(list(order), list(decisions), receipt, time_zone)
        for order in itertools.permutations(revisions)
        for decisions in itertools.permutations(actions)
    ]
    assert all(result == results[0] for result in results)
    return results[0]


def canceled(attempt: str = "1", **fields: Any) -> AttemptReported:
    return a_failure(attempt=attempt, outcome=Outcome.CANCELED, **fields)


def pending(attempt: str = "1", **fields: Any) -> AttemptReported:
    return a_failure(attempt=attempt, outcome=Outcome.PENDING, **fields)


# --- rule 1: the money


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


# --- rule 2: decisions


def test_the_newest_decision_that_applies_holds() -> None:
    decisions = [an_action(ActionKind.INVOICE, NOON, 1), an_action(ActionKind.SEND_TO_COLLECTION, NOON + DAY, 2)]
    assert folded(a_failure(), actions=decisions).status is Status.DEBT_COLLECTION


def test_decisions_are_taken_as_they_were_made_and_not_as_they_arrived() -> None:
    decisions = [an_action(ActionKind.REOPEN, NOON + DAY, 1), an_action(ActionKind.CANCEL, NOON, 2)]
    assert folded(a_failure(), actions=decisions).status is Status.FAILED
    assert in_time_order(decisions) == [ActionKind.CANCEL, ActionKind.REOPEN]


def test_decisions_of_the_same_moment_are_taken_as_they_were_recorded() -> None:
    decisions = [an_action(ActionKind.CANCEL, NOON, 1), an_action(ActionKind.REOPEN, NOON, 2)]
    assert folded(a_failure(), actions=decisions).status is Status.FAILED


def test_later_failed_attempts_do_not_undo_a_decision() -> None:
    payment = folded(
        a_failure(attempt="1"),
        a_failure(attempt="2", occurred_at=NOON + 2 * DAY),
        actions=[an_action(ActionKind.INVOICE)],
    )
    assert payment.status is Status.INVOICED
    assert payment.failed_attempt_count == 2


def test_a_bank_return_leaves_the_decision_that_was_hidden_by_the_money() -> None:
    collected = [an_action(ActionKind.SEND_TO_COLLECTION, NOON + HOUR)]
    assert folded(a_success(attempt="1"), actions=collected).status is Status.PAID
    returned = folded(a_success(attempt="1"), a_failure(attempt="1", stated_at=NOON + DAY), actions=collected)
    assert returned.status is Status.DEBT_COLLECTION


# --- rule 3: the newest attempt that is not pending


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([a_failure(), canceled("2", occurred_at=NOON + HOUR)], Status.CANCELLED),
        ([a_failure(occurred_at=NOON + HOUR), canceled("2")], Status.FAILED),
        ([a_failure(), canceled("2", occurred_at=NOON + HOUR), pending("3", occurred_at=NOON + DAY)], Status.CANCELLED),
        ([a_failure(), pending("2", occurred_at=NOON + DAY)], Status.FAILED),
        ([pending("1")], Status.FAILED),
        ([canceled("1")], Status.CANCELLED),
        # of the same moment the sender's own number decides, then its id
        ([a_failure(attempt="9", sequence=1), canceled("1", sequence=2)], Status.CANCELLED),
        ([a_failure(attempt="9", sequence=2), canceled("1", sequence=1)], Status.FAILED),
        ([a_failure(attempt="1"), canceled("2")], Status.CANCELLED),
        # one whose sender gave no time counts at its arrival, which is noon here
        ([a_failure(occurred_at=NOON - HOUR), canceled("2", occurred_at=None)], Status.CANCELLED),
        ([a_failure(occurred_at=NOON + HOUR), canceled("2", occurred_at=None)], Status.FAILED),
        ([a_failure(occurred_at=None), canceled("2", occurred_at=NOON - HOUR)], Status.FAILED),
    ],
)
def test_otherwise_the_newest_attempt_decides(events: list[AttemptReported], status: Status) -> None:
    assert folded(*events).status is status


# --- revisions of one attempt


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        (Outcome.PENDING, Outcome.FAILED),
        (Outcome.FAILED, Outcome.CANCELED),
        (Outcome.CANCELED, Outcome.SUCCEEDED),
        (Outcome.CANCELED, Outcome.GUARANTEED),
        (Outcome.FAILED, Outcome.SUCCEEDED),
    ],
)
def test_of_two_statements_of_the_same_time_the_one_of_higher_rank_holds(weaker: Outcome, stronger: Outcome) -> None:
    both = folded(a_failure(outcome=weaker, code="w"), a_failure(outcome=stronger, code="s"))
    assert (both.code, both.attempt_count) == ("s", 1)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELED, Outcome.SUCCEEDED])
def test_the_senders_later_statement_holds_whatever_its_rank(outcome: Outcome) -> None:
    later = a_failure(outcome=Outcome.FAILED, stated_at=NOON + HOUR, code="later")
    assert folded(a_failure(outcome=outcome, code="earlier"), later).code == "later"


def test_a_statement_without_a_time_never_beats_one_with_a_time() -> None:
    assert folded(a_success(attempt="1", occurred_at=None), a_failure(attempt="1")).status is Status.FAILED


def test_of_statements_that_differ_in_nothing_that_counts_one_holds_in_every_order() -> None:
    folded(a_failure(code="a"), a_failure(code="b"), a_failure(code="c"))  # which says the same in every order


# --- the order date


def test_it_is_the_day_of_the_earliest_failure_where_the_merchant_is() -> None:
    late_in_the_evening = datetime(2026, 6, 30, 22, 30, tzinfo=UTC)
    failure = a_failure(occurred_at=late_in_the_evening)
    assert folded(failure).order_on == date(2026, 6, 30)
    assert folded(failure, time_zone="Europe/Oslo").order_on == date(2026, 7, 1)
    assert folded(failure, time_zone="America/Los_Angeles").order_on == date(2026, 6, 30)
    assert folded(failure, time_zone="Pacific/Kiritimati").order_on == date(2026, 7, 1)


def test_summer_time_counts() -> None:
    failure = a_failure(occurred_at=datetime(2026, 1, 31, 22, 30, tzinfo=UTC))
    assert folded(failure, time_zone="Europe/Oslo").order_on == date(2026, 1, 31)


def test_an_earlier_notice_that_arrives_late_moves_it() -> None:
    recent, earlier = a_failure(attempt="2"), a_failure(attempt="1", occurred_at=NOON - 3 * DAY)
    assert folded(recent).order_on == date(2026, 11, 21)
    both = folded(recent, earlier)
    assert both.order_on == date(2026, 11, 18)
    assert (both.first_failed_at, both.last_failed_at) == (NOON - 3 * DAY, NOON)


def test_successes_and_cancellations_do_not_move_it() -> None:
    earlier = NOON - 3 * DAY
    payment = folded(a_failure(), a_success(occurred_at=earlier), canceled("3", occurred_at=earlier))
    assert payment.order_on == NOON.date()


def test_what_never_failed_has_none() -> None:
    payment = folded(a_success(), pending("3"))
    assert (payment.order_on, payment.first_failed_at, payment.last_failed_at) == (None, None, None)
    assert (payment.attempt_count, payment.failed_attempt_count) == (2, 0)


def test_an_arrival_stands_in_for_a_time_that_nobody_told() -> None:
    payment = folded(a_failure(occurred_at=None), received_at=NOON + DAY)
    assert payment.order_on == date(2026, 11, 22)


@pytest.mark.parametrize("arrived_at", [NOON - DAY, NOON + DAY])
def test_an_attempt_without_a_time_counts_at_its_arrival(arrived_at: datetime) -> None:
    dated = a_failure(attempt="1", amount_minor=100, customer_name="Dated")
    undated = a_failure(attempt="2", occurred_at=None, amount_minor=200, customer_name="Undated")
    payment = folded(dated, undated, received_at=arrived_at)
    moments = sorted([NOON, arrived_at])
    assert [payment.first_failed_at, payment.last_failed_at] == moments
    assert payment.order_on == moments[0].date()
    assert payment.amount_minor == (200 if arrived_at > NOON else 100)
    assert payment.customer_name == ("Undated" if arrived_at > NOON else "Dated")


def _said(*events: AttemptReported, minutes: Sequence[int], superseded: Sequence[int] = ()) -> list[Attempt]:
    """What deliveries that came at these minutes say."""
    return [
        attempt_of(
            event, delivery_digest=bytes([number]), received_at=NOON + timedelta(minutes=minute), number=number
        )._replace(is_superseded=number in superseded)
        for number, (event, minute) in enumerate(zip(events, minutes, strict=True), 1)
    ]


@pytest.mark.parametrize(
    ("minutes", "superseded", "amount"),
    [
        ((0, 1, 2, 3), (), 150),  # a late repeat of the first in other bytes changes nothing
        ((0, 1, 2, 3), (1,), 100),  # unless the first delivery does not say so any more
        ((0, 2, 1, 3), (), 200),
        ((0, 1, 2, 3), (3,), 200),
        ((0, 1, 2, 3), (1, 2, 3), 100),
    ],
)
def test_of_statements_dated_alike_the_one_first_heard_last_holds(
    minutes: Sequence[int], superseded: Sequence[int], amount: int
) -> None:
    statements = [a_failure(amount_minor=minor) for minor in (100, 200, 150, 100)]
    for order in itertools.permutations(_said(*statements, minutes=minutes, superseded=superseded)):
        assert fold_payment(order, [], None, "UTC").amount_minor == amount


@pytest.mark.parametrize(
    ("decided", "status"),
    [([], Status.FAILED), ([an_action(ActionKind.CANCEL)], Status.CANCELLED)],
    ids=["", "cancelled"],
)
def test_a_payment_of_which_nothing_is_said_any_more_is_in_no_list(decided: Sequence[Action], status: Status) -> None:
    payment = fold_payment(_said(a_failure(payer_key="7:"), minutes=[0], superseded=[1]), decided, None, "UTC")
    assert (payment.order_on, payment.first_failed_at, payment.last_failed_at) == (None, None, None)
    assert (payment.attempt_count, payment.failed_attempt_count, payment.paid_minor) == (0, 0, 0)
    assert (payment.amount_minor, payment.currency, payment.payer_key) == (None, None, None)
    assert (payment.status, payment.category, payment.details) == (status, Category.UNKNOWN, {})


@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
@pytest.mark.parametrize("time_zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_the_first_and_the_last_day_there_are_do_not_break_it(moment: datetime, time_zone: str) -> None:
    assert day_in_zone(moment, time_zone) == moment.date()


# --- what is shown


def test_a_field_shows_the_newest_value_that_is_not_null() -> None:
    payment = folded(
        a_failure(attempt="1", code="51", message="old", customer_name="Ada", provider_subscription_id="sub_1"),
        a_failure(attempt="2", code=None, message="new", occurred_at=NOON + HOUR, details={"a": 1}),
    )
    assert (payment.code, payment.message, payment.customer_name) == ("51", "new", "Ada")
    assert payment.provider_subscription_id == "sub_1"
    assert payment.details == {"a": 1}


def test_a_category_that_nobody_told_is_unknown() -> None:
    assert folded(a_failure()).category == Category.UNKNOWN
    told = a_failure(decline=Decline(category=Category.EXPIRED_CARD))
    assert folded(told, a_failure(attempt="2", occurred_at=NOON + HOUR)).category == Category.EXPIRED_CARD


@pytest.mark.parametrize(
    ("events", "amount_minor", "currency"),
    [
        ([a_failure(amount_minor=100), a_failure(attempt="2", amount_minor=90, occurred_at=NOON + HOUR)], 90, "NOK"),
        ([a_failure(amount_minor=100), a_failure(attempt="2", amount_minor=None, occurred_at=NOON + HOUR)], 100, "NOK"),
        ([a_failure(currency=None), a_failure(attempt="2", occurred_at=NOON - HOUR)], 1999, "NOK"),
        ([a_failure(amount_minor=None, currency=None)], None, None),
        ([a_success(amount_minor=40)], 40, "NOK"),
    ],
)
def test_what_is_owed_is_what_the_newest_try_to_collect_says(
    events: list[AttemptReported], amount_minor: int | None, currency: str | None
) -> None:
    payment = folded(*events)
    assert (payment.amount_minor, payment.currency) == (amount_minor, currency)
