"""Models of Front Payment's replies, and the writing of a failed payment in them.

Amounts are written by hand as exact decimal numbers, so the models here serve the OpenAPI document and the tests.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from dunning_service.failed_payments.phones import shown_phone
from dunning_service.failed_payments.public_number import public_number
from dunning_service.ledger.status import Status
from dunning_service.values.money import InvalidAmount, Money, decimal_text

UNKNOWN_CURRENCY = "unknown"
"""The currency of a payment whose sender did not send one."""

_TITLES = {
    Status.FAILED: "Failed",
    Status.INVOICED: "Invoiced",
    Status.DEBT_COLLECTION: "DebtCollection",
    Status.PAID: "Paid",
    Status.CANCELLED: "Cancelled",
}

Amount = Annotated[Decimal, WithJsonSchema({"type": "number"})]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FailedOrder(_Shape):
    """One failed payment. What its sender did not send is null."""

    orderUuid: str = Field(description="`ODR` and digits", examples=["ODR1276808511"])  # noqa: N815
    orderDate: str = Field(description="day of the first failure, dd.mm.yyyy", examples=["19.12.2024"])  # noqa: N815
    customerName: str | None = Field(examples=["Nafees"])  # noqa: N815
    clientName: str = Field(description="name of the merchant", examples=["Sweden & Co"])  # noqa: N815
    countryCode: str | None = Field(description="calling code", examples=["+47"])  # noqa: N815
    msisdn: str | None = Field(description="national number", examples=["46567468"])
    currency: str = Field(description="ISO 4217 code, or `unknown`", examples=["NOK"])
    amount: Amount | None = Field(
        description="in major units, exactly; null when unknown, also when an unknown currency leaves open where the "
        "decimals begin",
        examples=[2500],
    )
    status: str = Field(description="FAILED, INVOICED, DEBT_COLLECTION, PAID or CANCELLED", examples=["INVOICED"])
    translationKey: str = Field(examples=["failedSubscriptionOrderInvoiced"])  # noqa: N815
    subscriptionUuid: str | None = Field(  # noqa: N815
        description="the sender's own subscription id, unchanged", examples=["SUB2532543787"]
    )


class MetaData(_Shape):
    """The number of this page, and of all."""

    total: int = Field(description="orders that match, over all pages", examples=[133])
    perPage: int = Field(examples=[50])  # noqa: N815
    currentPage: int = Field(examples=[1])  # noqa: N815
    lastPage: int = Field(examples=[3])  # noqa: N815


class Links(_Shape):
    """The addresses of the pages beside this one, with the same filters."""

    previous: str | None
    next: str | None = Field(
        examples=["https://dunning.example.com/api/v1/connect/subscriptions/failed/list?page=2"],
    )


class _Envelope(_Shape):
    status_code: int
    status_message: str
    message: str
    is_data: bool


class FailedOrderList(_Envelope):
    """A page of the list."""

    is_data: bool = Field(description="false when `data` is empty")
    data: list[FailedOrder]
    metaData: MetaData  # noqa: N815
    links: Links


class Product(_Shape):
    """A line of an order."""

    productName: str  # noqa: N815
    quantity: int
    rate: Amount | None
    discount: Amount | None
    tax: Amount | None
    amount: Amount | None


class FailedOrderDetails(_Shape):
    """One failed payment in full. No sender sends addresses, discounts or taxes: those are null."""

    subscriptionUuid: str | None  # noqa: N815
    orderDate: str  # noqa: N815
    customerNotes: str | None  # noqa: N815
    isInvoiced: int = Field(description="1 while its status is INVOICED, else 0")  # noqa: N815
    termsAndConditions: str | None  # noqa: N815
    customerName: str | None  # noqa: N815
    countryCode: str | None  # noqa: N815
    msisdn: str | None
    email: str | None
    street: str | None
    zip: str | None
    city: str | None
    country: str | None
    subTotal: Amount | None = Field(description="the whole amount, in major units")  # noqa: N815
    totalDiscount: Amount | None  # noqa: N815
    totalTax: Amount | None  # noqa: N815
    currency: str
    status: str
    products: list[Product] = Field(description="one line with the payment's description, if it has one")


class FailedOrderAnswer(_Envelope):
    """The envelope of one order."""

    data: FailedOrderDetails


class ValidationMessage(_Shape):
    """What is wrong with one parameter."""

    field: str
    message: str


class ErrorEnvelope(_Envelope):
    """Any error of this API."""

    data: None
    is_error: bool
    errors: list[ValidationMessage] | None


def order_item(row: Any, merchant_name: str) -> dict[str, Any]:
    """A listed row as one `FailedOrder`, ready for orjson."""
    phone = shown_phone(row.customer_phone_key)
    status = Status(row.status)
    return {
        "orderUuid": public_number(row.id),
        "orderDate": _dotted(row.order_on),
        "customerName": row.customer_name,
        "clientName": merchant_name,
        "countryCode": phone.country_code,
        "msisdn": phone.msisdn,
        "currency": row.currency or UNKNOWN_CURRENCY,
        "amount": exact_major(row.amount_minor, row.currency),
        "status": status.upper(),
        "translationKey": f"failedSubscriptionOrder{_TITLES[status]}",
        "subscriptionUuid": row.provider_subscription_id,
    }


def order_details(row: Any) -> dict[str, Any]:
    """A row as `FailedOrderDetails`, ready for orjson."""
    phone = shown_phone(row.customer_phone_key)
    amount = exact_major(row.amount_minor, row.currency)
    line = {
        "productName": row.description,
        "quantity": 1,
        "rate": amount,
        "discount": None,
        "tax": None,
        "amount": amount,
    }
    return {
        "subscriptionUuid": row.provider_subscription_id,
        "orderDate": _dotted(row.order_on),
        "customerNotes": None,
        "isInvoiced": int(row.status == Status.INVOICED),  # a number, as Front Payment sends it
        "termsAndConditions": None,
        "customerName": row.customer_name,
        "countryCode": phone.country_code,
        "msisdn": phone.msisdn,
        "email": row.customer_email,
        "street": None,
        "zip": None,
        "city": None,
        "country": None,
        "subTotal": amount,
        "totalDiscount": None,
        "totalTax": None,
        "currency": row.currency or UNKNOWN_CURRENCY,
        "status": Status(row.status).upper(),
        "products": [] if row.description is None else [line],
    }


def exact_major(amount_minor: int | None, currency: str | None) -> orjson.Fragment | None:
    """The amount as a JSON number in major units, digit by digit: 2500, 19.99. None when it is unknown, or when it is
    unknown how many decimals the currency has."""
    if amount_minor is None or currency is None:
        return None
    try:
        return orjson.Fragment(decimal_text(Money(amount_minor, currency).to_major()))
    except InvalidAmount:
        return None


def _dotted(day: date) -> str:
    return f"{day.day:02}.{day.month:02}.{day.year:04}"
