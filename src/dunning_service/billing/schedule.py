"""The rows of a subscription and its payments, made from its terms, and its price read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from dunning_service.billing.calendar import NoSuchDate, due_at
from dunning_service.billing.pricing import Price, price
from dunning_service.billing.states import FrequencyUnit, PaymentState, SubscriptionState
from dunning_service.billing.terms import NewSubscription
from dunning_service.ledger.fields import folded_names
from dunning_service.values.money import Money
from dunning_service.values.rates import rate_from_units, rate_units

Row = dict[str, Any]


def subscription_row(
    new: NewSubscription, *, merchant_id: int, subscription_id: str, token_id: str, token_name: str, now: datetime
) -> Row:
    """The row of a subscription that begins now."""
    priced, customer = new.price, new.customer
    return {
        "merchant_id": merchant_id,
        "id": subscription_id,
        "status": SubscriptionState.ACTIVE,
        "payment_processor_id": str(new.payment_processor_id),
        "customer_id": str(new.customer_id),
        "payment_method_id": str(new.payment_method_id),
        "transaction_type": int(new.transaction_type),
        "is_faster_processing": new.is_faster_processing,
        "use_card_price": new.use_card_price,
        "currency": priced.currency,
        "base_minor": priced.base_minor,
        "percentage_off_units": rate_units(priced.percentage_off_rate),
        "cash_discount_units": rate_units(priced.cash_discount_rate),
        "surcharge_units": rate_units(priced.surcharge_rate),
        "frequency_unit": int(new.unit),
        "frequency": new.every,
        "starts_at": new.start_at or now.replace(microsecond=0),
        "pays_now": new.start_at is None,
        "number_of_payments": new.number_of_payments,
        "customer_name": customer.name,
        "company_name": customer.company_name,
        "names_folded": folded_names(customer.name, customer.company_name),
        "customer_email": customer.email,
        "customer_phone": customer.phone,
        "token_id": token_id,
        "token_name": token_name,
        "created_at": now,
        "ended_at": None,
    }


def payment_id(subscription_id: str, number: int) -> str:
    """The id of a payment, derived from the subscription's, so that scheduling it twice makes one row."""
    return str(uuid5(UUID(subscription_id), f"payment/{number}"))


def attempt_id(scheduled_payment_id: str, number: int) -> str:
    """The id of an attempt at a payment."""
    return str(uuid5(UUID(scheduled_payment_id), f"attempt/{number}"))


def charge_key(scheduled_payment_id: str, number: int) -> str:
    """The idempotency key of an attempt, under which the gateway charges once."""
    return f"{scheduled_payment_id}:{number}"


def payment_row(subscription: Mapping[str, Any], number: int, time_zone: str, now: datetime) -> Row:
    """The row of a payment that falls due. Raises NoSuchDate when the calendar ends before."""
    falls_due = due_at(
        subscription["starts_at"],
        FrequencyUnit(subscription["frequency_unit"]),
        subscription["frequency"],
        number,
        ZoneInfo(time_zone),
    )
    return {
        "merchant_id": subscription["merchant_id"],
        "id": payment_id(subscription["id"], number),
        "subscription_id": subscription["id"],
        "number": number,
        "due_at": falls_due,
        "amount_minor": price_of(subscription).total.minor,
        "currency": subscription["currency"],
        "status": PaymentState.SCHEDULED,
        "attempt_count": 0,
        "first_failed_at": None,
        "next_attempt_at": falls_due,
        "rule": None,
        "reason": None,
        "wake_at": falls_due,
        "requested_by": None,
        "attempt_in_flight": None,
        "gateway_id": None,
        "lookups": 0,
        "updated_at": now,
    }


@dataclass(frozen=True, slots=True)
class FirstLease:
    """The lease of the first attempt of a subscription that pays now; the request that creates it holds it."""

    gateway_id: int
    duration: timedelta
    """How long the attempt may take before a worker looks it up."""


def first_payments(subscription: Mapping[str, Any], lease: FirstLease, time_zone: str, now: datetime) -> list[Row]:
    """All payments of a subscription that has an end, and the first of one that has none.

    The first of one that pays now has an attempt in flight, under `lease`.
    """
    count = subscription["number_of_payments"] or 1
    rows = [payment_row(subscription, number, time_zone, now) for number in range(1, count + 1)]
    if subscription["pays_now"]:
        rows[0] |= {
            "status": PaymentState.PROCESSING,
            "attempt_in_flight": 1,
            "gateway_id": lease.gateway_id,
            "next_attempt_at": None,
            "wake_at": now + lease.duration,
        }
    return rows


def following_payment(subscription: Mapping[str, Any], number: int, time_zone: str, now: datetime) -> Row | None:
    """The row of the payment after `number` of a subscription without an end; None where it has one or is over."""
    if subscription["number_of_payments"] is not None or subscription["status"] != SubscriptionState.ACTIVE:
        return None
    try:
        return payment_row(subscription, number + 1, time_zone, now)
    except NoSuchDate:
        return None


def price_of(subscription: Mapping[str, Any]) -> Price:
    """The price of each payment of a subscription."""
    return price(
        Money(subscription["base_minor"], subscription["currency"]),
        percentage_off_rate=rate_from_units(subscription["percentage_off_units"]),
        surcharge_rate=rate_from_units(subscription["surcharge_units"]),
        cash_discount_rate=rate_from_units(subscription["cash_discount_units"]),
    )
