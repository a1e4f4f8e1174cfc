"""The history of a payer's receipts: which moved from one payment to another as facts arrived. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from dunning_service.ledger.facts import Action, Receipt
from dunning_service.ledger.receipts import OPEN, Move, OpenFailure, apply_receipts, move_of, open_minor
from dunning_service.ledger.status import ActionKind
from dunning_service.ledger.working_set import Payment


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptMoved:
    """A receipt that paid one payment and, since a fact about some payment arrived, pays another or none."""

    at: datetime
    receipt: Receipt
    origin: Payment
    target: Payment | None
    cause: Payment
    """The payment whose fact moved it."""
    action: Action | None
    """That fact, when it was an action; None: it was a statement about an attempt."""


def movements(payer_key: str, receipts: Collection[Receipt], payments: Collection[Payment]) -> Iterator[ReceiptMoved]:
    """Every move of a receipt that an attempt or an action caused, oldest first.

    Lays the receipts again for each moment at which facts arrived, as far as they had arrived by then. Where a further
    receipt moves others (they are laid in the order of their ids), that is none of these.
    """
    first = min((receipt.received_at for receipt in receipts), default=None)
    if first is None:
        return
    named = {payment.id: payment for payment in payments}
    by_name = {payment.key[2]: payment for payment in payments}
    standing: dict[str, OpenFailure] = {}
    moves: list[Move] = []
    for at, facts in _by_arrival(payments):
        known = [receipt for receipt in receipts if receipt.received_at <= at]
        changed = {payment.key[2]: _as_of(payment, at, payer_key) for payment, _ in facts}
        news = [move for _, action in facts if action is not None and (move := _move(action, named)) is not None]
        is_same = not news and all(_counts(standing.get(name)) == _counts(one) for name, one in changed.items())
        before = {} if is_same or at < first else apply_receipts(known, standing.values(), moves)
        standing = {name: one for name, one in (standing | changed).items() if one is not None}
        moves += news
        after = apply_receipts(known, standing.values(), moves) if before else {}
        places = {receipt.provider_receipt_id: name for name, receipt in after.items()}
        for name, receipt in before.items():
            place = places.get(receipt.provider_receipt_id)
            if place != name:
                cause, action = _cause(facts, receipt, place)
                yield ReceiptMoved(
                    at=at,
                    receipt=receipt,
                    origin=by_name[name],
                    target=None if place is None else by_name[place],
                    cause=cause,
                    action=action,
                )


Facts = list[tuple[Payment, Action | None]]


def _by_arrival(payments: Collection[Payment]) -> list[tuple[datetime, Facts]]:
    """The moments at which facts arrived, with the payments that they are about."""
    moments: dict[datetime, Facts] = defaultdict(list)
    for payment in payments:
        for attempt in payment.attempts.values():
            moments[attempt.received_at].append((payment, None))
        for action in payment.actions:
            moments[action.decided_at].append((payment, action))
    return sorted(moments.items(), key=lambda moment: moment[0])


def _as_of(payment: Payment, at: datetime, payer_key: str) -> OpenFailure | None:
    """The payment as it stood then; None while it was not known, or another payer's."""
    then = Payment(
        payment.key,
        payment.id,
        payment.time_zone,
        attempts={key: attempt for key, attempt in payment.attempts.items() if attempt.received_at <= at},
        actions=[action for action in payment.actions if action.decided_at <= at],
    )
    if not then.attempts:
        return None
    failure = then.without_receipts()
    return failure if failure.folded.payer_key == payer_key else None


def _counts(failure: OpenFailure | None) -> tuple[object, ...] | None:
    """What receipts are laid by."""
    if failure is None:
        return None
    folded = failure.folded
    is_open = folded.status in OPEN
    return (folded.first_failed_at, is_open, open_minor(folded), folded.currency, failure.expects_since)


def _move(action: Action, named: dict[int, Payment]) -> Move | None:
    target = named.get(action.to_payment_id or 0)
    if action.verb != ActionKind.MOVE_RECEIPT or action.provider_receipt_id is None or target is None:
        return None
    return move_of(action, target.key[2])


def _cause(facts: Facts, receipt: Receipt, place: str | None) -> tuple[Payment, Action | None]:
    """Of facts that arrived at one moment: the move of this receipt, else what arrived of where it went, else any."""
    for payment, action in facts:
        if action is not None and action.provider_receipt_id == receipt.provider_receipt_id:
            return payment, action
    return next((fact for fact in facts if fact[0].key[2] == place), facts[0])
