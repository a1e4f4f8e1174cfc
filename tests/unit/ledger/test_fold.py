"""What a payment's facts fold to beside its money: actions, revisions, the order date, and what is shown."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from building import NOON, a_failure, a_success
from dunning_service.events import AttemptReported, Category, Decline, Outcome
from dunning_service.ledger.facts import Action, Attempt, attempt_of
from dunning_service.ledger.fold import day_in_zone, fold_payment, in_time_order
from dunning_service.ledger.status import ActionKind, Status
from unit.ledger._facts import DAY, HOUR, an_action, canceled, folded, pending

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
