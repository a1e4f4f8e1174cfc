"""The facts of the ledger: attempts, actions and receipts, as events state them and as rows of the database keep them.

A field has one name everywhere: it is copied by that name from an event to a fact, from a fact to its row and back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

import orjson

from dunning_service.events import MAX_TEXT, AttemptReported, Decline, ReceiptReported
from dunning_service.recovery.declines import read_decline

Row = dict[str, Any]

_NEVER = datetime.min.replace(tzinfo=UTC)


class Attempt(NamedTuple):
    """A revision of an attempt, what one delivery says of it: a row of `attempts` without the payment it belongs to.

    A tuple, as one is made for every notice, and three times as fast as a frozen dataclass; always made by keyword.
    """

    number: int
    provider_attempt_id: str
    digest: bytes
    delivery_digest: bytes | None
    is_superseded: bool
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An action on a payment: a row of `actions` without the payment it belongs to."""

    number: int
    verb: str
    actor: str
    reason: str | None
    decided_at: datetime
    receipt: str | None = None
    """Of `mark_paid`: a `ReceiptDue`; None is NONE."""
    provider_receipt_id: str | None = None
    """Of `move_receipt`: the receipt that is moved."""
    to_payment_id: int | None = None
    """Of `move_receipt`: the payment that it pays from now on."""
    move: int | None = None
    """Of `move_receipt`: 1, 2, 3... among the moves of that receipt, as they were recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A revision of a receipt, what one delivery says of it: a row of `receipts` without its merchant and provider."""

    provider_receipt_id: str
    digest: bytes
    payer_key: str
    amount_minor: int | None
    currency: str | None
    number: int = 1
    delivery_digest: bytes | None = None
    is_superseded: bool = False
    received_at: datetime = _NEVER
    resolved: int = 0
    details: Mapping[str, Any] = field(default_factory=dict, compare=False)


FactT = TypeVar("FactT", Attempt, Action, Receipt)


def from_row(kind: type[FactT], row: Mapping[str, Any]) -> FactT:
    """The fact that a row of the database holds."""
    return kind(**{name: row[name] for name in _NAMES[kind]})


def as_row(fact: Action | Receipt) -> Row:
    """A fact as columns of the database."""
    return {name: getattr(fact, name) for name in _NAMES[type(fact)]}


def _names_of(kind: Any) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))


_NAMES = {Attempt: Attempt._fields, Action: _names_of(Action), Receipt: _names_of(Receipt)}


def attempt_of(
    event: AttemptReported,
    *,
    delivery_digest: bytes | None,
    received_at: datetime,
    number: int = 1,
    digest: bytes | None = None,
) -> Attempt:
    """An event as the ledger keeps it; `digest` is the statement's, where it is known already."""
    occurred_at = _in_utc(event.occurred_at)
    stated: Row = dict(zip(_STATED, _stated_by(event), strict=True))
    if event.message is not None:
        stated["message"] = event.message[:MAX_TEXT]
    attempt = Attempt(
        **stated,
        category=None,
        number=number,
        digest=digest or statement_digest(event),
        delivery_digest=delivery_digest,
        is_superseded=False,
        occurred_at=occurred_at or received_at,
        occurred_at_known=occurred_at is not None,
        stated_at=_in_utc(event.stated_at) or occurred_at,
        received_at=received_at,
    )
    return categorised(attempt, event.decline)


def categorised(attempt: Attempt, decline: Decline | None) -> Attempt:
    """The attempt with the category that the present edition of the table of decline codes gives it, and what that was
    derived by in its details. Neither is part of the statement, so another edition makes no other digest.

    What was erased stays as it is.
    """
    if decline is None or attempt.erased_at is not None:
        return attempt
    reading = read_decline(decline)
    derived = {"mapping": reading.edition, "is_known": reading.is_known, "because": reading.because}
    return attempt._replace(category=reading.category, details=attempt.details | derived)


_STATED = tuple(sorted({*_names_of(AttemptReported)} & {*Attempt._fields} - {"occurred_at", "stated_at"}))
_stated_by = attrgetter(*_STATED)


def receipt_of(event: ReceiptReported, delivery_digest: bytes, *, received_at: datetime, number: int) -> Receipt:
    """An event as the ledger keeps it."""
    return Receipt(
        **{name: getattr(event, name) for name in _names_of(ReceiptReported)},
        number=number,
        digest=statement_digest(event),
        delivery_digest=delivery_digest,
        received_at=received_at,
    )


def _in_utc(moment: datetime | None) -> datetime | None:
    if moment is None or moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone")
    return moment.astimezone(UTC)


def statement_digest(event: AttemptReported | ReceiptReported) -> bytes:
    """SHA-256 of all that an event states: the same statement again has the same digest.

    What an event leaves at its default is not in it, so that a field added to events later changes no digest.
    """
    names, defaults, values_of = _FIELDS[type(event)]
    values = zip(names, values_of(event), defaults, strict=True)
    stated = {name: value for name, value, default in values if value is not default}
    return hashlib.sha256(orjson.dumps(stated, default=_plain, option=_SORTED)).digest()


_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS


def _plain(value: object) -> object:
    """What JSON has no word for; of a decline the codes that came, so that a kind of code added later changes no
    digest."""
    if isinstance(value, Decline):
        return {name: code for name in _names_of(Decline) if (code := getattr(value, name)) is not None}
    return str(value)


class _Fields(NamedTuple):
    """The fields of a kind of event."""

    names: tuple[str, ...]
    defaults: tuple[Any, ...]
    values_of: attrgetter[tuple[Any, ...]]


def _fields_of(kind: type[AttemptReported] | type[ReceiptReported]) -> _Fields:
    names = _names_of(kind)
    defaults = (None if one.default is MISSING else one.default for one in fields(kind))
    return _Fields(names, tuple(defaults), attrgetter(*names))


_FIELDS: dict[type, _Fields] = {kind: _fields_of(kind) for kind in (AttemptReported, ReceiptReported)}
