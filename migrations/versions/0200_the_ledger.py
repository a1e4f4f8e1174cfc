"""The ledger: merchants with their tokens and sources, deliveries, payments and their facts, counts, subscriptions."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

from dunning_service.database.engines import UtcDateTime

revision = "0200"
down_revision = None


_STATUSES = ("failed", "invoiced", "debt_collection", "paid", "cancelled")

_VERBS = ("invoice", "send_to_collection", "mark_paid", "cancel", "reopen", "retry", "move_receipt")

_NAMES_ON_POSTGRESQL = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') THEN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
        CREATE INDEX ix_payments_name_trigrams ON payments USING gin (customer_name_folded gin_trgm_ops);
    END IF;
EXCEPTION WHEN insufficient_privilege OR undefined_object THEN
    RAISE NOTICE 'names are searched without pg_trgm: %', SQLERRM;
END
$$
"""

_NAMES_ON_SQLITE = (
    "CREATE VIRTUAL TABLE payment_names USING fts5 (name, tokenize = 'trigram')",
    "CREATE TRIGGER payment_names_inserted AFTER INSERT ON payments WHEN new.customer_name_folded IS NOT NULL BEGIN "
    "INSERT INTO payment_names (rowid, name) VALUES (new.id, new.customer_name_folded); END",
    "CREATE TRIGGER payment_names_updated AFTER UPDATE OF customer_name_folded ON payments "
    "WHEN new.customer_name_folded IS NOT old.customer_name_folded BEGIN "
    "DELETE FROM payment_names WHERE rowid = old.id; "
    "INSERT INTO payment_names (rowid, name) SELECT new.id, new.customer_name_folded "
    "WHERE new.customer_name_folded IS NOT NULL; END",
    "CREATE TRIGGER payment_names_deleted AFTER DELETE ON payments BEGIN "
    "DELETE FROM payment_names WHERE rowid = old.id; END",
)


def upgrade() -> None:
    _merchants()
    _payments()
    _facts()
    _subscriptions()
    _index_of_names()


def downgrade() -> None:
    for table in (
        *("source_secrets", "sources", "tokens", "gateways", "actions", "merchants"),
        *("deliveries", "attempts", "receipts", "refunds", "idempotency_keys", "payments", "number_blocks"),
        *("daily_counts", "block_counts", "daily_amounts"),
        *("subscriptions", "scheduled_payments", "blocked_methods", "sandbox_charges"),
    ):
        op.drop_table(table)
    op.execute("DROP TABLE IF EXISTS payment_names")  # the extension of PostgreSQL may serve others


def _merchants() -> None:
    """Merchants, and how they post, read and charge."""
    op.create_table(
        "merchants",
        sa.Column("id", sa.Integer(), nullable=False),
        *_required(sa.Text(), "name", "time_zone"),
        sa.Column("default_currency", sa.String(length=3), nullable=True),
        sa.Column("retry_ladder", sa.Text(), nullable=True),
        sa.Column("cash_discount_units", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    _table(
        "tokens",
        sa.Column("id", sa.String(length=32), nullable=False),
        *_required(sa.Text(), "name", "scopes"),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        *_optional(UtcDateTime(), "expires_at", "revoked_at"),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"]),
        sa.UniqueConstraint("digest"),
        key=("id",),
    )
    _table(
        "sources",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"]),
        sa.UniqueConstraint("id"),
        key=("id",),
    )
    _table(
        "source_secrets",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.String(length=32), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["merchant_id", "source_id"], ["sources.merchant_id", "sources.id"]),
        key=("source_id", "number"),
    )
    _table(
        "gateways",
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.CheckConstraint("(kind = 'http') = (url IS NOT NULL)", name="url_of_http"),
        _known("kind", "sandbox", "http"),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"]),
        key=("id",),
    )
    _index("gateways", "merchant_id", where="is_current", unique=True)


def _facts() -> None:
    """What came in and what was decided; the actions refer to the payments."""
    _table(
        "deliveries",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        *_required(sa.Text(), "provider", "origin"),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        *_required(UtcDateTime(), "received_at", "last_received_at"),
        *_required(sa.Integer(), "times_received", "reading"),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("subjects", sa.JSON(), nullable=True),
        _known("outcome", "recorded", "ignored", "failed"),
        key=("digest",),
    )
    _index("deliveries", "merchant_id", "received_at")
    _index(
        "deliveries",
        *("merchant_id", "outcome", "received_at"),
        name="ix_deliveries_not_recorded",
        where="outcome <> 'recorded'",
    )
    _table(
        "attempts",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("provider_attempt_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("delivery_digest", sa.LargeBinary(length=32), nullable=True),
        *_required(sa.Boolean(), "is_superseded", "occurred_at_known"),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        *_required(UtcDateTime(), "occurred_at", "received_at"),
        *_optional(UtcDateTime(), "stated_at", "erased_at"),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        *_optional(sa.Text(), "code", "message", "provider_customer_id", "provider_subscription_id", "customer_name"),
        *_optional(sa.Text(), "customer_email", "customer_phone", "description", "payer_key"),
        sa.Column("category", sa.String(length=32), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        _known("outcome", "pending", "failed", "canceled", "succeeded", "guaranteed"),
        key=("payment_id", "number"),
    )
    _table(
        "receipts",
        sa.Column("number", sa.Integer(), nullable=False),
        *_required(sa.Text(), "provider", "provider_receipt_id"),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("payer_key", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("delivery_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("is_superseded", sa.Boolean(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("resolved", sa.Integer(), nullable=False),
        key=("provider", "provider_receipt_id", "number"),
    )
    _index("receipts", "merchant_id", "provider", "payer_key")
    _table(
        "refunds",
        sa.Column("number", sa.Integer(), nullable=False),
        *_required(sa.Text(), "provider", "provider_payment_id"),
        sa.Column("provider_attempt_id", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        *_required(UtcDateTime(), "refunded_at", "received_at"),
        sa.Column("delivery_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.UniqueConstraint("merchant_id", "provider", "reference"),
        key=("provider", "provider_payment_id", "number"),
    )
    _table(
        "actions",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("verb", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        *_optional(sa.Text(), "reason", "provider_receipt_id"),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.Column("receipt", sa.String(length=8), nullable=True),
        sa.Column("to_payment_id", sa.BigInteger(), nullable=True),
        sa.Column("move", sa.Integer(), nullable=True),
        sa.CheckConstraint("receipt IS NULL OR receipt IN ('expected', 'none')", name="receipt_known"),
        _known("verb", *_VERBS),
        sa.ForeignKeyConstraint(["merchant_id", "payment_id"], ["payments.merchant_id", "payments.id"]),
        key=("payment_id", "number"),
    )
    _index(
        "actions",
        *("merchant_id", "provider_receipt_id"),
        name="ix_actions_moved_receipts",
        where="provider_receipt_id IS NOT NULL",
    )
    _table(
        "idempotency_keys",
        *_required(sa.Text(), "key", "request_id"),
        sa.Column("request_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("response", sa.JSON(), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        key=("key",),
    )
    _index("idempotency_keys", "merchant_id", "created_at")


def _payments() -> None:
    """What the facts add up to."""
    _table(
        "payments",
        sa.Column("id", sa.BigInteger(), nullable=False),
        *_required(sa.Text(), "provider", "provider_payment_id", "identifiers_folded"),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("order_on", sa.Date(), nullable=True),
        *_optional(UtcDateTime(), "first_failed_at", "last_failed_at"),
        *_required(sa.Integer(), "attempt_count", "failed_attempt_count"),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        *_optional(sa.Text(), "code", "message", "provider_customer_id", "provider_subscription_id", "customer_name"),
        *_optional(sa.Text(), "customer_name_folded", "customer_email", "customer_email_folded", "customer_phone"),
        *_optional(sa.Text(), "customer_phone_key", "description", "description_folded", "payer_key"),
        sa.Column("provider_receipt_id", sa.Text(), nullable=True),
        sa.Column("category", sa.String(length=32), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        *_required(UtcDateTime(), "created_at", "updated_at"),
        _known("status", *_STATUSES),
        sa.CheckConstraint("currency IS NULL OR length(currency) = 3", name="currency_length"),
        sa.UniqueConstraint("merchant_id", "provider", "provider_payment_id"),
        key=("id",),
    )
    searched = ("provider_subscription_id", "provider_customer_id", "customer_email_folded", "customer_phone_key")
    for column in (*searched, "payer_key"):
        _index("payments", "merchant_id", column, where=f"{column} IS NOT NULL")
    _index("payments", "merchant_id", "updated_at", "id")
    block = sa.Column("block", sa.BigInteger(), nullable=False)
    currency = sa.Column("currency", sa.String(length=3), nullable=False)
    sums = ("amount_high", "amount_low", "without_amount")
    for table, kinds, more in (
        ("daily_counts", [], ()),
        ("block_counts", [block], ()),
        ("daily_amounts", [currency], sums),
    ):
        _table(
            table,
            sa.Column("shard", sa.Integer(), nullable=False),
            sa.Column("order_on", sa.Date(), nullable=False),
            sa.Column("status", sa.String(length=16), nullable=False),
            *kinds,
            *_required(sa.BigInteger(), "payments", *more),
            _known("status", *_STATUSES),
            key=("order_on", "status", *(kind.name for kind in kinds), "shard"),
        )
    op.create_table(
        "number_blocks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("next_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    # payment numbers begin with nine digits and stay below 2**31 for two billion payments
    op.execute("INSERT INTO number_blocks (name, next_number) VALUES ('payments', 100000001)")
    _index(
        "payments",
        *("merchant_id", "created_at DESC", "id DESC"),
        name="ix_payments_payment_records",
        where="provider = 'payment_records'",
    )
    # of two indexes that seem equally good SQLite takes the one made first, and that by status has to be it
    _index("payments", "merchant_id", "status", "order_on DESC", "id", name="ix_payments_failed_by_status")
    _index("payments", "merchant_id", "order_on DESC", "id", name="ix_payments_failed")


def _subscriptions() -> None:
    """What is to be charged, and when."""
    _table(
        "subscriptions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        *_required(sa.String(length=36), "payment_processor_id", "customer_id", "payment_method_id"),
        *_required(sa.SmallInteger(), "transaction_type", "frequency_unit"),
        *_optional(sa.Boolean(), "is_faster_processing", "use_card_price"),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("base_minor", sa.BigInteger(), nullable=False),
        *_required(sa.Integer(), "percentage_off_units", "cash_discount_units", "surcharge_units", "frequency"),
        *_required(UtcDateTime(), "starts_at", "created_at"),
        sa.Column("pays_now", sa.Boolean(), nullable=False),
        sa.Column("number_of_payments", sa.Integer(), nullable=True),
        *_optional(sa.Text(), "customer_name", "company_name", "names_folded", "customer_email", "customer_phone"),
        sa.Column("token_id", sa.String(length=32), nullable=False),
        sa.Column("token_name", sa.Text(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        _known("status", "active", "completed", "failed", "paused", "terminated"),
        key=("id",),
    )
    _index("subscriptions", "merchant_id", "created_at", "id")
    _table(
        "scheduled_payments",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("subscription_id", sa.String(length=36), nullable=False),
        *_required(sa.Integer(), "number", "attempt_count", "lookups"),
        *_required(UtcDateTime(), "due_at", "updated_at"),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        *_optional(UtcDateTime(), "first_failed_at", "next_attempt_at", "wake_at"),
        sa.Column("rule", sa.String(length=32), nullable=True),
        *_optional(sa.Text(), "reason", "requested_by"),
        *_optional(sa.Integer(), "attempt_in_flight", "gateway_id"),
        _known("status", "scheduled", "processing", "paid", "failed", "cancelled"),
        sa.UniqueConstraint("merchant_id", "subscription_id", "number"),
        key=("id",),
    )
    _index("scheduled_payments", "wake_at", name="ix_scheduled_payments_due", where="wake_at IS NOT NULL")
    _index("scheduled_payments", "merchant_id", "wake_at", where="status = 'failed'")
    _table(
        "blocked_methods",
        sa.Column("payment_method_id", sa.String(length=36), nullable=False),
        sa.Column("blocked_at", UtcDateTime(), nullable=False),
        sa.Column("decline", sa.JSON(), nullable=False),
        key=("payment_method_id",),
    )
    _table(
        "sandbox_charges",
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        key=("key",),
    )


def _index_of_names() -> None:
    """Parts of customers' names, found by trigrams where the database offers that: pg_trgm, or FTS5 of SQLite 3.34."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(_NAMES_ON_POSTGRESQL)
        return
    savepoint = nullcontext() if op.get_context().as_sql else op.get_bind().begin_nested()
    with suppress(sa.exc.OperationalError), savepoint:
        for statement in _NAMES_ON_SQLITE:
            op.execute(statement)


def _table(name: str, *parts: Any, key: tuple[str, ...]) -> None:
    """A table of merchants' rows: the merchant leads the key. Constraints are named by the convention of the models."""
    merchant = sa.Column("merchant_id", sa.Integer(), nullable=False)
    op.create_table(name, merchant, *parts, sa.PrimaryKeyConstraint("merchant_id", *key))


def _known(column: str, *values: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} IN {values}", name=f"{column}_known")


def _required(kind: TypeEngine[Any], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def _optional(kind: TypeEngine[Any], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=True) for name in names]


def _index(table: str, *columns: str, name: str | None = None, where: str | None = None, unique: bool = False) -> None:
    """An index of plain columns and of columns with DESC, on the rows for which `where` is true."""
    op.create_index(
        name or f"ix_{table}_{'_'.join(columns)}",
        table,
        [sa.text(column) if " " in column else column for column in columns],
        unique=unique,
        postgresql_where=None if where is None else sa.text(where),
        sqlite_where=None if where is None else sa.text(where),
    )
