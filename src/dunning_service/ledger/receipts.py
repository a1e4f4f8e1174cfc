"""Money received without saying for what: which payment a receipt pays (GoodParty's `InvoicePaymentSucceeded`).

Such a notice carries a payer and an amount, but neither an invoice nor a time. So that the order of arrival does not
matter, all receipts of a payer are laid against all of that payer's failures at once: each pays the oldest open failure
of its amount.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from dunning_service.ledger.fold import FoldedPayment, Receipt, is_same_currency
from dunning_service.ledger.status import Status

OPEN = (Status.FAILED, Status.INVOICED, Status.DEBT_COLLECTION)
"""What a receipt can pay."""

_LATEST = datetime.max.replace(tzinfo=UTC)


class OpenFailure(NamedTuple):
    """A payment as it stands without any receipt."""

    provider_payment_id: str
    folded: FoldedPayment


def apply_receipts(receipts: Iterable[Receipt], failures: Iterable[OpenFailure]) -> dict[str, Receipt]:
    """Which payment each receipt of one payer pays: {provider_payment_id: receipt}. A receipt pays one at the most."""
    waiting = sorted(
        (failure for failure in failures if _is_open(failure.folded)),
        key=lambda failure: (failure.folded.first_failed_at or _LATEST, failure.provider_payment_id),
    )
    applied: dict[str, Receipt] = {}
    for receipt in sorted(receipts, key=lambda receipt: receipt.provider_receipt_id):
        for failure in waiting:
            if _pays(receipt, failure.folded):
                applied[failure.provider_payment_id] = receipt
                waiting.remove(failure)
                break
    return applied


def _is_open(payment: FoldedPayment) -> bool:
    return payment.first_failed_at is not None and payment.status in OPEN


def _pays(receipt: Receipt, payment: FoldedPayment) -> bool:
    return (
        receipt.amount_minor is not None
        and receipt.amount_minor == payment.amount_minor
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
