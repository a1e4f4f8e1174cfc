"""The fold: computes a payment from its facts. Pure: the same facts, in any order of arrival, give the same payment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from dunning_service.events import Category, Outcome
from dunning_service.ledger.facts import Action, Attempt, Receipt
from dunning_service.ledger.status import ActionKind, Status, deciding_place, folded_status
from dunning_service.values.money import MAX_MINOR

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


class Revision(Protocol):
    """The fields of a revision that decide which of two about one attempt holds."""

    @property
    def provider_attempt_id(self) -> str: ...
    @property
    def digest(self) -> bytes: ...
    @property
    def is_superseded(self) -> bool: ...
    @property
    def outcome(self) -> str: ...
    @property
    def stated_at(self) -> datetime | None: ...
    @property
    def received_at(self) -> datetime: ...


def _revision_order(revision: Revision) -> tuple[datetime, int, datetime, bytes]:
    """The sender's time, then rank, then when the statement was first heard; the digest only at the same moment."""
    return (
        revision.stated_at or _NEVER,
        _RANK[Outcome(revision.outcome)],
        revision.received_at,
        revision.digest,
    )


def first_heard(revisions: Iterable[Any]) -> list[Any]:
    """Each statement once, among rows that look like `Revision`: as the first of the deliveries that say it now has it.

    What a later reading of its delivery has superseded is no statement any more.
    """
    said = [revision for revision in revisions if not revision.is_superseded]
    return said if len(said) < 2 else every_statement(said)


def every_statement(revisions: Iterable[Any]) -> list[Any]:
    """Each statement once, those that are none any more too: from the delivery that was heard first, of those that say
    it now if any does."""
    heard: dict[tuple[str, bytes], Any] = {}
    for revision in revisions:
        identity = (revision.provider_attempt_id, revision.digest)
        held = heard.get(identity)
        if held is None or _heard(revision) < _heard(held):
            heard[identity] = revision
    return list(heard.values())


def _heard(revision: Revision) -> tuple[bool, datetime]:
    return revision.is_superseded, revision.received_at


def current_attempts(revisions: Iterable[Any]) -> list[Any]:
    """The revision that holds of each attempt, among rows that look like `Revision`; in no particular order."""
    return _current(first_heard(revisions))


def _current(statements: Iterable[Any]) -> list[Any]:
    current: dict[str, Any] = {}
    for statement in statements:
        held = current.get(statement.provider_attempt_id)
        if held is None or _revision_order(statement) > _revision_order(held):
            current[statement.provider_attempt_id] = statement
    return list(current.values())


def _newest_first(statements: Sequence[Attempt]) -> list[Attempt]:
    """The statements that hold, one for each attempt."""
    if len(statements) < 2:
        return list(statements)
    return sorted(_current(statements), key=_age, reverse=True)


def _age(attempt: Attempt) -> tuple[datetime, int, str]:
    """Sorts attempts oldest first; one whose sender gave no time counts at its arrival."""
    return (attempt.occurred_at, attempt.sequence, attempt.provider_attempt_id)


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
    """The derived columns of a payment: a row of `payments` without its identity, its times of change, and what is only
    searched by (`ledger/texts.py`)."""

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
    customer_email: str | None
    customer_phone: str | None
    description: str | None
    payer_key: str | None
    provider_receipt_id: str | None
    details: dict[str, Any]


_COMPUTED = {"amount_minor", "currency", "category", "payer_key", "details"}
_SHOWN = tuple(name for name in Attempt._fields if name in FoldedPayment._fields and name not in _COMPUTED)
"""What a payment shows of its attempts: the newest value of each."""


def fold_payment(
    revisions: Collection[Attempt], actions: Sequence[Action], receipt: Receipt | None, time_zone: str
) -> FoldedPayment:
    """The payment that these facts describe; `receipt` is the applied one.

    Without a statement that still counts there is nothing to collect: such a payment has no order date, so it is in no
    list and no count.
    """
    statements = first_heard(revisions)
    attempts = _newest_first(statements)
    # one that failed once stays a failed payment, also when the same attempt is later said to have succeeded
    failed = _newest_first([statement for statement in statements if statement.outcome == Outcome.FAILED])
    coverage = _coverage(attempts, receipt)

    first_failed = _earliest(failed)
    last_failed = failed[0] if failed else None
    newest = attempts[0] if attempts else None
    decided = next((attempt for attempt in attempts if attempt.outcome != Outcome.PENDING), None)
    return FoldedPayment(
        status=folded_status(
            is_covered=coverage.is_covered,
            verbs=in_time_order(actions) if actions else (),
            newest_is_canceled=decided is not None and decided.outcome == Outcome.CANCELED,
        ),
        order_on=None if first_failed is None else day_in_zone(first_failed.occurred_at, time_zone),
        first_failed_at=None if first_failed is None else first_failed.occurred_at,
        last_failed_at=None if last_failed is None else last_failed.occurred_at,
        attempt_count=len(attempts),
        failed_attempt_count=len(failed),
        amount_minor=coverage.amount_minor,
        currency=coverage.currency,
        paid_minor=coverage.paid_minor,
        category=_first(attempt.category for attempt in attempts) or Category.UNKNOWN,
        payer_key=_payer_key(attempts, revisions),
        provider_receipt_id=None if receipt is None else receipt.provider_receipt_id,
        details={} if newest is None else newest.details,
        **_newest_values(attempts),
    )


def in_time_order(actions: Iterable[Action]) -> list[ActionKind]:
    """The decisions as they were made; of two made at the same moment, as they were recorded."""
    return [ActionKind(action.verb) for action in _as_made(actions)]


def deciding_action(actions: Iterable[Action]) -> Action | None:
    """The newest action that applies, which decides the status of a payment that the money does not cover."""
    made = _as_made(actions)
    place = deciding_place([ActionKind(action.verb) for action in made])
    return None if place is None else made[place]


def _as_made(actions: Iterable[Action]) -> list[Action]:
    return sorted(actions, key=lambda action: (action.decided_at, action.number))


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def _newest_values(attempts: Sequence[Attempt]) -> dict[str, str | None]:
    """The newest value of each that is not null; one that is empty hides the older ones and is not shown itself."""
    if len(attempts) == 1:
        return {name: getattr(attempts[0], name) or None for name in _SHOWN}
    return {name: _first(getattr(attempt, name) for attempt in attempts) or None for name in _SHOWN}


def _payer_key(attempts: Sequence[Attempt], revisions: Iterable[Attempt]) -> str | None:
    """The newest that an attempt names; but one that was erased holds, whatever is named or corrected afterwards.

    The receipts that paid were renamed with it, and are not found under the name that a new statement brings.
    """
    named = [attempt.payer_key for attempt in attempts if attempt.payer_key is not None]
    erased = {
        one.payer_key for one in revisions if one.payer_key is not None and one.payer_key.startswith(ERASED_PAYER)
    }
    if not erased:
        return named[0] if named else None
    return next((key for key in named if key in erased), min(erased))


def _earliest(failed: Sequence[Attempt]) -> Attempt | None:
    """The first failed attempt; one whose sender gave no time failed when it arrived."""
    return min(failed, key=lambda attempt: attempt.occurred_at, default=None)


class _Coverage(NamedTuple):
    """The debt of a payment and the money received for it, in one currency."""

    amount_minor: int | None
    currency: str | None
    paid_minor: int
    is_covered: bool


def _coverage(attempts: Sequence[Attempt], receipt: Receipt | None) -> _Coverage:
    """The whole debt, what was received, and whether that covers it. Newest attempt first.

    The debt is what was asked for: the amounts of attempts that did not succeed, in the currency of the newest one that
    names any. Money in another currency does not count, and an amount in another one is not owed. An unknown amount
    counts as covered by any success. What only succeeded shows the newest amount that did.
    """
    asked = [attempt for attempt in attempts if attempt.outcome not in _SUCCESSES]
    currency = _first(attempt.currency for attempt in asked or attempts)
    owed: int | None = None
    received: list[int | None] = []
    paid_minor = 0
    for attempt in reversed(attempts):
        if not is_same_currency(attempt.currency, currency):
            continue
        if attempt.outcome in _SUCCESSES:
            received.append(attempt.amount_minor)
            paid_minor = min(paid_minor + (attempt.amount_minor or 0), MAX_MINOR)
        elif attempt.amount_minor is not None:
            owed = _debt_after(owed, paid_minor, attempt.amount_minor)
    if receipt is not None and is_same_currency(receipt.currency, currency):
        received.append(receipt.amount_minor)
        paid_minor = min(paid_minor + (receipt.amount_minor or 0), MAX_MINOR)
    amount = owed if asked else _first(received[::-1])
    is_covered = bool(received) and (None in received or owed is None or paid_minor >= owed)
    return _Coverage(amount_minor=amount, currency=currency, paid_minor=paid_minor, is_covered=is_covered)


def _debt_after(owed: int | None, paid_minor: int, amount_minor: int) -> int:
    """The whole debt once an attempt for `amount_minor` did not succeed.

    An attempt for the rest or less is for the rest: after 100 that failed and 60 that succeeded, one for 40 leaves 100
    owed, one for 30 leaves 90. An attempt for more restates the whole debt: one for 100 leaves 100 owed, one for 120
    leaves 120. An attempt that did not succeed never settles a debt: one for nothing, or for more than the rest but no
    more than was paid, leaves it as it was. Nor does it open a debt again that was paid.
    """
    if not owed:
        return amount_minor
    if not amount_minor or owed <= paid_minor:
        return owed
    if amount_minor <= owed - paid_minor:
        return paid_minor + amount_minor
    return amount_minor if amount_minor > paid_minor else owed


def is_same_currency(one: str | None, other: str | None) -> bool:
    """True when they do not contradict: an unknown currency may be any."""
    return one is None or other is None or one == other
