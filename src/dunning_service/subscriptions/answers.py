"""What is answered about subscriptions, ready for orjson: `schemas` describes it, this writes it.

The views are what the routes know of a subscription, whatever tables that came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from dunning_service.money import Money, decimal_text
from dunning_service.subscriptions.currencies import currency_id_of
from dunning_service.subscriptions.pricing import Price
from dunning_service.subscriptions.schemas import CustomerDetails
from dunning_service.subscriptions.states import (
    AttemptStatus,
    FrequencyUnit,
    PaymentStatus,
    SourceType,
    SubscriptionStatus,
    TransactionType,
)

TERMINATED = "Subscription is terminated. Future payments will no longer be processed. This action is permanent."
"""ARISE's own words: they are part of the contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionView:
    """A subscription as it stands. Times are in UTC, amounts in minor units of the price's currency."""

    id: UUID
    merchant_id: UUID
    payment_processor_id: UUID
    status: SubscriptionStatus
    transaction_type: TransactionType
    customer_id: UUID
    payment_method_id: UUID
    price: Price
    already_paid_minor: int
    unit: FrequencyUnit
    every: int
    created_at: datetime
    starts_at: datetime
    ends_at: datetime | None
    last_paid_at: datetime | None
    next_due_at: datetime | None
    paid_count: int
    number_of_payments: int | None
    customer: CustomerDetails
    source_id: UUID
    source_name: str
    source_type: SourceType = SourceType.API


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One try at a payment."""

    id: UUID
    executed_at: datetime
    status: AttemptStatus
    transaction_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentView:
    """One payment of a subscription, with the tries at it in order."""

    id: UUID
    due_at: datetime
    status: PaymentStatus
    amount: Money
    number: int
    attempts: Sequence[AttemptView] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PayNowView:
    """The try at a payment that was due at once."""

    transaction_type: TransactionType
    attempt: AttemptView
    amount: Money
    code: str | None
    message: str | None
    category: str | None
    next_attempt_at: datetime | None


def subscription_created(subscription_id: UUID, paid: PayNowView | None) -> dict[str, Any]:
    """A `SubscriptionCreated`; `paid` is None when a start was given."""
    if paid is None:
        return {"id": subscription_id, "payNowSuccess": None, "transactionId": None, "payNowResponse": None}
    attempt = paid.attempt
    succeeded = attempt.status is AttemptStatus.SUCCEEDED
    return {
        "id": subscription_id,
        "payNowSuccess": succeeded,
        "transactionId": attempt.transaction_id,
        "payNowResponse": {
            "transactionId": attempt.transaction_id,
            "transactionDateTime": moment(attempt.executed_at),
            "typeId": int(paid.transaction_type),
            "type": paid.transaction_type.text,
            "statusId": int(attempt.status),
            "status": attempt.status.text,
            "processedAmount": major(paid.amount.minor if succeeded else 0, paid.amount.currency),
            "details": {
                "hostResponseCode": paid.code,
                "hostResponseMessage": paid.message,
                "category": paid.category,
            },
            "nextAttemptDateTime": moment(paid.next_attempt_at),
        },
    }


def subscription(view: SubscriptionView) -> dict[str, Any]:
    """A `Subscription`."""
    currency = view.price.currency
    count = view.number_of_payments
    return {
        "id": view.id,
        "merchantId": view.merchant_id,
        "paymentProcessorId": view.payment_processor_id,
        "statusId": int(view.status),
        "status": view.status.text,
        "transactionTypeId": int(view.transaction_type),
        "transactionType": view.transaction_type.text,
        "customerId": view.customer_id,
        "paymentMethodId": view.payment_method_id,
        "paymentAmount": payment_amount(view.price),
        "alreadyPaidAmount": major(view.already_paid_minor, currency),
        "allPaymentsAmount": None if count is None else major(view.price.total_minor * count, currency),
        "currencyId": currency_id_of(currency),
        "paymentFrequencyUnitId": int(view.unit),
        "paymentFrequencyUnit": view.unit.text,
        "paymentFrequency": view.every,
        "creationDate": moment(view.created_at),
        "subscriptionStartDate": moment(view.starts_at),
        "subscriptionEndDate": moment(view.ends_at),
        "lastPaymentDate": moment(view.last_paid_at),
        "nextPaymentDate": moment(view.next_due_at),
        "successfulPaymentsCount": view.paid_count,
        "numberOfPayments": count or 0,
        "customer": {
            "customerName": view.customer.customer_name,
            "companyName": view.customer.company_name,
            "panMask": None,
            "emailAddress": view.customer.email_address,
            "phoneNumber": view.customer.phone_number,
        },
        "source": {
            "typeId": int(view.source_type),
            "type": view.source_type.text,
            "id": view.source_id,
            "name": view.source_name,
        },
    }


def subscription_page(views: Sequence[SubscriptionView], total: int) -> dict[str, Any]:
    """A `SubscriptionPage`."""
    return {"items": [subscription(view) for view in views], "total": total}


def payment_amount(price: Price) -> dict[str, Any]:
    """A `PaymentAmount`."""
    currency = price.currency
    return {
        "baseAmount": major(price.base_minor, currency),
        "percentageOffAmount": major(price.percentage_off_minor, currency),
        "percentageOffRate": number(price.percentage_off_rate),
        "cashDiscountAmount": major(price.cash_discount_minor, currency),
        "cashDiscountRate": number(price.cash_discount_rate),
        "surchargeAmount": major(price.surcharge_minor, currency),
        "surchargeRate": number(price.surcharge_rate),
        "totalAmount": major(price.total_minor, currency),
    }


def subscription_payment(view: PaymentView) -> dict[str, Any]:
    """A `SubscriptionPayment`."""
    return {
        "id": view.id,
        "initialExecutionDateTime": moment(view.due_at),
        "statusId": int(view.status),
        "status": view.status.text,
        "amount": major(view.amount.minor, view.amount.currency),
        "paymentOrder": view.number,
        "attempts": [_attempt(attempt) for attempt in view.attempts],
    }


def subscription_terminated(subscription_id: UUID) -> dict[str, Any]:
    """A `SubscriptionTerminated`."""
    status = SubscriptionStatus.TERMINATED
    return {"id": subscription_id, "statusId": int(status), "status": status.text, "message": TERMINATED}


def major(minor: int, currency: str) -> orjson.Fragment:
    """An amount as a JSON number in major units, digit by digit: 25, 19.9."""
    return number(Money(minor, currency).to_major())


def number(value: Decimal) -> orjson.Fragment:
    """A JSON number with every digit that the value has, and no zeros that say nothing."""
    return orjson.Fragment(decimal_text(value))


def moment(at: datetime | None) -> str | None:
    """`2019-08-24T14:15:22Z`, with a fraction only when there is one. Times without an offset are a mistake of ours."""
    if at is None:
        return None
    if at.utcoffset() is None:
        raise ValueError("a time without an offset cannot be answered")
    utc = at.astimezone(UTC).replace(tzinfo=None)
    text = utc.isoformat()
    return f"{text.rstrip('0') if utc.microsecond else text}Z"


def _attempt(view: AttemptView) -> dict[str, Any]:
    return {
        "id": view.id,
        "executionDateTime": moment(view.executed_at),
        "statusId": int(view.status),
        "status": view.status.text,
        "transactionStatusId": int(view.status),
        "transactionStatus": view.status.text,
        "transactionId": view.transaction_id,
    }
