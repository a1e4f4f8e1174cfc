"""The ledger: merchants with their tokens and sources; deliveries, payments, attempts, actions, receipts, counts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dunning_service.database.engines import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "daily_counts",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("order_on", sa.Date(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("payments", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "status IN ('failed', 'invoiced', 'debt_collection', 'paid', 'cancelled')",
            name=op.f("ck_daily_counts_status_known"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "order_on", "status", "shard", name="pk_daily_counts"),
    )
    op.create_table(
        "deliveries",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("last_received_at", UtcDateTime(), nullable=False),
        sa.Column("times_received", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reading", sa.Integer(), nullable=False),
        sa.CheckConstraint("outcome IN ('recorded', 'ignored', 'failed')", name=op.f("ck_deliveries_outcome_known")),
        sa.PrimaryKeyConstraint("merchant_id", "digest", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_merchant_id_received_at", "deliveries", ["merchant_id", "received_at"], unique=False)
    op.create_index(
        "ix_deliveries_not_recorded",
        "deliveries",
        ["merchant_id", "outcome", "received_at"],
        unique=False,
        postgresql_where=sa.text("outcome <> 'recorded'"),
        sqlite_where=sa.text("outcome <> 'recorded'"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("response", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "key", name="pk_idempotency_keys"),
    )
    op.create_index(
        "ix_idempotency_keys_merchant_id_created_at", "idempotency_keys", ["merchant_id", "created_at"], unique=False
    )
    op.create_table(
        "merchants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("default_currency", sa.String(length=3), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_merchants"),
        sa.UniqueConstraint("name", name="uq_merchants_name"),
    )
    op.create_table(
        "number_blocks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("next_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_number_blocks"),
    )
    op.create_table(
        "payments",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_payment_id", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("order_on", sa.Date(), nullable=True),
        sa.Column("first_failed_at", UtcDateTime(), nullable=True),
        sa.Column("last_failed_at", UtcDateTime(), nullable=True),
        sa.Column("attempt_count", sa.Integer(), nullable=False),
        sa.Column("failed_attempt_count", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("category", sa.String(length=32), nullable=False),
        sa.Column("provider_customer_id", sa.Text(), nullable=True),
        sa.Column("provider_subscription_id", sa.Text(), nullable=True),
        sa.Column("customer_name", sa.Text(), nullable=True),
        sa.Column("customer_name_folded", sa.Text(), nullable=True),
        sa.Column("customer_email", sa.Text(), nullable=True),
        sa.Column("customer_email_folded", sa.Text(), nullable=True),
        sa.Column("customer_phone", sa.Text(), nullable=True),
        sa.Column("customer_phone_key", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("payer_key", sa.Text(), nullable=True),
        sa.Column("provider_receipt_id", sa.Text(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('failed', 'invoiced', 'debt_collection', 'paid', 'cancelled')",
            name=op.f("ck_payments_status_known"),
        ),
        sa.CheckConstraint("currency IS NULL OR length(currency) = 3", name=op.f("ck_payments_currency_length")),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="pk_payments"),
        sa.UniqueConstraint(
            "merchant_id",
            "provider",
            "provider_payment_id",
            name="uq_payments_merchant_id_provider_provider_payment_id",
        ),
    )
    op.create_index(
        "ix_payments_failed", "payments", ["merchant_id", sa.literal_column("order_on DESC"), "id"], unique=False
    )
    op.create_index(
        "ix_payments_failed_by_status",
        "payments",
        ["merchant_id", "status", sa.literal_column("order_on DESC"), "id"],
        unique=False,
    )
    op.create_index(
        "ix_payments_merchant_id_customer_email_folded",
        "payments",
        ["merchant_id", "customer_email_folded"],
        unique=False,
        postgresql_where=sa.text("customer_email_folded IS NOT NULL"),
        sqlite_where=sa.text("customer_email_folded IS NOT NULL"),
    )
    op.create_index(
        "ix_payments_merchant_id_customer_phone_key",
        "payments",
        ["merchant_id", "customer_phone_key"],
        unique=False,
        postgresql_where=sa.text("customer_phone_key IS NOT NULL"),
        sqlite_where=sa.text("customer_phone_key IS NOT NULL"),
    )
    op.create_index(
        "ix_payments_merchant_id_payer_key",
        "payments",
        ["merchant_id", "payer_key"],
        unique=False,
        postgresql_where=sa.text("payer_key IS NOT NULL"),
        sqlite_where=sa.text("payer_key IS NOT NULL"),
    )
    op.create_index(
        "ix_payments_merchant_id_provider_customer_id",
        "payments",
        ["merchant_id", "provider_customer_id"],
        unique=False,
        postgresql_where=sa.text("provider_customer_id IS NOT NULL"),
        sqlite_where=sa.text("provider_customer_id IS NOT NULL"),
    )
    op.create_index(
        "ix_payments_merchant_id_provider_subscription_id",
        "payments",
        ["merchant_id", "provider_subscription_id"],
        unique=False,
        postgresql_where=sa.text("provider_subscription_id IS NOT NULL"),
        sqlite_where=sa.text("provider_subscription_id IS NOT NULL"),
    )
    op.create_index(
        "ix_payments_merchant_id_updated_at_id", "payments", ["merchant_id", "updated_at", "id"], unique=False
    )
    op.create_table(
        "receipts",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_receipt_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("payer_key", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("delivery_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("resolved", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "provider", "provider_receipt_id", "digest", name="pk_receipts"),
    )
    op.create_index(
        "ix_receipts_merchant_id_provider_payer_key", "receipts", ["merchant_id", "provider", "payer_key"], unique=False
    )
    op.create_table(
        "actions",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("verb", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "verb IN ('invoice', 'send_to_collection', 'mark_paid', 'cancel', 'reopen')",
            name=op.f("ck_actions_verb_known"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "payment_id"],
            ["payments.merchant_id", "payments.id"],
            name="fk_actions_merchant_id_payment_id_payments",
        ),
        sa.PrimaryKeyConstraint("merchant_id", "payment_id", "number", name="pk_actions"),
    )
    op.create_table(
        "attempts",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("provider_attempt_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("reading", sa.Integer(), nullable=False),
        sa.Column("delivery_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("occurred_at", UtcDateTime(), nullable=False),
        sa.Column("occurred_at_known", sa.Boolean(), nullable=False),
        sa.Column("stated_at", UtcDateTime(), nullable=True),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("category", sa.String(length=32), nullable=True),
        sa.Column("provider_customer_id", sa.Text(), nullable=True),
        sa.Column("provider_subscription_id", sa.Text(), nullable=True),
        sa.Column("customer_name", sa.Text(), nullable=True),
        sa.Column("customer_email", sa.Text(), nullable=True),
        sa.Column("customer_phone", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("payer_key", sa.Text(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('pending', 'failed', 'canceled', 'succeeded', 'guaranteed')",
            name=op.f("ck_attempts_outcome_known"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "payment_id", "provider_attempt_id", "digest", name="pk_attempts"),
    )
    op.create_table(
        "sources",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_sources_merchant_id_merchants"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="pk_sources"),
        sa.UniqueConstraint("id", name="uq_sources_id"),
    )
    op.create_table(
        "tokens",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_tokens_merchant_id_merchants"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="pk_tokens"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
    )
    op.create_table(
        "source_secrets",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["merchant_id", "source_id"],
            ["sources.merchant_id", "sources.id"],
            name="fk_source_secrets_merchant_id_source_id_sources",
        ),
        sa.PrimaryKeyConstraint("merchant_id", "source_id", "number", name="pk_source_secrets"),
    )
    # payment numbers begin with nine digits and stay below 2**31 for two billion payments
    op.execute("INSERT INTO number_blocks (name, next_number) VALUES ('payments', 100000001)")


def downgrade() -> None:
    op.drop_table("source_secrets")
    op.drop_table("tokens")
    op.drop_table("sources")
    op.drop_table("attempts")
    op.drop_table("actions")
    op.drop_table("receipts")
    op.drop_table("payments")
    op.drop_table("number_blocks")
    op.drop_table("merchants")
    op.drop_table("idempotency_keys")
    op.drop_table("deliveries")
    op.drop_table("daily_counts")
