"""The terms of a new subscription, before it is stored: plain types that every API can fill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from dunning_service.billing.pricing import Price
from dunning_service.billing.states import FrequencyUnit
from dunning_service.gateways import TransactionType

MethodProblem = Callable[[UUID], str | None]
"""Says why a payment method cannot be charged, such as "is not active"; None for one that can (`Gateway.method_problem`
is of this shape)."""


@dataclass(frozen=True, slots=True)
class MerchantTerms:
    """The settings of a merchant that a new subscription depends on."""

    zone: ZoneInfo
    cash_discount_rate: Decimal | None = None
    """Percent by which the cash price is below the card price; None: the merchant has no dual pricing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """The customer of a subscription, as the failed lists show them."""

    name: str | None = None
    company_name: str | None = None
    email: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubscription:
    """A subscription to be created, checked."""

    payment_processor_id: UUID
    transaction_type: TransactionType
    price: Price
    unit: FrequencyUnit
    every: int
    start_at: datetime | None
    """When the first payment is due, in UTC; None: now, within the request."""
    number_of_payments: int | None
    """None: it has no end."""
    customer_id: UUID
    payment_method_id: UUID
    is_faster_processing: bool | None
    use_card_price: bool | None
    customer: Customer


NewSubscriptionReader = Callable[[MerchantTerms, datetime, MethodProblem], NewSubscription]
"""Reads a request of one API, given the merchant's terms, the time and the gateway's view of payment methods.

Raises InvalidInput that names everything that is wrong.
"""
