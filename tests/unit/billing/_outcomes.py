"""Rows and attempt results: a test says what matters to it, and the rest is filled in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from dunning_service.billing.attempts import AttemptContext, AttemptResult
from dunning_service.billing.models import SubscriptionRow
from dunning_service.billing.schedule import payment_row
from dunning_service.billing.states import AttemptState
from dunning_service.events import AttemptReported
from dunning_service.gateways import Charged, ChargeOutcome
from dunning_service.ledger.facts import Attempt, attempt_of
from dunning_service.ledger.work import Effect
from dunning_service.recovery.ladder import DEFAULT_LADDER

START = datetime(2027, 1, 31, 8, tzinfo=UTC)
"""09:00 in Oslo."""
SUBSCRIPTION = str(UUID(int=7))
OSLO = "Europe/Oslo"


def a_subscription(**fields: Any) -> dict[str, Any]:
    """250 NOK on the last day of every month, without an end."""
    return {
        "merchant_id": 1,
        "id": SUBSCRIPTION,
        "status": "active",
        "customer_id": str(UUID(int=8)),
        "payment_method_id": str(UUID(int=9)),
        "currency": "NOK",
        "base_minor": 25_000,
        "percentage_off_units": 0,
        "cash_discount_units": 0,
        "surcharge_units": 0,
        "frequency_unit": 3,
        "frequency": 1,
        "starts_at": START,
        "number_of_payments": None,
        "customer_name": "Nafees",
        "company_name": "Nafees AS",
        "customer_email": "nafees@example.com",
        "customer_phone": " ",
    } | fields


def a_payment(number: int = 1, *, tried: int = 0, **fields: Any) -> dict[str, Any]:
    """Payment `number`, being tried once more after `tried` attempts that have failed."""
    scheduled = payment_row(a_subscription(), number, OSLO, START)
    in_flight = {
        "status": "processing",
        "attempt_in_flight": tried + 1,
        "attempt_count": tried,
        "next_attempt_at": None,
        "first_failed_at": scheduled["due_at"] if tried else None,
    }
    return scheduled | in_flight | fields


def a_sibling(number: int, status: str = "scheduled", **fields: Any) -> dict[str, Any]:
    """Another payment, at which nothing is being tried."""
    planned = status == "scheduled"
    idle = {"status": status, "attempt_in_flight": None, "attempt_count": 0 if planned else 1}
    if not planned:
        idle |= {"next_attempt_at": None, "wake_at": None}
    return payment_row(a_subscription(), number, OSLO, START) | idle | fields


def a_context(
    payment: dict[str, Any] | None = None,
    *,
    others: Sequence[dict[str, Any]] = (),
    attempts: Sequence[Attempt] = (),
    blocked: dict[str, Any] | None = None,
    ladder: Any = DEFAULT_LADDER,
    **subscription: Any,
) -> AttemptContext:
    payment = payment or a_payment()
    return AttemptContext(payment, a_subscription(**subscription), [payment, *others], blocked, attempts, OSLO, ladder)


def a_result(
    code: str | None = None, *, number: int = 1, outcome: ChargeOutcome = ChargeOutcome.DECLINED, **fields: Any
) -> AttemptResult:
    """The attempt was declined by Stripe with this code, unless it is said otherwise."""
    status = {
        ChargeOutcome.SUCCEEDED: AttemptState.SUCCEEDED,
        ChargeOutcome.DECLINED: AttemptState.DECLINED,
        ChargeOutcome.PENDING: AttemptState.PENDING,
    }[outcome]
    stated: dict[str, Any] = {"provider": "stripe" if code else None, "code": code, "provider_transaction_id": "tx_1"}
    return AttemptResult(number, Charged(outcome=outcome, **(stated | fields)), status)


PAID = a_result(outcome=ChargeOutcome.SUCCEEDED, occurred_at=START)
PENDING = a_result(outcome=ChargeOutcome.PENDING, occurred_at=START)
NO_MONEY = a_result("insufficient_funds", message="Insufficient funds", occurred_at=START)
STOLEN = a_result("stolen_card")
EXPIRED = a_result("expired_card")
BLOCKED = {
    "merchant_id": 1,
    "payment_method_id": str(UUID(int=9)),
    "blocked_at": START,
    "decline": {"provider": "stripe", "code": "stolen_card"},
}


def changes_of(effect: Effect, row: dict[str, Any]) -> dict[str, Any]:
    """What the effect changes of one row; each row is changed once at the most."""
    found = [changes for _, changes in effect.updates if changes["id"] == row["id"]]
    assert len(found) <= 1
    return found[0] if found else {}


def payment_changes(effect: Effect, context: AttemptContext) -> dict[str, Any]:
    return changes_of(effect, dict(context.payment))


def ending(effect: Effect) -> tuple[str, datetime] | None:
    """What becomes of the subscription."""
    for model, changes in effect.updates:
        if model is SubscriptionRow:
            return changes["status"], changes["ended_at"]
    return None


def inserted(effect: Effect, model: Any) -> list[dict[str, Any]]:
    return [row for inserted_model, row in effect.inserts if inserted_model is model]


def event_of(effect: Effect) -> AttemptReported:
    (event,) = effect.events
    return event


def held(effect: Effect, received_at: datetime = START) -> list[Attempt]:
    """The attempts of an effect as the ledger gives them back."""
    return [attempt_of(event, delivery_digest=None, received_at=received_at) for event in effect.events]
