"""The failed payments that GetInvoicePaymentFailed answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import sqlalchemy as sa

from dunning_service.database.engines import Database
from dunning_service.ledger.models import PaymentRow
from dunning_service.providers.goodparty import PROVIDER

_PAGE = 500


async def pages_of_failures(
    database: Database, merchant_id: int, *, user_id: int, status_id: int
) -> AsyncIterator[Sequence[sa.Row[int, dict[str, Any]]]]:
    """Number and details of each of the merchant's failed payments in the order of the number, some at a time; always
    at least one page. 0 is no filter. Each page is a read of its own, so that a slow reader holds no connection."""
    statement = (
        sa.select(PaymentRow.id, PaymentRow.details)
        .where(
            PaymentRow.merchant_id == merchant_id,
            PaymentRow.provider == PROVIDER.name,
            PaymentRow.order_on.is_not(None),
            PaymentRow.id > sa.bindparam("last", type_=sa.BigInteger),
        )
        .order_by(PaymentRow.id)
        .limit(_PAGE)
    )
    if user_id:
        statement = statement.where(PaymentRow.details["UserId"].as_integer() == user_id)
    if status_id:
        statement = statement.where(PaymentRow.details["StatusId"].as_integer() == status_id)
    last = -1
    while True:
        async with database.read() as connection:
            rows = (await connection.execute(statement, {"last": last})).all()
        yield rows
        if len(rows) < _PAGE:
            return
        last = rows[-1].id
