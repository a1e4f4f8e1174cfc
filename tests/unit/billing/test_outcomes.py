"""What the outcome of an attempt comes to: rows and a telling in, an effect out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from building import a_failure
from dunning_service.billing.attempts import AttemptResult
from dunning_service.billing.models import BlockedMethodRow
from dunning_service.billing.outcomes import blocking_decline, failed, pending, succeeded
from dunning_service.billing.schedule import attempt_id
from dunning_service.billing.states import AttemptState
from dunning_service.events import Category, Decline, Outcome
from dunning_service.gateways import Charged, ChargeOutcome
from dunning_service.ledger.facts import attempt_of
from dunning_service.recovery.decline_codes import MAPPING_VERSION
from dunning_service.recovery.ladder import NO_RETRIES, parse_ladder
from unit.billing._outcomes import (
    BLOCKED,
    EXPIRED,
    NO_MONEY,
    PAID,
    START,
    STOLEN,
    SUBSCRIPTION,
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

# Paid


def test_success_pays_the_payment_and_plans_nothing_for_it() -> None:
    context = a_context(a_payment(rule="ladder", reason="as before", lookups=2))
    now = START + timedelta(seconds=3)

    effect = succeeded(context, PAID, now)

    assert payment_changes(effect, context) == {
        "merchant_id": 1,
        "id": context.payment["id"],
        "status": "paid",
        "attempt_count": 1,
        "attempt_in_flight": None,
        "gateway_id": None,
        "lookups": 0,
        "next_attempt_at": None,
        "wake_at": None,
        "requested_by": None,
        "rule": None,
        "reason": None,
        "updated_at": now,
    }
    event = event_of(effect)
    assert (event.outcome, event.occurred_at, event.stated_at) == (Outcome.SUCCEEDED, START, now)
    assert (event.provider_payment_id, event.sequence) == (context.payment["id"], 1)
    assert event.provider_attempt_id == attempt_id(context.payment["id"], 1)
    assert (event.amount_minor, event.currency) == (25_000, "NOK")
    assert (event.code, event.message, event.decline) == (None, None, None)
    assert (event.provider_subscription_id, event.customer_name) == (SUBSCRIPTION, "Nafees")
    assert event.customer_phone is None
    assert event.details == {"status": "Succeeded", "transaction_id": "tx_1", "subscription_payment": 1}
    assert effect.actions == ()
    assert effect.keeps_delivery


def test_a_company_stands_in_for_a_customer_without_a_name() -> None:
    context = a_context(customer_name=None)
    assert event_of(succeeded(context, PAID, START)).customer_name == "Nafees AS"


@pytest.mark.parametrize("status", ["terminated", "failed"])
def test_success_counts_after_the_subscription_has_ended(status: str) -> None:
    context = a_context(others=[a_sibling(2, "cancelled")], status=status, number_of_payments=2)

    effect = succeeded(context, PAID, START)

    assert payment_changes(effect, context)["status"] == "paid"
    assert ending(effect) is None
    assert effect.inserts == []
    assert effect.actions == ()


# Failed, and what is decided


def test_soft_decline_is_tried_again_by_the_ladder() -> None:
    context = a_context(number_of_payments=12)
    now = START + timedelta(seconds=2)
    at = datetime(2027, 2, 1, 8, tzinfo=UTC)

    effect = failed(context, NO_MONEY, now)

    changes = payment_changes(effect, context)
    assert (changes["status"], changes["next_attempt_at"], changes["wake_at"]) == ("failed", at, at)
    assert (changes["rule"], changes["first_failed_at"]) == ("ladder", START)
    assert "retry 1 of 4 is 1 day after the first failure, at 09:00 Europe/Oslo" in changes["reason"]
    (attempt,) = held(effect)
    assert (attempt.outcome, attempt.code, attempt.message) == ("failed", "insufficient_funds", "Insufficient funds")
    assert attempt.category is Category.INSUFFICIENT_FUNDS
    assert attempt.details == {
        "status": "Declined",
        "transaction_id": "tx_1",
        "subscription_payment": 1,
        "mapping": MAPPING_VERSION,
        "is_known": True,
        "because": "not enough money on the account (stripe insufficient_funds)",
        "rule": "ladder",
        "why": changes["reason"],
        "next_attempt_at": at.isoformat(),
    }
    assert effect.actions == ()
    assert ending(effect) is None


@pytest.mark.parametrize(("tried", "at"), [(1, 3), (2, 5), (3, 7)])
def test_every_step_counts_from_the_first_failure(tried: int, at: int) -> None:
    context = a_context(a_payment(tried=tried))
    now = START + timedelta(days=(1, 3, 5)[tried - 1])

    effect = failed(context, a_result("insufficient_funds", number=tried + 1), now)

    changes = payment_changes(effect, context)
    assert changes["next_attempt_at"] == START + timedelta(days=at)
    assert (changes["first_failed_at"], changes["attempt_count"]) == (START, tried + 1)


def test_ladder_that_is_used_up_leaves_nothing_scheduled() -> None:
    context = a_context(a_payment(2, tried=4), others=[a_sibling(1, "paid")])

    effect = failed(context, a_result("insufficient_funds", number=5), START + timedelta(days=40))

    changes = payment_changes(effect, context)
    assert (changes["status"], changes["rule"]) == ("failed", "ladder_used_up")
    assert (changes["next_attempt_at"], changes["wake_at"]) == (None, None)
    assert "all 4 retries of the ladder are used up" in changes["reason"]
    assert "next_attempt_at" not in event_of(effect).details
    assert event_of(effect).details["why"] == changes["reason"]


def test_merchant_without_retries_gets_none() -> None:
    context = a_context(a_payment(2), others=[a_sibling(1, "paid")], ladder=NO_RETRIES)
    assert payment_changes(failed(context, NO_MONEY, START), context)["rule"] == "ladder_used_up"


def test_code_that_nobody_knows_gets_two_tries_in_all() -> None:
    context = a_context(others=[a_sibling(2)])
    first = failed(context, a_result("mystery"), START)
    assert payment_changes(first, context)["rule"] == "ladder"
    assert held(first)[0].details["is_known"] is False
    again = a_context(a_payment(tried=1), others=[a_sibling(2, "paid")])
    second = failed(again, a_result("mystery", number=2), START + timedelta(days=1))
    assert payment_changes(second, again)["rule"] == "few_tries_used_up"
    assert held(second)[0].category is Category.UNKNOWN


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("expired_card", "customer_action"),
        ("authentication_required", "authentication"),
        ("merchant_config", "merchant_fix"),
    ],
)
def test_decline_that_waits_for_somebody_leaves_the_subscription_active(code: str, rule: str) -> None:
    context = a_context(others=[a_sibling(2)])

    effect = failed(context, a_result(code, provider=None if code == "merchant_config" else "stripe"), START)

    changes = payment_changes(effect, context)
    assert (changes["status"], changes["rule"], changes["next_attempt_at"]) == ("failed", rule, None)
    assert ending(effect) is None
    assert changes_of(effect, a_sibling(2)) == {}
    assert inserted(effect, BlockedMethodRow) == []


def test_wait_that_the_network_asks_for_moves_the_retry() -> None:
    context = a_context()
    result = a_result("insufficient_funds", network="mastercard", network_advice="27", occurred_at=START)

    changes = payment_changes(failed(context, result, START), context)

    assert (changes["rule"], changes["next_attempt_at"]) == ("network_advice", START + timedelta(days=4))


def test_limit_of_the_network_counts_each_try_once() -> None:
    """Ten tries in 24 hours: the attempt itself, which was pending before it failed, is one of them."""
    earlier = [
        attempt_of(
            a_failure(
                payment="p1", attempt=f"a{number}", sequence=number, occurred_at=START + timedelta(minutes=number)
            ),
            delivery_digest=None,
            received_at=START,
            number=number,
        )
        for number in range(1, 9)
    ]
    now = START + timedelta(minutes=9)
    result = a_result("insufficient_funds", number=9, network="mastercard", occurred_at=now)
    twenty_days = parse_ladder(" ".join(f"{day}d" for day in range(1, 21)) + " at 09:00")
    context = a_context(
        a_payment(tried=8),
        attempts=earlier,
        ladder=twenty_days,
    )
    tentative = held(pending(context, a_result(number=9, outcome=ChargeOutcome.PENDING, occurred_at=now), now))
    context = a_context(context.payment, attempts=[*earlier, *tentative], ladder=context.ladder)

    assert payment_changes(failed(context, result, now), context)["rule"] == "ladder"


# Never again


def test_stolen_card_is_never_tried_again_and_blocked() -> None:
    context = a_context(a_payment(2), others=[a_sibling(1, "paid")])

    effect = failed(context, STOLEN, START)

    changes = payment_changes(effect, context)
    assert (changes["rule"], changes["next_attempt_at"], changes["wake_at"]) == ("never_retry", None, None)
    (row,) = inserted(effect, BlockedMethodRow)
    assert row == BLOCKED
    assert blocking_decline(row) == Decline(provider="stripe", code="stolen_card")
    assert ending(effect) is None  # it had begun


def test_block_keeps_every_code_of_the_decline() -> None:
    result = a_result("generic_decline", network="visa", network_code="R1", category=Category.GENERIC_DECLINE)

    effect = failed(a_context(), result, START)

    (row,) = inserted(effect, BlockedMethodRow)
    assert row["decline"] == {
        "provider": "stripe",
        "code": "generic_decline",
        "network": "visa",
        "network_code": "R1",
        "category": "generic_decline",
    }
    assert blocking_decline(row) == result.charged.decline
    assert payment_changes(effect, a_context())["rule"] == "network_advice"


def test_method_is_blocked_once() -> None:
    assert inserted(failed(a_context(blocked=BLOCKED), STOLEN, START), BlockedMethodRow) == []


@pytest.mark.parametrize("result", [NO_MONEY, EXPIRED, AttemptResult(1, a_result("x").charged, AttemptState.ERROR)])
def test_method_that_is_blocked_is_not_tried_again_whatever_it_says_now(result: AttemptResult) -> None:
    context = a_context(a_payment(2), others=[a_sibling(1, "paid")], blocked=BLOCKED)

    effect = failed(context, result, START)

    changes = payment_changes(effect, context)
    assert (changes["rule"], changes["next_attempt_at"]) == ("method_blocked", None)
    assert "(stripe stolen_card)" in changes["reason"]
    assert inserted(effect, BlockedMethodRow) == []


def test_method_that_was_not_asked_names_the_decline_that_forbids_it() -> None:
    charged = Charged(outcome=ChargeOutcome.DECLINED, code=Category.RETRY_BLOCKED.value, message="not asked")
    context = a_context(a_payment(2), others=[a_sibling(1, "paid")], blocked=BLOCKED)

    effect = failed(context, AttemptResult(1, charged, AttemptState.ERROR), START)

    changes = payment_changes(effect, context)
    assert changes["rule"] == "method_blocked"
    assert changes["reason"] == (
        "an earlier decline of this payment method forbids automatic tries: "
        "the card is reported lost or stolen (stripe stolen_card)"
    )
    (attempt,) = held(effect)
    assert (attempt.category, attempt.details["status"]) == (Category.RETRY_BLOCKED, "Error")
