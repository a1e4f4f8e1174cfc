"""One attempt as its merchant reported it: what the ledger keeps of it, and how it looks on the wire.

A record has no state of its own. It shows its latest attempt, and each attempt begins with what the one before it held,
so the state of the latest attempt is the state of the record.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from string import ascii_letters, digits
from typing import Any, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from dunning_service.apis.stripe.currencies import to_value
from dunning_service.apis.stripe.schemas import (
    Amount,
    BillingDetails,
    CustomerDetails,
    CustomerPresence,
    CustomProcessor,
    PaymentAttemptRecord,
    PaymentMethodDetails,
    PaymentRecord,
    ProcessorDetails,
    ShippingDetails,
)
from dunning_service.events import MAX_IDENTIFIER, AttemptReported, Outcome, filled, shortened
from dunning_service.ledger.facts import Attempt

_ALPHABET = ascii_letters + digits
_ID_LENGTH = 24
_RECORD = re.compile(rf"pr_([A-Za-z0-9]{{{_ID_LENGTH}}})", re.ASCII)
_ATTEMPT = re.compile(rf"par_([A-Za-z0-9]{{{_ID_LENGTH}}})[1-9][0-9]{{0,9}}", re.ASCII)
_SUBSCRIPTION = "subscription"
"""The key of metadata under which a merchant names the subscription."""


def new_record_id() -> str:
    """An id that no record has."""
    return "pr_" + "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def is_record_id(text: str) -> bool:
    """False for what cannot be the id of a record, whoever's it would be."""
    return _RECORD.fullmatch(text) is not None


def record_of_attempt(attempt_id: str) -> str | None:
    """The id of the record that an attempt belongs to; None for what is no id of an attempt."""
    found = _ATTEMPT.fullmatch(attempt_id)
    return None if found is None else f"pr_{found[1]}"


class ReportedAttempt(BaseModel):
    """All that was reported of one attempt; `details` of its revision in the ledger."""

    model_config = ConfigDict(frozen=True)

    record_id: str
    number: int
    """1, 2, 3... among the attempts of the record."""
    record_created: int
    """Unix seconds, as all times here."""
    created: int
    initiated_at: int
    outcome: Outcome
    """Pending, failed, canceled or guaranteed."""
    settled_at: int | None = None
    """When it failed, was canceled or guaranteed; None while it is pending."""
    requested_minor: int
    currency: str
    """ISO 4217, upper case."""
    customer_details: CustomerDetails | None = None
    customer_presence: CustomerPresence | None = None
    description: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    payment_method_details: PaymentMethodDetails | None = None
    payment_reference: str | None = None
    shipping_details: ShippingDetails | None = None

    @property
    def id(self) -> str:
        return f"par_{self.record_id.removeprefix('pr_')}{self.number}"

    @property
    def is_open(self) -> bool:
        return self.outcome is Outcome.PENDING

    def changed(self, **fields: Any) -> ReportedAttempt:
        """The same attempt with other fields, which have been checked."""
        return self.model_copy(update=fields)

    def as_record(self, refunded_minor: int) -> PaymentRecord:
        """The record whose latest attempt this is."""
        return PaymentRecord(
            id=self.record_id,
            created=self.record_created,
            latest_payment_attempt_record=self.id,
            **self._wire(refunded_minor),
        )

    def as_attempt_record(self, refunded_minor: int) -> PaymentAttemptRecord:
        return PaymentAttemptRecord(
            id=self.id, created=self.created, payment_record=self.record_id, **self._wire(refunded_minor)
        )

    def _wire(self, refunded_minor: int) -> dict[str, Any]:
        """What both objects have: the amount stands under what became of it, and nowhere while it is open."""

        def amount(minor: int) -> Amount:
            return Amount(currency=self.currency.lower(), value=to_value(minor, self.currency))

        def amount_if(outcome: Outcome) -> Amount:
            return amount(self.requested_minor if self.outcome is outcome else 0)

        reference = self.payment_reference
        return {
            "amount": amount(self.requested_minor),
            "amount_requested": amount(self.requested_minor),
            "amount_authorized": amount(0),
            "amount_guaranteed": amount_if(Outcome.GUARANTEED),
            "amount_failed": amount_if(Outcome.FAILED),
            "amount_canceled": amount_if(Outcome.CANCELED),
            "amount_refunded": amount(refunded_minor),
            "customer_details": self.customer_details,
            "customer_presence": self.customer_presence,
            "description": self.description,
            "metadata": self.metadata,
            "payment_method_details": self.payment_method_details,
            "processor_details": ProcessorDetails(
                custom=None if reference is None else CustomProcessor(payment_reference=reference)
            ),
            "shipping_details": self.shipping_details,
        }


def without_the_person(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A record as a caller was told of it, with nothing left that says whose it is."""
    personal = ("customer_details", "description", "payment_method_details", "shipping_details")
    return {**answer, **dict.fromkeys(personal), "metadata": {}}


def reported(details: dict[str, Any]) -> ReportedAttempt:
    """What the ledger keeps of an attempt, read back."""
    return ReportedAttempt.model_validate(details)


def event_of(attempt: ReportedAttempt, before: Sequence[Attempt], now: datetime) -> AttemptReported:
    """The statement that the ledger records; `before` is what it holds of the record.

    The order in which attempts were reported is the order they have, whatever times their merchant gives them: none
    counts as made before the one it follows, nor after it was heard of. Of two statements about one attempt the later
    holds, also when a clock has gone back.
    """
    others = [held for held in before if held.sequence != attempt.number]
    stated = [held.stated_at for held in before if held.sequence == attempt.number and held.stated_at is not None]
    happened_at = attempt.initiated_at if attempt.settled_at is None else attempt.settled_at
    return AttemptReported(
        provider_payment_id=attempt.record_id,
        provider_attempt_id=attempt.id,
        outcome=attempt.outcome,
        occurred_at=max([min(datetime.fromtimestamp(happened_at, UTC), now), *(held.occurred_at for held in others)]),
        stated_at=max([now, *(moment + timedelta(microseconds=1) for moment in stated)]),
        sequence=attempt.number,
        amount_minor=attempt.requested_minor,
        currency=attempt.currency,
        details=attempt.model_dump(mode="json", exclude_none=True),
        **_told(attempt, others),
    )


class _Told(TypedDict):
    provider_customer_id: str | None
    provider_subscription_id: str | None
    customer_name: str | None
    customer_email: str | None
    customer_phone: str | None
    description: str | None


def _told(attempt: ReportedAttempt, others: Sequence[Attempt]) -> _Told:
    """What the lists show of it. What an earlier attempt had and this one has not was cleared."""
    customer = attempt.customer_details or CustomerDetails()
    method = attempt.payment_method_details
    billing = (method and method.billing_details) or BillingDetails()
    subscription = attempt.metadata.get(_SUBSCRIPTION)
    told: _Told = {
        "provider_customer_id": filled(customer.customer),
        "provider_subscription_id": (
            filled(subscription) if subscription and len(subscription) <= MAX_IDENTIFIER else None
        ),
        "customer_name": shortened(customer.name) or shortened(billing.name),
        "customer_email": filled(customer.email) or filled(billing.email),
        "customer_phone": filled(customer.phone) or filled(billing.phone),
        "description": shortened(attempt.description),
    }
    for name in _Told.__annotations__:
        if told[name] is None and any(getattr(held, name) for held in others):  # type: ignore[literal-required]
            told[name] = ""  # type: ignore[literal-required]
    return told
