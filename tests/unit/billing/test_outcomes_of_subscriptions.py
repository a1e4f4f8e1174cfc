"""What the outcome of an attempt means for the subscription, and what its end means for the attempts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dunning_service.billing.attempts import AttemptResult
from dunning_service.billing.models import BlockedMethodRow, ScheduledPaymentRow
from dunning_service.billing.outcomes import (
    NEVER_BEGAN,
    TERMINATED,
    failed,
    pending,
    postponed,
    succeeded,
    unknown_outcome,
    withheld,
)
from dunning_service.billing.schedule import payment_row
from dunning_service.gateways import ChargeOutcome
from dunning_service.ledger.status import ActionKind
from dunning_service.recovery.policy import Rule
from unit.billing._outcomes import (
    BLOCKED,
    EXPIRED,
    NO_MONEY,
    OSLO,
    PAID,
    PENDING,
    START,
    STOLEN,
    a_context,
    a_payment,
    a_result,
    a_sibling,
    changes_of,
    ending,
    event_of,
    held,
    inserted,
    payment_changes,
)

# The payment after this one


@pytest.mark.parametrize("result", [PAID, PENDING, NO_MONEY, EXPIRED], ids=["paid", "pending", "soft", "waiting"])
def test_first_outcome_schedules_the_payment_that_follows(result: AttemptResult) -> None:
    context = a_context(others=[a_sibling(1, "paid", id="another")])
    tell = {ChargeOutcome.SUCCEEDED: succeeded, ChargeOutcome.PENDING: pending, ChargeOutcome.DECLINED: failed}

    effect = tell[result.charged.outcome](context, result, START)

    (following,) = inserted(effect, ScheduledPaymentRow)
    assert following == payment_row(context.subscription, 2, OSLO, START)
    assert following["due_at"] == datetime(2027, 2, 28, 8, tzinfo=UTC)


def test_unknown_outcome_schedules_the_payment_that_follows() -> None:
    (following,) = inserted(unknown_outcome(a_context(), "no answer", START), ScheduledPaymentRow)
    assert following["number"] == 2


def test_the_payment_that_follows_is_scheduled_exactly_once() -> None:
    """By whatever comes first, however the story goes on: unknown, pending, declined, paid."""
    payment, attempts, following = a_payment(), [], 0
    story = [
        lambda context: unknown_outcome(context, "no answer", START),
        lambda context: unknown_outcome(context, "no answer", START),
        lambda context: pending(context, PENDING, START),
        lambda context: pending(context, PENDING, START),
        lambda context: failed(context, NO_MONEY, START),
        lambda context: unknown_outcome(context, "no answer", START),
        lambda context: failed(context, a_result("insufficient_funds", number=2), START),
        lambda context: succeeded(context, a_result(number=3, outcome=ChargeOutcome.SUCCEEDED), START),
    ]
    for tell in story:
        effect = tell(a_context(payment, attempts=attempts))
        following += len(inserted(effect, ScheduledPaymentRow))
        attempts = [*attempts, *held(effect)]
        payment = payment | changes_of(effect, payment)
        if payment["attempt_in_flight"] is None:
            payment |= {"attempt_in_flight": payment["attempt_count"] + 1, "status": "processing"}
    assert following == 1


@pytest.mark.parametrize("ended", [{"status": "terminated"}, {"status": "failed"}, {"number_of_payments": 12}], ids=str)
def test_no_payment_follows_where_none_is_to(ended: dict[str, Any]) -> None:
    assert inserted(succeeded(a_context(**ended), PAID, START), ScheduledPaymentRow) == []
    assert inserted(unknown_outcome(a_context(**ended), "no answer", START), ScheduledPaymentRow) == []


def test_no_payment_follows_at_the_end_of_the_calendar() -> None:
    last = datetime(9999, 12, 31, 8, tzinfo=UTC)
    context = a_context(a_payment() | {"due_at": last}, starts_at=last)
    assert inserted(succeeded(context, PAID, last), ScheduledPaymentRow) == []


# Completion


def test_last_payment_completes_the_subscription() -> None:
    context = a_context(a_payment(2), others=[a_sibling(1, "paid")], number_of_payments=2)
    assert ending(succeeded(context, PAID, START)) == ("completed", START)


def test_subscription_is_completed_with_failures_too() -> None:
    context = a_context(a_payment(3), others=[a_sibling(1, "paid"), a_sibling(2, "failed")], number_of_payments=3)
    assert ending(failed(context, STOLEN, START)) == ("completed", START)
    assert ending(succeeded(context, PAID, START)) == ("completed", START)


@pytest.mark.parametrize(
    "other",
    [a_sibling(2), a_sibling(2, "failed", next_attempt_at=START), a_sibling(2, "processing")],
    ids=["scheduled", "on the ladder", "being tried"],
)
def test_subscription_is_not_complete_while_a_payment_is_open(other: dict[str, Any]) -> None:
    context = a_context(others=[other], number_of_payments=2)
    assert ending(succeeded(context, PAID, START)) is None
    assert ending(failed(a_context(a_payment(3), others=[other], number_of_payments=3), STOLEN, START)) is None


def test_payment_on_the_ladder_does_not_complete_the_subscription() -> None:
    context = a_context(a_payment(2), others=[a_sibling(1, "paid")], number_of_payments=2)
    assert ending(failed(context, NO_MONEY, START)) is None


def test_subscription_of_which_nothing_was_paid_has_failed() -> None:
    context = a_context(a_payment(2), others=[a_sibling(1, "failed")], number_of_payments=2)
    assert ending(failed(context, STOLEN, START)) == ("failed", START)


def test_payment_that_waits_for_somebody_is_open() -> None:
    context = a_context(a_payment(2), others=[a_sibling(1, "paid")], number_of_payments=2)
    assert ending(failed(context, EXPIRED, START)) is None
    waiting = a_sibling(1, "failed", rule=Rule.CUSTOMER_ACTION.value)
    assert ending(succeeded(a_context(a_payment(2), others=[waiting], number_of_payments=2), PAID, START)) is None


def test_first_payment_that_waits_for_somebody_does_not_fail_the_subscription() -> None:
    assert ending(failed(a_context(others=[a_sibling(2)], number_of_payments=2), EXPIRED, START)) is None


def test_first_payment_does_not_fail_the_subscription_while_another_may_be_paid() -> None:
    first, second = a_payment(), a_sibling(2, "processing")
    assert ending(failed(a_context(first, others=[second]), STOLEN, START)) is None

    gone = a_sibling(1, "failed", rule=Rule.NEVER_RETRY.value)
    assert ending(failed(a_context(a_payment(2), others=[gone]), STOLEN, START)) == ("failed", START)


# The subscription that never began


def test_first_payment_that_fails_for_good_fails_the_subscription_and_drops_the_rest() -> None:
    second, third = a_sibling(2), a_sibling(3)
    context = a_context(others=[second, third], number_of_payments=3)
    now = START + timedelta(seconds=1)

    effect = failed(context, STOLEN, now)

    assert ending(effect) == ("failed", now)
    assert payment_changes(effect, context)["status"] == "failed"
    for sibling in (second, third):
        assert changes_of(effect, sibling) == {
            "merchant_id": 1,
            "id": sibling["id"],
            "status": "cancelled",
            "next_attempt_at": None,
            "wake_at": None,
            "rule": None,
            "reason": NEVER_BEGAN,
            "requested_by": None,
            "updated_at": now,
        }
    assert inserted(effect, ScheduledPaymentRow) == []
    assert effect.actions == ()  # the failure stays one


def test_ladder_of_the_first_payment_that_is_used_up_fails_the_subscription() -> None:
    context = a_context(a_payment(tried=4), others=[a_sibling(2)])

    effect = failed(context, a_result("insufficient_funds", number=5), START + timedelta(days=7))

    assert ending(effect) == ("failed", START + timedelta(days=7))
    assert changes_of(effect, a_sibling(2))["status"] == "cancelled"


def test_retries_of_other_payments_are_dropped_with_it() -> None:
    on_the_ladder = a_sibling(2, "failed", next_attempt_at=START, wake_at=START)
    given_up = a_sibling(3, "failed")
    context = a_context(a_payment(tried=4), others=[on_the_ladder, given_up])

    effect = failed(context, a_result("insufficient_funds", number=5), START + timedelta(days=7))

    changes = changes_of(effect, on_the_ladder)
    assert (changes["next_attempt_at"], changes["wake_at"], changes["reason"]) == (None, None, NEVER_BEGAN)
    assert "status" not in changes
    assert changes_of(effect, given_up) == {}


@pytest.mark.parametrize(
    ("payment", "others"),
    [(a_payment(1), [a_sibling(2, "paid")]), (a_payment(2), [a_sibling(1, "failed")])],
    ids=["another was paid", "not the first"],
)
def test_subscription_that_has_begun_does_not_fail(payment: dict[str, Any], others: list[dict[str, Any]]) -> None:
    effect = failed(a_context(payment, others=[*others, a_sibling(3)]), STOLEN, START)
    assert ending(effect) is None
    assert changes_of(effect, a_sibling(3)) == {}


# The subscription that has ended


def test_failure_after_the_termination_is_cancelled() -> None:
    context = a_context(a_payment(tried=1), status="terminated")

    effect = failed(context, a_result("insufficient_funds", number=2), START + timedelta(days=1))

    changes = payment_changes(effect, context)
    assert (changes["status"], changes["reason"], changes["rule"]) == ("cancelled", TERMINATED, None)
    assert (changes["next_attempt_at"], changes["wake_at"], changes["attempt_count"]) == (None, None, 2)
    (action,) = effect.actions
    assert (action.provider_payment_id, action.verb, action.reason) == (
        context.payment["id"],
        ActionKind.CANCEL,
        TERMINATED,
    )
    assert event_of(effect).details["why"] == TERMINATED
    assert ending(effect) is None


def test_stolen_card_is_blocked_after_the_termination_too() -> None:
    assert inserted(failed(a_context(status="terminated"), STOLEN, START), BlockedMethodRow) == [BLOCKED]


def test_failure_after_the_subscription_has_failed_is_not_tried_again() -> None:
    context = a_context(a_payment(2), others=[a_sibling(1, "failed")], status="failed")

    effect = failed(context, NO_MONEY, START)

    changes = payment_changes(effect, context)
    assert (changes["status"], changes["reason"], changes["next_attempt_at"]) == ("failed", NEVER_BEGAN, None)
    assert effect.actions == ()


# Withheld


def test_attempt_that_was_withheld_leaves_no_trace_but_the_reason() -> None:
    context = a_context(a_payment(tried=2, lookups=3), others=[a_sibling(2)])

    effect = withheld(context, "somebody has decided", START)

    assert payment_changes(effect, context) == {
        "merchant_id": 1,
        "id": context.payment["id"],
        "status": "failed",
        "attempt_in_flight": None,
        "gateway_id": None,
        "lookups": 0,
        "next_attempt_at": None,
        "wake_at": None,
        "requested_by": None,
        "rule": None,
        "reason": "somebody has decided",
        "updated_at": START,
    }
    assert effect.events == effect.actions == ()
    assert not effect.keeps_delivery


def test_last_attempt_that_is_withheld_completes_the_subscription() -> None:
    context = a_context(a_payment(2, tried=1), others=[a_sibling(1, "paid")], number_of_payments=2)
    assert ending(withheld(context, "somebody has decided", START)) == ("completed", START)


@pytest.mark.parametrize(("decided", "wakes"), [("invoiced", True), ("debt_collection", True), ("cancelled", False)])
def test_decision_that_may_be_taken_back_is_looked_at_again(decided: str, wakes: bool) -> None:
    context = a_context(a_payment(tried=1))
    changes = payment_changes(withheld(context, "somebody has decided", START, decided), context)
    assert changes["wake_at"] == (START + timedelta(days=1) if wakes else None)
    assert changes["next_attempt_at"] is None


def test_only_payment_that_was_paid_otherwise_completes_the_subscription() -> None:
    context = a_context(a_payment(tried=1), number_of_payments=1)
    assert ending(withheld(context, "somebody has decided", START, "paid")) == ("completed", START)


def test_attempt_that_could_not_be_asked_for_stays_due() -> None:
    context = a_context(a_payment())
    changes = payment_changes(postponed(context, "no gateway", START), context)
    assert (changes["status"], changes["attempt_in_flight"], changes["lookups"]) == ("scheduled", None, 1)
    assert changes["next_attempt_at"] == changes["wake_at"] == START + timedelta(seconds=5)
    assert postponed(context, "no gateway", START).inserts  # the next payment falls due all the same


def test_attempt_withheld_after_the_termination_is_cancelled() -> None:
    context = a_context(a_payment(tried=1), status="terminated", number_of_payments=1)

    effect = withheld(context, TERMINATED, START)

    assert payment_changes(effect, context)["status"] == "cancelled"
    assert [(action.verb, action.reason) for action in effect.actions] == [(ActionKind.CANCEL, TERMINATED)]
    assert ending(effect) is None


@pytest.mark.parametrize(("tried", "status"), [(0, "cancelled"), (1, "failed")])
def test_attempt_withheld_after_the_subscription_has_failed_stands_as_before(tried: int, status: str) -> None:
    context = a_context(a_payment(2, tried=tried), status="failed")

    changes = payment_changes(withheld(context, NEVER_BEGAN, START), context)

    assert (changes["status"], changes["reason"]) == (status, NEVER_BEGAN)
