"""The retry policy: what to do next about one failed payment, and why. Pure: no clock, no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from dunning_service.events import Category
from dunning_service.recovery.decline_codes import RetryRule
from dunning_service.recovery.declines import MASTERCARD, VISA, Reading
from dunning_service.recovery.ladder import Ladder, duration_text


class Rule(StrEnum):
    """The rule that decided: stable, for filters and metrics. The reason beside it is for people and may change.

    `decide` returns all but `postponed` and `requested`.
    """

    LADDER = "ladder"
    LADDER_USED_UP = "ladder_used_up"
    FEW_TRIES_USED_UP = "few_tries_used_up"
    NETWORK_ADVICE = "network_advice"
    NETWORK_LIMIT = "network_limit"
    NEVER_RETRY = "never_retry"
    METHOD_BLOCKED = "method_blocked"
    CUSTOMER_ACTION = "customer_action"
    AUTHENTICATION = "authentication"
    MERCHANT_FIX = "merchant_fix"
    POSTPONED = "postponed"
    """The attempt could not be sent to the gateway."""
    REQUESTED = "requested"
    """A person asked for the attempt."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The next attempt is at `at` (UTC, never in the past)."""

    at: datetime
    rule: Rule
    why: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is scheduled: the customer or the merchant has to do something first."""

    rule: Rule
    why: str


WAITING: Final = frozenset({Rule.CUSTOMER_ACTION, Rule.AUTHENTICATION, Rule.MERCHANT_FIX})
"""The rules of `Wait`."""


@dataclass(frozen=True, slots=True)
class Stop:
    """There is no automatic retry any more with this payment method."""

    rule: Rule
    why: str


NextStep = Retry | Wait | Stop

FEW_TRIES: Final[Mapping[Category, int]] = {Category.UNKNOWN: 2, Category.DO_NOT_HONOR: 3}
"""Most tries in all, the first included, where the merchant's ladder may be longer than is wise.

An unknown reason could be one of those that must not be tried again. "Do not honor" is soft for most providers, yet a
bank that answers it three times in a row will not change its mind, and notes the merchant that goes on asking.
"""


@dataclass(frozen=True, slots=True)
class NetworkLimit:
    """At most `tries` of one payment with one card in `window`; the network charges for more."""

    tries: int
    window: timedelta
    words: str


NETWORK_LIMITS: Final[Mapping[str, Sequence[NetworkLimit]]] = {
    VISA: (NetworkLimit(20, timedelta(days=30), "Visa allows 20 tries in 30 days"),),
    MASTERCARD: (
        NetworkLimit(10, timedelta(days=1), "Mastercard allows 10 tries in 24 hours"),
        NetworkLimit(35, timedelta(days=30), "Mastercard allows 35 tries in 30 days"),
    ),
}
"""The networks count by card, amount and merchant, Visa from the second try on. What is counted here are the tries of
one payment, all of them: several payments of one card that fail side by side may come to more than the network's sum.
"""


def decide(
    reading: Reading,
    *,
    failed_at: datetime,
    first_failed_at: datetime,
    retries: int,
    ladder: Ladder,
    zone: tzinfo,
    now: datetime,
    blocked_by: Reading | None = None,
    card_tries: Sequence[datetime] = (),
) -> NextStep:
    """Decides about a payment whose newest attempt failed: retry, wait or stop.

    `retries` is how many automatic retries it has had, counted from the attempts that are stored: the first try and
    those that a person started do not count. `failed_at` is the newest attempt's time. `blocked_by` is an earlier
    decline of the same payment method that forbids trying it ever again. `card_tries` are the tries that count against
    the network's limits.

    A retry is never before `now`, before its step of the ladder, or before what the network asks to wait. A step that
    was missed (the service was down) is not made up for at once with the next: the ladder's distance between two tries
    is kept.
    """
    without_ladder = _without_ladder(reading, blocked_by)
    if without_ladder is not None:
        return without_ladder
    few = FEW_TRIES.get(reading.category)
    total = len(ladder) if few is None else min(len(ladder), few - 1)
    if retries >= total:
        return _used_up(reading, total, is_few=few is not None and total < len(ladder))

    planned = ladder.moment(retries, first_failed_at, zone)
    why = f"{reading.because}: retry {retries + 1} of {total} is {ladder.words(retries, zone)}"
    if planned <= failed_at:
        planned = ladder.spaced(retries, failed_at, zone)
        why += ", a time that had passed at the last try, so it keeps the same distance from that"
    rule = Rule.LADDER
    if reading.wait is not None and failed_at + reading.wait > planned:
        planned = failed_at + reading.wait
        rule = Rule.NETWORK_ADVICE
        why += f"; moved because {reading.wait_because} asks to wait {duration_text(reading.wait)} after the decline"
    at, limit = within_limits(reading.network, card_tries, max(planned, now))
    if limit is not None:
        rule = Rule.NETWORK_LIMIT
        why += f"; moved because {limit.words} with one card and amount"
    elif planned < now:
        why += "; that time has passed, so it is due at once"
    return Retry(at, rule, why)


def _without_ladder(reading: Reading, blocked_by: Reading | None) -> Wait | Stop | None:
    """The decision that needs no ladder; None where the ladder decides."""
    because = reading.because
    if reading.retry is RetryRule.NEVER:
        rule = Rule.NETWORK_ADVICE if reading.is_network_advice else Rule.NEVER_RETRY
        return Stop(rule, f"{because}: this payment method is not tried again")
    if blocked_by is not None:
        return Stop(
            Rule.METHOD_BLOCKED,
            f"{because}; an earlier decline of this payment method forbids automatic tries: {blocked_by.because}",
        )
    match reading.retry:
        case RetryRule.AFTER_CUSTOMER_ACTION:
            return Wait(Rule.CUSTOMER_ACTION, f"{because}: waiting for the customer, nothing is scheduled")
        case RetryRule.AFTER_AUTHENTICATION:
            return Wait(
                Rule.AUTHENTICATION, f"{because}: waiting for the customer to authenticate, nothing is scheduled"
            )
        case RetryRule.AFTER_MERCHANT_FIX:
            return Wait(Rule.MERCHANT_FIX, f"{because}: waiting for the merchant to put it right, nothing is scheduled")
        case _:
            return None


def _used_up(reading: Reading, total: int, *, is_few: bool) -> Stop:
    if is_few:
        return Stop(Rule.FEW_TRIES_USED_UP, f"{reading.because}: it gets {total + 1} tries in all, and has had them")
    if total == 0:
        return Stop(Rule.LADDER_USED_UP, f"{reading.because}: the merchant's ladder has no retries")
    made = f"all {total} retries" if total > 1 else "the one retry"
    return Stop(Rule.LADDER_USED_UP, f"{reading.because}: {made} of the ladder {'are' if total > 1 else 'is'} used up")


def within_limits(
    network: str | None, card_tries: Sequence[datetime], at: datetime
) -> tuple[datetime, NetworkLimit | None]:
    """The first moment from `at` on that keeps the network's limits, and the limit that moved it, if one did."""
    tries = sorted(card_tries)
    moved_by = None
    for limit in NETWORK_LIMITS.get(network or "", ()):
        if len(tries) >= limit.tries and tries[-limit.tries] + limit.window > at:
            at = tries[-limit.tries] + limit.window
            moved_by = limit
    return at, moved_by
