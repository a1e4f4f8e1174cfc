"""What can be handed to the ledger's writer, and what it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from dunning_service.ledger.status import Status, Verb
from dunning_service.providers import Delivery, Event

DeliveryOutcome = Literal["recorded", "ignored", "failed"]


def delivery_digest(origin: str, body: bytes) -> bytes:
    """The identity of a delivery within its merchant: the same bytes at the same place are the same notice."""
    return hashlib.sha256(origin.encode() + b"\x00" + body).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One delivery that has been verified and read, to be recorded with what it says."""

    merchant_id: int
    time_zone: str
    """The merchant's: the order date is a day in it."""
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


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The caller's key, and the digest of the request it came with."""

    key: str
    request_digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An action to be taken on a failed payment."""

    merchant_id: int
    time_zone: str
    payment_id: int
    verb: Verb
    actor: str
    reason: str | None
    decided_at: datetime
    idempotency_key: IdempotencyKey | None = None
    must_apply: bool = True
    """False records a decision made elsewhere, in whatever order it is heard of: where it does not apply it is kept
    and changes nothing. True refuses it there, with ActionDoesNotApply."""


@dataclass(frozen=True, slots=True)
class DecisionRecorded:
    """The action is committed."""

    payment_id: int
    number: int
    """1, 2, 3... among the payment's actions."""
    verb: Verb
    actor: str
    reason: str | None
    decided_at: datetime
    status: Status
    """The payment's status with it."""
    is_replay: bool
    """True when the same idempotency key had been answered before, and this is that answer."""


Work = Notice | Decision
