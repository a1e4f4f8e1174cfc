"""Commands of the ledger for subscriptions and their payments: the rows each one reads, and its effect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from dunning_service.billing.attempts import AttemptContext
from dunning_service.billing.due_payments import DuePayment
from dunning_service.billing.models import BlockedMethodRow, ScheduledPaymentRow, SubscriptionRow
from dunning_service.billing.outcomes import ACTOR, TERMINATED, dropped
from dunning_service.billing.schedule import FirstLease, first_payments, subscription_row
from dunning_service.billing.states import PaymentState, SubscriptionState
from dunning_service.billing.terms import NewSubscription
from dunning_service.errors import NotFound, RuleBroken
from dunning_service.events import Delivery, Outcome
from dunning_service.ledger.status import ActionKind
from dunning_service.ledger.work import ActionTaken, Command, Effect, IdempotencyKey, Lookup, Snapshot
from dunning_service.merchants.directory import MerchantView, Principal
from dunning_service.recovery.ladder import Ladder
from dunning_service.senders import SUBSCRIPTIONS

EffectOf = Callable[[AttemptContext, datetime], Effect]

NO_SUCH_SUBSCRIPTION = "there is no subscription of that id"
FORGOTTEN = "the customer's data were erased"


def create(
    principal: Principal,
    new: NewSubscription,
    first: FirstLease,
    *,
    path: str,
    delivery: Delivery,
    idempotency_key: IdempotencyKey | None,
) -> Command:
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
        origin=path,
        delivery=delivery,
        idempotency_key=idempotency_key,
        execute=execute,
    )


def terminate(
    merchant: MerchantView,
    subscription_id: str,
    *,
    path: str,
    delivery: Delivery,
    idempotency_key: IdempotencyKey | None,
) -> Command:
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
        key = {"merchant_id": merchant.id}
        ended = {"status": SubscriptionState.TERMINATED, "ended_at": now}
        return Effect(
            answer,
            updates=[
                (SubscriptionRow, key | {"id": subscription_id} | ended),
                *((ScheduledPaymentRow, key | {"id": row["id"]} | dropped(TERMINATED, now)) for row in unsettled),
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
        origin=path,
        delivery=delivery,
        lookups=[this, payments],
        idempotency_key=idempotency_key,
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
        status = snapshot.rows[this][0]["status"]
        may_go_on = status in (SubscriptionState.ACTIVE, SubscriptionState.PAUSED)
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
        key = {"merchant_id": merchant.id}
        return Effect(
            {"id": subscription_id},
            updates=[
                (SubscriptionRow, key | {"id": subscription_id} | without_customer),
                *((ScheduledPaymentRow, key | {"id": row["id"]} | dropped(FORGOTTEN, now)) for row in unsettled),
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
    method = subscription["payment_method_id"]
    blocked = Lookup(BlockedMethodRow, ("merchant_id", "payment_method_id"), (merchant_id, method))
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


def _not_settled(payments: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The payments that may still be charged and have no attempt in flight."""
    return [row for row in payments if row["status"] in (PaymentState.SCHEDULED, PaymentState.FAILED)]


def _by_id(model: type[SubscriptionRow] | type[ScheduledPaymentRow], merchant_id: int, identifier: str) -> Lookup:
    return Lookup(model, ("merchant_id", "id"), (merchant_id, identifier))


def _of_subscription(merchant_id: int, subscription_id: str) -> Lookup:
    return Lookup(ScheduledPaymentRow, ("merchant_id", "subscription_id"), (merchant_id, subscription_id))
