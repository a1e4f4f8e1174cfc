"""Ways to charge, one file each, and their protocol: `charge` and `lookup`, under a key that is never charged twice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, Protocol
from uuid import UUID

from dunning_service.events import Category, Decline
from dunning_service.values.money import Money

_KEY = re.compile(r"[A-Za-z0-9_:-]{1,128}", re.ASCII)


class ChargeOutcome(StrEnum):
    """The outcome of a charge. PENDING is not final: a later `lookup` returns the final one."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    PENDING = "pending"


class TransactionType(IntEnum):
    """The kind of charge to the payment method."""

    AUTHORIZATION = 1
    SALE = 2
    ACH_DEBIT = 11

    @property
    def is_card(self) -> bool:
        """True of a charge to a card."""
        return self is not TransactionType.ACH_DEBIT


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRequest:
    """One attempt at one payment. Under one key it is always the same, which tells a repeat from a mistake."""

    payment_id: str
    attempt_number: int
    """1 for the first try of this payment."""
    money: Money
    payment_method_id: UUID
    transaction_type: TransactionType = TransactionType.SALE
    is_faster_processing: bool | None = None
    """For ACH debits; None for everything else."""
    subscription_id: str | None = None
    customer_id: UUID | None = None
    payment_processor_id: UUID | None = None
    due_on: date | None = None
    """The day it fell due, in the merchant's time zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """A gateway's record of the charge under one key. Codes are as their senders wrote them."""

    outcome: ChargeOutcome
    provider_transaction_id: str | None = None
    """The gateway's own id of it."""
    provider: str | None = None
    """Whose `code` it is, such as stripe; None when it is one of our categories."""
    code: str | None = None
    message: str | None = None
    provider_advice: str | None = None
    network: str | None = None
    network_code: str | None = None
    network_advice: str | None = None
    category: Category | None = None
    """What the gateway itself takes a decline for; used where its code is not known."""
    occurred_at: datetime | None = None

    @property
    def decline(self) -> Decline:
        """The codes, for `recovery.declines.read_decline`."""
        return Decline(**{code.name: getattr(self, code.name) for code in fields(Decline)})

    def as_record(self) -> dict[str, Any]:
        """The record as a JSON object, to be stored."""
        record = {name: value for name, value in asdict(self).items() if value is not None}
        if self.occurred_at is not None:
            record["occurred_at"] = self.occurred_at.astimezone(UTC).isoformat()
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Charged:
        """The inverse of `as_record`."""
        known = dict(record)
        known["outcome"] = ChargeOutcome(known["outcome"])
        if "category" in known:
            known["category"] = Category(known["category"])
        if "occurred_at" in known:
            known["occurred_at"] = datetime.fromisoformat(known["occurred_at"])
        return cls(**known)


class GatewayError(Exception):
    """The error for a charge without an outcome. `message` is for people and holds no secret."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class OutcomeUnknown(GatewayError):
    """The error for a charge whose outcome is in doubt: only `lookup` under the same key can settle it."""


class NotCharged(GatewayError):
    """The error for a call that has charged nothing and is no decline: the request was refused, or never sent.

    The cause has to be removed first; the same key may be charged afterwards. What an *earlier* call under the key has
    done, if its outcome is unknown, only `lookup` can settle.
    """


class NotSent(NotCharged):
    """The error for a request that was not sent, until the operator corrects the configuration."""


class Gateway(Protocol):
    """A way to charge. Never called inside a database transaction: it may take as long as its time limit allows."""

    name: ClassVar[str]

    async def charge(self, key: str, request: ChargeRequest) -> Charged:
        """Charges, unless `key` has been charged before: then it returns the outcome of that charge.

        Raises OutcomeUnknown when the answer did not come or cannot be trusted, and NotCharged.
        """
        ...

    async def lookup(self, key: str) -> Charged | None:
        """The outcome of the charge under `key`; None only when the gateway says that there is none.

        Raises OutcomeUnknown when that cannot be found out now; never NotCharged.
        """
        ...

    def method_problem(self, payment_method_id: UUID) -> str | None:
        """Why this payment method cannot be charged, as far as is known without a request; None for no known reason."""
        ...

    async def close(self) -> None:
        """Closes the connections; no call follows."""
        ...


def require_key(key: str) -> None:
    """Raises ValueError for a key that cannot be used unescaped in a header, a path and a signature."""
    if _KEY.fullmatch(key) is None:
        raise ValueError(f"a charge key has 1 to 128 letters, digits, '_', ':' or '-', unlike {key[:200]!a}")
