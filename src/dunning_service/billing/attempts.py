"""An attempt with its result: the rows it depends on, and its event for the ledger. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dunning_service.billing.schedule import Row, attempt_id
from dunning_service.billing.states import AttemptState
from dunning_service.events import AttemptReported, Outcome, filled, shortened
from dunning_service.gateways import Charged, ChargeOutcome
from dunning_service.ledger.facts import Attempt
from dunning_service.recovery.declines import Reading
from dunning_service.recovery.ladder import Ladder

_OUTCOMES: Final = {
    ChargeOutcome.SUCCEEDED: Outcome.SUCCEEDED,
    ChargeOutcome.DECLINED: Outcome.FAILED,
    ChargeOutcome.PENDING: Outcome.PENDING,
}


@dataclass(frozen=True, slots=True)
class AttemptContext:
    """The rows and settings on which the effect of an attempt's result depends."""

    payment: Mapping[str, Any]
    subscription: Mapping[str, Any]
    siblings: Sequence[Mapping[str, Any]]
    """All payments of the subscription, this one too, where they matter; else only this one."""
    blocked: Mapping[str, Any] | None
    """The row of the payment method, if it may never be tried again."""
    attempts: Sequence[Attempt]
    time_zone: str
    ladder: Ladder


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The result of one attempt, as the gateway reported it."""

    number: int
    charged: Charged
    state: AttemptState
    """Declined, or Error where the payment method was not asked."""


def requested_tries(context: AttemptContext, result: AttemptResult) -> int:
    """The number of attempts so far that a person asked for, this one included."""
    before = sum("requested_by" in other.details for other in context.attempts if other.sequence < result.number)
    return before + (requested_by(context, result) is not None)


def requested_by(context: AttemptContext, result: AttemptResult) -> str | None:
    """The person who asked for this attempt; None: the schedule did."""
    by: str | None = context.payment["requested_by"]
    return by if context.payment["attempt_in_flight"] == result.number else None


def happened_at(context: AttemptContext, result: AttemptResult, now: datetime) -> datetime:
    """The gateway's time of the attempt, moved where its clock cannot be right: not after now, not before the payment
    fell due, and not before an earlier attempt."""
    stated = result.charged.occurred_at
    happened_at = now if stated is None else min(stated, now)
    due_at: datetime = context.payment["due_at"]
    return max(happened_at, min(due_at, now), *earlier(context, result))


def earlier(context: AttemptContext, result: AttemptResult) -> list[datetime]:
    """The times of the other attempts at the payment."""
    return [other.occurred_at for other in context.attempts if other.sequence != result.number]


def reported(
    context: AttemptContext, result: AttemptResult, reading: Reading | None, decided: Row, now: datetime
) -> AttemptReported:
    """The event for the ledger: the attempt, and what was decided after it; a failure has a `reading`."""
    payment, subscription, charged = context.payment, context.subscription, result.charged
    details: Row = {
        "status": result.state.title(),
        "transaction_id": charged.provider_transaction_id,
        "subscription_payment": payment["number"],
        "requested_by": requested_by(context, result),
        **decided,
    }
    if reading is not None:
        details["network"] = reading.network
        if reading.wait is not None:
            details["not_before"] = (happened_at(context, result, now) + reading.wait).isoformat()
    return AttemptReported(
        provider_payment_id=payment["id"],
        provider_attempt_id=attempt_id(payment["id"], result.number),
        outcome=_OUTCOMES[charged.outcome],
        occurred_at=happened_at(context, result, now),
        stated_at=now,
        sequence=result.number,
        amount_minor=payment["amount_minor"],
        currency=payment["currency"],
        code=None if reading is None else shortened(charged.code),
        message=None if reading is None else shortened(charged.message),
        decline=None if reading is None else charged.decline,
        provider_customer_id=subscription["customer_id"],
        provider_subscription_id=subscription["id"],
        customer_name=shortened(subscription["customer_name"]) or shortened(subscription["company_name"]),
        customer_email=filled(subscription["customer_email"]),
        customer_phone=filled(subscription["customer_phone"]),
        description=f"payment {payment['number']} of the subscription",
        details={name: value for name, value in details.items() if value is not None},
    )
