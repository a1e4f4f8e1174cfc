"""Subscriptions, payments and attempts as APIs answer them, and the query of their list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from dunning_service.billing.pricing import Price
from dunning_service.billing.states import AttemptState, FrequencyUnit, PaymentState, SubscriptionState
from dunning_service.billing.terms import Customer
from dunning_service.gateways import TransactionType
from dunning_service.values.money import Money


class SubscriptionOrder(StrEnum):
    """The column by which a list of subscriptions is ordered."""

    CREATED = "created"
    START = "start"
    CUSTOMER_NAME = "customer_name"
    STATE = "state"
    NUMBER_OF_PAYMENTS = "number_of_payments"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionQuery:
    """A page of a merchant's subscriptions: filters, order, offset and limit. Empty or None: no such filter."""

    customer_ids: Sequence[UUID] = ()
    states: Sequence[SubscriptionState] = ()
    search: str | None = None
    """Part of the customer's or the company's name, whatever its case."""
    order: SubscriptionOrder = SubscriptionOrder.CREATED
    is_ascending: bool = False
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionView:
    """A subscription with its sums. Times are in UTC, amounts in minor units of the price's currency."""

    id: UUID
    merchant_id: int
    payment_processor_id: UUID
    state: SubscriptionState
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
    customer: Customer
    token_id: str
    token_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One attempt at a payment."""

    id: UUID
    merchant_id: int
    executed_at: datetime
    state: AttemptState
    transaction_reference: str | None
    """The gateway's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentView:
    """One payment of a subscription, with the attempts at it in order."""

    id: UUID
    due_at: datetime
    state: PaymentState
    amount: Money
    number: int
    attempts: Sequence[AttemptView] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PayNowView:
    """The attempt at a payment that was due at once."""

    transaction_type: TransactionType
    attempt: AttemptView
    amount: Money
    code: str | None
    message: str | None
    category: str | None
    next_attempt_at: datetime | None
    is_under_way: bool = False
    """True while the request that began it may still be waiting for its gateway."""
