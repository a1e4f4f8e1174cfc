"""Subscriptions: what was agreed, what is scheduled, how each merchant charges, and who asks for another try."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from dunning_service.database.engines import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_IS_WAITING = sa.text("wake_at IS NOT NULL")
_IS_CURRENT = sa.text("is_current")
_HAS_FAILED = sa.text("status = 'failed'")

_VERBS = ("invoice", "send_to_collection", "mark_paid", "cancel", "reopen")


def upgrade() -> None:
    op.add_column("merchants", sa.Column("retry_ladder", sa.Text(), nullable=True))
    op.add_column("merchants", sa.Column("cash_discount_units", sa.Integer(), nullable=True))
    op.create_table(
        "gateways",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("kind IN ('sandbox', 'http')", name=op.f("ck_gateways_kind_known")),
        sa.CheckConstraint("(kind = 'http') = (url IS NOT NULL)", name=op.f("ck_gateways_url_of_http")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_gateways_merchant_id_merchants")),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_gateways")),
    )
    op.create_index(
        op.f("ix_gateways_merchant_id"),
        "gateways",
        ["merchant_id"],
        unique=True,
        postgresql_where=_IS_CURRENT,
        sqlite_where=_IS_CURRENT,
    )
    op.create_table(
        "sandbox_charges",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "key", name=op.f("pk_sandbox_charges")),
    )
    op.create_table(
        "subscriptions",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("payment_processor_id", sa.String(length=36), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("payment_method_id", sa.String(length=36), nullable=False),
        sa.Column("transaction_type", sa.SmallInteger(), nullable=False),
        sa.Column("is_faster_processing", sa.Boolean(), nullable=True),
        sa.Column("use_card_price", sa.Boolean(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("base_minor", sa.BigInteger(), nullable=False),
        sa.Column("percentage_off_units", sa.Integer(), nullable=False),
        sa.Column("cash_discount_units", sa.Integer(), nullable=False),
        sa.Column("surcharge_units", sa.Integer(), nullable=False),
        sa.Column("frequency_unit", sa.SmallInteger(), nullable=False),
        sa.Column("frequency", sa.Integer(), nullable=False),
        sa.Column("starts_at", UtcDateTime(), nullable=False),
        sa.Column("pays_now", sa.Boolean(), nullable=False),
        sa.Column("number_of_payments", sa.Integer(), nullable=True),
        sa.Column("customer_name", sa.Text(), nullable=True),
        sa.Column("company_name", sa.Text(), nullable=True),
        sa.Column("names_folded", sa.Text(), nullable=True),
        sa.Column("customer_email", sa.Text(), nullable=True),
        sa.Column("customer_phone", sa.Text(), nullable=True),
        sa.Column("token_id", sa.String(length=32), nullable=False),
        sa.Column("token_name", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "status IN ('active', 'completed', 'failed', 'paused', 'terminated')",
            name=op.f("ck_subscriptions_status_known"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_subscriptions")),
    )
    op.create_index(
        op.f("ix_subscriptions_merchant_id_created_at_id"), "subscriptions", ["merchant_id", "created_at", "id"]
    )
    op.create_table(
        "scheduled_payments",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("subscription_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempt_count", sa.Integer(), nullable=False),
        sa.Column("first_failed_at", UtcDateTime(), nullable=True),
        sa.Column("next_attempt_at", UtcDateTime(), nullable=True),
        sa.Column("rule", sa.String(length=32), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("wake_at", UtcDateTime(), nullable=True),
        sa.Column("requested_by", sa.Text(), nullable=True),
        sa.Column("attempt_in_flight", sa.Integer(), nullable=True),
        sa.Column("gateway_id", sa.Integer(), nullable=True),
        sa.Column("lookups", sa.Integer(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('scheduled', 'processing', 'paid', 'failed', 'cancelled')",
            name=op.f("ck_scheduled_payments_status_known"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_scheduled_payments")),
        sa.UniqueConstraint(
            "merchant_id",
            "subscription_id",
            "number",
            name=op.f("uq_scheduled_payments_merchant_id_subscription_id_number"),
        ),
    )
    op.create_index(
        op.f("ix_scheduled_payments_merchant_id_wake_at"),
        "scheduled_payments",
        ["merchant_id", "wake_at"],
        postgresql_where=_HAS_FAILED,
        sqlite_where=_HAS_FAILED,
    )
    op.create_index(
        "ix_scheduled_payments_due",
        "scheduled_payments",
        ["wake_at"],
        postgresql_where=_IS_WAITING,
        sqlite_where=_IS_WAITING,
    )
    op.create_table(
        "blocked_methods",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("payment_method_id", sa.String(length=36), nullable=False),
        sa.Column("blocked_at", UtcDateTime(), nullable=False),
        sa.Column("decline", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "payment_method_id", name=op.f("pk_blocked_methods")),
    )
    _allow_verbs(*_VERBS, "retry", instead_of=_VERBS)


def _allow_verbs(*verbs: str, instead_of: Sequence[str]) -> None:
    """SQLite copies the table for it, so it has to be told what that is like."""
    name = op.f("ck_actions_verb_known")
    with op.batch_alter_table("actions", copy_from=_actions(instead_of)) as actions:
        actions.drop_constraint(name, type_="check")
        actions.create_check_constraint(name, _one_of(verbs))


def _one_of(verbs: Sequence[str]) -> str:
    return f"verb IN ({', '.join(repr(verb) for verb in verbs)})"


def _actions(verbs: Sequence[str]) -> sa.Table:
    return sa.Table(
        "actions",
        sa.MetaData(),
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("verb", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(_one_of(verbs), name=op.f("ck_actions_verb_known")),
        sa.ForeignKeyConstraint(
            ["merchant_id", "payment_id"],
            ["payments.merchant_id", "payments.id"],
            name="fk_actions_merchant_id_payment_id_payments",
        ),
        sa.PrimaryKeyConstraint("merchant_id", "payment_id", "number", name="pk_actions"),
    )


def downgrade() -> None:
    # they decided nothing, so every payment stands as before
    op.execute("DELETE FROM actions WHERE verb = 'retry'")
    _allow_verbs(*_VERBS, instead_of=(*_VERBS, "retry"))
    op.drop_table("blocked_methods")
    op.drop_table("scheduled_payments")
    op.drop_table("subscriptions")
    op.drop_table("sandbox_charges")
    op.drop_table("gateways")
    op.drop_column("merchants", "cash_discount_units")
    op.drop_column("merchants", "retry_ladder")
