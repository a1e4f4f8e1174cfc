"""What each delivery says of an attempt or a receipt, in rows numbered within the payment or the receipt.

Until now a statement was one row, whichever deliveries made it, so a replay could not take back what another delivery
still said, nor be taken back itself. Now each delivery has rows of its own, and those that a later reading of it has
superseded are marked. A delivery notes which payments and receipts it is about.

What is there is numbered in the order in which it came. Of several readings of one delivery the latest holds, as it did
(of a receipt's, the one with the greatest digest). A delivery that only repeated another's statement in other bytes has
no rows; a replay gives it some. Processes of the version before cannot write any more after this and answer 503, and
their senders send again.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from dunning_service.database.engines import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TEXTS = ("code", "message")
_PERSON = (
    "provider_customer_id",
    "provider_subscription_id",
    "customer_name",
    "customer_email",
    "customer_phone",
    "description",
    "payer_key",
)


def _columns(table: str) -> list[sa.Column[Any]]:
    """Those that both versions have."""
    money = [
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
    ]
    common = [
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("delivery_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        *money,
    ]
    if table == "receipts":
        return [
            *common,
            *(sa.Column(name, sa.Text(), nullable=False) for name in ("provider", "provider_receipt_id", "payer_key")),
            sa.Column("resolved", sa.Integer(), nullable=False),
        ]
    return [
        *common,
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("provider_attempt_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("occurred_at", UtcDateTime(), nullable=False),
        sa.Column("occurred_at_known", sa.Boolean(), nullable=False),
        sa.Column("stated_at", UtcDateTime(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("category", sa.String(length=32), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=True) for name in (*_TEXTS, *_PERSON)),
    ]


def _checks(table: str) -> list[sa.CheckConstraint]:
    known = "outcome IN ('pending', 'failed', 'canceled', 'succeeded', 'guaranteed')"
    return [sa.CheckConstraint(known, name=op.f("ck_attempts_outcome_known"))] if table == "attempts" else []


_OLD_KEY = {
    "attempts": ("merchant_id", "payment_id", "provider_attempt_id", "digest"),
    "receipts": ("merchant_id", "provider", "provider_receipt_id", "digest"),
}
_NEW_KEY = {
    "attempts": ("merchant_id", "payment_id", "number"),
    "receipts": ("merchant_id", "provider", "provider_receipt_id", "number"),
}
_NUMBERED = {
    "attempts": """
        SELECT attempts.*,
            row_number() OVER (PARTITION BY merchant_id, payment_id ORDER BY received_at, reading, digest) AS number,
            delivery_digest IS NOT NULL AND reading < max(reading) OVER (
                PARTITION BY merchant_id, payment_id, provider_attempt_id, delivery_digest
            ) AS is_superseded
        FROM attempts
    """,
    "receipts": """
        SELECT receipts.*,
            row_number() OVER (
                PARTITION BY merchant_id, provider, provider_receipt_id ORDER BY received_at, digest
            ) AS number,
            delivery_digest IS NOT NULL AND 1 < row_number() OVER (
                PARTITION BY merchant_id, provider, provider_receipt_id, delivery_digest ORDER BY digest DESC
            ) AS is_superseded
        FROM receipts
    """,
}
"""The rows of the version before, as this one numbers and marks them."""

_DISTINCT = """
    SELECT * FROM (
        SELECT attempts.*,
            row_number() OVER (
                PARTITION BY merchant_id, payment_id, provider_attempt_id, digest
                ORDER BY is_superseded, received_at, number
            ) AS place,
            CASE WHEN NOT is_superseded AND 0 < sum(CASE WHEN is_superseded THEN 1 ELSE 0 END) OVER (
                PARTITION BY merchant_id, payment_id, provider_attempt_id
            ) THEN 2 ELSE 1 END AS reading
        FROM attempts
    ) AS placed WHERE place = 1
"""
"""The attempts as the version before keeps them: a statement once, and of several readings the latest by its number."""

_FIRST_RECEIPTS = """
    SELECT * FROM (
        SELECT receipts.*,
            row_number() OVER (
                PARTITION BY merchant_id, provider, provider_receipt_id, digest ORDER BY received_at, number
            ) AS place
        FROM receipts
    ) AS placed WHERE place = 1
"""
"""The receipts as the version before keeps them."""

_SUBJECTS = """
    UPDATE deliveries SET subjects = found.subjects FROM (
        SELECT said.merchant_id, said.delivery_digest, {subjects} AS subjects FROM (
            SELECT DISTINCT merchant_id, delivery_digest FROM attempts WHERE NOT is_superseded
            UNION SELECT DISTINCT merchant_id, delivery_digest FROM receipts WHERE NOT is_superseded
        ) AS said
        LEFT JOIN (
            SELECT merchant_id, delivery_digest, {group}(DISTINCT payment_id) AS named
            FROM attempts WHERE NOT is_superseded GROUP BY merchant_id, delivery_digest
        ) AS payments
        ON payments.merchant_id = said.merchant_id AND payments.delivery_digest = said.delivery_digest
        LEFT JOIN (
            SELECT merchant_id, delivery_digest, {group}(DISTINCT provider_receipt_id) AS named
            FROM receipts WHERE NOT is_superseded GROUP BY merchant_id, delivery_digest
        ) AS paid
        ON paid.merchant_id = said.merchant_id AND paid.delivery_digest = said.delivery_digest
    ) AS found
    WHERE deliveries.merchant_id = found.merchant_id AND deliveries.digest = found.delivery_digest
        AND deliveries.outcome = 'recorded' AND deliveries.provider NOT IN ('payment_records', 'subscriptions')
"""
_ON_POSTGRESQL = {
    "group": "json_agg",
    "subjects": "json_build_object("
    "'payments', coalesce(payments.named, '[]'::json), 'receipts', coalesce(paid.named, '[]'::json))",
}
_ON_SQLITE = {
    "group": "json_group_array",
    "subjects": "json_object("
    "'payments', json(coalesce(payments.named, '[]')), 'receipts', json(coalesce(paid.named, '[]')))",
}


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("subjects", sa.JSON(), nullable=True))
    for table, rows in _NUMBERED.items():
        number = sa.Column("number", sa.Integer(), nullable=False)
        is_superseded = sa.Column("is_superseded", sa.Boolean(), nullable=False)
        _rewrite(table, rows, [number, is_superseded], _NEW_KEY[table])
    words = _ON_POSTGRESQL if op.get_context().dialect.name == "postgresql" else _ON_SQLITE
    op.execute(_SUBJECTS.format(**words))


def downgrade() -> None:
    # the version before would take them for statements that hold
    op.execute("DELETE FROM receipts WHERE is_superseded")
    _rewrite("attempts", _DISTINCT, [sa.Column("reading", sa.Integer(), nullable=False)], _OLD_KEY["attempts"])
    _rewrite("receipts", _FIRST_RECEIPTS, [], _OLD_KEY["receipts"])
    op.drop_column("deliveries", "subjects")


def _rewrite(table: str, rows: str, added: list[sa.Column[Any]], key: tuple[str, ...]) -> None:
    """Makes the table again with other columns and another key, from `rows` of the one that is there."""
    op.execute(f"CREATE TABLE {table}_rewritten AS {rows}")
    op.drop_table(table)
    columns = [*_columns(table), *added]
    names = ", ".join(column.name for column in columns)
    op.create_table(table, *columns, *_checks(table), sa.PrimaryKeyConstraint(*key, name=f"pk_{table}"))
    op.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM {table}_rewritten")  # noqa: S608
    op.drop_table(f"{table}_rewritten")
    if table == "receipts":
        payer = ["merchant_id", "provider", "payer_key"]
        op.create_index("ix_receipts_merchant_id_provider_payer_key", table, payer, unique=False)
