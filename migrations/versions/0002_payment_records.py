"""Payment records: refunds, a list in the order of creation, and whom an idempotent answer was first given to.

The new columns are nullable, so that a process of the version before goes on writing while this one starts.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dunning_service.database.engines import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_IS_PAYMENT_RECORD = sa.text("provider = 'payment_records'")


def upgrade() -> None:
    op.add_column("idempotency_keys", sa.Column("refusal", sa.Text(), nullable=True))
    op.add_column("idempotency_keys", sa.Column("request_id", sa.Text(), nullable=True))
    op.create_table(
        "refunds",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_payment_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("provider_attempt_id", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("refunded_at", UtcDateTime(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("delivery_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "provider", "provider_payment_id", "number", name=op.f("pk_refunds")),
        sa.UniqueConstraint(
            "merchant_id", "provider", "reference", name=op.f("uq_refunds_merchant_id_provider_reference")
        ),
    )
    # no row has this provider yet: PostgreSQL reads the table once, and there is nothing to sort
    op.create_index(
        "ix_payments_payment_records",
        "payments",
        ["merchant_id", sa.text("created_at DESC"), sa.text("id DESC")],
        postgresql_where=_IS_PAYMENT_RECORD,
        sqlite_where=_IS_PAYMENT_RECORD,
    )


def downgrade() -> None:
    # without the columns a kept refusal would look like a success to whoever migrates up again
    op.execute("DELETE FROM idempotency_keys WHERE request_id IS NOT NULL")
    op.drop_index("ix_payments_payment_records", table_name="payments")
    op.drop_table("refunds")
    op.drop_column("idempotency_keys", "request_id")
    op.drop_column("idempotency_keys", "refusal")
