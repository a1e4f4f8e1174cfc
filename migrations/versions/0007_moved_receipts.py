"""Receipts that a person moves, and payments marked as paid for which a receipt is expected.

The version before ignores the new columns and writes none of them, which is a mark without a receipt expected. Going
back drops the moves: that version lays receipts as if nobody had moved them, payment by payment as they change.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from dunning_service.database.engines import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_VERBS = ("invoice", "send_to_collection", "mark_paid", "cancel", "reopen", "retry")
_IS_MOVE = sa.text("provider_receipt_id IS NOT NULL")
_RECEIPT_KNOWN = "receipt IS NULL OR receipt IN ('expected', 'none')"
_ADDED = (
    ("receipt", sa.String(length=8)),
    ("provider_receipt_id", sa.Text()),
    ("to_payment_id", sa.BigInteger()),
    ("move", sa.Integer()),
)


def upgrade() -> None:
    with op.batch_alter_table("actions", copy_from=_actions(_VERBS)) as actions:
        for name, kind in _ADDED:
            actions.add_column(sa.Column(name, kind, nullable=True))
        actions.drop_constraint(op.f("ck_actions_verb_known"), type_="check")
        actions.create_check_constraint(op.f("ck_actions_verb_known"), _one_of((*_VERBS, "move_receipt")))
        actions.create_check_constraint(op.f("ck_actions_receipt_known"), _RECEIPT_KNOWN)
    op.create_index(
        "ix_actions_moved_receipts",
        "actions",
        ["merchant_id", "provider_receipt_id"],
        postgresql_where=_IS_MOVE,
        sqlite_where=_IS_MOVE,
    )


def downgrade() -> None:
    op.drop_index("ix_actions_moved_receipts", "actions")
    op.execute("DELETE FROM actions WHERE verb = 'move_receipt'")
    table = _actions(
        (*_VERBS, "move_receipt"),
        *(sa.Column(name, kind, nullable=True) for name, kind in _ADDED),
        sa.CheckConstraint(_RECEIPT_KNOWN, name=op.f("ck_actions_receipt_known")),
    )
    with op.batch_alter_table("actions", copy_from=table) as actions:
        actions.drop_constraint(op.f("ck_actions_receipt_known"), type_="check")
        actions.drop_constraint(op.f("ck_actions_verb_known"), type_="check")
        actions.create_check_constraint(op.f("ck_actions_verb_known"), _one_of(_VERBS))
        for name, _ in _ADDED:
            actions.drop_column(name)


def _one_of(verbs: Sequence[str]) -> str:
    return f"verb IN ({', '.join(repr(verb) for verb in verbs)})"


def _actions(verbs: Sequence[str], *more: sa.Column[object] | sa.CheckConstraint) -> sa.Table:
    """The table as it is before the change: SQLite copies it."""
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
        *more,
        sa.CheckConstraint(_one_of(verbs), name=op.f("ck_actions_verb_known")),
        sa.ForeignKeyConstraint(
            ["merchant_id", "payment_id"],
            ["payments.merchant_id", "payments.id"],
            name="fk_actions_merchant_id_payment_id_payments",
        ),
        sa.PrimaryKeyConstraint("merchant_id", "payment_id", "number", name="pk_actions"),
    )
