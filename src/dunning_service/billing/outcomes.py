"""What the outcome of an attempt means for its payment and its subscription. Pure: rows go in, an effect comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from dunning_service.billing.attempts import (
    Known,
    Told,
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
"""Who decides what the service decides by itself."""

TERMINATED: Final = "the subscription was terminated"
NEVER_BEGAN: Final = "the first payment never succeeded"
ENDED: Final[Mapping[str, str]] = {SubscriptionState.TERMINATED: TERMINATED, SubscriptionState.FAILED: NEVER_BEGAN}
"""Why nothing more is charged for a subscription, by its status."""

_LOOK_AGAIN_FIRST: Final = timedelta(seconds=5)
LOOK_AGAIN_LAST: Final = timedelta(minutes=10)
_DECIDED: Final = timedelta(days=1)
"""How often it is looked at whether such a decision still holds: it may be taken back."""
_ONCE_TAKEN_BACK: Final[Mapping[str, str]] = {
    Status.INVOICED: "it fell due while it was invoiced, and is tried now that this has been taken back",
    Status.DEBT_COLLECTION: "it fell due while in debt collection, and is tried now that this has been taken back",
}
"""Why it is tried when it is looked at next; nobody is told while the decision holds."""


def reason_to_leave(subscription: Mapping[str, Any], payment: Mapping[str, Any]) -> str | None:
    """Why a payment is not charged any more, because its subscription has ended; None where it is.

    What somebody asked for is charged, unless the subscription was terminated.
    """
    status = subscription["status"]
    return None if status != SubscriptionState.TERMINATED and payment["requested_by"] is not None else ENDED.get(status)


def dropped(why: str, now: datetime) -> Row:
    """What holds of a payment of which nothing is to be charged any more, not even if somebody asks for it."""
    return {"status": PaymentState.CANCELLED, **_unplanned(why, now)}


def _unplanned(why: str, now: datetime) -> Row:
    """What holds of a payment that is not charged any more unless somebody asks for it."""
    return {
        "next_attempt_at": None,
        "wake_at": None,
        "rule": None,
        "reason": why,
        "requested_by": None,
        "updated_at": now,
    }


def unknown_outcome(known: Known, why: str, now: datetime) -> Effect:
    """The attempt is looked up again: soon at first, and then less and less often."""
    changes = {
        "lookups": known.payment["lookups"] + 1,
        "wake_at": now + look_again_after(known.payment["lookups"]),
        "reason": why,
    }
    return Effect(
        {},
        inserts=_following(known, now),
        updates=[_change(known, changes, now)],
        keeps_delivery=False,
        # what is shown changes with the first time, or with the words
        touched=[] if known.payment["lookups"] and known.payment["reason"] == why else [known.payment["id"]],
    )


def look_again_after(lookups: int) -> timedelta:
    """How long to wait after so many lookups in vain."""
    return min(_LOOK_AGAIN_FIRST * (1 << min(lookups, 10)), LOOK_AGAIN_LAST)


def pending(known: Known, told: Told, now: datetime) -> Effect:
    """The gateway has the attempt and cannot say yet; it is looked up again."""
    effect = unknown_outcome(known, "the gateway has accepted it and does not know the outcome yet", now)
    if any(held.sequence == told.number for held in known.attempts):
        return effect
    return Effect({}, [reported(known, told, None, {}, now)], effect.inserts, effect.updates, touched=effect.touched)


def succeeded(known: Known, told: Told, now: datetime) -> Effect:
    """The payment is paid, whatever became of the subscription meanwhile."""
    number = max(told.number, known.payment["attempt_count"])
    changes = _settled(number) | {"status": PaymentState.PAID, "rule": None, "reason": None}
    updates = [_change(known, changes, now), *_completion(known, PaymentState.PAID, now), *_late_completion(known, now)]
    return Effect({}, [reported(known, told, None, {}, now)], _following(known, now), updates)


def failed(known: Known, told: Told, now: datetime) -> Effect:
    """The payment has failed; the policy says whether it is tried again, and why or why not."""
    reading = read_decline(told.charged.decline)
    failed_at = happened_at(known, told, now)
    first_failed_at = known.payment["first_failed_at"] or failed_at
    changes = _settled(told.number) | {"status": PaymentState.FAILED, "first_failed_at": first_failed_at}
    inserts: list[tuple[type[Base], Row]] = _blocking(known, reading, told.charged.decline, now)
    if known.subscription["status"] in ENDED:
        closing, actions = _closing(known)
        if not actions and requested_by(known, told) is not None:
            closing["reason"] = f"{reading.because}; nothing more is planned, because {closing['reason']}"
        event = reported(known, told, reading, {"why": closing["reason"]}, now)
        return Effect({}, [event], inserts, [_change(known, changes | closing, now)], actions)
    decision = _decision(known, told, reading, failed_at, first_failed_at, now)
    at = decision.at if isinstance(decision, Retry) else None
    changes |= {"rule": decision.rule.value, "reason": decision.why, "next_attempt_at": at, "wake_at": at}
    told_of_it = {
        "rule": decision.rule.value,
        "why": decision.why,
        "next_attempt_at": None if at is None else at.isoformat(),
    }
    event = reported(known, told, reading, told_of_it, now)
    if isinstance(decision, Stop) and _never_began(known):
        ending = _ending(known, now)
        return Effect(
            {}, [event], inserts, [_change(known, changes, now), *ending], touched=_failures_among(known, ending)
        )
    updates = [_change(known, changes, now)]
    if isinstance(decision, Stop):
        updates += _completion(known, PaymentState.FAILED, now)
    return Effect({}, [event], [*inserts, *_following(known, now)], updates)


def postponed(known: Known, why: str, now: datetime) -> Effect:
    """Nothing was asked of a gateway, because of something that the operator has to put right: it stays due."""
    at = now + look_again_after(known.payment["lookups"])
    has_failed = known.payment["attempt_count"] > 0
    changes: Row = _idle() | {
        "status": PaymentState.FAILED if has_failed else PaymentState.SCHEDULED,
        "lookups": known.payment["lookups"] + 1,
        "next_attempt_at": at,
        "wake_at": at,
        "rule": Rule.POSTPONED.value,
        "reason": why,
        "requested_by": known.payment["requested_by"],
    }
    return Effect(
        {},
        inserts=_following(known, now),
        updates=[_change(known, changes, now)],
        keeps_delivery=False,
        touched=[known.payment["id"]],
    )


def withheld(known: Known, why: str, now: datetime, decided: str | None = None) -> Effect:
    """The attempt was never begun, and is not to be: the payment stands as it did before, and nothing is planned.

    `why` is told unless the subscription has ended, which says enough. Otherwise somebody has made the payment
    `decided`; whether it is still invoiced or in collection is looked at again and again.
    """
    has_failed = known.payment["attempt_count"] > 0
    left_as = PaymentState.FAILED if has_failed else PaymentState.CANCELLED
    changes: Row = _idle() | {"status": left_as, "rule": None, "reason": why}
    actions: Sequence[ActionTaken] = ()
    if known.subscription["status"] in ENDED:
        closing, actions = _closing(known)
        changes |= closing
    elif decided is not None and decided in _ONCE_TAKEN_BACK:
        changes |= {"reason": _ONCE_TAKEN_BACK[decided], "wake_at": now + _DECIDED}
        # nothing else is shown than the last time, if it was left alone then
        touched = [] if known.payment["reason"] == changes["reason"] else [known.payment["id"]]
        return Effect({}, updates=[_change(known, changes, now)], keeps_delivery=False, touched=touched)
    becomes = PaymentState.PAID if decided == Status.PAID else PaymentState.FAILED
    updates = [_change(known, changes, now), *_completion(known, becomes, now)]
    return Effect({}, updates=updates, actions=actions, keeps_delivery=False, touched=[known.payment["id"]])


def _decision(
    known: Known, told: Told, reading: Reading, failed_at: datetime, first_failed_at: datetime, now: datetime
) -> NextStep:
    blocked_by = _blocked_by(known)
    if blocked_by is not None and told.state is AttemptState.ERROR:
        return Stop(
            Rule.METHOD_BLOCKED,
            f"an earlier decline of this payment method forbids automatic tries: {blocked_by.because}",
        )
    return decide(
        reading,
        failed_at=failed_at,
        first_failed_at=first_failed_at,
        retries=told.number - 1 - requested_tries(known, told),
        ladder=known.ladder,
        zone=ZoneInfo(known.time_zone),
        now=now,
        blocked_by=blocked_by,
        card_tries=[*earlier(known, told), failed_at],
    )


def _closing(known: Known) -> tuple[Row, Sequence[ActionTaken]]:
    """What becomes of a payment that has not been paid when its subscription has ended."""
    status = known.subscription["status"]
    changes: Row = {"rule": None, "reason": ENDED[status]}
    if status == SubscriptionState.TERMINATED:
        action = ActionTaken(
            provider_payment_id=known.payment["id"], verb=ActionKind.CANCEL, actor=ACTOR, reason=TERMINATED
        )
        return changes | {"status": PaymentState.CANCELLED}, [action]
    return changes, ()


def _idle() -> Row:
    """What holds of a payment at which nothing is being tried, before anything else is planned."""
    return {
        "attempt_in_flight": None,
        "gateway_id": None,
        "lookups": 0,
        "next_attempt_at": None,
        "wake_at": None,
        "requested_by": None,
    }


def _settled(number: int) -> Row:
    """What holds of a payment whose attempt has an outcome, before anything else is planned."""
    return _idle() | {"attempt_count": number}


def _change(known: Known, changes: Row, now: datetime) -> tuple[type[Base], Row]:
    return _row_change(ScheduledPaymentRow, known.payment, changes | {"updated_at": now})


def _row_change(model: type[Base], row: Mapping[str, Any], changes: Row) -> tuple[type[Base], Row]:
    return model, {"merchant_id": row["merchant_id"], "id": row["id"], **changes}


def _following(known: Known, now: datetime) -> list[tuple[type[Base], Row]]:
    """The payment after this one, once this one has been tried for the first time."""
    if known.payment["attempt_count"] or known.payment["lookups"]:
        return []
    row = following_payment(known.subscription, known.payment["number"], known.time_zone, now)
    return [] if row is None else [(ScheduledPaymentRow, row)]


def _blocking(known: Known, reading: Reading, decline: Decline, now: datetime) -> list[tuple[type[Base], Row]]:
    """What forbids this payment method for ever, if this decline does and none did before."""
    if reading.retry is not RetryRule.NEVER or known.blocked is not None:
        return []
    told = {name: str(value) for name in Decline.__slots__ if (value := getattr(decline, name)) is not None}
    row = {
        "merchant_id": known.payment["merchant_id"],
        "payment_method_id": known.subscription["payment_method_id"],
        "blocked_at": now,
        "decline": told,
    }
    return [(BlockedMethodRow, row)]


def _blocked_by(known: Known) -> Reading | None:
    return None if known.blocked is None else read_decline(blocking_decline(known.blocked))


def blocking_decline(blocked: Mapping[str, Any]) -> Decline:
    """The decline that forbids a payment method."""
    told = dict(blocked["decline"])
    if "category" in told:
        told["category"] = Category(told["category"])
    return Decline(**told)


def _never_began(known: Known) -> bool:
    """True when, this payment having failed for good, so has the first, and none was paid or may be just now: the
    subscription never came about."""
    others = _others(known)
    has_first_failed = known.payment["number"] == 1 or any(
        other["number"] == 1
        and other["status"] == PaymentState.FAILED
        and other["rule"] is not None
        and not _is_open(other)
        for other in others
    )
    return (
        known.subscription["status"] == SubscriptionState.ACTIVE
        and has_first_failed
        and not any(other["status"] in (PaymentState.PAID, PaymentState.PROCESSING) for other in others)
    )


def _failures_among(known: Known, updates: Sequence[tuple[type[Base], Row]]) -> list[str]:
    """The other payments that have failed, of those that are changed."""
    changed = {row["id"] for model, row in updates if model is ScheduledPaymentRow}
    failed = [other["id"] for other in _others(known) if other["status"] == PaymentState.FAILED]
    return [id_ for id_ in failed if id_ in changed]


def _others(known: Known) -> list[Mapping[str, Any]]:
    """The other payments of the subscription."""
    return [sibling for sibling in known.siblings if sibling["id"] != known.payment["id"]]


def _is_open(payment: Mapping[str, Any]) -> bool:
    """True when more is to become of it: it is tried, or planned, or somebody has to do something first."""
    return (
        payment["status"] in (PaymentState.SCHEDULED, PaymentState.PROCESSING)
        or payment["next_attempt_at"] is not None
        or payment["rule"] in WAITING
    )


def _ending(known: Known, now: datetime) -> list[tuple[type[Base], Row]]:
    """The subscription has failed: what is still scheduled is dropped, and what has failed is not tried again."""
    updates = [_row_change(SubscriptionRow, known.subscription, {"status": SubscriptionState.FAILED, "ended_at": now})]
    for sibling in _others(known):
        if sibling["status"] == PaymentState.SCHEDULED:
            updates.append(_row_change(ScheduledPaymentRow, sibling, dropped(NEVER_BEGAN, now)))
        elif sibling["status"] == PaymentState.FAILED and sibling["wake_at"] is not None:
            updates.append(_row_change(ScheduledPaymentRow, sibling, _unplanned(NEVER_BEGAN, now)))
    return updates


def _completion(known: Known, becomes: PaymentState, now: datetime) -> list[tuple[type[Base], Row]]:
    """The subscription is complete when all its payments are, one way or another, and at least one was paid."""
    subscription = known.subscription
    if subscription["number_of_payments"] is None or subscription["status"] != SubscriptionState.ACTIVE:
        return []
    others = _others(known)
    if any(_is_open(other) for other in others):
        return []
    is_any_paid = becomes == PaymentState.PAID or any(other["status"] == PaymentState.PAID for other in others)
    status = SubscriptionState.COMPLETED if is_any_paid else SubscriptionState.FAILED
    return [_row_change(SubscriptionRow, subscription, {"status": status, "ended_at": now})]


def _late_completion(known: Known, now: datetime) -> list[tuple[type[Base], Row]]:
    """A subscription that had failed, because none of its payments was paid, is complete when one is paid after all;
    where payments were dropped when it failed, it stays as it is."""
    subscription = known.subscription
    if subscription["number_of_payments"] is None or subscription["status"] != SubscriptionState.FAILED:
        return []
    if any(_is_open(other) or other["status"] == PaymentState.CANCELLED for other in _others(known)):
        return []
    return [_row_change(SubscriptionRow, subscription, {"status": SubscriptionState.COMPLETED, "ended_at": now})]
