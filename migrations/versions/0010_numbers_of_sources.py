"""A short number for each source, for the log: its id is part of its address, which is a secret of a kind.

The database gives the number, so that sources made by the version before get one as well: PostgreSQL from a sequence,
SQLite by a trigger.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_NUMBER_ALL = """
UPDATE sources SET number = (
    SELECT count(*) FROM sources AS other
    WHERE other.created_at < sources.created_at OR (other.created_at = sources.created_at AND other.id <= sources.id)
)
"""
_ON_POSTGRESQL = (
    "LOCK TABLE sources IN SHARE ROW EXCLUSIVE MODE",
    _NUMBER_ALL,
    "CREATE SEQUENCE sources_number_seq OWNED BY sources.number",
    "SELECT setval('sources_number_seq', (SELECT count(*) + 1 FROM sources), false)",
    "ALTER TABLE sources ALTER COLUMN number SET DEFAULT nextval('sources_number_seq')",
)
_ON_SQLITE = (
    _NUMBER_ALL,
    "CREATE TRIGGER sources_numbered AFTER INSERT ON sources WHEN new.number IS NULL BEGIN "
    "UPDATE sources SET number = (SELECT coalesce(max(number), 0) + 1 FROM sources) "
    "WHERE merchant_id = new.merchant_id AND id = new.id; END",
)


def upgrade() -> None:
    op.add_column("sources", sa.Column("number", sa.BigInteger(), nullable=True))
    for statement in _ON_POSTGRESQL if op.get_context().dialect.name == "postgresql" else _ON_SQLITE:
        op.execute(statement)


def downgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        op.execute("DROP TRIGGER sources_numbered")
    op.drop_column("sources", "number")
