"""The objects as they stand on the wire: `model_dump(mode="json")` of each is exactly Stripe's JSON.

What is not known is null, never absent.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dunning_service.apis.stripe.values import Identifier, Text, Unsettable

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


class BillingDetails(Shape):
    """Whom the payment method belongs to."""

    address: Address = Address()
    email: str | None = None
    name: str | None = None
    phone: str | None = None


class ShippingDetails(Shape):
    """Where the goods go."""

    address: Address = Address()
    name: str | None = None
    phone: str | None = None


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
    """What a record and an attempt have in common."""

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


def _has_no_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


class StripeError(BaseModel):
    """What was wrong."""

    type: Literal["api_error", "card_error", "idempotency_error", "invalid_request_error"] = Field(
        description="api_error: on our side, send it again; idempotency_error: the Idempotency-Key; "
        "invalid_request_error: the request"
    )
    message: str = Field(description="for people: what was wrong, and what would be right")
    code: str = Field(
        "",
        description="for programs; absent where Stripe has no code for it",
        examples=["parameter_missing"],
        json_schema_extra=_has_no_default,
    )
    param: str = Field(
        "",
        description="the parameter that is wrong, or the first of them; absent where it is none",
        examples=["failed[failed_at]"],
        json_schema_extra=_has_no_default,
    )


class StripeErrorEnvelope(BaseModel):
    """The body of every error."""

    error: StripeError
