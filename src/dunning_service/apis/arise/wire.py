"""Models of ARISE's requests and replies, member by member as its document has them.

Amounts are written by hand as exact decimal numbers (in `replies`), so the models of replies serve the OpenAPI document
and the tests; `CreateSubscription` reads what is sent.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from dunning_service.apis.arise.numbers import member_of
from dunning_service.billing.states import FrequencyUnit
from dunning_service.events import MAX_IDENTIFIER, MAX_TEXT
from dunning_service.gateways import TransactionType
from dunning_service.values import reading
from dunning_service.values.moments import is_unset, rfc_1123_moment
from dunning_service.values.rates import rate_units

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def _read_rate(value: object) -> Decimal:
    """A percentage that `pricing` takes."""
    rate = reading.number(value)
    rate_units(rate)
    return rate


def _read_moment(value: object) -> datetime | None:
    """ISO 8601 with its offset, or RFC 1123, in UTC. None for a date that was never set, as .NET writes it."""
    if isinstance(value, str):
        if is_unset(value):
            return None
        try:
            if (moment := rfc_1123_moment(value)) is not None:
                return moment
        except ValueError:
            raise ValueError("must be a date and time that exists") from None
    return reading.moment_with_offset(value)


def _read_email(value: object) -> str | None:
    """Something, an @ and something: more than that only its server knows."""
    address = reading.text(value, MAX_IDENTIFIER)
    if address is not None and not _EMAIL.fullmatch(address):
        raise ValueError("must be an e-mail address")
    return address


Number = Annotated[Decimal, WithJsonSchema({"type": "number"})]
Moment = Annotated[datetime, WithJsonSchema({"type": "string", "format": "date-time"})]

_Uuid = Annotated[UUID, BeforeValidator(reading.uuid)]
_Number = Annotated[Decimal, BeforeValidator(reading.number), WithJsonSchema({"type": "number"})]
_Rate = Annotated[Decimal, BeforeValidator(_read_rate), WithJsonSchema({"type": "number"})]
_WholeNumber = Annotated[
    int, BeforeValidator(partial(reading.whole_number, allowed=reading.INT32)), WithJsonSchema({"type": "integer"})
]
_YesOrNo = Annotated[bool, BeforeValidator(reading.flag)]
_Offset = Annotated[datetime | None, BeforeValidator(_read_moment)]
_Address = Annotated[str | None, BeforeValidator(partial(reading.text, longest=MAX_IDENTIFIER))]
_Email = Annotated[str | None, BeforeValidator(_read_email)]
_Name = Annotated[str | None, BeforeValidator(partial(reading.text, longest=MAX_TEXT))]
_Type = Annotated[
    TransactionType, BeforeValidator(partial(member_of, TransactionType)), WithJsonSchema({"enum": [1, 2, 11]})
]
_Unit = Annotated[
    FrequencyUnit, BeforeValidator(partial(member_of, FrequencyUnit)), WithJsonSchema({"enum": [1, 2, 3]})
]


REQUIRED = (
    "payment_processor_id",
    "transaction_type",
    "amount",
    "currency_id",
    "payment_frequency_unit",
    "payment_frequency",
    "customer_id",
    "payment_method_id",
)
"""The members that a new subscription has to have."""


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class CreateSubscriptionCustomer(_Wire):
    """The customer as the failed lists show it. Not part of ARISE's document, which knows customers by id."""

    customer_name: _Name = Field(None, examples=["Nafees Rahman"])
    company_name: _Name = Field(None, examples=["Sweden & Co"])
    email_address: _Email = Field(None, examples=["nafees@example.com"])
    phone_number: _Address = Field(None, examples=["+47 465 67 468"])


class CreateSubscription(_Wire):
    """What is to be charged, how often and from when. Members that are not listed are passed over, as ASP.NET does."""

    # every member may be missing here: `rules` says which are required and which go together, all errors at once
    model_config = ConfigDict(extra="ignore", json_schema_extra={"required": [to_camel(name) for name in REQUIRED]})

    payment_processor_id: _Uuid | None = Field(
        None, description="a UUID, handed to the gateway as it is", examples=["a7699db0-1e16-4616-b2cf-4e8d4a5320cb"]
    )
    transaction_type: _Type | None = Field(
        None, description="1 Authorization, 2 Sale (both by card), 11 AchDebit", examples=[2]
    )
    amount: _Number | None = Field(
        None, description="of each payment, in major units, with no more decimals than the currency has", examples=[25]
    )
    percentage_off_rate: _Rate | None = Field(None, description="percent of the amount that come off", examples=[10])
    surcharge_rate: _Rate | None = Field(None, description="percent of the rest that are added", examples=[3])
    use_card_price: _YesOrNo | None = Field(
        None,
        description="wanted when the merchant has dual pricing (false: the cash price, which is the amount less the "
        "merchant's cash discount), null otherwise",
    )
    currency_id: _WholeNumber | None = Field(
        None, description="1 is USD; others by their ISO 4217 number, such as 578 for NOK", examples=[1]
    )
    payment_frequency_unit: _Unit | None = Field(None, description="1 day, 2 week, 3 month", examples=[3])
    payment_frequency: _WholeNumber | None = Field(None, description="a payment every so many units", examples=[1])
    payment_start_date_time: _Offset | None = Field(
        None,
        description="when the first payment is due, with its offset from UTC; null, or a date that .NET never set: "
        "now, within this request",
    )
    number_of_payments: _WholeNumber | None = Field(None, description="0 or null: until terminated", examples=[12])
    customer_id: _Uuid | None = Field(
        None,
        description="a UUID, handed to the gateway as it is, and what the failed lists know the customer by",
        examples=["87d8e330-2878-4742-a86f-dbbb3bf522ac"],
    )
    payment_method_id: _Uuid | None = Field(
        None,
        description="a UUID: what the gateway is to charge; it has to exist and be active, as far as the gateway tells",
        examples=["b6df8625-cd25-4123-b345-638aa7b5d011"],
    )
    is_faster_processing: _YesOrNo | None = Field(None, description="wanted for AchDebit, null for cards")
    customer: CreateSubscriptionCustomer | None = Field(
        None,
        description="what the failed lists show of the customer: `customerName`, `companyName`, `emailAddress`, "
        "`phoneNumber`",
    )


class PayNowDetails(_Wire):
    """What the gateway said."""

    host_response_code: str | None = Field(description="its own decline code", examples=["51"])
    host_response_message: str | None = Field(description="its own words", examples=["Insufficient funds"])
    category: str | None = Field(description="why it was declined, in the same words for every gateway")


class PayNowResponse(_Wire):
    """The first attempt at a payment that was due at once."""

    transaction_id: UUID | None
    transaction_date_time: Moment
    type_id: int = Field(description="transaction type", examples=[2])
    type: str = Field(examples=["Sale"])
    status_id: int = Field(description="of the attempt", examples=[2])
    status: str = Field(examples=["Succeeded"])
    processed_amount: Number
    details: PayNowDetails
    next_attempt_date_time: Moment | None = Field(description="when it is tried again; null: it is not")


class SubscriptionCreated(_Wire):
    """The new subscription; the `payNow` fields are null when a start was given."""

    id: UUID
    pay_now_success: bool | None
    transaction_id: UUID | None
    pay_now_response: PayNowResponse | None


class PaymentAmount(_Wire):
    """One payment's amount in parts: base - percentage off - cash discount + surcharge = total."""

    base_amount: Number
    percentage_off_amount: Number
    percentage_off_rate: Number
    cash_discount_amount: Number
    cash_discount_rate: Number
    surcharge_amount: Number
    surcharge_rate: Number
    total_amount: Number


class SubscriptionCustomer(_Wire):
    """The customer as it was sent. A `panMask` is never kept, so it is null."""

    customer_name: str | None
    company_name: str | None
    pan_mask: str | None
    email_address: str | None
    phone_number: str | None


class SubscriptionSource(_Wire):
    """What created the subscription: an API token, by name."""

    type_id: int
    type: str
    id: UUID
    name: str


class Subscription(_Wire):
    """A subscription in its present state."""

    id: UUID
    merchant_id: UUID
    payment_processor_id: UUID
    status_id: int = Field(description="1 Active, 2 Completed, 3 Failed, 4 Paused, 5 Terminated")
    status: str = Field(examples=["Active"])
    transaction_type_id: int
    transaction_type: str = Field(examples=["Sale"])
    customer_id: UUID
    payment_method_id: UUID
    payment_amount: PaymentAmount
    already_paid_amount: Number
    all_payments_amount: Number | None = Field(description="of all its payments; null: it has no end")
    currency_id: int
    payment_frequency_unit_id: int
    payment_frequency_unit: str = Field(examples=["Month"])
    payment_frequency: int
    creation_date: Moment
    subscription_start_date: Moment
    subscription_end_date: Moment | None = Field(
        description="when its last payment is due, or when it ended if that was before; null: it has no end"
    )
    last_payment_date: Moment | None = Field(description="of the last payment that was paid")
    next_payment_date: Moment | None = Field(description="when something is charged next, a retry included")
    successful_payments_count: int
    number_of_payments: int = Field(description="0: it has no end")
    customer: SubscriptionCustomer
    source: SubscriptionSource


class SubscriptionPage(_Wire):
    """A page of the list, newest subscription first."""

    items: list[Subscription]
    total: int = Field(description="subscriptions that match, over all pages")


class PaymentAttempt(_Wire):
    """One try at a payment."""

    id: UUID
    execution_date_time: Moment
    status_id: int = Field(description="1 Pending, 2 Succeeded, 3 Declined, 4 Error, 5 Unknown")
    status: str
    transaction_status_id: int = Field(description="the same numbers")
    transaction_status: str
    transaction_id: UUID | None


class SubscriptionPayment(_Wire):
    """One payment of a subscription, and the tries at it."""

    id: UUID
    initial_execution_date_time: Moment = Field(description="when it first fell due")
    status_id: int = Field(description="1 Scheduled, 2 Processing, 3 Paid, 4 Failed, 5 Cancelled")
    status: str
    amount: Number
    payment_order: int = Field(description="1, 2, 3... in its subscription")
    attempts: list[PaymentAttempt]


class SubscriptionTerminated(_Wire):
    """The answer to a termination, also to the second one."""

    id: UUID
    status_id: Literal[5]
    status: Literal["Terminated"]
    message: str


class ProblemDetails(BaseModel):
    """An error in ASP.NET's form (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str | None = None
    errors: dict[str, list[str]] | None = Field(
        None, description="what is wrong with each field, as the caller wrote it; `$` is the whole body"
    )
    code: str = Field(description="the same for the same problem, for ever")
    traceId: str = Field(description="under this id the log knows more")  # noqa: N815
