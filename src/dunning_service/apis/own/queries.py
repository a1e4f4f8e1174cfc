"""One failed payment, and what has happened to it in time order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_service.apis.own.wire import ActionEntry, AttemptEntry, NoteEntry, ReceiptEntry, RefundEntry
from dunning_service.failed_payments.public_number import public_number
from dunning_service.failed_payments.queries import AnyRow
from dunning_service.failed_payments.receipt_notes import notes_of
from dunning_service.ledger.fold import current_attempts, every_statement
from dunning_service.ledger.models import ActionRow, AttemptRow, PaymentRow, ReceiptRow, RefundRow
from dunning_service.ledger.receipts import current_receipts
from dunning_service.merchants.directory import MerchantView
from dunning_service.senders import SUBSCRIPTIONS

_PAYMENTS = PaymentRow.__table__.c
_ATTEMPTS = AttemptRow.__table__.c
_ACTIONS = ActionRow.__table__.c
_RECEIPTS = ReceiptRow.__table__.c
_REFUNDS = RefundRow.__table__.c


Entry = AttemptEntry | ActionEntry | ReceiptEntry | RefundEntry | NoteEntry


async def timeline_of(connection: AsyncConnection, merchant: MerchantView, payment: AnyRow) -> Sequence[Entry]:
    """Every statement about its attempts once, the superseded ones too, its actions, the applied receipt, notes about
    receipts, and refunds."""
    merchant_id = merchant.id
    entries: list[tuple[tuple[Any, ...], Entry]] = []

    attempts = (await connection.execute(_attempts_of(merchant_id, payment.id))).all()
    current = {(attempt.provider_attempt_id, attempt.digest) for attempt in current_attempts(attempts)}
    for attempt in every_statement(attempts):
        entry = AttemptEntry(
            at=attempt.occurred_at,
            occurred_at_known=attempt.occurred_at_known,
            id=attempt.provider_attempt_id,
            outcome=attempt.outcome,
            category=attempt.category,
            code=attempt.code,
            message=attempt.message,
            amount_minor=attempt.amount_minor,
            currency=attempt.currency,
            received_at=attempt.received_at,
            superseded=(attempt.provider_attempt_id, attempt.digest) not in current,
            **_told_by_us(payment, attempt),
        )
        place = (entry.at, 0, attempt.sequence, entry.id, not entry.superseded, entry.received_at, attempt.digest)
        entries.append((place, entry))

    receipt = await _receipt_of(connection, merchant_id, payment)
    if receipt is not None:
        entries.append(
            (
                (receipt.received_at, 1),
                ReceiptEntry(
                    at=receipt.received_at,
                    id=receipt.provider_receipt_id,
                    amount_minor=receipt.amount_minor,
                    currency=receipt.currency,
                ),
            )
        )

    for refund in await connection.execute(_refunds_of(merchant_id, payment)):
        entries.append(
            (
                (refund.refunded_at, 3, refund.number),
                RefundEntry(
                    at=refund.refunded_at,
                    id=refund.number,
                    reference=refund.reference,
                    amount_minor=refund.amount_minor,
                    currency=refund.currency,
                    received_at=refund.received_at,
                ),
            )
        )

    for action in await connection.execute(_actions_of(merchant_id, payment.id)):
        entries.append(
            (
                (action.decided_at, 2, action.number),
                ActionEntry(
                    at=action.decided_at,
                    id=action.number,
                    action=action.verb,
                    actor=action.actor,
                    reason=action.reason,
                    receipt=action.receipt,
                    receipt_id=action.provider_receipt_id,
                    to=None if action.to_payment_id is None else public_number(action.to_payment_id),
                ),
            )
        )

    notes = await connection.run_sync(notes_of, merchant, payment)
    entries += [((note.at, 4, number), NoteEntry(**asdict(note))) for number, note in enumerate(notes)]
    return [entry for _, entry in sorted(entries, key=lambda placed: placed[0])]


def _told_by_us(payment: AnyRow, attempt: AnyRow) -> dict[str, Any]:
    """Who asked this service for an attempt of its own, and what it decided about the next one when it heard of this,
    as it was recorded with it."""
    if payment.provider != SUBSCRIPTIONS.name:
        return {}
    details = attempt.details
    return {
        "requested_by": details.get("requested_by"),
        "next_attempt_at": details.get("next_attempt_at"),
        "next_attempt_rule": details.get("rule"),
        "next_attempt_reason": details.get("why"),
    }


def _attempts_of(merchant_id: int, payment_id: int) -> sa.Select[*tuple[Any, ...]]:
    return sa.select(
        _ATTEMPTS.provider_attempt_id,
        _ATTEMPTS.digest,
        _ATTEMPTS.is_superseded,
        _ATTEMPTS.outcome,
        _ATTEMPTS.occurred_at,
        _ATTEMPTS.occurred_at_known,
        _ATTEMPTS.stated_at,
        _ATTEMPTS.received_at,
        _ATTEMPTS.sequence,
        _ATTEMPTS.amount_minor,
        _ATTEMPTS.currency,
        _ATTEMPTS.code,
        _ATTEMPTS.message,
        _ATTEMPTS.category,
        _ATTEMPTS.details,
    ).where(_ATTEMPTS.merchant_id == merchant_id, _ATTEMPTS.payment_id == payment_id)


def _actions_of(merchant_id: int, payment_id: int) -> sa.Select[*tuple[Any, ...]]:
    return sa.select(
        _ACTIONS.number,
        _ACTIONS.verb,
        _ACTIONS.actor,
        _ACTIONS.reason,
        _ACTIONS.decided_at,
        _ACTIONS.receipt,
        _ACTIONS.provider_receipt_id,
        _ACTIONS.to_payment_id,
    ).where(_ACTIONS.merchant_id == merchant_id, _ACTIONS.payment_id == payment_id)


def _refunds_of(merchant_id: int, payment: AnyRow) -> sa.Select[*tuple[Any, ...]]:
    return sa.select(
        _REFUNDS.number,
        _REFUNDS.reference,
        _REFUNDS.amount_minor,
        _REFUNDS.currency,
        _REFUNDS.refunded_at,
        _REFUNDS.received_at,
    ).where(
        _REFUNDS.merchant_id == merchant_id,
        _REFUNDS.provider == payment.provider,
        _REFUNDS.provider_payment_id == payment.provider_payment_id,
    )


async def _receipt_of(connection: AsyncConnection, merchant_id: int, payment: AnyRow) -> AnyRow | None:
    """The applied receipt, as the statement that holds has it."""
    if payment.provider_receipt_id is None:
        return None
    statement = sa.select(
        _RECEIPTS.provider_receipt_id,
        _RECEIPTS.digest,
        _RECEIPTS.amount_minor,
        _RECEIPTS.currency,
        _RECEIPTS.is_superseded,
        _RECEIPTS.received_at,
    ).where(
        _RECEIPTS.merchant_id == merchant_id,
        _RECEIPTS.provider == payment.provider,
        _RECEIPTS.provider_receipt_id == payment.provider_receipt_id,
    )
    return next(iter(current_receipts((await connection.execute(statement)).all())), None)
