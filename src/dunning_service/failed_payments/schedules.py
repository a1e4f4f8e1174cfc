"""The schedules of failed payments that this service charges: the next attempt, its rule and its reason.

An action comes before the schedule: what has been invoiced, cancelled or marked as paid is not tried again, whatever is
still planned.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_service.billing.models import ScheduledPaymentRow
from dunning_service.billing.states import PaymentState
from dunning_service.database.unindexed import unindexed
from dunning_service.ledger.models import PaymentRow
from dunning_service.ledger.status import Status
from dunning_service.recovery.policy import Rule
from dunning_service.senders import SUBSCRIPTIONS

_PAYMENTS = PaymentRow.__table__.c
_SCHEDULED = ScheduledPaymentRow.__table__.c

_IN_PROGRESS: Final = "an attempt is being made"
_DECIDED: Final = {
    Status.INVOICED: "it was invoiced, so it is not charged",
    Status.DEBT_COLLECTION: "it is in debt collection, so it is not charged",
    Status.PAID: "it was paid otherwise",
    Status.CANCELLED: "it was cancelled",
}


class NextAttempt(StrEnum):
    """The filter for payments that are tried again automatically."""

    PLANNED = "planned"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Schedule:
    """The next attempt at a failed payment, and the reason for it or for none."""

    at: datetime | None = None
    """When it is tried next; None while it is being tried, and when nothing is planned."""
    rule: Rule | None = None
    """Which rule decided that."""
    reason: str | None = None


UNSCHEDULED: Final = Schedule()
"""Of a payment that another system charges."""


async def schedules_of(connection: AsyncConnection, merchant_id: int, rows: Sequence[Any]) -> Mapping[int, Schedule]:
    """The schedules of listed payments, by payment id; read only where a payment has one."""
    ours = {row.provider_payment_id: row for row in rows if row.provider == SUBSCRIPTIONS.name}
    if not ours:
        return {}
    statement = sa.select(
        _SCHEDULED.id,
        _SCHEDULED.status,
        _SCHEDULED.wake_at,
        _SCHEDULED.rule,
        _SCHEDULED.reason,
        _SCHEDULED.lookups,
    ).where(_SCHEDULED.merchant_id == merchant_id, _SCHEDULED.id.in_(sorted(ours)))
    return {
        ours[planned.id].id: _schedule(ours[planned.id].status, planned)
        for planned in await connection.execute(statement)
    }


def _schedule(status: str, planned: Any) -> Schedule:
    if planned.status == PaymentState.PROCESSING:
        lookup = f"it is being found out what became of the last attempt: {planned.reason}"
        return Schedule(reason=lookup if planned.lookups else _IN_PROGRESS)
    if planned.status != PaymentState.FAILED:
        return Schedule(reason=planned.reason)
    if status != Status.FAILED:
        return Schedule(reason=_DECIDED[Status(status)])
    # not `next_attempt_at`: what was left alone because of a decision is tried when it is looked at next, if that has
    # been taken back by then
    return Schedule(planned.wake_at, None if planned.rule is None else Rule(planned.rule), planned.reason)


def is_planned(merchant_id: int, since: datetime | None = None, before: datetime | None = None) -> ColumnElement[bool]:
    """True of a payment whose next attempt is planned between these moments."""
    conditions: list[ColumnElement[bool]] = [_SCHEDULED.wake_at.is_not(None)]
    if since is not None:
        conditions.append(_SCHEDULED.wake_at >= since)
    if before is not None:
        conditions.append(_SCHEDULED.wake_at < before)
    return _is_scheduled(merchant_id, *conditions)


def is_ruled_by(merchant_id: int, rules: Collection[str]) -> ColumnElement[bool]:
    """True of a payment whose last decision was by one of these rules."""
    return _is_scheduled(merchant_id, _SCHEDULED.rule.in_(sorted(rules)))


def _is_scheduled(merchant_id: int, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """True of a payment that has failed, is not being tried, and whose schedule meets the conditions.

    The status is written out, not bound, because the index holds the failed ones only: of payments to come there are
    many more.
    """
    found = sa.select(_SCHEDULED.id).where(
        _SCHEDULED.merchant_id == merchant_id, _SCHEDULED.status == sa.literal_column("'failed'"), *conditions
    )
    return sa.and_(
        _PAYMENTS.provider == SUBSCRIPTIONS.name,
        unindexed(_PAYMENTS.status) == Status.FAILED.value,
        _PAYMENTS.provider_payment_id.in_(found),
    )
