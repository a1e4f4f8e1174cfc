"""Counts within a day, by block of payment numbers, and amounts by day and currency.

A process of the version before goes on with the daily counts alone, in shards below 32. What is there is moved to the
shards from 32 on and counted by block and currency now, so whatever has a lower shard later was changed by such a
process: the finer counts of those days are not used before `dunning ledger check --repair`. On PostgreSQL with more
than 500,000 failed payments everything is left to that command, which counts a day at a time and keeps nobody from
writing.

On PostgreSQL, where the versions may work side by side, a trigger sees to it that every change of theirs leaves such a
shard, also one that leaves the number of payments of its day as it was. This version says of its connections that they
count finely (`db.py`).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_AT_ONCE = 500_000
_COUNT_ALL = (
    """
    INSERT INTO daily_counts (merchant_id, order_on, status, shard, payments)
    SELECT merchant_id, order_on, status, shard + 32, payments FROM daily_counts WHERE shard < 32
    ON CONFLICT (merchant_id, order_on, status, shard) DO UPDATE
    SET payments = daily_counts.payments + excluded.payments
    """,
    "DELETE FROM daily_counts WHERE shard < 32",
    """
    INSERT INTO block_counts (merchant_id, order_on, status, block, shard, payments)
    SELECT merchant_id, order_on, status, id >> 13, 32, count(*)
    FROM payments WHERE order_on IS NOT NULL GROUP BY merchant_id, order_on, status, id >> 13
    """,
    """
    INSERT INTO daily_amounts
        (merchant_id, order_on, status, currency, shard, payments, amount_high, amount_low, without_amount)
    SELECT merchant_id, order_on, status, coalesce(currency, ''), 32, count(*),
        coalesce(sum(amount_minor >> 32), 0), coalesce(sum(amount_minor & 4294967295), 0),
        count(*) - count(amount_minor)
    FROM payments WHERE order_on IS NOT NULL GROUP BY merchant_id, order_on, status, coalesce(currency, '')
    """,
)

_STATUSES = "status IN ('failed', 'invoiced', 'debt_collection', 'paid', 'cancelled')"


_MARK = """
CREATE FUNCTION mark_as_counted_by_day() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND old.order_on IS NOT NULL THEN
        INSERT INTO daily_counts (merchant_id, order_on, status, shard, payments)
        VALUES (old.merchant_id, old.order_on, old.status, 31, 0) ON CONFLICT DO NOTHING;
    END IF;
    IF new.order_on IS NOT NULL THEN
        INSERT INTO daily_counts (merchant_id, order_on, status, shard, payments)
        VALUES (new.merchant_id, new.order_on, new.status, 31, 0) ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$
"""
_MARKING = """
CREATE TRIGGER mark_as_counted_by_day AFTER INSERT OR UPDATE ON payments FOR EACH ROW
WHEN (current_setting('dunning.counts', true) IS DISTINCT FROM 'fine')
EXECUTE FUNCTION mark_as_counted_by_day()
"""


def upgrade() -> None:
    op.create_table(
        "block_counts",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("order_on", sa.Date(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("payments", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(_STATUSES, name=op.f("ck_block_counts_status_known")),
        sa.PrimaryKeyConstraint("merchant_id", "order_on", "status", "block", "shard", name=op.f("pk_block_counts")),
    )
    op.create_table(
        "daily_amounts",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("order_on", sa.Date(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("payments", sa.BigInteger(), nullable=False),
        sa.Column("amount_high", sa.BigInteger(), nullable=False),
        sa.Column("amount_low", sa.BigInteger(), nullable=False),
        sa.Column("without_amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(_STATUSES, name=op.f("ck_daily_amounts_status_known")),
        sa.PrimaryKeyConstraint(
            "merchant_id", "order_on", "status", "currency", "shard", name=op.f("pk_daily_amounts")
        ),
    )
    if op.get_context().dialect.name == "postgresql":
        # With the trigger, processes of the version before wait, each at its next payment, until this is committed: so
        # the payments that are counted are those that the daily counts have. With millions that would take too long.
        op.execute(_MARK)
        op.execute(_MARKING)
        op.execute(
            "DO $$ BEGIN "  # noqa: S608
            f"IF (SELECT coalesce(sum(payments), 0) FROM daily_counts) <= {_AT_ONCE} THEN "
            f"{'; '.join(_COUNT_ALL)}; END IF; END $$"
        )
    else:
        for statement in _COUNT_ALL:
            op.execute(statement)


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP TRIGGER mark_as_counted_by_day ON payments")
        op.execute("DROP FUNCTION mark_as_counted_by_day()")
    # the daily counts stay: the version before adds up all shards
    op.drop_table("daily_amounts")
    op.drop_table("block_counts")
