"""The selects of payment records and attempts: newest first, and never another merchant's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_service.apis.stripe.errors import NoSuchObject
from dunning_service.apis.stripe.requests import ListAttempts, ListRecords
from dunning_service.apis.stripe.wire import (
    PaymentAttemptRecord,
    PaymentRecord,
    ReportedAttempt,
    is_record_id,
    record_of_attempt,
)
from dunning_service.events import Outcome
from dunning_service.ledger.fold import current_attempts
from dunning_service.ledger.models import AttemptRow, PaymentRow, RefundRow
from dunning_service.senders import PAYMENT_RECORDS

_PAYMENTS = PaymentRow.__table__.c
_ATTEMPTS = AttemptRow.__table__.c
_REFUNDS = RefundRow.__table__.c
# written out rather than bound, or neither database would see that the partial index has them all
_IS_RECORD = _PAYMENTS.provider == sa.literal_column(f"'{PAYMENT_RECORDS.name}'")
_NEWEST_FIRST = (_PAYMENTS.created_at.desc(), _PAYMENTS.id.desc())
_OLDEST_FIRST = (_PAYMENTS.created_at, _PAYMENTS.id)


async def find_record(connection: AsyncConnection, merchant_id: int, record_id: str) -> PaymentRecord:
    """One record. Raises NoSuchObject."""
    row = await _payment(connection, merchant_id, record_id, "id")
    refunded = await _refunded(connection, merchant_id, [record_id])
    return ReportedAttempt.model_validate(row.details).as_record(refunded.get(record_id, 0))


async def page_of_records(
    connection: AsyncConnection, merchant_id: int, wanted: ListRecords
) -> tuple[list[PaymentRecord], bool]:
    """The records of one page, and whether there are more beyond it in the direction that was asked for.

    Raises NoSuchObject for a page that begins at a record which is not there.
    """
    statement = sa.select(_PAYMENTS.details).where(_PAYMENTS.merchant_id == merchant_id, _IS_RECORD)
    if wanted.created_after is not None:
        last_moment = datetime.fromtimestamp(wanted.created_after, UTC).replace(microsecond=999_999)
        statement = statement.where(_PAYMENTS.created_at > last_moment)
    if wanted.created_before is not None:
        statement = statement.where(_PAYMENTS.created_at < datetime.fromtimestamp(wanted.created_before, UTC))
    backwards = wanted.ending_before is not None
    if edge := wanted.ending_before or wanted.starting_after:
        at = await _payment(connection, merchant_id, edge, "ending_before" if backwards else "starting_after")
        place = sa.tuple_(_PAYMENTS.created_at, _PAYMENTS.id)
        edge_place = sa.tuple_(sa.literal(at.created_at, _PAYMENTS.created_at.type), at.id)
        statement = statement.where(place > edge_place if backwards else place < edge_place)
    order = _OLDEST_FIRST if backwards else _NEWEST_FIRST
    found = await connection.execute(statement.order_by(*order).limit(wanted.limit + 1))
    attempts = [ReportedAttempt.model_validate(details) for details in found.scalars()]
    has_more = len(attempts) > wanted.limit
    shown = attempts[: wanted.limit]
    if backwards:
        shown.reverse()
    refunded = await _refunded(connection, merchant_id, [attempt.record_id for attempt in shown])
    return [attempt.as_record(refunded.get(attempt.record_id, 0)) for attempt in shown], has_more


async def find_attempt(connection: AsyncConnection, merchant_id: int, attempt_id: str) -> PaymentAttemptRecord:
    """One attempt. Raises NoSuchObject."""
    record_id = record_of_attempt(attempt_id)
    if record_id is not None:
        for attempt in await _attempts(connection, merchant_id, record_id):
            if attempt.id == attempt_id:
                refunded = await _refunded(connection, merchant_id, [record_id])
                return attempt.as_attempt_record(_refunded_of(attempt, refunded))
    raise NoSuchObject("payment_attempt_record", attempt_id)


async def page_of_attempts(
    connection: AsyncConnection, merchant_id: int, wanted: ListAttempts
) -> tuple[list[PaymentAttemptRecord], bool]:
    """The attempts of one page, newest first, and whether there are older ones. Raises NoSuchObject."""
    record_id, limit, starting_after = wanted.payment_record, wanted.limit, wanted.starting_after
    attempts = await _attempts(connection, merchant_id, record_id)
    if not attempts:
        raise NoSuchObject("payment_record", record_id, "payment_record")
    if starting_after is not None:
        ids = [attempt.id for attempt in attempts]
        if starting_after not in ids:
            raise NoSuchObject("payment_attempt_record", starting_after, "starting_after")
        attempts = attempts[ids.index(starting_after) + 1 :]
    refunded = await _refunded(connection, merchant_id, [record_id])
    shown = [attempt.as_attempt_record(_refunded_of(attempt, refunded)) for attempt in attempts[:limit]]
    return shown, len(attempts) > limit


async def _payment(connection: AsyncConnection, merchant_id: int, record_id: str, param: str) -> Any:
    """Raises NoSuchObject for the record of `param` when this merchant does not have it."""
    row = None
    if is_record_id(record_id):
        found = await connection.execute(
            sa.select(_PAYMENTS.id, _PAYMENTS.created_at, _PAYMENTS.details).where(
                _PAYMENTS.merchant_id == merchant_id,
                _PAYMENTS.provider == PAYMENT_RECORDS.name,
                _PAYMENTS.provider_payment_id == record_id,
            )
        )
        row = found.one_or_none()
    if row is None:
        raise NoSuchObject("payment_record", record_id, param)
    return row


async def _attempts(connection: AsyncConnection, merchant_id: int, record_id: str) -> Sequence[ReportedAttempt]:
    """The current attempts of one record, newest first; none when there is no such record."""
    if not is_record_id(record_id):
        return []
    statement = (
        sa.select(
            _ATTEMPTS.provider_attempt_id,
            _ATTEMPTS.digest,
            _ATTEMPTS.is_superseded,
            _ATTEMPTS.outcome,
            _ATTEMPTS.stated_at,
            _ATTEMPTS.received_at,
            _ATTEMPTS.sequence,
            _ATTEMPTS.details,
        )
        .join(PaymentRow, (_PAYMENTS.merchant_id == _ATTEMPTS.merchant_id) & (_PAYMENTS.id == _ATTEMPTS.payment_id))
        .where(
            _PAYMENTS.merchant_id == merchant_id,
            _PAYMENTS.provider == PAYMENT_RECORDS.name,
            _PAYMENTS.provider_payment_id == record_id,
        )
    )
    current = current_attempts((await connection.execute(statement)).all())
    return [
        ReportedAttempt.model_validate(row.details)
        for row in sorted(current, key=lambda row: row.sequence, reverse=True)
    ]


async def _refunded(connection: AsyncConnection, merchant_id: int, record_ids: Collection[str]) -> Mapping[str, int]:
    """The refunded minor units of each of these records; a record without refunds is left out."""
    statement = (
        sa.select(_REFUNDS.provider_payment_id, sa.func.sum(_REFUNDS.amount_minor))
        .where(
            _REFUNDS.merchant_id == merchant_id,
            _REFUNDS.provider == PAYMENT_RECORDS.name,
            _REFUNDS.provider_payment_id.in_(record_ids),
        )
        .group_by(_REFUNDS.provider_payment_id)
    )
    return {record_id: int(minor) for record_id, minor in await connection.execute(statement)}


def _refunded_of(attempt: ReportedAttempt, refunded: Mapping[str, int]) -> int:
    """The refunded minor units of an attempt: refunds belong to the guaranteed one."""
    return refunded.get(attempt.record_id, 0) if attempt.outcome is Outcome.GUARANTEED else 0
