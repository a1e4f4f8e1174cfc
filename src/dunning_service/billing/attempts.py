"""An attempt of which the outcome was told: what bears on it, and how the ledger keeps it. Pure."""

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
class Known:
    """All that bears on an attempt when its outcome is told."""

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
class Told:
    """What was told of one attempt."""

    number: int
    charged: Charged
    state: AttemptState
    """Declined, or Error where the payment method was not asked."""


def requested_tries(known: Known, told: Told) -> int:
    """How many of the attempts so far somebody asked for, this one included."""
    before = sum("requested_by" in held.details for held in known.attempts if held.sequence < told.number)
    return before + (requested_by(known, told) is not None)


def requested_by(known: Known, told: Told) -> str | None:
    """Who asked for this attempt; None: the schedule did."""
    by: str | None = known.payment["requested_by"]
    return by if known.payment["attempt_in_flight"] == told.number else None


def happened_at(known: Known, told: Told, now: datetime) -> datetime:
    """When the gateway says that it was, as far as its clock can be right: never after it was heard of, never before
    the payment fell due, and in the order in which the attempts were made."""
    stated = told.charged.occurred_at
    happened_at = now if stated is None else min(stated, now)
    due_at: datetime = known.payment["due_at"]
    return max(happened_at, min(due_at, now), *earlier(known, told))


def earlier(known: Known, told: Told) -> list[datetime]:
    """When the attempts before this one were made."""
    return [held.occurred_at for held in known.attempts if held.sequence != told.number]


def reported(known: Known, told: Told, reading: Reading | None, decided: Row, now: datetime) -> AttemptReported:
    """The attempt as the ledger keeps it, with what was decided after it."""
    payment, subscription, charged = known.payment, known.subscription, told.charged
    is_failure = charged.outcome is ChargeOutcome.DECLINED
    details: Row = {
        "status": told.state.title(),
        "transaction_id": charged.provider_transaction_id,
        "subscription_payment": payment["number"],
        "requested_by": requested_by(known, told),
        **decided,
    }
    if is_failure and reading is not None:
        details["network"] = reading.network
        if reading.wait is not None:
            details["not_before"] = (happened_at(known, told, now) + reading.wait).isoformat()
    return AttemptReported(
        provider_payment_id=payment["id"],
        provider_attempt_id=attempt_id(payment["id"], told.number),
        outcome=_OUTCOMES[charged.outcome],
        occurred_at=happened_at(known, told, now),
        stated_at=now,
        sequence=told.number,
        amount_minor=payment["amount_minor"],
        currency=payment["currency"],
        code=shortened(charged.code) if is_failure else None,
        message=shortened(charged.message) if is_failure else None,
        decline=charged.decline if is_failure and reading is not None else None,
        provider_customer_id=subscription["customer_id"],
        provider_subscription_id=subscription["id"],
        customer_name=shortened(subscription["customer_name"]) or shortened(subscription["company_name"]),
        customer_email=filled(subscription["customer_email"]),
        customer_phone=filled(subscription["customer_phone"]),
        description=f"payment {payment['number']} of the subscription",
        details={name: value for name, value in details.items() if value is not None},
    )
