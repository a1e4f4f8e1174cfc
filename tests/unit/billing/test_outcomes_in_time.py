"""Outcomes that are not context yet, and times that cannot be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dunning_service.billing.attempts import AttemptResult
from dunning_service.billing.outcomes import failed, look_again_after, pending, succeeded, unknown_outcome
from dunning_service.billing.states import AttemptState
from dunning_service.events import Outcome
from dunning_service.gateways import Charged
from unit.billing._outcomes import (
    NO_MONEY,
    PAID,
    PENDING,
    START,
    a_context,
    a_payment,
    a_result,
    event_of,
    held,
    payment_changes,
)

# Not context yet


def test_pending_attempt_is_recorded_once_and_looked_up_again() -> None:
    context = a_context(number_of_payments=12)
    first = pending(context, PENDING, START)
    assert payment_changes(first, context) == {
        "merchant_id": 1,
        "id": context.payment["id"],
        "lookups": 1,
        "wake_at": START + timedelta(seconds=5),
        "reason": "the gateway has accepted it and does not know the outcome yet",
        "updated_at": START,
    }
    assert event_of(first).outcome is Outcome.PENDING
    assert first.keeps_delivery

    later = START + timedelta(seconds=5)
    again = a_context(a_payment(lookups=1), attempts=held(first), number_of_payments=12)
    second = pending(again, PENDING, later)
    assert second.events == ()
    assert payment_changes(second, again)["wake_at"] == later + timedelta(seconds=10)
    assert not second.keeps_delivery


def test_attempt_that_was_pending_is_recorded_again_when_it_is_known() -> None:
    tentative = pending(a_context(), PENDING, START)
    context = a_context(a_payment(lookups=1), attempts=held(tentative))
    later = START + timedelta(days=2)

    for effect, outcome in (
        (succeeded(context, PAID, later), Outcome.SUCCEEDED),
        (failed(context, NO_MONEY, later), Outcome.FAILED),
    ):
        event = event_of(effect)
        assert event.provider_attempt_id == event_of(tentative).provider_attempt_id
        assert (event.outcome, event.occurred_at, event.stated_at) == (outcome, START, later)


def test_unknown_outcome_is_looked_up_with_growing_waits() -> None:
    payment, waits, now = a_payment(), [], START
    for _ in range(10):
        context = a_context(payment)
        effect = unknown_outcome(context, "no answer", now)
        changes = payment_changes(effect, context)
        assert (effect.events, effect.keeps_delivery) == ((), False)
        assert changes["reason"] == "no answer"
        assert "status" not in changes
        assert "attempt_in_flight" not in changes
        waits.append(int((changes["wake_at"] - now).total_seconds()))
        payment, now = payment | changes, changes["wake_at"]
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]
    assert look_again_after(10_000) == timedelta(minutes=10)


# The gateway's clock


@pytest.mark.parametrize("result", [PAID, NO_MONEY], ids=["paid", "failed"])
@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        (None, timedelta(seconds=9)),
        (timedelta(seconds=4), timedelta(seconds=4)),
        (timedelta(hours=3), timedelta(seconds=9)),  # ahead: not after it was heard of
        (timedelta(days=-9), timedelta(0)),  # behind: not before it fell due
    ],
    ids=["silent", "right", "ahead", "behind"],
)
def test_time_of_an_attempt_is_one_that_can_be(
    result: AttemptResult, stated: timedelta | None, kept: timedelta
) -> None:
    now = START + timedelta(seconds=9)
    at = None if stated is None else START + stated
    charged = Charged(outcome=result.charged.outcome, provider="stripe", code=result.charged.code, occurred_at=at)
    context = a_context()
    result = AttemptResult(1, charged, result.state)

    effect = succeeded(context, result, now) if result.state is AttemptState.SUCCEEDED else failed(context, result, now)

    assert event_of(effect).occurred_at == START + kept


def test_gateway_whose_clock_is_behind_does_not_use_up_the_ladder_at_once() -> None:
    context, now = a_context(), START + timedelta(seconds=9)
    changes = payment_changes(
        failed(context, a_result("insufficient_funds", occurred_at=datetime(1970, 1, 1, tzinfo=UTC)), now), context
    )
    assert changes["first_failed_at"] == START
    assert changes["next_attempt_at"] == START + timedelta(days=1)


def test_attempts_keep_their_order_whatever_the_gateways_clock_says() -> None:
    first = failed(a_context(), NO_MONEY, START + timedelta(seconds=1))
    context = a_context(a_payment(tried=1), attempts=held(first))
    now = START + timedelta(days=1)

    effect = failed(context, a_result("insufficient_funds", number=2, occurred_at=START - timedelta(days=1)), now)

    assert event_of(effect).occurred_at == START
    assert payment_changes(effect, context)["next_attempt_at"] == START + timedelta(days=3)


def test_our_own_clock_may_be_behind_the_due_time() -> None:
    """Of two hosts, one may claim a moment before the other's clock has it fall due."""
    now = START - timedelta(milliseconds=5)
    assert event_of(succeeded(a_context(), PAID, now)).occurred_at == now
