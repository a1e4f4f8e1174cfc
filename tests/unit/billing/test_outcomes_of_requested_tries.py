"""What comes of an attempt that somebody asked for, and whether whoever polls for changes hears of what is planned."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dunning_service.billing.attempts import AttemptContext
from dunning_service.billing.outcomes import (
    NEVER_BEGAN,
    TERMINATED,
    failed,
    pending,
    postponed,
    reason_to_leave,
    succeeded,
    unknown_outcome,
    withheld,
)
from dunning_service.gateways import ChargeOutcome
from unit.billing._outcomes import (
    PAID,
    PENDING,
    START,
    STOLEN,
    a_context,
    a_payment,
    a_result,
    a_sibling,
    a_subscription,
    ending,
    event_of,
    held,
    payment_changes,
)

DAY = timedelta(days=1)


def repeated_failures(context: AttemptContext, *tries: tuple[str | None, timedelta]) -> list[dict[str, Any]]:
    """What becomes of the payment with each of these tries, which are all declined for want of money: who asked for it,
    and how long after the first it was made."""
    found = []
    for number, (requested_by, after) in enumerate(tries, 1):
        in_flight = {"status": "processing", "attempt_in_flight": number, "requested_by": requested_by}
        context = replace(context, payment={**context.payment, **in_flight})
        at = START + after
        effect = failed(context, a_result("insufficient_funds", number=number, occurred_at=at), at)
        changes = payment_changes(effect, context)
        found.append(changes)
        context = replace(
            context, payment={**context.payment, **changes}, attempts=[*context.attempts, *held(effect, at)]
        )
    return found


def test_it_is_no_step_of_the_ladder() -> None:
    context = a_context(a_payment(2), others=[a_sibling(1, "paid")])

    changes = repeated_failures(context, (None, timedelta(0)), ("Kari", 2 * DAY), (None, 3 * DAY), ("Ola", 4 * DAY))

    # a step whose day has passed when somebody asks is made after all, at the ladder's distance
    assert [(one["rule"], one["next_attempt_at"]) for one in changes] == [
        ("ladder", START + DAY),
        ("ladder", START + 3 * DAY),
        ("ladder", START + 5 * DAY),
        ("ladder", START + 6 * DAY),
    ]
    assert [one["reason"].partition("retry ")[2][:6] for one in changes] == ["1 of 4", "1 of 4", "2 of 4", "2 of 4"]


def test_ladder_goes_on_at_its_own_time_when_it_was_brought_forward() -> None:
    context = a_context(a_payment(2), others=[a_sibling(1, "paid")])
    first, again = repeated_failures(context, (None, timedelta(0)), ("Kari", timedelta(hours=1)))
    assert first["next_attempt_at"] == again["next_attempt_at"] == START + DAY


def test_ladder_that_is_used_up_stays_so() -> None:
    context = a_context(a_payment(2), others=[a_sibling(1, "paid")])
    steps = [(None, day * DAY) for day in (0, 1, 3, 5, 7)]
    *_, last, asked = repeated_failures(context, *steps, ("Kari", 9 * DAY))
    assert (last["rule"], last["next_attempt_at"]) == (asked["rule"], asked["next_attempt_at"])
    assert (asked["rule"], asked["next_attempt_at"], asked["requested_by"]) == ("ladder_used_up", None, None)


def test_it_is_recorded_who_asked_for_it() -> None:
    context = a_context(a_payment(2, tried=1, requested_by="Kari"), others=[a_sibling(1, "paid")])
    for result in (a_result("insufficient_funds", number=2), a_result(number=2, outcome=ChargeOutcome.SUCCEEDED)):
        effect = (succeeded if result.charged.outcome is ChargeOutcome.SUCCEEDED else failed)(
            context, result, START + DAY
        )
        assert event_of(effect).details["requested_by"] == "Kari"
        assert payment_changes(effect, context)["requested_by"] is None
    assert "requested_by" not in event_of(failed(a_context(), a_result("insufficient_funds"), START)).details


def test_late_outcome_of_another_attempt_was_not_asked_for() -> None:
    context = a_context(a_payment(2, tried=2, requested_by="Kari"), others=[a_sibling(1, "paid")])
    assert "requested_by" not in event_of(succeeded(context, replace(PAID, number=2), START + DAY)).details


def test_it_stays_asked_for_until_it_could_be_made() -> None:
    context = a_context(a_payment(tried=1, requested_by="Kari"))
    assert payment_changes(postponed(context, "no gateway", START), context)["requested_by"] == "Kari"
    assert "requested_by" not in payment_changes(unknown_outcome(context, "no answer", START), context)
    assert payment_changes(withheld(context, "it is invoiced", START, "invoiced"), context)["requested_by"] is None


def test_decline_says_what_has_to_be_kept_at_the_next_try() -> None:
    result = a_result("insufficient_funds", network="mastercard", network_advice="24", occurred_at=START)
    details = event_of(failed(a_context(), result, START)).details
    assert (details["network"], details["not_before"]) == ("mastercard", "2027-01-31T09:00:00+00:00")
    assert {"network", "not_before"}.isdisjoint(event_of(failed(a_context(), STOLEN, START)).details)


# The subscription that has ended


@pytest.mark.parametrize(
    ("status", "requested_by", "reason"),
    [
        ("active", None, None),
        ("completed", None, None),
        ("failed", None, NEVER_BEGAN),
        ("failed", "Kari", None),
        ("terminated", None, TERMINATED),
        ("terminated", "Kari", TERMINATED),
    ],
)
def test_only_a_termination_keeps_it_from_being_made(status: str, requested_by: str | None, reason: str | None) -> None:
    assert reason_to_leave(a_subscription(status=status), a_payment(tried=1, requested_by=requested_by)) == reason


def test_it_is_made_once_for_a_subscription_that_has_failed() -> None:
    context = a_context(a_payment(tried=1, requested_by="Kari"), status="failed")

    effect = failed(context, a_result("insufficient_funds", number=2), START + DAY)

    changes = payment_changes(effect, context)
    words = (
        f"not enough money on the account (stripe insufficient_funds); nothing more is planned, because {NEVER_BEGAN}"
    )
    assert (changes["status"], changes["next_attempt_at"], changes["reason"]) == ("failed", None, words)
    assert event_of(effect).details["why"] == words
    assert ending(effect) is None


@pytest.mark.parametrize(
    ("count", "others", "status", "becomes"),
    [
        (1, [], "failed", "completed"),
        (2, [a_sibling(2, "failed")], "failed", "completed"),
        (2, [a_sibling(2, "cancelled")], "failed", None),
        (2, [a_sibling(2, "failed", next_attempt_at=START)], "failed", None),
        (None, [], "failed", None),
        (1, [], "completed", None),
        (1, [], "terminated", None),
    ],
    ids=["the only one", "all were tried", "some were dropped", "one is open", "without end", "complete", "terminated"],
)
def test_subscription_that_had_failed_is_complete_when_nothing_was_dropped(
    count: int | None, others: list[dict[str, Any]], status: str, becomes: str | None
) -> None:
    payment = a_payment(tried=1, requested_by="Kari")
    context = a_context(payment, others=others, number_of_payments=count, status=status)
    found = ending(succeeded(context, replace(PAID, number=2), START + DAY))
    assert found == (None if becomes is None else (becomes, START + DAY))


# What is shown changes


def test_whoever_polls_hears_of_every_change_of_what_is_planned() -> None:
    context = a_context(a_payment(tried=1))
    this = [context.payment["id"]]
    assert postponed(context, "no gateway", START).touched == this
    assert withheld(context, "it is invoiced", START, "invoiced").touched == this
    assert withheld(context, "it is cancelled", START, "cancelled").touched == this
    assert unknown_outcome(context, "no answer", START).touched == this
    assert pending(context, replace(PENDING, number=2), START).touched == this


def test_what_stays_as_it_was_is_no_change() -> None:
    context = a_context(a_payment(tried=1))
    for effect_of in (
        lambda context: unknown_outcome(context, "no answer", START),
        lambda context: withheld(context, "it is invoiced", START, "invoiced"),
    ):
        changes = payment_changes(effect_of(context), context)
        again = replace(context, payment={**context.payment, **changes})
        assert effect_of(again).touched == []
    other_words = replace(context, payment={**context.payment, "lookups": 1, "reason": "no answer"})
    assert unknown_outcome(other_words, "an answer that is none", START).touched


def test_whoever_polls_hears_of_retries_that_are_dropped_with_the_subscription() -> None:
    planned = a_sibling(2, "failed", next_attempt_at=START, wake_at=START)
    looked_at = a_sibling(3, "failed", wake_at=START)
    others = [planned, looked_at, a_sibling(4, "failed"), a_sibling(5)]
    effect = failed(a_context(a_payment(tried=4), others=others), a_result("stolen_card", number=5), START)
    assert effect.touched == [planned["id"], looked_at["id"]]
