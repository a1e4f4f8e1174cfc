"""When a payment may be tried again because somebody asks for it, and what else is said."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from dunning_service.billing.commands import objection
from dunning_service.billing.outcomes import TERMINATED, failed
from dunning_service.ledger.facts import Attempt
from dunning_service.ledger.status import Status
from unit.billing._outcomes import (
    BLOCKED,
    EXPIRED,
    START,
    a_context,
    a_payment,
    a_result,
    a_sibling,
    a_subscription,
    held,
)

HOUR = timedelta(hours=1)
LATER = START + HOUR


def attempts(result: Any = EXPIRED, at: datetime = START) -> list[Attempt]:
    return held(failed(a_context(), result, at), at)


def why_not(
    *,
    status: Status = Status.FAILED,
    subscription: str = "active",
    blocked: dict[str, Any] | None = None,
    tries: list[Attempt] | None = None,
    now: datetime = LATER,
    payment: dict[str, Any] | None = None,
) -> str | None:
    row = a_sibling(1, "failed") | (payment or {})
    return objection(status, row, a_subscription(status=subscription), blocked, tries or attempts(), now)


def test_what_waits_for_somebody_is_tried() -> None:
    assert why_not(payment={"rule": "customer_action"}) is None


@pytest.mark.parametrize("subscription", ["active", "completed", "failed"])
def test_what_was_given_up_is_tried_also_when_that_ended_the_subscription(subscription: str) -> None:
    assert why_not(payment={"rule": "ladder_used_up"}, subscription=subscription) is None


def test_what_is_planned_is_brought_forward() -> None:
    at = LATER + HOUR
    assert why_not(payment={"rule": "ladder", "next_attempt_at": at, "wake_at": at}) is None


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"status": Status.PAID, "payment": {"status": "paid"}}, "it is paid"),
        ({"status": Status.PAID}, "it is paid; reopen it first"),
        ({"status": Status.INVOICED}, "it is invoiced; reopen it first"),
        ({"status": Status.DEBT_COLLECTION}, "it is debt_collection; reopen it first"),
        ({"status": Status.CANCELLED}, "it is cancelled; reopen it first"),
        ({"subscription": "terminated"}, f"{TERMINATED}, and nothing more is charged for it"),
        (
            {"subscription": "terminated", "status": Status.CANCELLED},
            f"{TERMINATED}, and nothing more is charged for it",
        ),
        ({"payment": a_payment(tried=1)}, "an attempt is being made just now"),
        (
            {"payment": a_payment(tried=1, lookups=1, reason="no answer")},
            "it is being found out what became of the last attempt: no answer",
        ),
        (
            {"payment": {"status": "cancelled", "reason": "it was dropped"}},
            "nothing of it is to be charged any more: it was dropped",
        ),
        (
            {"blocked": BLOCKED},
            "a decline of 2027-01-31 08:00 UTC forbids this payment method for ever: the card is reported lost or "
            "stolen (stripe stolen_card); only another payment method will do",
        ),
        (
            {"payment": {"wake_at": LATER, "reason": "Kari asked for it"}},
            "it is due since 2027-01-31 09:00 UTC, and a worker tries it as soon as it can: Kari asked for it",
        ),
    ],
)
def test_it_says_why_not(how: dict[str, Any], words: str) -> None:
    assert why_not(**how) == words


def test_what_the_network_asks_to_wait_is_waited() -> None:
    tries = attempts(a_result("insufficient_funds", network="mastercard", network_advice="25", occurred_at=START))
    assert why_not(tries=tries) == "the card network asks to wait until 2027-02-01 08:00 UTC"
    assert why_not(tries=tries, now=START + timedelta(hours=24)) is None


def test_limits_of_the_network_are_kept() -> None:
    result = a_result("insufficient_funds", network="visa")
    tries = [attempt for number in range(20) for attempt in attempts(result, START + number * HOUR)]
    now = START + 21 * HOUR
    assert (
        why_not(tries=tries, now=now) == "Visa allows 20 tries in 30 days, so it has to wait until 2027-03-02 08:00 UTC"
    )
    assert why_not(tries=tries[1:], now=now) is None
    assert why_not(tries=tries, now=START + timedelta(days=30)) is None
