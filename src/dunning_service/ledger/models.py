"""Tables of the ledger.

Facts (attempts, actions, receipts, raw bodies) are only ever inserted; whether a later reading of its delivery has
superseded an attempt or a receipt is bookkeeping, as the delivery's outcome is. `payments` and the counts are derived
from them, in the same transaction, so that lists and totals are one index away; `dunning ledger check` derives them
again.
The merchant's id leads every key, so that the tables can be partitioned by merchant. It has no foreign key here: one
would lock the merchant's row once for every notice, and two processes would queue for it. Nor has an attempt's payment:
the writer, the only one who inserts either, does so in one transaction, and PostgreSQL would look it up for each again.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from dunning_service.database.engines import Base, UtcDateTime
from dunning_service.events import Category, Outcome
from dunning_service.ledger.status import ActionKind, Status

_BIG = sa.BigInteger()
_DIGEST = sa.LargeBinary(32)
# the one API that lists payments in the order in which they were made known
_IS_PAYMENT_RECORD = sa.text("provider = 'payment_records'")
_IS_MOVE = sa.text("provider_receipt_id IS NOT NULL")


def _one_of(column: str, values: type[Status | ActionKind | Outcome | Category]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


class DeliveryRow(Base):
    """One notice as it arrived. All but the identity, the bytes and the first arrival is bookkeeping and may change."""

    __tablename__ = "deliveries"
    __table_args__ = (
        sa.CheckConstraint("outcome IN ('recorded', 'ignored', 'failed')", name="outcome_known"),
        sa.Index(None, "merchant_id", "received_at"),
        sa.Index(
            "ix_deliveries_not_recorded",
            "merchant_id",
            "outcome",
            "received_at",
            postgresql_where=sa.text("outcome <> 'recorded'"),
            sqlite_where=sa.text("outcome <> 'recorded'"),
        ),
    )

    merchant_id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    digest: Mapped[bytes] = mapped_column(_DIGEST, primary_key=True)
    """SHA-256 of the origin, a zero byte and the body: the same notice again is the same row."""
    provider: Mapped[str] = mapped_column(sa.Text)
    origin: Mapped[str] = mapped_column(sa.Text)
    """Where it was posted: a source's id, or the name of the API action."""
    headers: Mapped[dict[str, str]] = mapped_column(sa.JSON)
    body: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    """The exact bytes; None once pruned."""
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    times_received: Mapped[int] = mapped_column(sa.Integer)
    outcome: Mapped[str] = mapped_column(sa.String(8))
    reason: Mapped[str | None] = mapped_column(sa.Text)
    """Why it was not recorded."""
    reading: Mapped[int] = mapped_column(sa.Integer)
    """How often it has been read: 1, and one more with each replay."""
    subjects: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    """What its latest reading is about, {"payments": [numbers], "receipts": [ids]}: a replay has to find what it said
    before. None when it says nothing, and for a command's."""


class PaymentRow(Base):
    """One obligation to collect, as its attempts, actions and receipts add up to. Derived: see `ledger/fold.py`."""

    __tablename__ = "payments"
    __table_args__ = (
        sa.UniqueConstraint("merchant_id", "provider", "provider_payment_id"),
        _one_of("status", Status),
        sa.CheckConstraint("currency IS NULL OR length(currency) = 3", name="currency_length"),
        sa.Index("ix_payments_failed", "merchant_id", sa.text("order_on DESC"), "id"),
        sa.Index("ix_payments_failed_by_status", "merchant_id", "status", sa.text("order_on DESC"), "id"),
        sa.Index(None, "merchant_id", "updated_at", "id"),
        sa.Index(
            "ix_payments_payment_records",
            "merchant_id",
            sa.text("created_at DESC"),
            sa.text("id DESC"),
            postgresql_where=_IS_PAYMENT_RECORD,
            sqlite_where=_IS_PAYMENT_RECORD,
        ),
        *(
            sa.Index(
                None,
                "merchant_id",
                column,
                postgresql_where=sa.text(f"{column} IS NOT NULL"),
                sqlite_where=sa.text(f"{column} IS NOT NULL"),
            )
            for column in (
                "provider_subscription_id",
                "provider_customer_id",
                "customer_email_folded",
                "customer_phone_key",
                "payer_key",
            )
        ),
    )

    merchant_id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    id: Mapped[int] = mapped_column(_BIG, primary_key=True)
    """The digits of the public number, `ODR` + id."""
    provider: Mapped[str] = mapped_column(sa.Text)
    provider_payment_id: Mapped[str] = mapped_column(sa.Text)
    status: Mapped[str] = mapped_column(sa.String(16))
    order_on: Mapped[date | None] = mapped_column(sa.Date)
    """Day of the earliest failed attempt in the merchant's time zone. None: never failed, so not in any list."""
    first_failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempt_count: Mapped[int] = mapped_column(sa.Integer)
    failed_attempt_count: Mapped[int] = mapped_column(sa.Integer)
    """Attempts that failed, whatever was said of them later."""
    amount_minor: Mapped[int | None] = mapped_column(_BIG)
    currency: Mapped[str | None] = mapped_column(sa.String(3))
    paid_minor: Mapped[int] = mapped_column(_BIG)
    """What succeeded and guaranteed attempts and an applied receipt add up to, in the payment's currency."""
    code: Mapped[str | None] = mapped_column(sa.Text)
    message: Mapped[str | None] = mapped_column(sa.Text)
    category: Mapped[str] = mapped_column(sa.String(32))
    provider_customer_id: Mapped[str | None] = mapped_column(sa.Text)
    provider_subscription_id: Mapped[str | None] = mapped_column(sa.Text)
    customer_name: Mapped[str | None] = mapped_column(sa.Text)
    customer_name_folded: Mapped[str | None] = mapped_column(sa.Text)
    customer_email: Mapped[str | None] = mapped_column(sa.Text)
    customer_email_folded: Mapped[str | None] = mapped_column(sa.Text)
    customer_phone: Mapped[str | None] = mapped_column(sa.Text)
    customer_phone_key: Mapped[str | None] = mapped_column(sa.Text)
    """E.164 when the number names its country, else its digits."""
    description: Mapped[str | None] = mapped_column(sa.Text)
    description_folded: Mapped[str | None] = mapped_column(sa.Text)
    payer_key: Mapped[str | None] = mapped_column(sa.Text)
    provider_receipt_id: Mapped[str | None] = mapped_column(sa.Text)
    """The receipt that has been applied to it, if one has."""
    identifiers_folded: Mapped[str] = mapped_column(sa.Text)
    """Every id that its notices held, one a line."""
    details: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    """The newest attempt's own fields, in the sender's words."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AttemptRow(Base):
    """What one delivery, or one command, says of one attempt. Which revision holds is decided in `ledger/fold.py`."""

    __tablename__ = "attempts"
    __table_args__ = (_one_of("outcome", Outcome),)

    merchant_id: Mapped[int] = mapped_column(primary_key=True)
    payment_id: Mapped[int] = mapped_column(_BIG, primary_key=True)
    number: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    """1, 2, 3... in the order in which the payment's attempts were recorded."""
    provider_attempt_id: Mapped[str] = mapped_column(sa.Text)
    digest: Mapped[bytes] = mapped_column(_DIGEST)
    """SHA-256 of what the sender stated. Another delivery with the same statement has a row of its own, for each may
    come to say something else when it is read again."""
    delivery_digest: Mapped[bytes | None] = mapped_column(_DIGEST)
    is_superseded: Mapped[bool] = mapped_column(sa.Boolean)
    """True: its delivery has been read again since, and does not say so any more."""
    outcome: Mapped[str] = mapped_column(sa.String(16))
    occurred_at: Mapped[datetime] = mapped_column(UtcDateTime)
    occurred_at_known: Mapped[bool] = mapped_column(sa.Boolean)
    """False: the sender told no time, and `occurred_at` is the arrival."""
    stated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When its delivery first arrived, whenever it was read."""
    sequence: Mapped[int] = mapped_column(_BIG)
    amount_minor: Mapped[int | None] = mapped_column(_BIG)
    currency: Mapped[str | None] = mapped_column(sa.String(3))
    code: Mapped[str | None] = mapped_column(sa.Text)
    message: Mapped[str | None] = mapped_column(sa.Text)
    category: Mapped[str | None] = mapped_column(sa.String(32))
    provider_customer_id: Mapped[str | None] = mapped_column(sa.Text)
    provider_subscription_id: Mapped[str | None] = mapped_column(sa.Text)
    customer_name: Mapped[str | None] = mapped_column(sa.Text)
    customer_email: Mapped[str | None] = mapped_column(sa.Text)
    customer_phone: Mapped[str | None] = mapped_column(sa.Text)
    description: Mapped[str | None] = mapped_column(sa.Text)
    payer_key: Mapped[str | None] = mapped_column(sa.Text)
    details: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When what it said of a person was erased; the same statement again keeps no bytes from then on."""


class ActionRow(Base):
    """What a person or the service decided about a payment."""

    __tablename__ = "actions"
    __table_args__ = (
        sa.ForeignKeyConstraint(["merchant_id", "payment_id"], ["payments.merchant_id", "payments.id"]),
        _one_of("verb", ActionKind),
        sa.CheckConstraint("receipt IS NULL OR receipt IN ('expected', 'none')", name="receipt_known"),
        sa.Index(
            "ix_actions_moved_receipts",
            "merchant_id",
            "provider_receipt_id",
            postgresql_where=_IS_MOVE,
            sqlite_where=_IS_MOVE,
        ),
    )

    merchant_id: Mapped[int] = mapped_column(primary_key=True)
    payment_id: Mapped[int] = mapped_column(_BIG, primary_key=True)
    number: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    """1, 2, 3... in the order in which the payment's actions were recorded."""
    verb: Mapped[str] = mapped_column(sa.String(32))
    actor: Mapped[str] = mapped_column(sa.Text)
    reason: Mapped[str | None] = mapped_column(sa.Text)
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime)
    receipt: Mapped[str | None] = mapped_column(sa.String(8))
    """Of `mark_paid`: whether a receipt is expected for it."""
    provider_receipt_id: Mapped[str | None] = mapped_column(sa.Text)
    """Of `move_receipt`: which receipt."""
    to_payment_id: Mapped[int | None] = mapped_column(_BIG)
    """Of `move_receipt`: the payment that the receipt pays from then on."""
    move: Mapped[int | None] = mapped_column(sa.Integer)
    """Of `move_receipt`: 1, 2, 3... among the moves of that receipt, in the order in which they were recorded."""


class ReceiptRow(Base):
    """What one delivery says of money received that names no payment. Which one holds: see `ledger/receipts.py`."""

    __tablename__ = "receipts"
    __table_args__ = (sa.Index(None, "merchant_id", "provider", "payer_key"),)

    merchant_id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    provider: Mapped[str] = mapped_column(sa.Text, primary_key=True)
    provider_receipt_id: Mapped[str] = mapped_column(sa.Text, primary_key=True)
    number: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    """1, 2, 3... in the order in which what is said of the receipt was recorded."""
    digest: Mapped[bytes] = mapped_column(_DIGEST)
    payer_key: Mapped[str] = mapped_column(sa.Text)
    amount_minor: Mapped[int | None] = mapped_column(_BIG)
    currency: Mapped[str | None] = mapped_column(sa.String(3))
    details: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    delivery_digest: Mapped[bytes | None] = mapped_column(_DIGEST)
    is_superseded: Mapped[bool] = mapped_column(sa.Boolean)
    """True: its delivery has been read again since, and does not say so any more."""
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    resolved: Mapped[int] = mapped_column(sa.Integer)
    """How many open failures it paid when it was first heard of (0 or 1): what its sender was told."""


class RefundRow(Base):
    """Money given back of one payment. It undoes no success: what was paid was paid."""

    __tablename__ = "refunds"
    __table_args__ = (sa.UniqueConstraint("merchant_id", "provider", "reference"),)

    merchant_id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    provider: Mapped[str] = mapped_column(sa.Text, primary_key=True)
    provider_payment_id: Mapped[str] = mapped_column(sa.Text, primary_key=True)
    number: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    """1, 2, 3... in the order in which the payment's refunds were recorded."""
    provider_attempt_id: Mapped[str] = mapped_column(sa.Text)
    """The attempt that had brought the money in."""
    reference: Mapped[str | None] = mapped_column(sa.Text)
    """The sender's own name for it: no two of a merchant's refunds have the same."""
    amount_minor: Mapped[int] = mapped_column(_BIG)
    currency: Mapped[str] = mapped_column(sa.String(3))
    refunded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    delivery_digest: Mapped[bytes] = mapped_column(_DIGEST)
    details: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    """The sender's own fields."""


SHARDS = range(32)
"""As many transactions can count at the same time without waiting for each other."""

BLOCK_BITS = 13
"""Payments whose numbers differ in these lowest bits only are of one block: 8,192 numbers."""


class DailyCountRow(Base):
    """How many failed payments of one status have their order date on one day, in shards.

    Each transaction adds to the first shard that no other one is adding to, so that none waits and there are no more
    shards than processes that commit at the same time; the count is the sum.
    """

    __tablename__ = "daily_counts"
    __table_args__ = (_one_of("status", Status),)

    merchant_id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    order_on: Mapped[date] = mapped_column(sa.Date, primary_key=True)
    status: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    shard: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    payments: Mapped[int] = mapped_column(_BIG)


class BlockCountRow(Base):
    """The same within a day, by block of payment numbers: where a page begins on a day that has very many."""

    __tablename__ = "block_counts"
    __table_args__ = (_one_of("status", Status),)

    merchant_id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    order_on: Mapped[date] = mapped_column(sa.Date, primary_key=True)
    status: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    block: Mapped[int] = mapped_column(_BIG, primary_key=True)
    """The payment's number without its lowest bits: see BLOCK_BITS."""
    shard: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    payments: Mapped[int] = mapped_column(_BIG)


class DailyAmountRow(Base):
    """What the failed payments of one day and status add up to in one currency."""

    __tablename__ = "daily_amounts"
    __table_args__ = (_one_of("status", Status),)

    merchant_id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    order_on: Mapped[date] = mapped_column(sa.Date, primary_key=True)
    status: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    currency: Mapped[str] = mapped_column(sa.String(3), primary_key=True)
    """Empty: unknown."""
    shard: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    payments: Mapped[int] = mapped_column(_BIG)
    amount_high: Mapped[int] = mapped_column(_BIG)
    """The sum of the amounts' upper halves (a half is 32 bits), because the sum of whole ones may be beyond 64."""
    amount_low: Mapped[int] = mapped_column(_BIG)
    without_amount: Mapped[int] = mapped_column(_BIG)


class IdempotencyRow(Base):
    """The answer to a request that carried an Idempotency-Key, committed with the request's effect."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (sa.Index(None, "merchant_id", "created_at"),)

    merchant_id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    key: Mapped[str] = mapped_column(sa.Text, primary_key=True)
    request_digest: Mapped[bytes] = mapped_column(_DIGEST)
    """SHA-256 of what was asked for, and where: the same key with another request is refused."""
    response: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    refusal: Mapped[str | None] = mapped_column(sa.Text)
    """Why it was refused, and then there is nothing in `response`."""
    request_id: Mapped[str] = mapped_column(sa.Text)
    """That of the request which had this answer first."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class NumberBlockRow(Base):
    """Where the next block of surrogate numbers begins; each process takes a block at a time."""

    __tablename__ = "number_blocks"

    name: Mapped[str] = mapped_column(sa.Text, primary_key=True)
    next_number: Mapped[int] = mapped_column(_BIG)
