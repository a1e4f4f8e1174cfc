"""Folds the texts of payments that a version before this one wrote, while others write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.database.bulk import bulk_for
from dunning_service.ledger.check import book_of
from dunning_service.ledger.models import PaymentRow
from dunning_service.ledger.reading import select_by

CHUNK = 500
"""How many payments a transaction folds."""

_PAYMENTS = PaymentRow.__table__.c


def payments_to_fold(connection: Connection, merchant_id: int, after: int) -> Sequence[int]:
    """The numbers of the first payments after that one whose texts are to be folded; none when that is all."""
    if connection.dialect.name == "postgresql":  # there is no index of them: there are none but after an upgrade
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
    statement = (
        sa.select(_PAYMENTS.id)
        .where(_PAYMENTS.merchant_id == merchant_id, _PAYMENTS.id > after, _PAYMENTS.identifiers_folded.is_(None))
        .order_by(_PAYMENTS.id)
        .limit(CHUNK)
    )
    return connection.scalars(statement).all()


def fold_texts(connection: Connection, merchant_id: int, time_zone: str, ids: Sequence[int]) -> int:
    """Writes the folded texts of these payments; answers of how many.

    A row that another transaction is changing is passed over: that transaction folds it, or leaves it to the next
    recount. One that is locked here is changed afterwards by a transaction that writes all of it.
    """
    statement = (
        sa.select(_PAYMENTS.id)
        .where(_PAYMENTS.merchant_id == merchant_id, _PAYMENTS.id.in_(ids), _PAYMENTS.identifiers_folded.is_(None))
        .with_for_update(skip_locked=True)
    )
    held = {(merchant_id, number) for number in connection.scalars(statement)}
    rows = select_by(connection, PaymentRow, ("merchant_id", "id"), held)
    book = book_of(connection, rows, {merchant_id: time_zone})
    changes: list[dict[str, Any]] = [
        {"merchant_id": merchant_id, "id": number} | book.by_id[merchant_id, number].texts._asdict()
        for _, number in sorted(held)
    ]
    table: Any = PaymentRow.__table__
    bulk_for(connection).update(connection, table, changes)
    return len(changes)
