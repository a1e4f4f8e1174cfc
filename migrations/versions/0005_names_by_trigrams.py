"""Customers' names by trigrams, so that a part of one is found without reading them all.

SQLite: an FTS5 table with triggers, which serve the version before as well. PostgreSQL: an index of pg_trgm, where the
server offers it and this user may have it. On a large table that would keep everybody from writing for minutes, so it
is left to the operator there: see "Searching names" in docs/operations.md.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ON_POSTGRESQL = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm')
        AND (SELECT coalesce(sum(payments), 0) FROM daily_counts) <= 100000
    THEN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
        CREATE INDEX IF NOT EXISTS ix_payments_name_trigrams ON payments USING gin (customer_name_folded gin_trgm_ops);
    END IF;
EXCEPTION WHEN insufficient_privilege OR undefined_object THEN
    RAISE NOTICE 'names are searched without pg_trgm: %', SQLERRM;
END
$$
"""

_ON_SQLITE = (
    "CREATE VIRTUAL TABLE payment_names USING fts5 (name, tokenize = 'trigram')",
    "INSERT INTO payment_names (rowid, name) "
    "SELECT id, customer_name_folded FROM payments WHERE customer_name_folded IS NOT NULL",
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
    if op.get_context().dialect.name == "postgresql":
        op.execute(_ON_POSTGRESQL)
        return
    if _has_trigrams():
        for statement in _ON_SQLITE:
            op.execute(statement)
    # of two indexes that seem equally good SQLite takes the one made first, and that by status has to be it
    op.execute("DROP INDEX ix_payments_failed")
    op.execute("CREATE INDEX ix_payments_failed ON payments (merchant_id, order_on DESC, id)")


def _has_trigrams() -> bool:
    """Whether this SQLite was built with FTS5 and is new enough (3.34); without it names are read one by one."""
    if op.get_context().as_sql:
        return True
    try:
        with op.get_bind().begin_nested():
            op.execute("CREATE VIRTUAL TABLE payment_names USING fts5 (name, tokenize = 'trigram')")
            op.execute("DROP TABLE payment_names")
    except sa.exc.OperationalError:
        return False
    return True


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP INDEX IF EXISTS ix_payments_name_trigrams")  # the extension may serve others
        return
    for moment in ("inserted", "updated", "deleted"):
        op.execute(f"DROP TRIGGER IF EXISTS payment_names_{moment}")
    op.execute("DROP TABLE IF EXISTS payment_names")
