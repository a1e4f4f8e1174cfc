"""The works that the ledger's writer takes (notices, actions, commands, erasures), and their results."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol
from uuid import uuid4

from dunning_service.database.engines import Base
from dunning_service.errors import InvalidInput, RuleBroken
from dunning_service.events import AttemptReported, Delivery, Event
from dunning_service.ledger.facts import Attempt
from dunning_service.ledger.status import ActionKind, ReceiptDue, Status

NO_SUCH_PAYMENT = "there is no failed payment of that number"

DeliveryOutcome = Literal["recorded", "ignored", "failed"]


def delivery_digest(origin: str, body: bytes) -> bytes:
    """The identity of a delivery within its merchant: the same bytes at the same place are the same notice."""
    return hashlib.sha256(origin.encode() + b"\x00" + body).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One delivery that has been verified and read, to be recorded with what it says."""

    merchant_id: int
    time_zone: str
    """The merchant's, as the caller remembers it: the order date is a day in the one that the database has, which may
    have been changed since."""
    provider: str
    origin: str
    """The source's id, or the name of the API action it was posted to."""
    delivery: Delivery
    """`headers` holds only those that are to be kept."""
    outcome: DeliveryOutcome
    events: Sequence[Event] = ()
    reason: str | None = None
    """Why it is ignored or failed."""
    is_replay: bool = False
    """True when a stored delivery is being read again: its bookkeeping changes, its repeat counter does not."""
    digest: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", delivery_digest(self.origin, self.delivery.body))


@dataclass(frozen=True, slots=True)
class NoticeRecorded:
    """The notice is committed."""

    outcome: DeliveryOutcome
    is_new: bool
    """False when the same notice had been recorded before."""
    resolved: int
    """Open failures that its receipts paid when they were first heard of."""
    refusal: InvalidInput | None = None
    """Why nothing of it was recorded though it is readable, because it contradicts a receipt; or why a replay left what
    the delivery had said before."""
    was_recorded: bool = False
    """True for a replay of a delivery that said something before."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The caller's key, and the digest of the request it came with."""

    key: str
    request_digest: bytes
    """SHA-256 of all that makes two requests the same."""
    request_id: str
    """The id of this request, given to repeats of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequest:
    """A request for an action on a failed payment."""

    merchant_id: int
    time_zone: str
    payment_id: int
    verb: ActionKind
    actor: str
    reason: str | None
    decided_at: datetime
    receipt: ReceiptDue | None = None
    """Of `mark_paid`: whether a receipt will still come; None is NONE."""
    provider_receipt_id: str | None = None
    """Of `move_receipt`: the receipt; None is the one that pays the payment."""
    to_payment_id: int | None = None
    """Of `move_receipt`: the payment that it pays from then on; None is the payment itself."""
    idempotency_key: IdempotencyKey | None = None
    must_apply: bool = True
    """False records an action taken elsewhere, in whatever order it is reported: where it does not apply it is kept
    and changes nothing. True refuses it there, with ActionDoesNotApply."""


@dataclass(frozen=True, slots=True)
class ActionRecorded:
    """The action is committed."""

    payment_id: int
    number: int
    """1, 2, 3... among the payment's actions."""
    verb: ActionKind
    actor: str
    reason: str | None
    decided_at: datetime
    status: Status
    """The payment's status with it."""
    is_replay: bool
    """True when the same idempotency key had been answered before, and this is that answer."""
    receipt: str | None = None
    provider_receipt_id: str | None = None
    to_payment_id: int | None = None
    """The last three as in `ActionRequest`, with what it left open."""


class Lookup(NamedTuple):
    """Rows of one table, by what some of its columns hold, the merchant first. No other transaction can insert or read
    rows under the same lookup until this one ends, whether there are any or not."""

    model: type[Base]
    by: tuple[str, ...]
    key: tuple[Any, ...]


class Failure(NamedTuple):
    """A failed payment as a command sees it."""

    payment_id: int
    status: Status
    next_action: int
    """The number that an action about it would have."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of the ledger that a command decides on; it holds until the effect is committed."""

    attempts: Mapping[str, Sequence[Attempt]]
    """Those of each of its payments, each as it holds, in their sequence; none when the payment is not known."""
    rows: Mapping[Lookup, Sequence[Mapping[str, Any]]]
    """What its lookups found."""
    delivery_digest: bytes
    """Under which the request itself is kept."""
    failures: Mapping[str, Failure] = field(default_factory=dict)
    """Those of its payments that have failed; the others are in no list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionTaken:
    """An action that a command takes on a payment. Where it does not apply it is kept, and changes
    nothing."""

    provider_payment_id: str
    verb: ActionKind
    actor: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of a command: its answer, and what is recorded."""

    answer: dict[str, Any]
    """The answer to the caller; stored under the idempotency key as it is."""
    events: Sequence[AttemptReported] = ()
    """Statements about attempts."""
    inserts: Sequence[tuple[type[Base], dict[str, Any]]] = ()
    """Rows of other tables, each with a value for every column."""
    updates: Sequence[tuple[type[Base], dict[str, Any]]] = ()
    """Changes to rows that its lookups found: the primary key, and the columns that change."""
    actions: Sequence[ActionTaken] = ()
    keeps_delivery: bool = True
    """False when the command's delivery states nothing new."""
    touched: Collection[str] = ()
    """Payments of which something is shown otherwise now that is not in the ledger's own tables:
    a list of recent changes has to show them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A request whose effect depends on the ledger's state: read, decided and recorded in one transaction."""

    merchant_id: int
    time_zone: str
    """The merchant's: the order date is a day in it."""
    provider: str
    provider_payment_ids: Sequence[str] = ()
    """The payments whose attempts and status it has to know, whether they are known yet or not."""
    origin: str = ""
    """Which call it was, and of what."""
    delivery: Delivery | None = None
    """What is kept of where the command comes from; `headers` holds only those that are to be kept."""
    lookups: Sequence[Lookup] = ()
    idempotency_key: IdempotencyKey | None = None
    is_idempotent: bool = False
    """Executed again it changes nothing more, without a key too."""
    execute: Callable[[Snapshot, datetime], Effect]
    """Pure: the effect follows from the snapshot and the time. Raises NotFound or RuleBroken, and then leaves no
    trace but the answer kept under the key. Called again, with what is there then, when the effect is on payments that
    the batch has not read."""
    digest: bytes = field(init=False)
    """Of the delivery. Without a key, the same bytes again are meant again, and are another delivery."""

    def __post_init__(self) -> None:
        key = uuid4().hex if self.idempotency_key is None else self.idempotency_key.key
        body = b"" if self.delivery is None else self.delivery.body
        object.__setattr__(self, "digest", delivery_digest(f"{self.origin}\x00{key}", body))


@dataclass(frozen=True, slots=True)
class CommandDone:
    """The command's answer, committed with its effect."""

    answer: Mapping[str, Any]
    refusal: RuleBroken | None
    """In place of an answer; the caller raises it."""
    answered_before: str | None
    """The id of the request that had this answer first; None when that is this one."""


class Recorder(Protocol):
    """The part of the ledger's writer that executes commands."""

    async def execute(self, command: Command) -> CommandDone: ...


ERASED_AT = "x-dunning-erased-at"
"""The only header of a delivery that was erased: it is never read again, whatever its sender."""


def erased_headers(now: datetime) -> dict[str, str]:
    """The headers of a delivery that was erased at `now`."""
    return {ERASED_AT: now.isoformat()}


ERASED = "what it said of a person was erased"
"""The reason of a delivery that was never recorded, and was erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What some payments, receipts and deliveries say of a person, to be taken out of the ledger.

    What was owed, tried, paid, decided and counted stays as it is, and so does what recognises a repeat.
    """

    merchant_id: int
    time_zone: str
    payment_ids: Sequence[int] = ()
    payers: Sequence[tuple[str, str]] = ()
    """(provider, payer_key), all that attempts at these payments name; each is called by another name from now on, so
    `payment_ids` has every payment of theirs."""
    deliveries: Sequence[bytes] = ()
    """Digests; those that the payments and receipts came with are erased anyway."""
    impersonal: Callable[[str, Mapping[str, Any]], dict[str, Any]]
    """What stays of a provider's `details`."""
    impersonal_answer: Callable[[Mapping[str, Any]], dict[str, Any]]
    """What stays of an answer kept under an idempotency key."""


@dataclass(frozen=True, slots=True)
class ErasureDone:
    """The erasure is committed, unless it came to nothing because it did not name all that it would touch."""

    is_stale: bool = False
    """True when a payer has got other payments, or a payment another payer, since they were looked up; look again."""
    payments: int = 0
    attempts: int = 0
    receipts: int = 0
    deliveries: int = 0
    """Whose bytes were still there."""
    actions: int = 0
    answers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refold:
    """Payments whose derived columns are computed again: their facts fold to other values than their rows have."""

    merchant_id: int
    time_zone: str
    payment_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class RefoldDone:
    """The refold is committed."""

    changed: int
    """How many payments were written; the others had the right values by then."""


Work = Notice | ActionRequest | Command | Erasure | Refold
