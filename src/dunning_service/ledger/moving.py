"""The action `move_receipt`: which receipt it moves, to which payment, and whether it applies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dunning_service.errors import ActionDoesNotApply, NotFound
from dunning_service.ledger.facts import Action, Receipt
from dunning_service.ledger.fold import is_same_currency
from dunning_service.ledger.receipts import newest_moves, open_minor
from dunning_service.ledger.work import NO_SUCH_PAYMENT, ActionRequest
from dunning_service.ledger.working_set import Payment, WorkingSet
from dunning_service.values.money import InvalidAmount, Money, decimal_text

_LISTED = 5
"""How many receipts a refusal names."""


def moved(working_set: WorkingSet, payment: Payment, request: ActionRequest, action: Action) -> Action:
    """The action with the receipt and the payment that it names or leaves open.

    Raises NotFound for a payment that is not there, and, where the request must apply, ActionDoesNotApply with what
    would be right.
    """
    action = replace(
        action,
        provider_receipt_id=request.provider_receipt_id,
        to_payment_id=payment.id if request.to_payment_id is None else request.to_payment_id,
    )
    if request.must_apply:
        if request.provider_receipt_id is None and request.to_payment_id is None:
            raise _no("it names neither a receipt nor the payment that it is to pay; name `to`, `receipt_id` or both")
        target = payment if request.to_payment_id is None else _target(working_set, payment, request.to_payment_id)
        receipt = _receipt(working_set, payment, request.provider_receipt_id)
        _require_sense(working_set, payment, target, receipt)
        action = replace(action, provider_receipt_id=receipt.provider_receipt_id)
    if action.provider_receipt_id is None:
        return replace(action, to_payment_id=None)
    moves = working_set.moves_of((payment.key[0], payment.key[1], action.provider_receipt_id))
    return replace(action, move=1 + max((one.move or 0 for one in moves), default=0))


def _target(working_set: WorkingSet, payment: Payment, payment_id: int) -> Payment:
    target = working_set.by_id.get((payment.key[0], payment_id))
    if target is None or target.folded.order_on is None:
        raise NotFound(f"to: {NO_SUCH_PAYMENT}")
    return target


def _receipt(working_set: WorkingSet, payment: Payment, provider_receipt_id: str | None) -> Receipt:
    """The payer's receipt of that id, or the one that pays the payment."""
    receipts = [] if payment.payer is None else sorted(working_set.receipts_of(payment.payer), key=_name)
    if provider_receipt_id is None:
        if payment.receipt is not None:
            return payment.receipt
        raise _no(f"no receipt pays {_number(payment)}; {_listed(receipts)}")
    for receipt in receipts:
        if receipt.provider_receipt_id == provider_receipt_id:
            return receipt
    raise _no(f"the payer of {_number(payment)} sent no receipt {provider_receipt_id!r}; {_listed(receipts)}")


def _require_sense(working_set: WorkingSet, payment: Payment, target: Payment, receipt: Receipt) -> None:
    """Raises ActionDoesNotApply unless the receipt is of the target's payer and amount and would really be moved."""
    name, number = receipt.provider_receipt_id, _number(target)
    if target.payer is None or target.payer != payment.payer:
        raise _no(f"{number} is not owed by the payer of {_number(payment)}; name a failure of the same payer in `to`")
    pinned = newest_moves(working_set.decided_moves(target.payer, working_set.receipts_of(target.payer)))
    there = next((move for move in pinned if move.provider_payment_id == target.key[2]), None)
    if there is not None and target.receipt is not None:
        if target.receipt.provider_receipt_id == name == there.provider_receipt_id:
            raise _no(f"receipt {name} pays {number} already, and was moved there; to move it on, name another in `to`")
        if target.receipt.provider_receipt_id == there.provider_receipt_id:
            raise _no(
                f"{number} is paid by receipt {there.provider_receipt_id}, which was moved there; move that one "
                f"elsewhere first"
            )
    without = target.folded_with(None)
    still_open = open_minor(without)
    if still_open is not None and still_open <= 0 < without.paid_minor:
        raise _no(f"{number} has been paid by other money than a receipt; name a failure in `to` that has not")
    if (
        receipt.amount_minor is None
        or receipt.amount_minor != still_open
        or not is_same_currency(receipt.currency, without.currency)
    ):
        raise _no(
            f"receipt {name} is of {in_words(receipt.amount_minor, receipt.currency)}, and "
            f"{in_words(still_open, without.currency)} of {number} are open; name a failure in `to` that has just the "
            f"receipt's amount open"
        )


def in_words(minor: int | None, currency: str | None) -> str:
    """An amount as a person reads it: `19.99 EUR`."""
    if minor is None:
        return "an unknown amount"
    if currency is None:
        return f"{minor} minor units of an unknown currency"
    try:
        return f"{decimal_text(Money(minor, currency).to_major())} {currency}"
    except InvalidAmount:
        return f"{minor} minor units of {currency}"


def _listed(receipts: Iterable[Receipt]) -> str:
    words = [f"{one.provider_receipt_id} ({in_words(one.amount_minor, one.currency)})" for one in receipts]
    if not words:
        return "its payer, as far as it is known, has sent none, so there is nothing to move"
    return (
        "name one in `receipt_id`: "
        + ", ".join(words[:_LISTED])
        + (f" and {len(words) - _LISTED} more" if len(words) > _LISTED else "")
    )


def _name(receipt: Receipt) -> str:
    return receipt.provider_receipt_id


def _number(payment: Payment) -> str:
    return f"ODR{payment.id}"


def _no(why: str) -> ActionDoesNotApply:
    return ActionDoesNotApply(f"move_receipt does not apply: {why}")
