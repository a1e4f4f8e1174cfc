"""When an attempt's personal data were erased, so that a repeat of it in other bytes is known to bring them back.

Attempts erased before are those whose delivery has the mark and that say nothing of a person themselves: a delivery may
have brought another person's attempt as well.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dunning_service.database.engines import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_OF_ATTEMPT = (
    "d.merchant_id = attempts.merchant_id AND d.digest = attempts.delivery_digest AND d.body IS NULL "
    "AND CAST(d.headers AS text) LIKE '{\"x-dunning-erased-at\"%'"
)
_ERASED_AT = {
    "postgresql": "CAST(d.headers ->> 'x-dunning-erased-at' AS timestamptz)",
    "sqlite": "trim(substr(d.headers, length('{\"x-dunning-erased-at\"') + 1), ' :\"}')",
}
_CARRY_OVER = """
UPDATE attempts SET erased_at = (SELECT {erased_at} FROM deliveries AS d WHERE {of_attempt})
WHERE message IS NULL AND provider_customer_id IS NULL AND customer_name IS NULL AND customer_email IS NULL
    AND customer_phone IS NULL AND description IS NULL
    AND EXISTS (SELECT 1 FROM deliveries AS d WHERE {of_attempt})
"""


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    op.add_column("attempts", sa.Column("erased_at", UtcDateTime(), nullable=True))
    op.execute(sa.text(_CARRY_OVER.format(erased_at=_ERASED_AT[dialect], of_attempt=_OF_ATTEMPT).replace(":", r"\:")))


def downgrade() -> None:
    op.drop_column("attempts", "erased_at")
