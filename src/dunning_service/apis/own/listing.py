"""A page of the failed payments and one of them whole, as the API answers them and as commands print them."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_service.apis.own.filters import ListParameters
from dunning_service.apis.own.queries import timeline_of
from dunning_service.apis.own.wire import (
    FailedPayment,
    FailedPaymentDetail,
    FailedPaymentPage,
    failed_payment_fields,
)
from dunning_service.failed_payments.cursors import decode_cursor, encode_cursor
from dunning_service.failed_payments.queries import find_payment
from dunning_service.failed_payments.schedules import UNSCHEDULED, schedules_of
from dunning_service.failed_payments.sorting import position_of
from dunning_service.merchants.directory import MerchantView


async def page_of(connection: AsyncConnection, merchant_id: int, parameters: ListParameters) -> FailedPaymentPage:
    """The page of a merchant's failed payments that is asked for. Raises CursorError for a cursor of another list."""
    query = parameters.query(merchant_id)
    sort, cursor = parameters.sort, parameters.cursor
    position = None if cursor is None else decode_cursor(cursor, sort, query.digest)
    total = await query.total(connection)
    rows = await query.rows_after(connection, sort=sort, position=position, limit=parameters.limit + 1)
    shown = rows[: parameters.limit]
    schedules = await schedules_of(connection, merchant_id, shown)
    has_more = len(rows) > parameters.limit
    return FailedPaymentPage(
        data=[FailedPayment(**failed_payment_fields(row, schedules.get(row.id, UNSCHEDULED))) for row in shown],
        total=total,
        next=encode_cursor(sort, query.digest, position_of(sort, shown[-1])) if has_more else None,
    )


async def detail_of(connection: AsyncConnection, merchant: MerchantView, number: str) -> FailedPaymentDetail:
    """The merchant's failed payment of that public number, with its time line. Raises NotFound for another number."""
    row = await find_payment(connection, merchant.id, number)
    timeline = await timeline_of(connection, merchant, row)
    schedules = await schedules_of(connection, merchant.id, [row])
    schedule = schedules.get(row.id, UNSCHEDULED)
    return FailedPaymentDetail(**failed_payment_fields(row, schedule), timeline=list(timeline))
