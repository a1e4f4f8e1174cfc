"""Names without accents, phone numbers as E.164, and all ids of a payment, each in a column that searching goes by.

Folding is the service's own, as what it looks for is folded in the same way; it takes texts only, so no table has to
be what a later version makes of it. Rows are written again a thousand at a time, and what finds names follows.

On PostgreSQL with more than 20,000 failed payments the payments are left to `dunning ledger check --repair`, which
keeps nobody from writing, and so is everything with `--sql`. Until then they are found as before. A process of the
version before folds as it did; a trigger sees to it that its rows are known by having no ids, and that command finds
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

from dunning_service.ledger.fields import folded_names
from dunning_service.ledger.texts import fold_texts

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_AT_ONCE = 20_000
_CHUNK = 1_000

_FUNCTION = """
CREATE FUNCTION mark_texts_as_not_folded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    new.identifiers_folded := NULL;
    RETURN new;
END
$$
"""
_TRIGGER = """
CREATE TRIGGER mark_texts_as_not_folded BEFORE INSERT OR UPDATE ON payments FOR EACH ROW
WHEN (current_setting('dunning.texts', true) IS DISTINCT FROM 'folded')
EXECUTE FUNCTION mark_texts_as_not_folded()
"""

_TEXTS = ("customer_name_folded", "customer_phone_key", "description_folded", "identifiers_folded")
_PAYMENTS = sa.table(
    "payments",
    sa.column("merchant_id", sa.Integer),
    sa.column("id", sa.BigInteger),
    *(
        sa.column(name, sa.Text)
        for name in (
            *("provider", "provider_payment_id", "provider_receipt_id"),
            *("customer_name", "customer_email", "customer_phone", "description"),
            *_TEXTS,
        )
    ),
)
_ATTEMPTS = sa.table(
    "attempts",
    sa.column("merchant_id", sa.Integer),
    sa.column("payment_id", sa.BigInteger),
    *(sa.column(name, sa.Text) for name in ("provider_attempt_id", "provider_customer_id", "provider_subscription_id")),
    sa.column("details", sa.JSON),
    sa.column("is_superseded", sa.Boolean),
)
_SUBSCRIPTIONS = sa.table(
    "subscriptions",
    sa.column("merchant_id", sa.Integer),
    *(sa.column(name, sa.Text) for name in ("id", "customer_name", "company_name", "names_folded")),
)

Values = dict[str, Any]


def upgrade() -> None:
    op.add_column("payments", sa.Column("description_folded", sa.Text(), nullable=True))
    op.add_column("payments", sa.Column("identifiers_folded", sa.Text(), nullable=True))
    is_postgresql = op.get_context().dialect.name == "postgresql"
    if is_postgresql:
        op.execute(_FUNCTION)
        op.execute(_TRIGGER)
    if op.get_context().as_sql:
        return
    connection = op.get_bind()
    _write_again(connection, _SUBSCRIPTIONS, _subscriptions_folded)
    counted = sa.text("SELECT coalesce(sum(payments), 0) FROM daily_counts")
    if not is_postgresql or connection.execute(counted).scalar_one() <= _AT_ONCE:
        _write_again(connection, _PAYMENTS, _payments_folded)


def _write_again(
    connection: sa.Connection,
    table: sa.TableClause,
    changed: Callable[[sa.Connection, Sequence[sa.Row[Any]]], Iterator[Values]],
) -> None:
    """Sets the columns that `changed` gives, of every row in the order of the primary key."""
    key = sa.tuple_(table.c.merchant_id, table.c.id)
    rows = sa.select(table).order_by(table.c.merchant_id, table.c.id).limit(_CHUNK)
    chunk = connection.execute(rows).all()
    while chunk:
        values = list(changed(connection, chunk))
        this = (table.c.merchant_id == sa.bindparam("of_merchant"), table.c.id == sa.bindparam("of_id"))
        connection.execute(sa.update(table).where(*this), values)
        last = sa.tuple_(sa.literal(chunk[-1].merchant_id), sa.literal(chunk[-1].id, table.c.id.type))
        chunk = connection.execute(rows.where(key > last)).all()


def _subscriptions_folded(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> Iterator[Values]:
    for row in rows:
        yield _of(row) | {"names_folded": folded_names(row.customer_name, row.company_name)}


def _payments_folded(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> Iterator[Values]:
    for merchant_id, payments in groupby(rows, lambda row: row.merchant_id):
        theirs = list(payments)
        attempts: dict[int, list[Any]] = {row.id: [] for row in theirs}
        within = (
            _ATTEMPTS.c.merchant_id == merchant_id,
            _ATTEMPTS.c.payment_id.between(theirs[0].id, theirs[-1].id),
            ~_ATTEMPTS.c.is_superseded,
        )
        for attempt in connection.execute(sa.select(_ATTEMPTS).where(*within)):
            attempts.get(attempt.payment_id, []).append(attempt)
        for row in theirs:
            texts = fold_texts(row.provider, row.provider_payment_id, row, attempts[row.id])
            yield _of(row) | {name: getattr(texts, name) for name in _TEXTS}


def _of(row: sa.Row[Any]) -> Values:
    return {"of_merchant": row.merchant_id, "of_id": row.id}


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP TRIGGER mark_texts_as_not_folded ON payments")
        op.execute("DROP FUNCTION mark_texts_as_not_folded()")
    if not op.get_context().as_sql:
        _write_again(op.get_bind(), _SUBSCRIPTIONS, _subscriptions_before)
        _write_again(op.get_bind(), _PAYMENTS, _payments_before)
    op.drop_column("payments", "identifiers_folded")
    op.drop_column("payments", "description_folded")


def _subscriptions_before(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> Iterator[Values]:
    for row in rows:
        names = "\n".join(filter(None, (row.customer_name, row.company_name)))
        yield _of(row) | {"names_folded": names.casefold() or None}


def _payments_before(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> Iterator[Values]:
    for row in rows:
        name = None if row.customer_name is None else row.customer_name.casefold()
        yield _of(row) | {"customer_name_folded": name, "customer_phone_key": _digits_before(row.customer_phone)}


def _digits_before(text: str | None) -> str | None:
    """The key of a phone number in the version before."""
    digits = "".join(filter("0123456789".__contains__, text or ""))
    if not digits:
        return None
    if (text or "").lstrip().startswith("+"):
        return f"+{digits}"
    if digits.startswith("00"):
        return f"+{digits[2:]}" if len(digits) > 2 else None
    return digits
