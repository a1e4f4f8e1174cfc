"""Tables of subscriptions, their scheduled payments, and blocked payment methods.

They hold what is planned. What was done is in the ledger: every attempt at a scheduled payment is an attempt there,
under the payment's id.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from dunning_service.database.engines import Base, UtcDateTime

_BIG = sa.BigInteger()
_UUID = sa.String(36)


class SubscriptionRow(Base):
    """A subscription: how much is charged, how often, with which payment method."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        sa.CheckConstraint("status IN ('active', 'completed', 'failed', 'paused', 'terminated')", name="status_known"),
        sa.Index(None, "merchant_id", "created_at", "id"),
    )

    merchant_id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    id: Mapped[str] = mapped_column(_UUID, primary_key=True)
    status: Mapped[str] = mapped_column(sa.String(16))
    payment_processor_id: Mapped[str] = mapped_column(_UUID)
    customer_id: Mapped[str] = mapped_column(_UUID)
    payment_method_id: Mapped[str] = mapped_column(_UUID)
    transaction_type: Mapped[int] = mapped_column(sa.SmallInteger)
    is_faster_processing: Mapped[bool | None] = mapped_column(sa.Boolean)
    use_card_price: Mapped[bool | None] = mapped_column(sa.Boolean)
    currency: Mapped[str] = mapped_column(sa.String(3))
    base_minor: Mapped[int] = mapped_column(_BIG)
    percentage_off_units: Mapped[int] = mapped_column(sa.Integer)
    """Rates are in ten-thousandths of a percent."""
    cash_discount_units: Mapped[int] = mapped_column(sa.Integer)
    surcharge_units: Mapped[int] = mapped_column(sa.Integer)
    frequency_unit: Mapped[int] = mapped_column(sa.SmallInteger)
    frequency: Mapped[int] = mapped_column(sa.Integer)
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When the first payment falls due: every other is counted from it."""
    pays_now: Mapped[bool] = mapped_column(sa.Boolean)
    """No start was given: the first payment was charged within the request."""
    number_of_payments: Mapped[int | None] = mapped_column(sa.Integer)
    """None: it has no end."""
    customer_name: Mapped[str | None] = mapped_column(sa.Text)
    company_name: Mapped[str | None] = mapped_column(sa.Text)
    names_folded: Mapped[str | None] = mapped_column(sa.Text)
    """Both names, for searching without regard to case and accents."""
    customer_email: Mapped[str | None] = mapped_column(sa.Text)
    customer_phone: Mapped[str | None] = mapped_column(sa.Text)
    token_id: Mapped[str] = mapped_column(sa.String(32))
    """The token that created it."""
    token_name: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When its status became final."""


class ScheduledPaymentRow(Base):
    """One payment of a subscription: when it falls due, and what is to happen with it next."""

    __tablename__ = "scheduled_payments"
    __table_args__ = (
        sa.UniqueConstraint("merchant_id", "subscription_id", "number"),
        sa.CheckConstraint("status IN ('scheduled', 'processing', 'paid', 'failed', 'cancelled')", name="status_known"),
        # for the failed list's filters: what is yet to be tried for the first time is in no list, and it is a lot
        sa.Index(
            None,
            "merchant_id",
            "wake_at",
            postgresql_where=sa.text("status = 'failed'"),
            sqlite_where=sa.text("status = 'failed'"),
        ),
        # the worker asks for all merchants at once, whichever of them has something due
        sa.Index(
            "ix_scheduled_payments_due",
            "wake_at",
            postgresql_where=sa.text("wake_at IS NOT NULL"),
            sqlite_where=sa.text("wake_at IS NOT NULL"),
        ),
    )

    merchant_id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    id: Mapped[str] = mapped_column(_UUID, primary_key=True)
    subscription_id: Mapped[str] = mapped_column(_UUID)
    number: Mapped[int] = mapped_column(sa.Integer)
    """1, 2, 3... among the payments of the subscription."""
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    amount_minor: Mapped[int] = mapped_column(_BIG)
    currency: Mapped[str] = mapped_column(sa.String(3))
    status: Mapped[str] = mapped_column(sa.String(16))
    attempt_count: Mapped[int] = mapped_column(sa.Integer)
    """Attempts whose outcome is known."""
    first_failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """None while one is being made, and when none is planned. Of a payment that has failed, `wake_at` is when the next
    is made, unless an action keeps it from being charged."""
    rule: Mapped[str | None] = mapped_column(sa.String(32))
    reason: Mapped[str | None] = mapped_column(sa.Text)
    """Why then, or why not at all; None before anything has gone wrong."""
    wake_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When a worker leases it next: to charge it, to look up an attempt without an outcome, or to see whether an action
    still keeps it from being charged."""
    requested_by: Mapped[str | None] = mapped_column(sa.Text)
    """Who asked for the next attempt, or for the one in flight; None: the schedule did."""
    attempt_in_flight: Mapped[int | None] = mapped_column(sa.Integer)
    """The number of the attempt that has begun and has no outcome yet. It is looked up before it is charged again."""
    gateway_id: Mapped[int | None] = mapped_column(sa.Integer)
    """Where the attempt in flight was begun, and is looked up, whatever the merchant has chosen since; None when
    nothing is in flight, and when the merchant had no gateway."""
    lookups: Mapped[int] = mapped_column(sa.Integer)
    """How often the attempt in flight has been looked up in vain."""
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class BlockedMethodRow(Base):
    """A payment method whose decline forbids automatic tries for ever."""

    __tablename__ = "blocked_methods"

    merchant_id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    payment_method_id: Mapped[str] = mapped_column(_UUID, primary_key=True)
    blocked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decline: Mapped[dict[str, str]] = mapped_column(sa.JSON)
    """The codes of that decline, as they came."""
