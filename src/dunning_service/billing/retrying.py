"""The command that plans a retry which a person asked for, or says why it may not be tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dunning_service.billing.models import BlockedMethodRow, ScheduledPaymentRow, SubscriptionRow
from dunning_service.billing.outcomes import TERMINATED, blocking_decline
from dunning_service.billing.states import PaymentState, SubscriptionState
from dunning_service.errors import ActionDoesNotApply, NotFound
from dunning_service.ledger.actions import as_json
from dunning_service.ledger.facts import Attempt
from dunning_service.ledger.status import ActionKind, Status
from dunning_service.ledger.work import (
    NO_SUCH_PAYMENT,
    ActionRecorded,
    ActionTaken,
    Command,
    Effect,
    IdempotencyKey,
    Lookup,
    Snapshot,
)
from dunning_service.merchants.directory import Principal
from dunning_service.recovery.declines import read_decline
from dunning_service.recovery.policy import Rule, within_limits
from dunning_service.senders import SUBSCRIPTIONS


def retry(
    principal: Principal,
    *,
    payment_id: str,
    subscription_id: str,
    payment_method_id: str,
    reason: str | None,
    idempotency_key: IdempotencyKey | None,
) -> Command:
    """Plans an attempt for this moment, which a worker makes. The answer is that of an action about the payment.

    Executed, it raises NotFound, and ActionDoesNotApply saying why there is nothing to try, or why it may not be tried.
    """
    merchant_id, actor = principal.merchant.id, principal.token_name
    this = Lookup(ScheduledPaymentRow, ("merchant_id", "id"), (merchant_id, payment_id))
    agreed = Lookup(SubscriptionRow, ("merchant_id", "id"), (merchant_id, subscription_id))
    blocked = Lookup(BlockedMethodRow, ("merchant_id", "payment_method_id"), (merchant_id, payment_method_id))

    def execute(snapshot: Snapshot, now: datetime) -> Effect:
        standing = snapshot.failures.get(payment_id)
        if standing is None or not snapshot.rows[this] or not snapshot.rows[agreed]:
            raise NotFound(NO_SUCH_PAYMENT)
        why_not = objection(
            standing.status,
            snapshot.rows[this][0],
            snapshot.rows[agreed][0],
            next(iter(snapshot.rows[blocked]), None),
            snapshot.attempts[payment_id],
            now,
        )
        if why_not is not None:
            raise ActionDoesNotApply(f"retry does not apply to this payment: {why_not}")
        recorded = ActionRecorded(
            payment_id=standing.payment_id,
            number=standing.next_action,
            verb=ActionKind.RETRY,
            actor=actor,
            reason=reason,
            decided_at=now,
            status=standing.status,
            is_replay=False,
        )
        planned = {
            "next_attempt_at": now,
            "wake_at": now,
            "rule": Rule.REQUESTED.value,
            "reason": f"{actor} asked for it" if reason is None else f"{actor} asked for it: {reason}",
            "requested_by": actor,
            "lookups": 0,
            "updated_at": now,
        }
        return Effect(
            as_json(recorded),
            updates=[(ScheduledPaymentRow, {"merchant_id": merchant_id, "id": payment_id} | planned)],
            actions=[ActionTaken(provider_payment_id=payment_id, verb=ActionKind.RETRY, actor=actor, reason=reason)],
        )

    return Command(
        merchant_id=merchant_id,
        time_zone=principal.merchant.time_zone,
        provider=SUBSCRIPTIONS.name,
        provider_payment_ids=[payment_id],
        lookups=[this, agreed, blocked],
        idempotency_key=idempotency_key,
        execute=execute,
    )


def objection(
    status: Status,
    payment: Mapping[str, Any],
    subscription: Mapping[str, Any],
    blocked: Mapping[str, Any] | None,
    attempts: Sequence[Attempt],
    now: datetime,
) -> str | None:
    """The reason why a payment cannot be tried again now, and what would help; None when it can. Pure.

    `payment`, `subscription` and `blocked` are rows, the last of the payment method if it may never be tried again;
    `attempts` are those at the payment, in their order.
    """
    if payment["status"] == PaymentState.PAID:
        return "it is paid"
    if subscription["status"] == SubscriptionState.TERMINATED:
        return f"{TERMINATED}, and nothing more is charged for it"
    if status is not Status.FAILED:
        return f"it is {status}; reopen it first"
    if payment["status"] == PaymentState.PROCESSING:
        if payment["lookups"]:
            return f"it is being found out what became of the last attempt: {payment['reason']}"
        return "an attempt is being made just now"
    if payment["status"] != PaymentState.FAILED:
        return f"nothing of it is to be charged any more: {payment['reason']}"
    if blocked is not None:
        because = read_decline(blocking_decline(blocked)).because
        return (
            f"a decline of {_moment(blocked['blocked_at'])} forbids this payment method for ever: "
            f"{because}; only another payment method will do"
        )
    due_at = payment["wake_at"]
    if due_at is not None and due_at <= now:
        return f"it is due since {_moment(due_at)}, and a worker tries it as soon as it can: {payment['reason']}"
    return _forbidden_by_network(attempts, now)


def _forbidden_by_network(attempts: Sequence[Attempt], now: datetime) -> str | None:
    """The wait that the card network advises, or its limit: trying more often costs money."""
    last = attempts[-1].details
    not_before = last.get("not_before")
    if not_before is not None and now < datetime.fromisoformat(not_before):
        return f"the card network asks to wait until {_moment(datetime.fromisoformat(not_before))}"
    at, limit = within_limits(last.get("network"), [attempt.occurred_at for attempt in attempts], now)
    return None if limit is None else f"{limit.words}, so it has to wait until {_moment(at)}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
