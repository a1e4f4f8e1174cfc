"""Actions on payments: whether one applies, what is recorded of it, and the answer kept under an idempotency key."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from dunning_service.errors import ActionDoesNotApply, NotFound
from dunning_service.ledger.facts import Action, Row, as_row
from dunning_service.ledger.moving import moved
from dunning_service.ledger.status import ActionKind, ReceiptDue, Status
from dunning_service.ledger.work import NO_SUCH_PAYMENT, ActionRecorded, ActionRequest, ActionTaken, Command
from dunning_service.ledger.working_set import Payment, WorkingSet


class Actions:
    """The actions that one batch records in its working set, and the rows to be written for them."""

    def __init__(self, working_set: WorkingSet) -> None:
        self._working_set = working_set
        self.new: list[Row] = []

    def take(self, request: ActionRequest) -> ActionRecorded:
        """Records the action that is asked for. Raises NotFound and ActionDoesNotApply."""
        payment = self._working_set.by_id.get((request.merchant_id, request.payment_id))
        if payment is None or payment.folded.order_on is None:
            raise NotFound(NO_SUCH_PAYMENT)
        is_mark = request.verb is ActionKind.MARK_PAID
        action = Action(
            number=payment.next_action,
            verb=request.verb,
            actor=request.actor,
            reason=request.reason,
            decided_at=request.decided_at,
            receipt=request.receipt or ReceiptDue.NONE if is_mark else None,
        )
        if request.verb is ActionKind.MOVE_RECEIPT:
            action = moved(self._working_set, payment, request, action)
        elif request.must_apply:
            require_effect(payment, action)
        self._record(payment, action)
        return ActionRecorded(
            payment_id=payment.id,
            number=action.number,
            verb=request.verb,
            actor=request.actor,
            reason=request.reason,
            decided_at=request.decided_at,
            status=payment.folded.status,
            is_replay=False,
            receipt=action.receipt,
            provider_receipt_id=action.provider_receipt_id,
            to_payment_id=action.to_payment_id,
        )

    def take_of_command(self, command: Command, taken: ActionTaken, now: datetime) -> None:
        """Records an action of a command if the payment is failed; on any other an action was taken before."""
        payment = self._working_set.payments.get((command.merchant_id, command.provider, taken.provider_payment_id))
        if payment is None or payment.folded.order_on is None or payment.folded.status is not Status.FAILED:
            return
        action = Action(
            number=payment.next_action, verb=taken.verb, actor=taken.actor, reason=taken.reason, decided_at=now
        )
        self._record(payment, action)

    def _record(self, payment: Payment, action: Action) -> None:
        payment.add_action(action)
        self._working_set.add_move(payment, action)
        payers = {payment.payer} if payment.payer is not None else set()
        if action.provider_receipt_id is not None:
            key = (payment.key[0], payment.key[1], action.provider_receipt_id)
            payers |= {(key[0], key[1], receipt.payer_key) for receipt in self._working_set.revisions(key)}
        for payer in payers:
            self._working_set.apply_receipts_of(payer)
        self.new.append({"merchant_id": payment.key[0], "payment_id": payment.id} | as_row(action))


def require_effect(payment: Payment, action: Action) -> None:
    """Raises ActionDoesNotApply for an action that would change nothing: what it decides already holds, does not
    apply to the payment's status, or is overruled by a later action."""
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
    """The answer to a request for an action, as it is kept under its idempotency key."""
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
