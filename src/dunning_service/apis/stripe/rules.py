"""Stripe's rules for payment records, as pure functions: whether a call is allowed, what the attempt becomes.

A broken rule is a RuleBroken, which names the rule and the attempt that does not allow the call. The rules are
Stripe's: a new attempt only when all others are failed or canceled, one guaranteed attempt at the most, an outcome only
for the latest attempt and only while it is open, and no more paid back than was guaranteed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from dunning_service.apis.stripe.numbers import to_value
from dunning_service.apis.stripe.requests import (
    GivenPaymentMethodDetails,
    ReportAttempt,
    ReportInformational,
    ReportPayment,
    ReportRefund,
)
from dunning_service.apis.stripe.values import MAX_METADATA_KEYS, GivenMetadata
from dunning_service.apis.stripe.wire import (
    CustomerDetails,
    CustomMethod,
    PaymentMethodDetails,
    ReportedAttempt,
    ShippingDetails,
)
from dunning_service.errors import RuleBroken
from dunning_service.events import Outcome

_SETTLED = {Outcome.FAILED: "failed", Outcome.CANCELED: "canceled", Outcome.GUARANTEED: "guaranteed"}
_ONE_OPEN = "one attempt may be open at a time: report first whether it failed, was canceled or is guaranteed"
_ONE_GUARANTEED = (
    "a payment record has one guaranteed attempt at the most, and a payment that was made is not tried again"
)

DetailsT = TypeVar("DetailsT", CustomerDetails, ShippingDetails)


def report_payment(given: ReportPayment, *, record_id: str, now: int) -> ReportedAttempt:
    """The first attempt of a new record."""
    outcome, settled_at = _outcome_of(given)
    processor = given.processor_details and given.processor_details.custom
    return ReportedAttempt(
        record_id=record_id,
        number=1,
        record_created=now,
        created=now,
        initiated_at=given.initiated_at,
        outcome=outcome,
        settled_at=settled_at,
        requested_minor=given.amount_requested.minor,
        currency=given.amount_requested.currency,
        customer_details=_merged(None, given.customer_details),
        customer_presence=given.customer_presence,
        description=given.description,
        metadata=merged_metadata({}, given.metadata),
        payment_method_details=_method(given.payment_method_details),
        payment_reference=processor.payment_reference if processor else None,
        shipping_details=_merged(None, given.shipping_details),
    )


def report_attempt(latest: ReportedAttempt, given: ReportAttempt, *, now: int) -> ReportedAttempt:
    """A new attempt, which begins with what the record holds.

    Raises RuleBroken unless the latest attempt, and so every one before it, has failed or was canceled.
    """
    if latest.is_open:
        raise RuleBroken(f"The attempt {latest.id} is still open, so no other can be reported; {_ONE_OPEN}.")
    if latest.outcome is Outcome.GUARANTEED:
        raise RuleBroken(f"The attempt {latest.id} is guaranteed, so no other can be reported; {_ONE_GUARANTEED}.")
    outcome, settled_at = _outcome_of(given)
    sent = given.model_fields_set
    method = given.payment_method_details
    return latest.changed(
        number=latest.number + 1,
        created=now,
        initiated_at=given.initiated_at,
        outcome=outcome,
        settled_at=settled_at,
        description=given.description if "description" in sent else latest.description,
        metadata=merged_metadata(latest.metadata, given.metadata),
        payment_method_details=latest.payment_method_details if method is None else _method(method),
        shipping_details=(
            _merged(None, given.shipping_details) if "shipping_details" in sent else latest.shipping_details
        ),
    )


def settle(latest: ReportedAttempt, outcome: Outcome, at: int, metadata: GivenMetadata) -> ReportedAttempt:
    """The latest attempt with its outcome, at a Unix time. Raises RuleBroken when it has one already."""
    if not latest.is_open:
        raise RuleBroken(
            f"The attempt {latest.id} is {_SETTLED[latest.outcome]} already, so it cannot be reported as "
            f"{_SETTLED[outcome]}; an outcome is reported of the latest attempt, once, while it is open."
        )
    return latest.changed(outcome=outcome, settled_at=at, metadata=merged_metadata(latest.metadata, metadata))


def inform(latest: ReportedAttempt, given: ReportInformational) -> ReportedAttempt:
    """The latest attempt with other details and the same outcome; what is not sent stays."""
    sent = given.model_fields_set
    customer, shipping = latest.customer_details, latest.shipping_details
    return latest.changed(
        customer_details=_merged(customer, given.customer_details) if "customer_details" in sent else customer,
        description=given.description if "description" in sent else latest.description,
        metadata=merged_metadata(latest.metadata, given.metadata),
        shipping_details=_merged(shipping, given.shipping_details) if "shipping_details" in sent else shipping,
    )


def refund(latest: ReportedAttempt, given: ReportRefund, *, refunded_minor: int, now: int) -> dict[str, Any]:
    """The columns of a refund of what is asked for or, without an amount, of all that is left.

    `refunded_minor` was paid back before. Raises RuleBroken when nothing is guaranteed, when it is another currency,
    and when it is more than what is left.
    """
    if latest.outcome is not Outcome.GUARANTEED:
        state = _SETTLED.get(latest.outcome, "still open")
        raise RuleBroken(f"The attempt {latest.id} is {state}: only what is guaranteed can be refunded.")
    left = latest.requested_minor - refunded_minor
    currency = latest.currency.lower()

    def value(minor: int) -> int:
        return to_value(minor, latest.currency)

    if left == 0:
        raise RuleBroken(f"The attempt {latest.id} is refunded already, all {value(refunded_minor)} {currency} of it.")
    asked = given.amount
    if asked is not None and asked.currency != latest.currency:
        raise RuleBroken(
            f"The attempt {latest.id} was paid in {currency}, so it cannot be refunded in {asked.currency.lower()}."
        )
    if asked is not None and asked.minor > left:
        raise RuleBroken(
            f"A refund of {asked.value} {currency} is more than the {value(left)} that are left of the attempt "
            f"{latest.id}: {value(latest.requested_minor)} were guaranteed, {value(refunded_minor)} have been refunded."
        )
    processor = given.processor_details.custom
    if given.refunded is not None:
        refunded_at = given.refunded.refunded_at
    else:
        refunded_at = now if given.initiated_at is None else given.initiated_at
    return {
        "amount_minor": left if asked is None else asked.minor,
        "currency": latest.currency,
        "refunded_at": datetime.fromtimestamp(refunded_at, UTC),
        "reference": None if processor is None else processor.refund_reference,
    }


def merged_metadata(held: Mapping[str, str], given: GivenMetadata) -> dict[str, str]:
    """The metadata held, changed by what is sent: None changes nothing, "" clears all, an empty value unsets its key.

    Raises RuleBroken when there would be too many keys.
    """
    if given is None:
        return dict(held)
    if isinstance(given, str):
        return {}
    merged = {key: value for key, value in {**held, **given}.items() if value}
    if len(merged) > MAX_METADATA_KEYS:
        raise RuleBroken(
            f"metadata would have {len(merged)} keys, and {MAX_METADATA_KEYS} is the most: unset some by sending them "
            "with an empty value."
        )
    return merged


def _outcome_of(given: ReportPayment | ReportAttempt) -> tuple[Outcome, int | None]:
    """The outcome with which the attempt is reported, and its time in Unix seconds."""
    if given.failed is not None:
        return Outcome.FAILED, given.failed.failed_at
    if given.guaranteed is not None:
        return Outcome.GUARANTEED, given.guaranteed.guaranteed_at
    if given.canceled is not None:
        return Outcome.CANCELED, given.canceled.canceled_at
    return Outcome.PENDING, None


def _method(given: GivenPaymentMethodDetails) -> PaymentMethodDetails:
    name = given.custom and (given.custom.display_name or given.custom.type)
    return PaymentMethodDetails(
        custom=CustomMethod(display_name=name, type=given.custom.type) if given.custom and name else None,
        billing_details=given.billing_details,
        payment_method=given.payment_method,
    )


def _merged(held: DetailsT | None, given: DetailsT | None) -> DetailsT | None:
    """What is held, with each field replaced that is sent; None when nothing is sent, or nothing is left."""
    if given is None:
        return None
    sent = {name: getattr(given, name) for name in given.model_fields_set}
    merged = (held or type(given)()).model_copy(update=sent)
    return None if merged == type(given)() else merged
