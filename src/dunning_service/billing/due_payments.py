"""Scheduled payments that are due: what a lease changes, and the rows that an attempt needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_service.billing.models import BlockedMethodRow, ScheduledPaymentRow, SubscriptionRow
from dunning_service.billing.outcomes import LOOK_AGAIN_LAST, reason_to_leave
from dunning_service.billing.schedule import charge_key
from dunning_service.billing.states import PaymentState
from dunning_service.database.bulk import bulk_for
from dunning_service.database.engines import Base
from dunning_service.gateways import ChargeRequest, TransactionType
from dunning_service.gateways.models import GatewayRow
from dunning_service.ledger.models import PaymentRow
from dunning_service.ledger.status import Status
from dunning_service.merchants.models import Merchant
from dunning_service.senders import SUBSCRIPTIONS
from dunning_service.values.money import Money

log = structlog.get_logger("dunning_service.billing")

_LATER = timedelta(hours=1)
"""When a row that belongs to nothing is looked at again."""

_DECIDED = {
    Status.INVOICED.value: "invoiced",
    Status.DEBT_COLLECTION.value: "sent to collection",
    Status.PAID.value: "marked as paid",
    Status.CANCELLED.value: "cancelled",
}

TABLE: Any = ScheduledPaymentRow.__table__
_PAYMENTS = TABLE.c


@dataclass(frozen=True, slots=True)
class DuePayment:
    """One scheduled payment whose next attempt is due, for the worker that holds its lease."""

    payment: Mapping[str, Any]
    """Rows as they are during the lease."""
    subscription: Mapping[str, Any]
    time_zone: str
    ladder: str | None
    """The merchant's own; None: the operator's."""
    number: int
    """Of the attempt, counted from what is stored."""
    has_begun: bool
    """True when it may have been charged: it is looked up first."""
    gateway_id: int | None
    """Where it is charged: where it was begun, or where the merchant charges now; None without a gateway."""
    is_blocked: bool = False
    """True when an earlier decline forbids the payment method for ever."""
    decided: str | None = None
    """The status that an action has given the failed payment; None while it is failed, or has not failed yet."""

    @property
    def objection(self) -> str | None:
        """Why nothing may be charged any more; None where it may."""
        ended = reason_to_leave(self.subscription, self.payment)
        if ended is not None:
            return ended
        return None if self.decided is None else f"the planned attempt was not made: it was {_DECIDED[self.decided]}"

    @property
    def key(self) -> str:
        """The idempotency key, under which the gateway charges once."""
        return charge_key(self.payment["id"], self.number)

    @property
    def request(self) -> ChargeRequest:
        """The request to the gateway: the same under the same key, from every worker."""
        payment, subscription = self.payment, self.subscription
        return ChargeRequest(
            payment_id=payment["id"],
            attempt_number=self.number,
            money=Money(payment["amount_minor"], payment["currency"]),
            payment_method_id=UUID(subscription["payment_method_id"]),
            transaction_type=TransactionType(subscription["transaction_type"]),
            is_faster_processing=subscription["is_faster_processing"],
            subscription_id=subscription["id"],
            customer_id=UUID(subscription["customer_id"]),
            payment_processor_id=UUID(subscription["payment_processor_id"]),
            due_on=payment["due_at"].astimezone(ZoneInfo(self.time_zone)).date(),
        )


def lease_payments(
    connection: Connection, rows: Sequence[Mapping[str, Any]], now: datetime, until: datetime
) -> Sequence[DuePayment]:
    """Marks the payments as being attempted; one without a subscription or a merchant is put off."""
    found, changed = [], []
    for due in _due_payments(connection, rows):
        changes = {
            "status": PaymentState.PROCESSING,
            "attempt_in_flight": due.number,
            "gateway_id": due.gateway_id,
            "next_attempt_at": None,
            "wake_at": until,
            "updated_at": now,
        }
        found.append(replace(due, payment={**due.payment, **changes}))
        changed.append({"merchant_id": due.payment["merchant_id"], "id": due.payment["id"], **changes})
    whole = {due.payment["id"] for due in found}
    put_off = [
        {"merchant_id": row["merchant_id"], "id": row["id"], "wake_at": now + _LATER}
        for row in rows
        if row["id"] not in whole
    ]
    bulk_for(connection).update(TABLE, put_off)
    bulk_for(connection).update(TABLE, changed)
    return found


async def first_payment_of(connection: AsyncConnection, merchant_id: int, subscription_id: str) -> DuePayment | None:
    """The first payment of a subscription that was just created: leased with it, and not charged yet.

    None when that lease has expired and a worker has found out the outcome.
    """
    this = (_PAYMENTS.merchant_id == merchant_id) & (_PAYMENTS.subscription_id == subscription_id)
    row = dict((await connection.execute(sa.select(TABLE).where(this, _PAYMENTS.number == 1))).mappings().one())
    if row["attempt_in_flight"] != 1:
        return None
    (due,) = await connection.run_sync(_due_payments, [row])
    return replace(due, has_begun=False)


def stuck_attempts(connection: Connection, now: datetime) -> int:
    """The number of attempts whose gateway could not be reached or had no outcome at the last try; all of them are
    tried again."""
    stuck = sa.select(sa.func.count()).where(
        # within the index of what is due: none of them waits longer than this
        _PAYMENTS.wake_at <= now + LOOK_AGAIN_LAST,
        _PAYMENTS.lookups > 0,
    )
    return connection.execute(stuck).scalar_one()


def _due_payments(connection: Connection, payments: Sequence[Mapping[str, Any]]) -> list[DuePayment]:
    """The due payments of these rows, in their order, each with the other rows that an attempt needs.

    It is read table by table and by key. One statement with joins would do, but PostgreSQL plans it without knowing the
    tables while they are new, and then goes through all of a merchant's rows for each that is due.
    """

    def found(model: type[Base], by: Sequence[str], keys: Iterable[tuple[Any, ...]]) -> dict[Any, Mapping[str, Any]]:
        table: Any = model.__table__
        rows = bulk_for(connection).select(table, by, set(keys))
        return {tuple(row[name] for name in by): row for row in rows}

    merchants = found(Merchant, ("id",), ((one["merchant_id"],) for one in payments))
    subscriptions = found(
        SubscriptionRow, ("merchant_id", "id"), ((one["merchant_id"], one["subscription_id"]) for one in payments)
    )
    whole = []
    for payment in payments:
        merchant = merchants.get((payment["merchant_id"],))
        subscription = subscriptions.get((payment["merchant_id"], payment["subscription_id"]))
        if merchant is None or subscription is None:
            # nothing can be charged for it, and the others are not to wait for it
            log.error("claim.orphaned", payment_id=payment["id"])
        else:
            method = (payment["merchant_id"], subscription["payment_method_id"])
            whole.append((payment, merchant, subscription, method))
    blocked = found(BlockedMethodRow, ("merchant_id", "payment_method_id"), (method for *_, method in whole))
    chosen = found(GatewayRow, ("merchant_id", "is_current"), ((one["merchant_id"], True) for one, *_ in whole))
    ledger = found(
        PaymentRow,
        ("merchant_id", "provider", "provider_payment_id"),
        ((one["merchant_id"], SUBSCRIPTIONS.name, one["id"]) for one, *_ in whole),
    )
    due_payments = []
    for payment, merchant, subscription, method in whole:
        held = ledger.get((payment["merchant_id"], SUBSCRIPTIONS.name, payment["id"]))
        # where there was no gateway, nothing can have been charged
        has_begun = payment["attempt_in_flight"] is not None and payment["gateway_id"] is not None
        gateway = None if has_begun else chosen.get((payment["merchant_id"], True))
        due_payments.append(
            DuePayment(
                payment=payment,
                subscription=subscription,
                time_zone=merchant["time_zone"],
                ladder=merchant["retry_ladder"],
                number=payment["attempt_in_flight"] or payment["attempt_count"] + 1,
                has_begun=has_begun,
                gateway_id=payment["gateway_id"] if gateway is None else gateway["id"],
                is_blocked=method in blocked,
                decided=None if held is None or held["status"] == Status.FAILED.value else held["status"],
            )
        )
    return due_payments
