"""Payment records and their attempts on the wire, and the reported attempt that they are written from.

`model_dump(mode="json")` of an object is exactly Stripe's JSON; what is not known is null, never absent. A record has
no state of its own: it shows its latest attempt, and each attempt begins with what the one before it had.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from string import ascii_letters, digits
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from dunning_service.apis.stripe.numbers import to_value
from dunning_service.apis.stripe.values import Identifier, Text, Unsettable, empty_as
from dunning_service.events import MAX_IDENTIFIER, AttemptReported, Outcome, filled, shortened
from dunning_service.ledger.facts import Attempt

_ALPHABET = ascii_letters + digits
_ID_LENGTH = 24
_RECORD = re.compile(rf"pr_([A-Za-z0-9]{{{_ID_LENGTH}}})", re.ASCII)
_ATTEMPT = re.compile(rf"par_([A-Za-z0-9]{{{_ID_LENGTH}}})[1-9][0-9]{{0,9}}", re.ASCII)
_SUBSCRIPTION = "subscription"
"""The key of metadata under which a merchant names the subscription."""

_CLEARABLE = (
    "provider_customer_id",
    "provider_subscription_id",
    "customer_name",
    "customer_email",
    "customer_phone",
    "description",
)
"""The fields of a payment that an attempt clears, if it does not have what an earlier attempt had."""

CustomerPresence = Literal["on_session", "off_session"]

UnixSeconds = Annotated[int, Field(json_schema_extra={"format": "unix-time"})]


class Shape(BaseModel):
    """A hash, in requests or answers: it has its fields and no others, and does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_serialization_defaults_required=True)


class Address(Shape):
    """A postal address, as far as it is known."""

    city: Unsettable[Text] = Field(None, description="city, district, suburb, town or village", examples=["Oslo"])
    country: Unsettable[Text] = Field(None, description="two-letter country code (ISO 3166-1)", examples=["NO"])
    line1: Unsettable[Text] = Field(None, description="first line, such as street and number")
    line2: Unsettable[Text] = Field(None, description="second line, such as flat or floor")
    postal_code: Unsettable[Text] = Field(None, description="ZIP or postal code", examples=["0150"])
    state: Unsettable[Text] = Field(None, description="state, county, province or region")


class CustomerDetails(Shape):
    """Who pays."""

    customer: Unsettable[Identifier] = Field(None, description="id of the customer", examples=["cus_QfJ2m"])
    email: Unsettable[Identifier] = Field(None, description="e-mail address", examples=["kari@example.com"])
    name: Unsettable[Text] = Field(None, description="full name", examples=["Kari Nordmann"])
    phone: Unsettable[Identifier] = Field(None, description="phone number", examples=["+4791234567"])


AddressOrNothing = Annotated[Address, BeforeValidator(empty_as(Address()))]


class BillingDetails(Shape):
    """Whom the payment method belongs to."""

    address: AddressOrNothing = Address()
    email: Unsettable[Identifier] = Field(None, description="e-mail address")
    name: Unsettable[Text] = Field(None, description="full name")
    phone: Unsettable[Identifier] = Field(None, description="phone number")


class ShippingDetails(Shape):
    """Where the goods go."""

    name: Unsettable[Text] = Field(None, description="the recipient's name")
    phone: Unsettable[Identifier] = Field(None, description="the recipient's phone number")
    address: AddressOrNothing = Address()


class CustomMethod(Shape):
    """A payment method that only the merchant knows."""

    display_name: str = Field(description="what a customer calls it")
    type: str | None = Field(None, description="what the merchant calls it")


class PaymentMethodDetails(Shape):
    """How the attempt was to be paid."""

    billing_details: BillingDetails | None = None
    custom: CustomMethod | None = None
    payment_method: str | None = Field(None, description="id of the payment method")
    type: str = "custom"


class CustomProcessor(Shape):
    """The merchant's own processor."""

    payment_reference: str | None = Field(None, description="the processor's own id of the payment")


class ProcessorDetails(Shape):
    """Who processes the payment."""

    custom: CustomProcessor | None = None
    type: Literal["custom"] = "custom"


class Amount(Shape):
    """Whole minor units of a currency."""

    currency: str = Field(
        description="ISO 4217, in lower case", examples=["nok"], json_schema_extra={"format": "currency"}
    )
    value: int = Field(description="in the minor unit of the currency", examples=[49900])


class _Reported(Shape):
    """The members that a record and an attempt have in common."""

    id: str
    object: str
    amount: Amount = Field(description="what the payment is about now")
    amount_authorized: Amount
    amount_canceled: Amount = Field(description="all of it if the attempt was canceled, else 0")
    amount_failed: Amount = Field(description="all of it if the attempt failed, else 0")
    amount_guaranteed: Amount = Field(description="all of it if the funds are guaranteed, else 0")
    amount_refunded: Amount = Field(description="what was paid back; it lowers no other amount")
    amount_requested: Amount = Field(description="what was asked for")
    application: str | None = Field(None, description="always null")
    created: UnixSeconds = Field(description="when it was reported here, in Unix seconds")
    customer_details: CustomerDetails | None = None
    customer_presence: CustomerPresence | None = Field(
        None, description="whether the customer was in the checkout during this payment"
    )
    description: str | None = None
    livemode: bool = Field(True, description="always true")
    metadata: dict[str, str] = Field(default_factory=dict)
    payment_method_details: PaymentMethodDetails | None = None
    processor_details: ProcessorDetails = ProcessorDetails()
    reported_by: Literal["self", "stripe"] = Field("self", description="always self: the merchant")
    shipping_details: ShippingDetails | None = None


class PaymentRecord(_Reported):
    """A payment that was attempted somewhere else, as its latest attempt has it."""

    object: Literal["payment_record"] = "payment_record"
    latest_payment_attempt_record: str | None = Field(None, description="id of the latest attempt")


class PaymentAttemptRecord(_Reported):
    """One attempt at a payment."""

    object: Literal["payment_attempt_record"] = "payment_attempt_record"
    payment_record: str | None = Field(None, description="id of the payment's record")


class _List(Shape):
    """A page, newest first."""

    object: Literal["list"] = "list"
    has_more: bool = Field(description="whether there are more after this page, in the direction that was asked for")
    url: str = Field(description="path of the list")


class PaymentRecordList(_List):
    """A page of payment records, newest first."""

    data: list[PaymentRecord]
    url: str = "/v1/payment_records"


class PaymentAttemptRecordList(_List):
    """A page of the attempts at one payment, newest first."""

    data: list[PaymentAttemptRecord]
    url: str = "/v1/payment_attempt_records"


def new_record_id() -> str:
    """A new random id of a record."""
    return "pr_" + "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def is_record_id(text: str) -> bool:
    """Whether the text has the form of a record's id, of this merchant or another."""
    return _RECORD.fullmatch(text) is not None


def record_of_attempt(attempt_id: str) -> str | None:
    """The id of the record that an attempt belongs to; None for what is no id of an attempt."""
    found = _ATTEMPT.fullmatch(attempt_id)
    return None if found is None else f"pr_{found[1]}"


class ReportedAttempt(BaseModel):
    """An attempt as its merchant reported it: the `details` of its revision in the ledger."""

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
        """The members that both objects have. The amount is that of its outcome; while it is open, all others are 0."""

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
    """The reply with a record, without the customer's personal data."""
    personal = ("customer_details", "description", "payment_method_details", "shipping_details")
    return {**answer, **dict.fromkeys(personal), "metadata": {}}


def event_of(attempt: ReportedAttempt, before: Sequence[Attempt], now: datetime) -> AttemptReported:
    """The event that the ledger records of an attempt; `before` are the attempts that it holds of the record.

    Attempts are in the order in which they were reported, whatever times the merchant gives them: none counts as made
    before the one it follows, nor after it was reported. Of two statements about one attempt the later one is valid,
    also when a clock has gone back. What an earlier attempt had and this one has not was cleared.
    """
    others = [held for held in before if held.sequence != attempt.number]
    stated = [held.stated_at for held in before if held.sequence == attempt.number and held.stated_at is not None]
    happened_at = attempt.initiated_at if attempt.settled_at is None else attempt.settled_at
    customer = attempt.customer_details or CustomerDetails()
    method = attempt.payment_method_details
    billing = (method and method.billing_details) or BillingDetails()
    subscription = attempt.metadata.get(_SUBSCRIPTION, "")
    event = AttemptReported(
        provider_payment_id=attempt.record_id,
        provider_attempt_id=attempt.id,
        outcome=attempt.outcome,
        occurred_at=max([min(datetime.fromtimestamp(happened_at, UTC), now), *(held.occurred_at for held in others)]),
        stated_at=max([now, *(moment + timedelta(microseconds=1) for moment in stated)]),
        sequence=attempt.number,
        amount_minor=attempt.requested_minor,
        currency=attempt.currency,
        details=attempt.model_dump(mode="json", exclude_none=True),
        provider_customer_id=filled(customer.customer),
        provider_subscription_id=filled(subscription) if len(subscription) <= MAX_IDENTIFIER else None,
        customer_name=shortened(customer.name) or shortened(billing.name),
        customer_email=filled(customer.email) or filled(billing.email),
        customer_phone=filled(customer.phone) or filled(billing.phone),
        description=shortened(attempt.description),
    )
    cleared: dict[str, Any] = {
        name: "" for name in _CLEARABLE if getattr(event, name) is None and any(getattr(held, name) for held in others)
    }
    return replace(event, **cleared)
