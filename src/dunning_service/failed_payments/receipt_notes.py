"""Notes about the receipts of a payment's payer, for its time line: derived from the facts when it is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.database.bulk import bulk_for
from dunning_service.failed_payments.public_number import public_number
from dunning_service.failed_payments.queries import AnyRow
from dunning_service.ledger.facts import Receipt
from dunning_service.ledger.fold import day_in_zone
from dunning_service.ledger.models import PaymentRow
from dunning_service.ledger.moving import in_words
from dunning_service.ledger.reading import read_moves, read_payments, read_receipts
from dunning_service.ledger.reads import Reads
from dunning_service.ledger.receipt_history import ReceiptMoved, movements
from dunning_service.ledger.receipts import newest_moves, pays
from dunning_service.ledger.status import ActionKind, ReceiptDue
from dunning_service.ledger.working_set import PayerKey, Payment, WorkingSet, deciding_mark
from dunning_service.merchants.directory import MerchantView

NEARBY = timedelta(days=35)
"""How far from a mark by hand a receipt may have come to be taken for the money that the mark was about: a month, and
some days to notice."""

_MOST = 200
"""How many payments of a payer are looked at, those that changed last. With more payments or receipts than that, which
a person hardly has, it is not looked up which payment a receipt paid before."""

_PAYMENTS: sa.Table = PaymentRow.__table__  # type: ignore[assignment]


class Note(StrEnum):
    """What a note in a time line is about."""

    RECEIPT_ELSEWHERE = "receipt_elsewhere"
    RECEIPT_MOVED = "receipt_moved"


@dataclass(frozen=True, slots=True)
class ReceiptNote:
    """That a receipt may belong to another payment, or that it paid another one before."""

    at: datetime
    note: Note
    receipt_id: str
    other: str | None
    """Public number of the other payment; None: there is none."""
    message: str


def notes_of(connection: Connection, merchant: MerchantView, payment: AnyRow) -> list[ReceiptNote]:
    """The notes about one payment, oldest first; none where its payer has sent no receipt."""
    if payment.payer_key is None:
        return []
    payer = (merchant.id, payment.provider, payment.payer_key)
    working_set = WorkingSet()
    read_receipts(Reads(bulk_for(connection)), working_set, {payer})
    receipts = working_set.receipts_of(payer)
    if not receipts:
        return []
    payments, is_whole = _read(connection, working_set, payer, receipts, merchant.time_zone)
    this = working_set.by_id.get((merchant.id, payment.id))
    if this is None:
        return []
    pinned = {
        (move.provider_receipt_id, move.provider_payment_id)
        for move in newest_moves(working_set.decided_moves(payer, receipts))
    }
    notes = list(_elsewhere(this, payments, pinned))
    if is_whole and len(receipts) <= _MOST:
        # and what they were moved to that is another payer's since: a move that counts no more undoes older ones
        for moved in movements(payment.payer_key, receipts, list(working_set.payments.values())):
            notes += _of_move(this, moved, pinned)
    return sorted(notes, key=lambda note: (note.at, note.message))


def _read(
    connection: Connection, working_set: WorkingSet, payer: PayerKey, receipts: Sequence[Receipt], time_zone: str
) -> tuple[list[Payment], bool]:
    """The payer's payments with the receipts that pay them, and whether these are all."""
    table = _PAYMENTS.c
    statement = (
        sa.select(_PAYMENTS)
        .where(table.merchant_id == payer[0], table.provider == payer[1], table.payer_key == payer[2])
        .order_by(table.updated_at.desc(), table.id.desc())
        .limit(_MOST + 1)
    )
    rows = [dict(row) for row in connection.execute(statement).mappings()]
    shown = rows[:_MOST]
    zones = {payer[0]: time_zone}
    reads = Reads(bulk_for(connection))
    read_payments(reads, working_set, shown, zones)
    read_moves(reads, working_set, set(working_set.receipt_keys()), zones)
    held = {receipt.provider_receipt_id: receipt for receipt in receipts}
    payments = []
    for row in shown:
        payment = working_set.by_id[payer[0], row["id"]]
        payment.receipt = held.get(row["provider_receipt_id"])
        payments.append(payment)
    return payments, len(rows) <= _MOST


Pinned = set[tuple[str, str]]
"""(provider_receipt_id, provider_payment_id) of moves that a person decided: no note asks about those again."""


class _Doubt(NamedTuple):
    """A payment marked as paid by hand, and a payment that a receipt pays which may be that money."""

    marked: Payment
    decided_at: datetime
    is_expected: bool
    paid: Payment
    receipt: Receipt


def _elsewhere(this: Payment, payments: Sequence[Payment], pinned: Pinned) -> Iterator[ReceiptNote]:
    """Receipts that may be the money which a payment was marked as paid for."""
    for doubt in _doubts(this, payments, pinned):
        marked, paid, zone = _number(doubt.marked), _number(doubt.paid), this.time_zone
        expecting = ", with a receipt expected" if doubt.is_expected else ""
        message = (
            f"{marked} was marked as paid by hand on {day_in_zone(doubt.decided_at, zone)}{expecting}. Receipt "
            f"{doubt.receipt.provider_receipt_id} of {_amount(doubt.receipt)} from the same payer, which arrived on "
            f"{day_in_zone(doubt.receipt.received_at, zone)}, pays {paid}. If it was meant for {marked}, use "
            f"`move_receipt` on {paid} with `to` {marked}: {paid} is open again then. If it is right where it is, "
            f"use `move_receipt` on {paid} with `to` {paid}, and this note goes away."
        )
        yield ReceiptNote(
            at=max(doubt.decided_at, _laid_at(doubt)),
            note=Note.RECEIPT_ELSEWHERE,
            receipt_id=doubt.receipt.provider_receipt_id,
            other=paid if this is doubt.marked else marked,
            message=message,
        )


def _doubts(this: Payment, payments: Sequence[Payment], pinned: Pinned) -> Iterator[_Doubt]:
    for marked in payments:
        if marked.receipt is not None or (mark := deciding_mark(marked)) is None:
            continue
        open_before = marked.folded_with(None)
        for paid in payments:
            receipt = paid.receipt
            if receipt is None or (this is not marked and this is not paid) or not pays(receipt, open_before):
                continue
            doubt = _Doubt(marked, mark.decided_at, mark.receipt == ReceiptDue.EXPECTED, paid, receipt)
            if (receipt.provider_receipt_id, paid.key[2]) not in pinned and _is_near(doubt):
                yield doubt


def _is_near(doubt: _Doubt) -> bool:
    return any(abs(moment - doubt.decided_at) <= NEARBY for moment in (doubt.receipt.received_at, _laid_at(doubt)))


def _laid_at(doubt: _Doubt) -> datetime:
    """When the receipt came to pay that payment: once both were known."""
    known_at = min(attempt.received_at for attempt in doubt.paid.attempts.values())
    return max(doubt.receipt.received_at, known_at)


def _of_move(this: Payment, moved: ReceiptMoved, pinned: Pinned) -> Iterator[ReceiptNote]:
    """The note about a receipt that paid, or pays, this payment; none beside the action that moved it."""
    receipt_id, origin, target, action = moved.receipt.provider_receipt_id, moved.origin, moved.target, moved.action
    is_own_action = moved.cause is this and action is not None and action.provider_receipt_id == receipt_id
    if (this is not origin and this is not target) or is_own_action:
        return
    there = "no payment" if target is None else _number(target)
    message = (
        f"Receipt {receipt_id} of {_amount(moved.receipt)} paid {_number(origin)} until "
        f"{day_in_zone(moved.at, this.time_zone)} and pays {there} since then: {_why(moved)}."
    )
    if target is not None and target.receipt == moved.receipt and (receipt_id, target.key[2]) not in pinned:
        message += (
            f" If it was meant for {_number(origin)}, use `move_receipt` on {_number(target)} with `to` "
            f"{_number(origin)}."
        )
    other = target if this is origin else origin
    yield ReceiptNote(
        at=moved.at,
        note=Note.RECEIPT_MOVED,
        receipt_id=receipt_id,
        other=None if other is None else _number(other),
        message=message,
    )


def _why(moved: ReceiptMoved) -> str:
    cause, action = _number(moved.cause), moved.action
    if action is not None:
        if action.verb == ActionKind.MOVE_RECEIPT and action.provider_receipt_id == moved.receipt.provider_receipt_id:
            return f"{action.actor} moved it"
        return f"the action `{action.verb}` of {action.actor} on {cause} changed which payment it pays"
    if moved.cause is moved.target and _is_older(moved.cause, moved.origin):
        return f"{cause}, an older failure of the same payer and amount, was only reported then"
    return f"what was reported of {cause} then changed which payment it pays"


def _is_older(one: Payment, other: Payment) -> bool:
    failed, other_failed = one.folded.first_failed_at, other.folded.first_failed_at
    return failed is not None and other_failed is not None and failed < other_failed


def _amount(receipt: Receipt) -> str:
    return in_words(receipt.amount_minor, receipt.currency)


def _number(payment: Payment) -> str:
    return public_number(payment.id)
