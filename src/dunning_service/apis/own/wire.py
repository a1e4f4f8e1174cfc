"""Models of the own API's replies, and the writing of ledger rows in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dunning_service.events import Category, Outcome
from dunning_service.failed_payments.public_number import public_number
from dunning_service.failed_payments.receipt_notes import Note
from dunning_service.failed_payments.schedules import UNSCHEDULED, Schedule
from dunning_service.ledger.status import ActionKind, ReceiptDue, Status
from dunning_service.ledger.work import ActionRecorded
from dunning_service.recovery.policy import Rule


class Customer(BaseModel):
    """The customer of a payment, as the sender wrote it. What it did not send is null."""

    id: str | None = Field(description="the sender's own id", examples=["cus_Q1"])
    name: str | None = Field(examples=["Nafees"])
    email: str | None = Field(examples=["nafees@example.com"])
    phone: str | None = Field(description="as it was sent", examples=["+47 465 67 468"])


class FailedPayment(BaseModel):
    """A payment of which at least one attempt has failed."""

    id: str = Field(description="public number", examples=["ODR1276808511"])
    provider: str = Field(description="who reported it", examples=["maple"])
    provider_payment_id: str = Field(description="the sender's own id", examples=["in_1"])
    status: Status = Field(description="what has become of it")
    order_date: date = Field(
        description="day of the first failure in the merchant's time zone", examples=["2024-12-19"]
    )
    first_failed_at: datetime
    last_failed_at: datetime
    attempt_count: int = Field(description="attempts of any outcome", examples=[2])
    failed_attempt_count: int = Field(examples=[2])
    amount_minor: int | None = Field(
        description="amount in minor units of `currency`; null: unknown", examples=[250000]
    )
    currency: str | None = Field(description="ISO 4217 code; null: unknown", examples=["NOK"])
    paid_minor: int = Field(description="what has been paid of it, in minor units", examples=[0])
    code: str | None = Field(description="the sender's own decline code", examples=["51"])
    message: str | None = Field(description="the sender's own words", examples=["Insufficient funds"])
    category: Category = Field(description="why it was declined, in the same words for every provider")
    customer: Customer
    subscription: str | None = Field(description="the sender's own id", examples=["SUB2532543787"])
    description: str | None = Field(examples=["Membership, December"])
    next_attempt_at: datetime | None = Field(
        description="when this service tries it again; null: not at all, it is trying now, or another system charges it"
    )
    next_attempt_rule: Rule | None = Field(
        description="which rule decided about the next attempt, or that there is none"
    )
    next_attempt_reason: str | None = Field(
        description="why then, or why not at all, in words; null: it was paid, or another system charges it",
        examples=["the card has expired (stripe expired_card): waiting for the customer, nothing is scheduled"],
    )
    created_at: datetime = Field(description="when the ledger first heard of it")
    updated_at: datetime = Field(description="when anything of it last changed")


class FailedPaymentPage(BaseModel):
    """A page of the list."""

    data: list[FailedPayment]
    total: int = Field(description="how many payments match, over all pages", examples=[133])
    next: str | None = Field(description="`cursor` of the next page; null on the last one")


class SummaryLine(BaseModel):
    """Count and sum of the failed payments of one status in one currency."""

    status: Status
    currency: str | None = Field(description="null: unknown, so the amounts may be of several", examples=["NOK"])
    count: int = Field(examples=[120])
    amount_minor: int = Field(description="sum of the known amounts; may exceed 53 bits", examples=[30000000])
    without_amount: int = Field(description="how many of them have no known amount", examples=[0])


class Summary(BaseModel):
    """Counts and amounts. Currencies are never added together."""

    data: list[SummaryLine]
    total: int = Field(description="how many payments match", examples=[133])


class _Entry(BaseModel):
    # `type` is always there, so that readers can tell the kinds of entries apart
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class AttemptEntry(_Entry):
    """A statement about one attempt."""

    type: Literal["attempt"] = "attempt"
    at: datetime = Field(description="when it was tried")
    occurred_at_known: bool = Field(description="false: the sender told no time, and `at` is the notice's arrival")
    id: str = Field(description="the sender's own id of the attempt", examples=["1"])
    outcome: Outcome
    category: Category | None = None
    code: str | None = None
    message: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    received_at: datetime
    superseded: bool = Field(description="true: a later statement about the same attempt holds")
    requested_by: str | None = Field(
        None, description="whose `retry` it was; null: it was made on schedule, or another system charges it"
    )
    next_attempt_at: datetime | None = Field(
        None,
        description="when this service decided to try again after it; null: not at all, or another system charges it",
    )
    next_attempt_rule: Rule | None = Field(None, description="which rule decided that")
    next_attempt_reason: str | None = Field(None, description="why then, or why not at all, in words")


def _is_null(value: object) -> bool:
    return value is None


_RECEIPT_SAID: Any = Field(
    None, description="of `mark_paid`: whether a receipt was expected for it", exclude_if=_is_null
)
_RECEIPT_MOVED: Any = Field(
    None, description="of `move_receipt`: the sender's own id of the receipt", exclude_if=_is_null
)
_MOVED_TO: Any = Field(
    None, description="of `move_receipt`: number of the payment that it pays since", exclude_if=_is_null
)


class ActionEntry(_Entry):
    """An action on the payment."""

    type: Literal["action"] = "action"
    at: datetime = Field(description="when it was decided")
    id: int = Field(description="1, 2, 3... among the payment's actions", examples=[1])
    action: ActionKind
    actor: str = Field(description="name of the token, or of the part of the service, that decided")
    reason: str | None = None
    receipt: ReceiptDue | None = _RECEIPT_SAID
    receipt_id: str | None = _RECEIPT_MOVED
    to: str | None = _MOVED_TO


class ReceiptEntry(_Entry):
    """Money received that named a payer and no payment, and was applied to this one."""

    type: Literal["receipt"] = "receipt"
    at: datetime = Field(description="when the notice arrived: its sender tells no time")
    occurred_at_known: bool = False
    id: str = Field(description="the sender's own id of the receipt")
    amount_minor: int | None = None
    currency: str | None = None


class RefundEntry(_Entry):
    """Money given back. The payment stays paid: it was."""

    type: Literal["refund"] = "refund"
    at: datetime = Field(description="when it was given back")
    id: int = Field(description="1, 2, 3... among the payment's refunds", examples=[1])
    reference: str | None = Field(None, description="the sender's own name for it")
    amount_minor: int
    currency: str
    received_at: datetime


class NoteEntry(_Entry):
    """What a person should know of a receipt: that it may belong elsewhere, or that it paid another payment before."""

    type: Literal["note"] = "note"
    at: datetime = Field(description="when it came to be so")
    note: Note = Field(
        description="`receipt_elsewhere`: a payment was marked as paid by hand, and a receipt of its payer and amount "
        "that came about then pays another payment; `receipt_moved`: a receipt that paid one payment pays another since"
    )
    receipt_id: str = Field(description="the sender's own id of the receipt", examples=["T-1"])
    other: str | None = Field(
        description="number of the other payment that it concerns; null: there is none", examples=["ODR1276808512"]
    )
    message: str = Field(description="what has happened, in words, and the action that puts it right")


TimelineEntry = Annotated[
    AttemptEntry | ActionEntry | ReceiptEntry | RefundEntry | NoteEntry, Field(discriminator="type")
]


class FailedPaymentDetail(FailedPayment):
    """A failed payment with its time line, oldest entry first."""

    timeline: list[TimelineEntry]


class ActionTaken(BaseModel):
    """The action as it was recorded."""

    id: int = Field(description="1, 2, 3... among the payment's actions", examples=[1])
    action: ActionKind
    actor: str
    reason: str | None
    decided_at: datetime
    receipt: ReceiptDue | None = _RECEIPT_SAID
    receipt_id: str | None = _RECEIPT_MOVED
    to: str | None = _MOVED_TO


class ActionAnswer(BaseModel):
    """The reply to an action: it, and the status of the payment after it."""

    id: str = Field(examples=["ODR1276808511"])
    status: Status
    action: ActionTaken


def failed_payment_fields(row: Any, schedules: Mapping[int, Schedule]) -> dict[str, Any]:
    """The fields of `FailedPayment` from a listed row, and what is to happen with it. Those that have another name in
    the row, or none, are named here."""
    schedule = schedules.get(row.id, UNSCHEDULED)
    return {
        **row._mapping,
        "id": public_number(row.id),
        "order_date": row.order_on,
        "customer": {
            "id": row.provider_customer_id,
            "name": row.customer_name,
            "email": row.customer_email,
            "phone": row.customer_phone,
        },
        "subscription": row.provider_subscription_id,
        "next_attempt_at": schedule.at,
        "next_attempt_rule": schedule.rule,
        "next_attempt_reason": schedule.reason,
    }


def action_answer(recorded: ActionRecorded) -> ActionAnswer:
    """The reply to an action that is committed."""
    return ActionAnswer(
        id=public_number(recorded.payment_id),
        status=recorded.status,
        action=ActionTaken(
            id=recorded.number,
            action=recorded.verb,
            actor=recorded.actor,
            reason=recorded.reason,
            decided_at=recorded.decided_at,
            receipt=recorded.receipt,
            receipt_id=recorded.provider_receipt_id,
            to=None if recorded.to_payment_id is None else public_number(recorded.to_payment_id),
        ),
    )
