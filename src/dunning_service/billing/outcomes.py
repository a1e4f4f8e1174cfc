"""The effect of an attempt's result on its payment and its subscription. Pure: rows go in, an effect comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from dunning_service.billing.attempts import (
    AttemptContext,
    AttemptResult,
    earlier,
    happened_at,
    reported,
    requested_by,
    requested_tries,
)
from dunning_service.billing.models import BlockedMethodRow, ScheduledPaymentRow, SubscriptionRow
from dunning_service.billing.schedule import Row, following_payment
from dunning_service.billing.states import AttemptState, PaymentState, SubscriptionState
from dunning_service.database.engines import Base
from dunning_service.events import Category, Decline
from dunning_service.ledger.status import ActionKind, Status
from dunning_service.ledger.work import ActionTaken, Effect
from dunning_service.recovery.decline_codes import RetryRule
from dunning_service.recovery.declines import Reading, read_decline
from dunning_service.recovery.policy import WAITING, NextStep, Retry, Rule, Stop, decide

ACTOR: Final = "dunning-service"
"""The actor of actions that the service takes by itself."""

TERMINATED: Final = "the subscription was terminated"
NEVER_BEGAN: Final = "the first payment never succeeded"
ENDED: Final[Mapping[str, str]] = {SubscriptionState.TERMINATED: TERMINATED, SubscriptionState.FAILED: NEVER_BEGAN}
"""Why nothing more is charged for a subscription, by its status."""

_LOOK_AGAIN_FIRST: Final = timedelta(seconds=5)
LOOK_AGAIN_LAST: Final = timedelta(minutes=10)
_DECIDED: Final = timedelta(days=1)
"""How often it is checked whether such an action still holds: it may be taken back."""
_ONCE_TAKEN_BACK: Final[Mapping[str, str]] = {
    Status.INVOICED: "it fell due while it was invoiced, and is tried now that this has been taken back",
    Status.DEBT_COLLECTION: "it fell due while in debt collection, and is tried now that this has been taken back",
}
"""The reason of the next attempt, by the status that keeps it from being made; not shown while that holds."""

_NOTHING_PLANNED: Final[Row] = {"next_attempt_at": None, "wake_at": None, "requested_by": None}
_IDLE: Final[Row] = _NOTHING_PLANNED | {"attempt_in_flight": None, "gateway_id": None, "lookups": 0}
"""The columns of a payment without an attempt in flight, before anything is planned."""


def reason_to_leave(subscription: Mapping[str, Any], payment: Mapping[str, Any]) -> str | None:
    """The reason why a payment of a subscription that has ended is not charged any more; None where it is.

    An attempt that a person asked for is made, unless the subscription was terminated.
    """
    status = subscription["status"]
    return None if status != SubscriptionState.TERMINATED and payment["requested_by"] is not None else ENDED.get(status)


def dropped(why: str, now: datetime) -> Row:
    """The columns of a payment that is not charged any more, not even on request."""
    return {"status": PaymentState.CANCELLED, **_unplanned(why, now)}


def _unplanned(why: str, now: datetime) -> Row:
    """The columns of a payment that is not charged any more, except on request."""
    return _NOTHING_PLANNED | {"rule": None, "reason": why, "updated_at": now}


def unknown_outcome(context: AttemptContext, why: str, now: datetime) -> Effect:
    """The effect of an unknown outcome: the attempt is looked up again, soon at first and then less often."""
    changes = {
        "lookups": context.payment["lookups"] + 1,
        "wake_at": now + look_again_after(context.payment["lookups"]),
        "reason": why,
    }
    return Effect(
        {},
        inserts=_following(context, now),
        updates=[_change(context, changes, now)],
        keeps_delivery=False,
        # what is shown changes with the first time, or with the words
        touched=[] if context.payment["lookups"] and context.payment["reason"] == why else [context.payment["id"]],
    )


def look_again_after(lookups: int) -> timedelta:
    """The wait before the next lookup, after so many in vain."""
    return min(_LOOK_AGAIN_FIRST * (1 << min(lookups, 10)), LOOK_AGAIN_LAST)


def pending(context: AttemptContext, result: AttemptResult, now: datetime) -> Effect:
    """The effect of an attempt that the gateway has accepted and not settled: it is looked up again."""
    effect = unknown_outcome(context, "the gateway has accepted it and does not know the outcome yet", now)
    if any(held.sequence == result.number for held in context.attempts):
        return effect
    return replace(effect, events=[reported(context, result, None, {}, now)], keeps_delivery=True)


def succeeded(context: AttemptContext, result: AttemptResult, now: datetime) -> Effect:
    """The effect of a success: the payment is paid, also where the subscription has ended meanwhile."""
    number = max(result.number, context.payment["attempt_count"])
    changes = _IDLE | {"attempt_count": number, "status": PaymentState.PAID, "rule": None, "reason": None}
    updates = [
        _change(context, changes, now),
        *_completion(context, PaymentState.PAID, now),
        *_late_completion(context, now),
    ]
    return Effect({}, [reported(context, result, None, {}, now)], _following(context, now), updates)


def failed(context: AttemptContext, result: AttemptResult, now: datetime) -> Effect:
    """The effect of a failure: the policy decides whether the payment is tried again, and says why."""
    reading = read_decline(result.charged.decline)
    failed_at = happened_at(context, result, now)
    first_failed_at = context.payment["first_failed_at"] or failed_at
    failure = {"attempt_count": result.number, "status": PaymentState.FAILED, "first_failed_at": first_failed_at}
    changes = _IDLE | failure
    inserts: list[tuple[type[Base], Row]] = _blocking(context, reading, result.charged.decline, now)
    if context.subscription["status"] in ENDED:
        closing, actions = _closing(context)
        if not actions and requested_by(context, result) is not None:
            closing["reason"] = f"{reading.because}; nothing more is planned, because {closing['reason']}"
        event = reported(context, result, reading, {"why": closing["reason"]}, now)
        return Effect({}, [event], inserts, [_change(context, changes | closing, now)], actions)
    decision = _decision(context, result, reading, failed_at, first_failed_at, now)
    at = decision.at if isinstance(decision, Retry) else None
    changes |= {"rule": decision.rule.value, "reason": decision.why, "next_attempt_at": at, "wake_at": at}
    decided = {
        "rule": decision.rule.value,
        "why": decision.why,
        "next_attempt_at": None if at is None else at.isoformat(),
    }
    event = reported(context, result, reading, decided, now)
    if isinstance(decision, Stop) and _never_began(context):
        ending = _ending(context, now)
        return Effect(
            {}, [event], inserts, [_change(context, changes, now), *ending], touched=_failures_among(context, ending)
        )
    updates = [_change(context, changes, now)]
    if isinstance(decision, Stop):
        updates += _completion(context, PaymentState.FAILED, now)
    return Effect({}, [event], [*inserts, *_following(context, now)], updates)


def postponed(context: AttemptContext, why: str, now: datetime) -> Effect:
    """The effect of an attempt that could not be sent until the operator has put something right: it stays due."""
    at = now + look_again_after(context.payment["lookups"])
    has_failed = context.payment["attempt_count"] > 0
    changes: Row = _IDLE | {
        "status": PaymentState.FAILED if has_failed else PaymentState.SCHEDULED,
        "lookups": context.payment["lookups"] + 1,
        "next_attempt_at": at,
        "wake_at": at,
        "rule": Rule.POSTPONED.value,
        "reason": why,
        "requested_by": context.payment["requested_by"],
    }
    return Effect(
        {},
        inserts=_following(context, now),
        updates=[_change(context, changes, now)],
        keeps_delivery=False,
        touched=[context.payment["id"]],
    )


def withheld(context: AttemptContext, why: str, now: datetime, decided: str | None = None) -> Effect:
    """The effect of an attempt that is not to be made: the payment stays as it was, and nothing is planned.

    `why` is its reason unless the subscription has ended, which is reason enough. Otherwise an action has made the
    payment `decided`; whether it is still invoiced or in collection is checked once a day.
    """
    has_failed = context.payment["attempt_count"] > 0
    left_as = PaymentState.FAILED if has_failed else PaymentState.CANCELLED
    changes: Row = _IDLE | {"status": left_as, "rule": None, "reason": why}
    actions: Sequence[ActionTaken] = ()
    if context.subscription["status"] in ENDED:
        closing, actions = _closing(context)
        changes |= closing
    elif decided is not None and decided in _ONCE_TAKEN_BACK:
        changes |= {"reason": _ONCE_TAKEN_BACK[decided], "wake_at": now + _DECIDED}
        # nothing else is shown than the last time, if it was left alone then
        touched = [] if context.payment["reason"] == changes["reason"] else [context.payment["id"]]
        return Effect({}, updates=[_change(context, changes, now)], keeps_delivery=False, touched=touched)
    becomes = PaymentState.PAID if decided == Status.PAID else PaymentState.FAILED
    updates = [_change(context, changes, now), *_completion(context, becomes, now)]
    return Effect({}, updates=updates, actions=actions, keeps_delivery=False, touched=[context.payment["id"]])


def _decision(
    context: AttemptContext,
    result: AttemptResult,
    reading: Reading,
    failed_at: datetime,
    first_failed_at: datetime,
    now: datetime,
) -> NextStep:
    blocked_by = None if context.blocked is None else read_decline(blocking_decline(context.blocked))
    if blocked_by is not None and result.state is AttemptState.ERROR:
        return Stop(
            Rule.METHOD_BLOCKED,
            f"an earlier decline of this payment method forbids automatic tries: {blocked_by.because}",
        )
    return decide(
        reading,
        failed_at=failed_at,
        first_failed_at=first_failed_at,
        retries=result.number - 1 - requested_tries(context, result),
        ladder=context.ladder,
        zone=ZoneInfo(context.time_zone),
        now=now,
        blocked_by=blocked_by,
        card_tries=[*earlier(context, result), failed_at],
    )


def _closing(context: AttemptContext) -> tuple[Row, Sequence[ActionTaken]]:
    """The columns and actions for an unpaid payment of a subscription that has ended."""
    status = context.subscription["status"]
    changes: Row = {"rule": None, "reason": ENDED[status]}
    if status == SubscriptionState.TERMINATED:
        action = ActionTaken(
            provider_payment_id=context.payment["id"], verb=ActionKind.CANCEL, actor=ACTOR, reason=TERMINATED
        )
        return changes | {"status": PaymentState.CANCELLED}, [action]
    return changes, ()


def _change(context: AttemptContext, changes: Row, now: datetime) -> tuple[type[Base], Row]:
    return row_change(ScheduledPaymentRow, context.payment, changes | {"updated_at": now})


def row_change(model: type[Base], row: Mapping[str, Any], changes: Row) -> tuple[type[Base], Row]:
    """The update of a row with an id."""
    return model, {"merchant_id": row["merchant_id"], "id": row["id"], **changes}


def _following(context: AttemptContext, now: datetime) -> list[tuple[type[Base], Row]]:
    """The payment after this one, once this one has been tried for the first time."""
    if context.payment["attempt_count"] or context.payment["lookups"]:
        return []
    row = following_payment(context.subscription, context.payment["number"], context.time_zone, now)
    return [] if row is None else [(ScheduledPaymentRow, row)]


def _blocking(
    context: AttemptContext, reading: Reading, decline: Decline, now: datetime
) -> list[tuple[type[Base], Row]]:
    """The row that blocks the payment method for ever, if this decline does and none did before."""
    if reading.retry is not RetryRule.NEVER or context.blocked is not None:
        return []
    codes = {name: str(value) for name in Decline.__slots__ if (value := getattr(decline, name)) is not None}
    row = {
        "merchant_id": context.payment["merchant_id"],
        "payment_method_id": context.subscription["payment_method_id"],
        "blocked_at": now,
        "decline": codes,
    }
    return [(BlockedMethodRow, row)]


def blocking_decline(blocked: Mapping[str, Any]) -> Decline:
    """The decline that forbids a payment method."""
    codes = dict(blocked["decline"])
    if "category" in codes:
        codes["category"] = Category(codes["category"])
    return Decline(**codes)


def _never_began(context: AttemptContext) -> bool:
    """True when, this payment having failed for good, so has the first, and none was paid or may be just now: the
    subscription never came about."""
    others = _others(context)
    has_first_failed = context.payment["number"] == 1 or any(
        other["number"] == 1
        and other["status"] == PaymentState.FAILED
        and other["rule"] is not None
        and not _is_open(other)
        for other in others
    )
    return (
        context.subscription["status"] == SubscriptionState.ACTIVE
        and has_first_failed
        and not any(other["status"] in (PaymentState.PAID, PaymentState.PROCESSING) for other in others)
    )


def _failures_among(context: AttemptContext, updates: Sequence[tuple[type[Base], Row]]) -> list[str]:
    """The other payments that have failed, of those that are changed."""
    changed = {row["id"] for model, row in updates if model is ScheduledPaymentRow}
    failed = [other["id"] for other in _others(context) if other["status"] == PaymentState.FAILED]
    return [id_ for id_ in failed if id_ in changed]


def _others(context: AttemptContext) -> list[Mapping[str, Any]]:
    """The other payments of the subscription."""
    return [sibling for sibling in context.siblings if sibling["id"] != context.payment["id"]]


def _is_open(payment: Mapping[str, Any]) -> bool:
    """True of a payment that is not settled: it is tried, or planned, or waits for a person."""
    return (
        payment["status"] in (PaymentState.SCHEDULED, PaymentState.PROCESSING)
        or payment["next_attempt_at"] is not None
        or payment["rule"] in WAITING
    )


def _ending(context: AttemptContext, now: datetime) -> list[tuple[type[Base], Row]]:
    """The subscription has failed: what is still scheduled is dropped, and what has failed is not tried again."""
    updates = [row_change(SubscriptionRow, context.subscription, {"status": SubscriptionState.FAILED, "ended_at": now})]
    for sibling in _others(context):
        if sibling["status"] == PaymentState.SCHEDULED:
            updates.append(row_change(ScheduledPaymentRow, sibling, dropped(NEVER_BEGAN, now)))
        elif sibling["status"] == PaymentState.FAILED and sibling["wake_at"] is not None:
            updates.append(row_change(ScheduledPaymentRow, sibling, _unplanned(NEVER_BEGAN, now)))
    return updates


def _completion(context: AttemptContext, becomes: PaymentState, now: datetime) -> list[tuple[type[Base], Row]]:
    """The subscription is complete when all its payments are, one way or another, and at least one was paid."""
    subscription = context.subscription
    if subscription["number_of_payments"] is None or subscription["status"] != SubscriptionState.ACTIVE:
        return []
    others = _others(context)
    if any(_is_open(other) for other in others):
        return []
    is_any_paid = becomes == PaymentState.PAID or any(other["status"] == PaymentState.PAID for other in others)
    status = SubscriptionState.COMPLETED if is_any_paid else SubscriptionState.FAILED
    return [row_change(SubscriptionRow, subscription, {"status": status, "ended_at": now})]


def _late_completion(context: AttemptContext, now: datetime) -> list[tuple[type[Base], Row]]:
    """A subscription that had failed, because none of its payments was paid, is complete when one is paid after all;
    where payments were dropped when it failed, it stays as it is."""
    subscription = context.subscription
    if subscription["number_of_payments"] is None or subscription["status"] != SubscriptionState.FAILED:
        return []
    if any(_is_open(other) or other["status"] == PaymentState.CANCELLED for other in _others(context)):
        return []
    return [row_change(SubscriptionRow, subscription, {"status": SubscriptionState.COMPLETED, "ended_at": now})]
