"""The assignment of receipts to payments: which failure a receipt pays that names only a payer.

Such a notice (GoodParty's `InvoicePaymentSucceeded`) carries a payer and an amount, but neither an invoice
nor a time. So that the order of arrival does not matter, all receipts of a payer are laid against
all of that payer's failures at once:

1. A receipt that a person moved pays the failure it was moved to, whatever its amount has become since.
2. A failure that was marked as paid with a receipt expected gets the payer's next receipt of its amount: the first one
   that arrived after the mark.
3. Each other receipt pays the oldest open failure of its amount.

The amount of a failure is what is open of it: the debt without what other money has paid.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from dunning_service.ledger.facts import Action, Receipt
from dunning_service.ledger.fold import FoldedPayment, is_same_currency
from dunning_service.ledger.status import Status

OPEN = (Status.FAILED, Status.INVOICED, Status.DEBT_COLLECTION)
"""What a receipt can pay."""

_LATEST = datetime.max.replace(tzinfo=UTC)


class OpenFailure(NamedTuple):
    """A payment as it folds without any receipt."""

    provider_payment_id: str
    folded: FoldedPayment
    expects_since: datetime | None = None
    """When it was marked as paid with a receipt expected, if that is what decides its status."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Move:
    """The assignment of a receipt to a payment by a person; of several for one receipt the newest holds."""

    decided_at: datetime
    number: int
    """1, 2, 3... among the moves of the receipt: of two made at the same moment the one recorded later is newer."""
    provider_receipt_id: str
    provider_payment_id: str


def move_of(action: Action, provider_payment_id: str) -> Move:
    """The move that a `move_receipt` to this payment makes."""
    assert action.provider_receipt_id is not None
    return Move(
        decided_at=action.decided_at,
        number=action.move or 0,
        provider_receipt_id=action.provider_receipt_id,
        provider_payment_id=provider_payment_id,
    )


def apply_receipts(
    receipts: Iterable[Receipt], failures: Iterable[OpenFailure], moves: Iterable[Move] = ()
) -> dict[str, Receipt]:
    """Which payment each receipt of one payer pays: {provider_payment_id: receipt}. A receipt pays one at the most."""
    by_age = sorted(
        failures, key=lambda failure: (failure.folded.first_failed_at or _LATEST, failure.provider_payment_id)
    )
    in_order = sorted(receipts, key=lambda receipt: receipt.provider_receipt_id)
    free = {receipt.provider_receipt_id: receipt for receipt in in_order}
    applied: dict[str, Receipt] = {}

    failing = {failure.provider_payment_id: failure.folded for failure in by_age}
    for move in newest_moves(moves):
        payment, receipt = failing.get(move.provider_payment_id), free.get(move.provider_receipt_id)
        if payment is None or receipt is None or move.provider_payment_id in applied:
            continue  # of two receipts moved to one failure the one moved last pays it, and the other is laid as any
        if payment.first_failed_at is not None and is_same_currency(receipt.currency, payment.currency):
            applied[move.provider_payment_id] = free.pop(move.provider_receipt_id)

    waiting = [failure for failure in by_age if failure.provider_payment_id not in applied]
    expecting = [one for one in waiting if one.expects_since is not None and one.folded.first_failed_at is not None]
    for failure in sorted(expecting, key=lambda failure: failure.expects_since or _LATEST):
        following = _first_since(failure, free.values())
        if following is not None:
            applied[failure.provider_payment_id] = free.pop(following.provider_receipt_id)

    waiting = [failure for failure in waiting if _is_open(failure.folded)]
    for receipt in free.values():
        for failure in waiting:
            if pays(receipt, failure.folded):
                applied[failure.provider_payment_id] = receipt
                waiting.remove(failure)
                break
    return applied


def newest_moves(moves: Iterable[Move]) -> list[Move]:
    """The newest move of each receipt, the newest of all first."""
    newest: dict[str, Move] = {}
    for move in sorted(moves, reverse=True):
        newest.setdefault(move.provider_receipt_id, move)
    return list(newest.values())


def _first_since(failure: OpenFailure, receipts: Collection[Receipt]) -> Receipt | None:
    """The first receipt of the failure's amount that arrived since it was marked as paid."""
    since = failure.expects_since or _LATEST
    following = (one for one in receipts if one.received_at >= since and pays(one, failure.folded))
    return min(following, key=lambda receipt: (receipt.received_at, receipt.provider_receipt_id), default=None)


def _is_open(payment: FoldedPayment) -> bool:
    return payment.first_failed_at is not None and payment.status in OPEN


def open_minor(payment: FoldedPayment) -> int | None:
    """What is open of a payment that was folded without any receipt; None when its amount is unknown."""
    return None if payment.amount_minor is None else payment.amount_minor - payment.paid_minor


def pays(receipt: Receipt, payment: FoldedPayment) -> bool:
    """Whether the receipt is of what is open of the payment."""
    return (
        receipt.amount_minor is not None
        and receipt.amount_minor == open_minor(payment)
        and is_same_currency(receipt.currency, payment.currency)
    )


def current_receipts(revisions: Iterable[Any]) -> list[Any]:
    """The statement that holds of each receipt, among rows that look like `Receipt`: the one first heard.

    Other content under a known number is refused, so two that differ come only of reading a delivery again. What a
    later reading of its delivery has superseded does not count.
    """
    current: dict[str, Any] = {}
    for receipt in revisions:
        if receipt.is_superseded:
            continue
        held = current.get(receipt.provider_receipt_id)
        if held is None or _heard(receipt) < _heard(held):
            current[receipt.provider_receipt_id] = receipt
    return list(current.values())


def _heard(receipt: Any) -> tuple[datetime, bytes]:
    return receipt.received_at, bytes(receipt.digest)
