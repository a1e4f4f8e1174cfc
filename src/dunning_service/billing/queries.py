"""Queries of subscriptions and their payments: terms from their own tables, attempts from the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_service.billing.commands import NO_SUCH_SUBSCRIPTION
from dunning_service.billing.models import ScheduledPaymentRow, SubscriptionRow
from dunning_service.billing.names import has_name_like
from dunning_service.billing.schedule import attempt_id, price_of
from dunning_service.billing.states import AttemptState, FrequencyUnit, PaymentState, SubscriptionState
from dunning_service.billing.terms import Customer
from dunning_service.billing.views import (
    AttemptView,
    PaymentView,
    PayNowView,
    SubscriptionOrder,
    SubscriptionQuery,
    SubscriptionView,
)
from dunning_service.errors import NotFound
from dunning_service.events import Outcome
from dunning_service.gateways import TransactionType
from dunning_service.ledger.fold import current_attempts
from dunning_service.ledger.models import AttemptRow, PaymentRow
from dunning_service.ledger.status import Status
from dunning_service.recovery.policy import Rule
from dunning_service.senders import SUBSCRIPTIONS
from dunning_service.values.money import Money

Row = Mapping[str, Any]

_SUBSCRIPTIONS = SubscriptionRow.__table__.c
_PAYMENTS = ScheduledPaymentRow.__table__.c
_RECORDED = PaymentRow.__table__.c
_ATTEMPTS = AttemptRow.__table__.c

_ORDER: Mapping[SubscriptionOrder, sa.ColumnElement[Any]] = {
    SubscriptionOrder.CREATED: _SUBSCRIPTIONS.created_at,
    SubscriptionOrder.START: _SUBSCRIPTIONS.starts_at,
    SubscriptionOrder.CUSTOMER_NAME: _SUBSCRIPTIONS.names_folded,
    SubscriptionOrder.STATE: _SUBSCRIPTIONS.status,
    SubscriptionOrder.NUMBER_OF_PAYMENTS: _SUBSCRIPTIONS.number_of_payments,
}
_MADE_BY = (
    _RECORDED.provider_payment_id,
    _ATTEMPTS.provider_attempt_id,
    _ATTEMPTS.digest,
    _ATTEMPTS.is_superseded,
    _ATTEMPTS.outcome,
    _ATTEMPTS.occurred_at,
    _ATTEMPTS.stated_at,
    _ATTEMPTS.received_at,
    _ATTEMPTS.sequence,
    _ATTEMPTS.code,
    _ATTEMPTS.message,
    _ATTEMPTS.category,
    _ATTEMPTS.details,
)


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the payments of a subscription."""

    paid_minor: int = 0
    paid_count: int = 0
    last_due_at: datetime | None = None
    next_attempt_at: datetime | None = None


async def read_subscription(connection: AsyncConnection, merchant_id: int, subscription_id: str) -> SubscriptionView:
    """One subscription. Raises NotFound, also for another merchant's."""
    row = await _row_of(connection, merchant_id, subscription_id)
    return (await _views(connection, merchant_id, [row]))[0]


async def list_subscriptions(
    connection: AsyncConnection, merchant_id: int, query: SubscriptionQuery
) -> tuple[Sequence[SubscriptionView], int]:
    """A page of those that match, and how many match in all."""
    conditions = _conditions(merchant_id, query)
    counted = sa.select(sa.func.count()).select_from(SubscriptionRow.__table__).where(*conditions)
    total = int((await connection.execute(counted)).scalar_one())
    if query.offset >= total:
        return (), total
    column, is_ascending = _ORDER[query.order], query.is_ascending
    by = [one.asc() if is_ascending else one.desc() for one in (column, _SUBSCRIPTIONS.created_at, _SUBSCRIPTIONS.id)]
    # unknown values come last, on either database
    by[0] = by[0].nulls_last()
    statement = sa.select(*_SUBSCRIPTIONS).where(*conditions).order_by(*by).offset(query.offset).limit(query.limit)
    rows = [dict(row) for row in (await connection.execute(statement)).mappings()]
    return await _views(connection, merchant_id, rows), total


async def list_payments(connection: AsyncConnection, merchant_id: int, subscription_id: str) -> Sequence[PaymentView]:
    """The payments of a subscription in their order, each with the attempts at it. Raises NotFound."""
    await _row_of(connection, merchant_id, subscription_id)
    statement = _payments_of(merchant_id, subscription_id).order_by(_PAYMENTS.number)
    payments = [dict(row) for row in (await connection.execute(statement)).mappings()]
    attempts = await _attempts(connection, merchant_id, _RECORDED.provider_subscription_id == subscription_id)
    return [
        PaymentView(
            id=UUID(payment["id"]),
            due_at=payment["due_at"],
            state=PaymentState(payment["status"]),
            amount=Money(payment["amount_minor"], payment["currency"]),
            number=payment["number"],
            attempts=_attempt_views(payment, attempts.get(payment["id"], ())),
        )
        for payment in payments
    ]


_NOT_SENT = "the charge could not be sent to the gateway yet; it is sent as soon as it can be"


async def first_attempt(connection: AsyncConnection, merchant_id: int, subscription_id: str) -> PayNowView | None:
    """The first attempt of a subscription that pays now; None for one that was created with a start."""
    subscription = await _row_of(connection, merchant_id, subscription_id)
    if not subscription["pays_now"]:
        return None
    statement = _payments_of(merchant_id, subscription_id).where(_PAYMENTS.number == 1)
    payment = dict((await connection.execute(statement)).mappings().one())
    found = await _attempts(connection, merchant_id, _RECORDED.provider_payment_id == payment["id"])
    recorded = next((row for row in found.get(payment["id"], ()) if row["sequence"] == 1), None)
    in_flight = payment["attempt_in_flight"] == 1
    source: Row
    next_attempt_at = None
    if recorded is not None:
        # as it was planned then: the same request is answered as the first time
        planned = recorded["details"].get("next_attempt_at")
        next_attempt_at = None if planned is None else datetime.fromisoformat(planned)
        attempt, source = _attempt_view(merchant_id, recorded), recorded
    elif in_flight:
        attempt, source = _in_flight(payment), {}
    elif payment["rule"] == Rule.POSTPONED.value:
        # the cause is for the operator, in the log and with the payment's schedule
        attempt, source = _unrecorded(payment, 1, AttemptState.PENDING), {"message": _NOT_SENT}
        next_attempt_at = payment["next_attempt_at"]
    else:
        # it was given up before anything was charged, because the subscription had ended
        attempt, source = _unrecorded(payment, 1, AttemptState.ERROR), {"message": payment["reason"]}
    return PayNowView(
        transaction_type=TransactionType(subscription["transaction_type"]),
        attempt=attempt,
        amount=Money(payment["amount_minor"], payment["currency"]),
        code=source.get("code"),
        message=source.get("message"),
        category=source.get("category"),
        next_attempt_at=next_attempt_at,
        is_under_way=recorded is None and in_flight and not payment["lookups"],
    )


async def payment_method_of(connection: AsyncConnection, merchant_id: int, subscription_id: str) -> str:
    """The payment method of a subscription, which never changes. Raises NotFound."""
    method: str = (await _row_of(connection, merchant_id, subscription_id))["payment_method_id"]
    return method


def _payments_of(merchant_id: int, subscription_id: str) -> sa.Select[*tuple[Any, ...]]:
    return sa.select(*_PAYMENTS).where(
        _PAYMENTS.merchant_id == merchant_id, _PAYMENTS.subscription_id == subscription_id
    )


async def _row_of(connection: AsyncConnection, merchant_id: int, subscription_id: str) -> Row:
    this = (_SUBSCRIPTIONS.merchant_id == merchant_id, _SUBSCRIPTIONS.id == subscription_id)
    row = (await connection.execute(sa.select(*_SUBSCRIPTIONS).where(*this))).mappings().one_or_none()
    if row is None:
        raise NotFound(NO_SUCH_SUBSCRIPTION)
    return dict(row)


def _conditions(merchant_id: int, query: SubscriptionQuery) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = [_SUBSCRIPTIONS.merchant_id == merchant_id]
    if query.customer_ids:
        found.append(_SUBSCRIPTIONS.customer_id.in_([str(one) for one in query.customer_ids]))
    if query.states:
        found.append(_SUBSCRIPTIONS.status.in_(query.states))
    if query.search is not None:
        found.append(has_name_like(query.search))
    return found


async def _views(connection: AsyncConnection, merchant_id: int, rows: Sequence[Row]) -> Sequence[SubscriptionView]:
    ids = [row["id"] for row in rows]
    sums = await _sums(connection, merchant_id, ids)
    last_paid = await _last_paid(connection, merchant_id, ids)
    return [_view(row, sums.get(row["id"], Sums()), last_paid.get(row["id"])) for row in rows]


async def _sums(connection: AsyncConnection, merchant_id: int, ids: Sequence[str]) -> Mapping[str, Sums]:
    is_paid = _PAYMENTS.status == PaymentState.PAID
    statement = (
        sa.select(
            _PAYMENTS.subscription_id,
            sa.func.sum(sa.case((is_paid, _PAYMENTS.amount_minor), else_=0)),
            sa.func.sum(sa.case((is_paid, 1), else_=0)),
            sa.func.max(_PAYMENTS.due_at),
            # those that have failed are asked for apart
            sa.func.min(sa.case((_PAYMENTS.status == PaymentState.SCHEDULED, _PAYMENTS.next_attempt_at))),
        )
        .where(_PAYMENTS.merchant_id == merchant_id, _PAYMENTS.subscription_id.in_(ids))
        .group_by(_PAYMENTS.subscription_id)
    )
    retries = await _next_retries(connection, merchant_id, ids)
    return {
        found: Sums(int(minor), int(count), last_due_at, _earlier(next_due_at, retries.get(found)))
        for found, minor, count, last_due_at, next_due_at in await connection.execute(statement)
    }


async def _next_retries(connection: AsyncConnection, merchant_id: int, ids: Sequence[str]) -> Mapping[str, datetime]:
    """The next retry of a failed payment of each subscription; payments with a status set by an action have none."""
    statement = (
        sa.select(_PAYMENTS.subscription_id, sa.func.min(_PAYMENTS.wake_at))
        .where(
            _PAYMENTS.merchant_id == merchant_id,
            _PAYMENTS.subscription_id.in_(ids),
            _PAYMENTS.status == PaymentState.FAILED,
            _PAYMENTS.wake_at.is_not(None),
            _RECORDED.merchant_id == _PAYMENTS.merchant_id,
            _RECORDED.provider == SUBSCRIPTIONS.name,
            _RECORDED.provider_payment_id == _PAYMENTS.id,
            _RECORDED.status == Status.FAILED.value,
        )
        .group_by(_PAYMENTS.subscription_id)
    )
    return {row[0]: row[1] for row in await connection.execute(statement)}


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((at for at in (one, other) if at is not None), default=None)


async def _last_paid(connection: AsyncConnection, merchant_id: int, ids: Sequence[str]) -> Mapping[str, datetime]:
    """When each subscription was paid last: the moments are the ledger's."""
    statement = (
        sa.select(_RECORDED.provider_subscription_id, sa.func.max(_ATTEMPTS.occurred_at))
        .where(
            *_made_by_us(merchant_id),
            _RECORDED.provider_subscription_id.in_(ids),
            _ATTEMPTS.outcome == Outcome.SUCCEEDED.value,
        )
        .group_by(_RECORDED.provider_subscription_id)
    )
    return {row[0]: row[1] for row in await connection.execute(statement)}


def _view(row: Row, sums: Sums, last_paid_at: datetime | None) -> SubscriptionView:
    return SubscriptionView(
        id=UUID(row["id"]),
        merchant_id=row["merchant_id"],
        payment_processor_id=UUID(row["payment_processor_id"]),
        state=SubscriptionState(row["status"]),
        transaction_type=TransactionType(row["transaction_type"]),
        customer_id=UUID(row["customer_id"]),
        payment_method_id=UUID(row["payment_method_id"]),
        price=price_of(row),
        already_paid_minor=sums.paid_minor,
        unit=FrequencyUnit(row["frequency_unit"]),
        every=row["frequency"],
        created_at=row["created_at"],
        starts_at=row["starts_at"],
        ends_at=_ends_at(row, sums),
        last_paid_at=last_paid_at,
        next_due_at=sums.next_attempt_at,
        paid_count=sums.paid_count,
        number_of_payments=row["number_of_payments"],
        customer=Customer(
            name=row["customer_name"],
            company_name=row["company_name"],
            email=row["customer_email"],
            phone=row["customer_phone"],
        ),
        token_id=row["token_id"],
        token_name=row["token_name"],
    )


def _ends_at(row: Row, sums: Sums) -> datetime | None:
    """The due time of its last payment, or the time at which it ended if that was before."""
    last_due_at = None if row["number_of_payments"] is None else sums.last_due_at
    moments = [moment for moment in (last_due_at, row["ended_at"]) if moment is not None]
    return min(moments, default=None)


def _made_by_us(merchant_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    """The attempts of payments that this service charges: another provider may speak of the same subscription."""
    return (
        _RECORDED.merchant_id == merchant_id,
        _RECORDED.provider == SUBSCRIPTIONS.name,
        _ATTEMPTS.merchant_id == _RECORDED.merchant_id,
        _ATTEMPTS.payment_id == _RECORDED.id,
    )


async def _attempts(
    connection: AsyncConnection, merchant_id: int, which: sa.ColumnElement[bool]
) -> Mapping[str, Sequence[Row]]:
    """The attempts at payments as they hold, in the order in which they were made, by the payment's id."""
    statement = sa.select(*_MADE_BY).where(*_made_by_us(merchant_id), which)
    found: dict[str, list[Any]] = {}
    for row in (await connection.execute(statement)).all():
        found.setdefault(row.provider_payment_id, []).append(row)
    return {
        payment: [dict(row._mapping) for row in sorted(current_attempts(rows), key=lambda row: row.sequence)]
        for payment, rows in found.items()
    }


def _attempt_views(payment: Row, recorded: Sequence[Row]) -> Sequence[AttemptView]:
    views = [_attempt_view(payment["merchant_id"], row) for row in recorded]
    in_flight = payment["attempt_in_flight"]
    if in_flight is not None and all(row["sequence"] != in_flight for row in recorded):
        views.append(_in_flight(payment))
    return views


def _attempt_view(merchant_id: int, row: Row) -> AttemptView:
    details = row["details"]
    return AttemptView(
        id=UUID(row["provider_attempt_id"]),
        merchant_id=merchant_id,
        executed_at=row["occurred_at"],
        state=AttemptState(details["status"].lower()),
        transaction_reference=details.get("transaction_id"),
    )


def _in_flight(payment: Row) -> AttemptView:
    """An attempt that the ledger does not have yet; its outcome is unknown once it was looked up in vain."""
    state = AttemptState.UNKNOWN if payment["lookups"] else AttemptState.PENDING
    return _unrecorded(payment, payment["attempt_in_flight"], state)


def _unrecorded(payment: Row, number: int, state: AttemptState) -> AttemptView:
    return AttemptView(
        id=UUID(attempt_id(payment["id"], number)),
        merchant_id=payment["merchant_id"],
        executed_at=payment["updated_at"],
        state=state,
        transaction_reference=None,
    )
