"""What a payment's facts add up to. Pure: the same facts, in whatever order they arrived, give the same payment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from dunning_service.ledger.fields import folded, phone_key
from dunning_service.ledger.status import Status, Verb, folded_status
from dunning_service.money import MAX_MINOR
from dunning_service.providers import Category, Outcome

_NEVER = datetime.min.replace(tzinfo=UTC)
_RANK = {
    Outcome.PENDING: 0,
    Outcome.FAILED: 1,
    Outcome.CANCELED: 2,
    Outcome.SUCCEEDED: 3,
    Outcome.GUARANTEED: 3,
}
_SUCCESSES = (Outcome.SUCCEEDED, Outcome.GUARANTEED)

ERASED_PAYER = "erased:"
"""What the name of a payer begins with whose own name was erased."""


class Attempt(NamedTuple):
    """One revision of one attempt: a row of `attempts` without the payment it belongs to."""

    provider_attempt_id: str
    digest: bytes
    reading: int
    delivery_digest: bytes | None
    outcome: str
    occurred_at: datetime
    occurred_at_known: bool
    stated_at: datetime | None
    received_at: datetime
    sequence: int
    amount_minor: int | None
    currency: str | None
    code: str | None
    message: str | None
    category: str | None
    provider_customer_id: str | None
    provider_subscription_id: str | None
    customer_name: str | None
    customer_email: str | None
    customer_phone: str | None
    description: str | None
    payer_key: str | None
    details: dict[str, Any]
    erased_at: datetime | None = None


class Action(NamedTuple):
    """One decision about a payment: a row of `actions` without the payment it belongs to."""

    number: int
    verb: str
    actor: str
    reason: str | None
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """One revision of a notice of money received that names a payer but no payment."""

    provider_receipt_id: str
    digest: bytes
    payer_key: str
    amount_minor: int | None
    currency: str | None


class Revision(Protocol):
    """What decides between two statements about the same attempt."""

    @property
    def provider_attempt_id(self) -> str: ...
    @property
    def digest(self) -> bytes: ...
    @property
    def reading(self) -> int: ...
    @property
    def outcome(self) -> str: ...
    @property
    def stated_at(self) -> datetime | None: ...


def _revision_order(revision: Revision) -> tuple[datetime, int, int, bytes]:
    """The sender's time, then rank, then how often the notice was read (a corrected reading holds), then digest."""
    return (
        revision.stated_at or _NEVER,
        _RANK[Outcome(revision.outcome)],
        revision.reading,
        revision.digest,
    )


def current_attempts(revisions: Iterable[Any]) -> list[Any]:
    """The revision that holds of each attempt, among rows that look like `Revision`; in no particular order."""
    current: dict[str, Any] = {}
    for revision in revisions:
        held = current.get(revision.provider_attempt_id)
        if held is None or _revision_order(revision) > _revision_order(held):
            current[revision.provider_attempt_id] = revision
    return list(current.values())


def _newest_first(revisions: Collection[Attempt]) -> list[Attempt]:
    """The revisions that hold, one for each attempt."""
    if len(revisions) < 2:
        return list(revisions)
    return sorted(current_attempts(revisions), key=_age, reverse=True)


def _age(attempt: Attempt) -> tuple[datetime, int, str]:
    """Sorts attempts oldest first; one whose time its sender did not tell counts as the oldest."""
    return (
        attempt.occurred_at if attempt.occurred_at_known else _NEVER,
        attempt.sequence,
        attempt.provider_attempt_id,
    )


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def day_in_zone(moment: datetime, time_zone: str) -> date:
    """The calendar day of a moment where the merchant is."""
    try:
        return moment.astimezone(_zone(time_zone)).date()
    except OverflowError:  # the first or the last day that a date can hold
        return moment.date()


class FoldedPayment(NamedTuple):
    """The derived columns of a payment: a row of `payments` without its identity and its times of change."""

    status: Status
    order_on: date | None
    first_failed_at: datetime | None
    last_failed_at: datetime | None
    attempt_count: int
    failed_attempt_count: int
    amount_minor: int | None
    currency: str | None
    paid_minor: int
    code: str | None
    message: str | None
    category: str
    provider_customer_id: str | None
    provider_subscription_id: str | None
    customer_name: str | None
    customer_name_folded: str | None
    customer_email: str | None
    customer_email_folded: str | None
    customer_phone: str | None
    customer_phone_key: str | None
    description: str | None
    payer_key: str | None
    provider_receipt_id: str | None
    details: dict[str, Any]


_SHOWN = (
    "code",
    "message",
    "category",
    "provider_customer_id",
    "provider_subscription_id",
    "customer_name",
    "customer_email",
    "customer_phone",
    "description",
)


def fold_payment(
    revisions: Collection[Attempt], actions: Sequence[Action], receipt: Receipt | None, time_zone: str
) -> FoldedPayment:
    """The payment that these facts describe. `revisions` holds at least one attempt; `receipt` is the applied one."""
    attempts = _newest_first(revisions)
    newest = attempts[0]
    # one that failed once stays a failed payment, also when the same attempt is later said to have succeeded
    failed = _newest_first([revision for revision in revisions if revision.outcome == Outcome.FAILED])
    # what is owed is what was tried and not paid: a part payment of 40 does not make a debt of 100 one of 40
    owing = [attempt for attempt in attempts if attempt.outcome not in _SUCCESSES] or attempts
    amount = _first(attempt.amount_minor for attempt in owing)
    currency = _first(attempt.currency for attempt in owing)
    covered, paid_minor = _coverage(attempts, currency, receipt)

    first_failed = _earliest(failed)
    last_failed = failed[0] if failed else None
    decided = next((attempt for attempt in attempts if attempt.outcome != Outcome.PENDING), None)
    shown = _newest_values(attempts)
    return FoldedPayment(
        status=folded_status(
            is_covered=covered,
            verbs=in_time_order(actions) if actions else (),
            newest_is_canceled=decided is not None and decided.outcome == Outcome.CANCELED,
        ),
        order_on=None if first_failed is None else day_in_zone(first_failed.occurred_at, time_zone),
        first_failed_at=None if first_failed is None else first_failed.occurred_at,
        last_failed_at=None if last_failed is None else last_failed.occurred_at,
        attempt_count=len(attempts),
        failed_attempt_count=len(failed),
        amount_minor=amount,
        currency=currency,
        paid_minor=paid_minor,
        code=shown.code,
        message=shown.message,
        category=shown.category or Category.UNKNOWN,
        provider_customer_id=shown.provider_customer_id or None,
        provider_subscription_id=shown.provider_subscription_id or None,
        customer_name=shown.customer_name or None,
        customer_name_folded=folded(shown.customer_name or None),
        customer_email=shown.customer_email or None,
        customer_email_folded=folded(shown.customer_email or None),
        customer_phone=shown.customer_phone or None,
        customer_phone_key=phone_key(shown.customer_phone or None),
        description=shown.description or None,
        payer_key=_payer_key(attempts, revisions),
        provider_receipt_id=None if receipt is None else receipt.provider_receipt_id,
        details=newest.details,
    )


def in_time_order(actions: Iterable[Action]) -> list[Verb]:
    """The decisions as they were made; of two made at the same moment, as they were recorded."""
    return [Verb(action.verb) for action in sorted(actions, key=lambda action: (action.decided_at, action.number))]


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def _newest_values(attempts: Sequence[Attempt]) -> Attempt:
    """The newest attempt, each of whose shown fields has the newest value that is not null.

    One that is empty was told to be: it is not shown, nor is an older one in its place.
    """
    newest = attempts[0]
    if len(attempts) == 1:
        return newest
    return newest._replace(**{name: _first(getattr(attempt, name) for attempt in attempts) for name in _SHOWN})


def _payer_key(attempts: Sequence[Attempt], revisions: Iterable[Attempt]) -> str | None:
    """The newest that an attempt names; but one that was erased holds, whoever is named or corrected afterwards.

    The receipts that paid were renamed with it, and are not found under the name that a new statement brings.
    """
    named = [attempt.payer_key for attempt in attempts if attempt.payer_key is not None]
    erased = {
        one.payer_key for one in revisions if one.payer_key is not None and one.payer_key.startswith(ERASED_PAYER)
    }
    return next((key for key in named if key in erased), min(erased, default=named[0] if named else None))


def _earliest(failed: Sequence[Attempt]) -> Attempt | None:
    """The first failed attempt. A time the sender told goes before an arrival, however early the arrival was."""
    return min(failed, key=lambda attempt: (not attempt.occurred_at_known, attempt.occurred_at), default=None)


def _coverage(attempts: Sequence[Attempt], currency: str | None, receipt: Receipt | None) -> tuple[bool, int]:
    """Whether what was received covers what is owed, and what it adds up to in `currency`. Newest attempt first.

    An attempt after a part payment is for the rest: after 100 that failed, 60 that succeeded and 40 that failed, 40 are
    open. One after the whole was paid adds nothing: a failure of another attempt does not undo a success. An unknown
    amount counts as covered by any success; money in another currency does not count.
    """
    owed: int | None = None
    received: list[int | None] = []
    paid_minor = 0
    for attempt in reversed(attempts):
        amount = attempt.amount_minor
        if not is_same_currency(attempt.currency, currency):
            continue
        if attempt.outcome in _SUCCESSES:
            received.append(amount)
            paid_minor += amount or 0
        elif amount is not None and (owed is None or paid_minor < owed):
            owed = amount if owed is None else paid_minor + amount
    if receipt is not None and is_same_currency(receipt.currency, currency):
        received.append(receipt.amount_minor)
        paid_minor += receipt.amount_minor or 0
    covered = bool(received) and (None in received or owed is None or paid_minor >= owed)
    return covered, min(paid_minor, MAX_MINOR)


def is_same_currency(one: str | None, other: str | None) -> bool:
    """True when they do not contradict: an unknown currency may be any."""
    return one is None or other is None or one == other
