"""Commands of the ledger for subscriptions and their payments: the rows each one reads, and its effect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from dunning_service.billing.attempts import AttemptContext
from dunning_service.billing.due_payments import DuePayment
from dunning_service.billing.models import BlockedMethodRow, ScheduledPaymentRow, SubscriptionRow
from dunning_service.billing.outcomes import ACTOR, TERMINATED, blocking_decline, dropped, row_change
from dunning_service.billing.schedule import FirstLease, first_payments, subscription_row
from dunning_service.billing.states import PaymentState, SubscriptionState
from dunning_service.billing.terms import NewSubscription
from dunning_service.errors import ActionDoesNotApply, NotFound, RuleBroken
from dunning_service.events import Delivery, Outcome, kept_headers
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
from dunning_service.merchants.directory import MerchantView, Principal
from dunning_service.recovery.declines import read_decline
from dunning_service.recovery.ladder import Ladder
from dunning_service.recovery.policy import Rule, within_limits
from dunning_service.senders import SUBSCRIPTIONS

EffectOf = Callable[[AttemptContext, datetime], Effect]

NO_SUCH_SUBSCRIPTION = "there is no subscription of that id"
FORGOTTEN = "the customer's data were erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedRequest:
    """A posted request: what is stored of it, and its idempotency key."""

    path: str
    headers: Iterable[tuple[bytes, bytes]]
    body: bytes
    idempotency_key: IdempotencyKey | None
    received_at: datetime

    @property
    def content_type(self) -> bytes | None:
        """The value of its Content-Type; None without one."""
        return next((value for name, value in self.headers if name == b"content-type"), None)

    @property
    def delivery(self) -> Delivery:
        """The delivery that is stored of it."""
        return Delivery(self.body, kept_headers(list(self.headers)), self.received_at)


def create(principal: Principal, new: NewSubscription, first: FirstLease, posted: PostedRequest) -> Command:
    """Creates a subscription and its payments; the answer holds its id.

    The first attempt of one that pays now has begun under the lease `first`, and the caller makes it.
    """
    subscription_id = str(uuid4())
    merchant = principal.merchant

    def execute(snapshot: Snapshot, now: datetime) -> Effect:
        row = subscription_row(
            new,
            merchant_id=merchant.id,
            subscription_id=subscription_id,
            token_id=principal.token_id,
            token_name=principal.token_name,
            now=now,
        )
        payments = first_payments(row, first, merchant.time_zone, now)
        inserts = [(SubscriptionRow, row), *((ScheduledPaymentRow, payment) for payment in payments)]
        return Effect({"id": subscription_id}, inserts=inserts)

    return Command(
        merchant_id=merchant.id,
        time_zone=merchant.time_zone,
        provider=SUBSCRIPTIONS.name,
        origin=posted.path,
        delivery=posted.delivery,
        idempotency_key=posted.idempotency_key,
        execute=execute,
    )


def terminate(merchant: MerchantView, subscription_id: str, posted: PostedRequest) -> Command:
    """Drops what is scheduled and cancels open failures; an attempt that is being made has its outcome recorded.

    Executed, it raises NotFound. Terminating what is terminated changes nothing.
    """
    this = _by_id(SubscriptionRow, merchant.id, subscription_id)
    payments = _of_subscription(merchant.id, subscription_id)

    def execute(snapshot: Snapshot, now: datetime) -> Effect:
        if not snapshot.rows[this]:
            raise NotFound(NO_SUCH_SUBSCRIPTION)
        subscription = snapshot.rows[this][0]
        answer = {"id": subscription_id}
        if subscription["status"] == SubscriptionState.TERMINATED:
            return Effect(answer)
        unsettled = _not_settled(snapshot.rows[payments])
        failed = [row["id"] for row in unsettled if row["status"] == PaymentState.FAILED]
        ended = {"status": SubscriptionState.TERMINATED, "ended_at": now}
        return Effect(
            answer,
            updates=[
                row_change(SubscriptionRow, subscription, ended),
                *(row_change(ScheduledPaymentRow, row, dropped(TERMINATED, now)) for row in unsettled),
            ],
            actions=[
                ActionTaken(provider_payment_id=payment, verb=ActionKind.CANCEL, actor=ACTOR, reason=TERMINATED)
                for payment in failed
            ],
            touched=failed,
        )

    return Command(
        merchant_id=merchant.id,
        time_zone=merchant.time_zone,
        provider=SUBSCRIPTIONS.name,
        origin=posted.path,
        delivery=posted.delivery,
        lookups=[this, payments],
        idempotency_key=posted.idempotency_key,
        is_idempotent=True,
        execute=execute,
    )


def forget_customer(merchant: MerchantView, subscription_id: str) -> Command:
    """Takes the customer out of a subscription that has ended; what was agreed and scheduled stays.

    Nothing is charged for it again, not even on request, because its customer is unknown then. What the ledger says of
    its payments stays. Executed, it raises NotFound, and RuleBroken for one that is not over.
    """
    this = _by_id(SubscriptionRow, merchant.id, subscription_id)
    payments = _of_subscription(merchant.id, subscription_id)

    def execute(snapshot: Snapshot, now: datetime) -> Effect:
        if not snapshot.rows[this]:
            raise NotFound(NO_SUCH_SUBSCRIPTION)
        subscription = snapshot.rows[this][0]
        may_go_on = subscription["status"] in (SubscriptionState.ACTIVE, SubscriptionState.PAUSED)
        if may_go_on or any(row["attempt_in_flight"] is not None for row in snapshot.rows[payments]):
            raise RuleBroken(f"the subscription {subscription_id} is not over, and its customer has to be known")
        without_customer = {
            "customer_id": str(uuid4()),
            "payment_method_id": str(uuid4()),
            "customer_name": None,
            "company_name": None,
            "names_folded": None,
            "customer_email": None,
            "customer_phone": None,
        }
        unsettled = _not_settled(snapshot.rows[payments])
        return Effect(
            {"id": subscription_id},
            updates=[
                row_change(SubscriptionRow, subscription, without_customer),
                *(row_change(ScheduledPaymentRow, row, dropped(FORGOTTEN, now)) for row in unsettled),
            ],
            keeps_delivery=False,
        )

    return Command(
        merchant_id=merchant.id,
        time_zone=merchant.time_zone,
        provider=SUBSCRIPTIONS.name,
        lookups=[this, payments],
        is_idempotent=True,
        execute=execute,
    )


def record(
    due: DuePayment,
    ladder: Ladder,
    effect_of: EffectOf,
    *,
    money_came_in: bool = False,
    delivery: Delivery | None = None,
    origin: str = "",
) -> Command:
    """Records the result of an attempt, unless it has been recorded: then the answer says so. Only money that came in
    is recorded however late the result is."""
    payment, subscription, number = due.payment, due.subscription, due.number
    merchant_id, payment_id = payment["merchant_id"], payment["id"]
    this = _by_id(ScheduledPaymentRow, merchant_id, payment_id)
    agreed = _by_id(SubscriptionRow, merchant_id, subscription["id"])
    blocked = _blocked_method(merchant_id, subscription["payment_method_id"])
    lookups = [this, agreed, blocked]
    # whether a subscription has begun, or has come to its end, is a matter of all its payments
    siblings = None
    if subscription["number_of_payments"] is not None or payment["number"] == 1:
        siblings = _of_subscription(merchant_id, subscription["id"])
        lookups.append(siblings)

    def execute(snapshot: Snapshot, now: datetime) -> Effect:
        row = snapshot.rows[this][0]
        if row["attempt_in_flight"] != number:
            is_news = money_came_in and not any(
                attempt.sequence == number and attempt.outcome == Outcome.SUCCEEDED
                for attempt in snapshot.attempts[payment_id]
            )
            if not is_news:
                return Effect({"is_recorded": False}, keeps_delivery=False)
        context = AttemptContext(
            payment=row,
            subscription=snapshot.rows[agreed][0],
            siblings=[row] if siblings is None else snapshot.rows[siblings],
            blocked=next(iter(snapshot.rows[blocked]), None),
            attempts=snapshot.attempts[payment_id],
            time_zone=due.time_zone,
            ladder=ladder,
        )
        return effect_of(context, now)

    return Command(
        merchant_id=merchant_id,
        time_zone=due.time_zone,
        provider=SUBSCRIPTIONS.name,
        provider_payment_ids=[payment_id],
        origin=origin,
        delivery=delivery,
        lookups=lookups,
        is_idempotent=True,
        execute=execute,
    )


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
    this = _by_id(ScheduledPaymentRow, merchant_id, payment_id)
    agreed = _by_id(SubscriptionRow, merchant_id, subscription_id)
    blocked = _blocked_method(merchant_id, payment_method_id)

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


def _not_settled(payments: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The payments that may still be charged and have no attempt in flight."""
    return [row for row in payments if row["status"] in (PaymentState.SCHEDULED, PaymentState.FAILED)]


def _by_id(model: type[SubscriptionRow] | type[ScheduledPaymentRow], merchant_id: int, identifier: str) -> Lookup:
    return Lookup(model, ("merchant_id", "id"), (merchant_id, identifier))


def _of_subscription(merchant_id: int, subscription_id: str) -> Lookup:
    return Lookup(ScheduledPaymentRow, ("merchant_id", "subscription_id"), (merchant_id, subscription_id))


def _blocked_method(merchant_id: int, payment_method_id: str) -> Lookup:
    return Lookup(BlockedMethodRow, ("merchant_id", "payment_method_id"), (merchant_id, payment_method_id))
