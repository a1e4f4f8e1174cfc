"""Selects of the own API: a page of failed payments, and one of them with its time line."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_service.apis.own import wire
from dunning_service.apis.own.requests import ListParameters
from dunning_service.failed_payments.cursors import decode_cursor, encode_cursor
from dunning_service.failed_payments.public_number import public_number
from dunning_service.failed_payments.queries import AnyRow, find_payment
from dunning_service.failed_payments.receipt_notes import notes_of
from dunning_service.failed_payments.schedules import schedules_of
from dunning_service.failed_payments.sorting import position_of
from dunning_service.ledger.fold import current_attempts, every_statement
from dunning_service.ledger.models import ActionRow, AttemptRow, ReceiptRow, RefundRow
from dunning_service.ledger.receipts import current_receipts
from dunning_service.merchants.directory import MerchantView
from dunning_service.senders import SUBSCRIPTIONS

_ATTEMPTS = AttemptRow.__table__
_ACTIONS = ActionRow.__table__
_RECEIPTS = ReceiptRow.__table__
_REFUNDS = RefundRow.__table__


async def page_of(connection: AsyncConnection, merchant_id: int, parameters: ListParameters) -> wire.FailedPaymentPage:
    """The page of a merchant's failed payments that is asked for. Raises CursorError for a cursor of another list."""
    query = parameters.query(merchant_id)
    sort, cursor = parameters.sort, parameters.cursor
    position = None if cursor is None else decode_cursor(cursor, sort, query.digest)
    total = await query.total(connection)
    rows = await query.rows_after(connection, sort=sort, position=position, limit=parameters.limit + 1)
    shown = rows[: parameters.limit]
    schedules = await schedules_of(connection, merchant_id, shown)
    has_more = len(rows) > parameters.limit
    return wire.FailedPaymentPage(
        data=[wire.FailedPayment(**wire.failed_payment_fields(row, schedules)) for row in shown],
        total=total,
        next=encode_cursor(sort, query.digest, position_of(sort, shown[-1])) if has_more else None,
    )


async def detail_of(connection: AsyncConnection, merchant: MerchantView, number: str) -> wire.FailedPaymentDetail:
    """The merchant's failed payment of that public number, with its time line. Raises NotFound for another number."""
    row = await find_payment(connection, merchant.id, number)
    timeline = await _timeline_of(connection, merchant, row)
    schedules = await schedules_of(connection, merchant.id, [row])
    return wire.FailedPaymentDetail(**wire.failed_payment_fields(row, schedules), timeline=timeline)


async def _timeline_of(
    connection: AsyncConnection, merchant: MerchantView, payment: AnyRow
) -> list[wire.TimelineEntry]:
    """Every statement about its attempts once, the superseded ones too, its actions, the applied receipt, notes about
    receipts, and refunds."""
    merchant_id = merchant.id
    entries: list[tuple[tuple[Any, ...], wire.TimelineEntry]] = []

    statements = sa.select(_ATTEMPTS).filter_by(merchant_id=merchant_id, payment_id=payment.id)
    attempts = (await connection.execute(statements)).all()
    current = {(attempt.provider_attempt_id, attempt.digest) for attempt in current_attempts(attempts)}
    for attempt in every_statement(attempts):
        entry = wire.AttemptEntry(
            **attempt._mapping,
            at=attempt.occurred_at,
            id=attempt.provider_attempt_id,
            superseded=(attempt.provider_attempt_id, attempt.digest) not in current,
            **_own_decision(payment, attempt),
        )
        place = (entry.at, 0, attempt.sequence, entry.id, not entry.superseded, entry.received_at, attempt.digest)
        entries.append((place, entry))

    receipt = await _receipt_of(connection, merchant_id, payment)
    if receipt is not None:
        paid = wire.ReceiptEntry(**receipt._mapping, at=receipt.received_at, id=receipt.provider_receipt_id)
        entries.append(((paid.at, 1), paid))

    actions = sa.select(_ACTIONS).filter_by(merchant_id=merchant_id, payment_id=payment.id)
    for action in await connection.execute(actions):
        decided = wire.ActionEntry(
            **action._mapping,
            at=action.decided_at,
            id=action.number,
            action=action.verb,
            receipt_id=action.provider_receipt_id,
            to=None if action.to_payment_id is None else public_number(action.to_payment_id),
        )
        entries.append(((decided.at, 2, decided.id), decided))

    refunds = sa.select(_REFUNDS).filter_by(
        merchant_id=merchant_id, provider=payment.provider, provider_payment_id=payment.provider_payment_id
    )
    for refund in await connection.execute(refunds):
        returned = wire.RefundEntry(**refund._mapping, at=refund.refunded_at, id=refund.number)
        entries.append(((returned.at, 3, returned.id), returned))

    notes = await connection.run_sync(notes_of, merchant, payment)
    entries += [((note.at, 4, number), wire.NoteEntry(**asdict(note))) for number, note in enumerate(notes)]
    return [entry for _, entry in sorted(entries, key=lambda placed: placed[0])]


def _own_decision(payment: AnyRow, attempt: AnyRow) -> dict[str, Any]:
    """The token that requested an attempt of this service's own, and what was decided about the next one after it."""
    if payment.provider != SUBSCRIPTIONS.name:
        return {}
    details = attempt.details
    return {
        "requested_by": details.get("requested_by"),
        "next_attempt_at": details.get("next_attempt_at"),
        "next_attempt_rule": details.get("rule"),
        "next_attempt_reason": details.get("why"),
    }


async def _receipt_of(connection: AsyncConnection, merchant_id: int, payment: AnyRow) -> AnyRow | None:
    """The applied receipt, as its current revision has it."""
    if payment.provider_receipt_id is None:
        return None
    statement = sa.select(_RECEIPTS).filter_by(
        merchant_id=merchant_id, provider=payment.provider, provider_receipt_id=payment.provider_receipt_id
    )
    return next(iter(current_receipts((await connection.execute(statement)).all())), None)
