"""Writing the replies of ARISE's API, ready for orjson, from subscriptions and payments; `wire` has their models.

UUIDs for what has another kind of id inside are derived, so that they are the same in every process and no table maps
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID, uuid5

import orjson

from dunning_service.apis.arise.numbers import API_SOURCE, currency_id_of, number_of, word_of
from dunning_service.billing.pricing import Price
from dunning_service.billing.states import AttemptState, SubscriptionState
from dunning_service.billing.views import AttemptView, PaymentView, PayNowView, SubscriptionView
from dunning_service.values.money import Money, decimal_text

TERMINATED = "Subscription is terminated. Future payments will no longer be processed. This action is permanent."
"""ARISE's own words: they are part of the contract."""

_NAMESPACE = UUID("6c1b7d0e-4f0a-5c36-9f0e-5d2b8a7c9e41")


def subscription_created(subscription_id: UUID, paid: PayNowView | None) -> dict[str, Any]:
    """A `SubscriptionCreated`; `paid` is None when a start was given."""
    if paid is None:
        return {"id": subscription_id, "payNowSuccess": None, "transactionId": None, "payNowResponse": None}
    attempt = paid.attempt
    succeeded = attempt.state is AttemptState.SUCCEEDED
    return {
        "id": subscription_id,
        "payNowSuccess": succeeded,
        "transactionId": _transaction_id(attempt),
        "payNowResponse": {
            "transactionId": _transaction_id(attempt),
            "transactionDateTime": moment(attempt.executed_at),
            **_choice("type", paid.transaction_type),
            **_choice("status", attempt.state),
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
        "merchantId": merchant_uuid(view.merchant_id),
        "paymentProcessorId": view.payment_processor_id,
        **_choice("status", view.state),
        **_choice("transactionType", view.transaction_type),
        "customerId": view.customer_id,
        "paymentMethodId": view.payment_method_id,
        "paymentAmount": payment_amount(view.price),
        "alreadyPaidAmount": major(view.already_paid_minor, currency),
        "allPaymentsAmount": None if count is None else major(view.price.total.minor * count, currency),
        "currencyId": currency_id_of(currency),
        **_choice("paymentFrequencyUnit", view.unit),
        "paymentFrequency": view.every,
        "creationDate": moment(view.created_at),
        "subscriptionStartDate": moment(view.starts_at),
        "subscriptionEndDate": moment(view.ends_at),
        "lastPaymentDate": moment(view.last_paid_at),
        "nextPaymentDate": moment(view.next_due_at),
        "successfulPaymentsCount": view.paid_count,
        "numberOfPayments": count or 0,
        "customer": {
            "customerName": view.customer.name,
            "companyName": view.customer.company_name,
            "panMask": None,
            "emailAddress": view.customer.email,
            "phoneNumber": view.customer.phone,
        },
        "source": {
            "typeId": API_SOURCE[0],
            "type": API_SOURCE[1],
            "id": token_uuid(view.merchant_id, view.token_id),
            "name": view.token_name,
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
        "totalAmount": major(price.total.minor, currency),
    }


def subscription_payment(view: PaymentView) -> dict[str, Any]:
    """A `SubscriptionPayment`."""
    return {
        "id": view.id,
        "initialExecutionDateTime": moment(view.due_at),
        **_choice("status", view.state),
        "amount": major(view.amount.minor, view.amount.currency),
        "paymentOrder": view.number,
        "attempts": [_attempt(attempt) for attempt in view.attempts],
    }


def subscription_terminated(subscription_id: UUID) -> dict[str, Any]:
    """A `SubscriptionTerminated`."""
    return {"id": subscription_id, **_choice("status", SubscriptionState.TERMINATED), "message": TERMINATED}


def _choice(name: str, member: Enum) -> dict[str, Any]:
    """A state or choice as its two members, such as `statusId`, its number, and `status`, its word."""
    return {f"{name}Id": number_of(member), name: word_of(member)}


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


def merchant_uuid(merchant_id: int) -> UUID:
    """The `merchantId` of a merchant."""
    return uuid5(_NAMESPACE, f"merchant/{merchant_id}")


def token_uuid(merchant_id: int, token_id: str) -> UUID:
    """The `source.id` of the token that created a subscription."""
    return uuid5(_NAMESPACE, f"merchant/{merchant_id}/token/{token_id}")


def transaction_uuid(merchant_id: int, reference: str) -> UUID:
    """The `transactionId` of a gateway's reference: unchanged when it is a UUID already."""
    try:
        return UUID(reference)
    except ValueError:
        return uuid5(_NAMESPACE, f"merchant/{merchant_id}/transaction/{reference}")


def _attempt(view: AttemptView) -> dict[str, Any]:
    return {
        "id": view.id,
        "executionDateTime": moment(view.executed_at),
        **_choice("status", view.state),
        **_choice("transactionStatus", view.state),
        "transactionId": _transaction_id(view),
    }


def _transaction_id(view: AttemptView) -> UUID | None:
    reference = view.transaction_reference
    return None if reference is None else transaction_uuid(view.merchant_id, reference)
