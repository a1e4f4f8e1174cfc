"""Whether an action on a payment applies, and the answer to it as it is kept under an idempotency key."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from dunning_service.errors import ActionDoesNotApply
from dunning_service.ledger.facts import Action
from dunning_service.ledger.status import ActionKind, Status
from dunning_service.ledger.work import ActionRecorded
from dunning_service.ledger.working_set import Payment

Row = dict[str, Any]


def require_effect(payment: Payment, action: Action) -> None:
    """Raises ActionDoesNotApply for an action that would change nothing: what it decides already holds, makes no sense
    from where the payment stands, or is overruled by a later action."""
    if _has_effect(payment, action):
        return
    verb, status = ActionKind(action.verb), payment.folded.status
    possible = [
        str(other) for other in ActionKind if other is not verb and _has_effect(payment, replace(action, verb=other))
    ]
    if possible:
        hint = f"what applies now: {', '.join(possible)}"
    elif payment.receipt is not None:
        hint = (
            f"receipt {payment.receipt.provider_receipt_id} pays it; what applies now: "
            f"{ActionKind.MOVE_RECEIPT}, if the receipt belongs to another payment"
        )
    elif status is Status.PAID:
        hint = "the money was received, and no request undoes that"
    else:
        hint = "nothing applies now"
    raise ActionDoesNotApply(f"{verb} does not apply to a payment that is {status}; {hint}")


def _has_effect(payment: Payment, action: Action) -> bool:
    return payment.folded_with(payment.receipt, action=action).status != payment.folded.status


def as_json(recorded: ActionRecorded) -> Row:
    return {
        "payment_id": recorded.payment_id,
        "number": recorded.number,
        "verb": recorded.verb,
        "actor": recorded.actor,
        "reason": recorded.reason,
        "decided_at": recorded.decided_at.isoformat(),
        "status": recorded.status,
        "receipt": recorded.receipt,
        "provider_receipt_id": recorded.provider_receipt_id,
        "to_payment_id": recorded.to_payment_id,
    }


def as_recorded(response: Row) -> ActionRecorded:
    """The stored answer, for the request that is sent again."""
    return ActionRecorded(
        payment_id=response["payment_id"],
        number=response["number"],
        verb=ActionKind(response["verb"]),
        actor=response["actor"],
        reason=response["reason"],
        decided_at=datetime.fromisoformat(response["decided_at"]),
        status=Status(response["status"]),
        is_replay=True,
        receipt=response.get("receipt"),
        provider_receipt_id=response.get("provider_receipt_id"),
        to_payment_id=response.get("to_payment_id"),
    )
