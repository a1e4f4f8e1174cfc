"""The vocabulary of notices: deliveries, and the events that adapters read from them.

Providers, the ledger and the APIs import it; it imports none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from dunning_service.errors import BadSignature

MAX_IDENTIFIER = 255
"""Longest identifier or address, in characters, that the ledger keeps: they are in indexes.

PostgreSQL takes 2,704 bytes in an index entry. A character has 4 of them at the most, or 6 when its case is folded.
"""

MAX_TEXT = 1000
"""Longest name or message, in characters; a longer message is cut, because the raw notice keeps the whole."""

_ALWAYS_KEPT = frozenset({b"content-type", b"user-agent"})
_MAX_KEPT_HEADER = 1_000

Headers = Sequence[tuple[bytes, bytes]]
"""(lower-case name, value) pairs."""


class Outcome(StrEnum):
    """The outcome of one attempt."""

    PENDING = "pending"
    FAILED = "failed"
    CANCELED = "canceled"
    SUCCEEDED = "succeeded"
    GUARANTEED = "guaranteed"


class Category(StrEnum):
    """The reason of a decline, in the same words for every provider."""

    INSUFFICIENT_FUNDS = "insufficient_funds"
    LIMIT_EXCEEDED = "limit_exceeded"
    EXPIRED_CARD = "expired_card"
    LOST_STOLEN = "lost_stolen"
    INVALID_ACCOUNT = "invalid_account"
    INVALID_CARD_DETAILS = "invalid_card_details"
    CVC_OR_PIN = "cvc_or_pin"
    DO_NOT_HONOR = "do_not_honor"
    GENERIC_DECLINE = "generic_decline"
    CALL_ISSUER = "call_issuer"
    AUTHENTICATION_REQUIRED = "authentication_required"
    PROCESSING_ERROR = "processing_error"
    ISSUER_UNAVAILABLE = "issuer_unavailable"
    TRY_LATER = "try_later"
    FRAUD = "fraud"
    RESTRICTED = "restricted"
    NOT_PERMITTED = "not_permitted"
    AUTHORIZATION_REVOKED = "authorization_revoked"
    RETRY_BLOCKED = "retry_blocked"
    DUPLICATE = "duplicate"
    MERCHANT_CONFIG = "merchant_config"
    ACCOUNT_UPDATED = "account_updated"
    CUSTOMER_CANCELLED = "customer_cancelled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery as it arrived: the exact bytes, and the headers as (lower-case name, value) pairs."""

    body: bytes
    headers: Headers
    received_at: datetime

    def header_bytes(self, name: str) -> bytes | None:
        """The value of a header, or None when it is absent.

        Raises BadSignature when it was sent more than once: which of two values was meant is not ours to choose.
        """
        wanted = name.lower().encode("ascii")
        values = [value for key, value in self.headers if key == wanted]
        if len(values) > 1:
            raise BadSignature(f"the header {name} was sent {len(values)} times; send it once")
        return values[0] if values else None


def kept_headers(headers: Headers, beside: Set[str] = frozenset()) -> Headers:
    """The headers that are stored with a delivery, the first of each name: never a signature or a credential.

    `beside` names those that a provider needs when the delivery is read again.
    """
    kept: dict[bytes, bytes] = {}
    for name, value in headers:
        if (name in _ALWAYS_KEPT or (beside and name.decode("latin-1") in beside)) and name not in kept:
            kept[name] = value[:_MAX_KEPT_HEADER]
    return list(kept.items())


def filled(text: str | None) -> str | None:
    """The text, or None where it is empty or blank."""
    return text if text and not text.isspace() else None


def shortened(text: str | None) -> str | None:
    """The text, cut to the longest that the ledger keeps; None where it is empty or blank."""
    return filled(text[:MAX_TEXT]) if text else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    """Every code that came with one declined attempt, as its senders wrote them; None for what did not come."""

    provider: str | None = None
    """Whose `code` and `provider_advice` it is, such as stripe; None when `code` is one of our categories."""
    code: str | None = None
    provider_advice: str | None = None
    """The provider's own word on trying again, such as Stripe's advice_code."""
    network: str | None = None
    """The card network, such as visa or mastercard."""
    network_code: str | None = None
    network_advice: str | None = None
    """Mastercard's merchant advice code, or Visa's R0, R1 or R3."""
    category: Category | None = None
    """What the sender itself takes it for: used when no code is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptReported:
    """A sender's statement about one attempt at one payment.

    Amounts are minor units; an amount or a currency that is not stated is None, never a guess. Times are aware and in
    UTC. Of a text about the customer, and of the description, None says nothing and "" says that there is none,
    so that what an earlier attempt said is not shown any more.
    """

    provider_payment_id: str
    provider_attempt_id: str
    outcome: Outcome
    occurred_at: datetime | None
    """When it was made; None when the sender does not say: the time of arrival is taken then, and marked as such."""
    stated_at: datetime | None = None
    """When the sender made this statement: the later of two about an attempt supersedes. None: `occurred_at`."""
    sequence: int = 0
    """The sender's own number of the attempt; orders attempts of the same time."""
    amount_minor: int | None = None
    currency: str | None = None
    code: str | None = None
    message: str | None = None
    decline: Decline | None = None
    """Every code that came with it: the ledger derives the category from them. None: no category is known."""
    provider_customer_id: str | None = None
    provider_subscription_id: str | None = None
    customer_name: str | None = None
    customer_email: str | None = None
    customer_phone: str | None = None
    description: str | None = None
    payer_key: str | None = None
    """The payer, where the sender's success notices name a payer and no payment (see ReceiptReported)."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """The sender's own fields that its own API must be able to give back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptReported:
    """A sender's statement about money received, naming a payer and no payment. The ledger applies it to that payer's
    oldest open failure of the same amount, in the same or in an unknown currency."""

    provider_receipt_id: str
    payer_key: str
    amount_minor: int | None
    currency: str | None
    details: Mapping[str, Any] = field(default_factory=dict)


Event = AttemptReported | ReceiptReported
