"""Does the ledger still add up? Folds and counts everything again, and names every difference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.ledger.book import Book
from dunning_service.ledger.bulk import Row
from dunning_service.ledger.fold import FoldedPayment
from dunning_service.ledger.models import AttemptRow, DailyCountRow, PaymentRow, RefundRow
from dunning_service.ledger.reading import payers_named, read_open_failures, read_payments, read_receipts, select_by
from dunning_service.merchants.models import Merchant

_PAGE = 500


def differences(connection: Connection, merchant_id: int | None = None) -> Iterator[str]:
    """One sentence for each payment or count that is not what its facts say; none when all is well.

    Reads page by page, in the transaction of `connection`, so that it sees one moment.
    """
    merchants = sa.select(Merchant.id, Merchant.name, Merchant.time_zone).order_by(Merchant.id)
    if merchant_id is not None:
        merchants = merchants.where(Merchant.id == merchant_id)
    for merchant in connection.execute(merchants).all():
        for payment in _payments(connection, merchant.id, merchant.time_zone):
            yield f"merchant {merchant.name}: {payment}"
        for orphan in _orphans(connection, merchant.id):
            yield f"merchant {merchant.name}: {orphan}"
        for refund in _refunds(connection, merchant.id):
            yield f"merchant {merchant.name}: {refund}"
        for count in _counts(connection, merchant.id):
            yield f"merchant {merchant.name}: {count}"


def _payments(connection: Connection, merchant_id: int, time_zone: str) -> Iterator[str]:
    last = 0
    while True:
        ids = connection.scalars(
            sa.select(PaymentRow.id)
            .where(PaymentRow.merchant_id == merchant_id, PaymentRow.id > last)
            .order_by(PaymentRow.id)
            .limit(_PAGE)
        ).all()
        if not ids:
            return
        last = ids[-1]
        rows = select_by(connection, PaymentRow, ("merchant_id", "id"), {(merchant_id, number) for number in ids})
        book = _book_of(connection, rows, {merchant_id: time_zone})
        for row in rows:
            folded = book.by_id[merchant_id, row["id"]].folded
            for name in FoldedPayment._fields:
                expected = getattr(folded, name)
                if row[name] != expected:
                    yield f"ODR{row['id']} has {name} {row[name]!s}, but its facts say {expected!s}"


def _book_of(connection: Connection, rows: list[Row], zones: dict[int, str]) -> Book:
    """These payments and, where a payer has receipts, what else those pay or could pay."""
    book = Book()
    read_payments(connection, book, rows, zones)
    payers = payers_named(book)
    read_receipts(connection, book, payers)
    read_open_failures(connection, book, {payer for payer in payers if book.has_receipts(payer)}, zones)
    book.take_as_read()
    return book


def _orphans(connection: Connection, merchant_id: int) -> Iterator[str]:
    """Attempts of payments that are not there. No foreign key looks after them: see `ledger/models.py`."""
    has_payment = sa.exists().where(PaymentRow.merchant_id == merchant_id, PaymentRow.id == AttemptRow.payment_id)
    attempts = sa.select(AttemptRow.payment_id, AttemptRow.provider_attempt_id)
    for row in connection.execute(attempts.where(AttemptRow.merchant_id == merchant_id, ~has_payment)):
        yield f"attempt {row.provider_attempt_id} is of ODR{row.payment_id}, which is not there"


def _refunds(connection: Connection, merchant_id: int) -> Iterator[str]:
    """More paid back than came in, or in another currency."""
    refund, payment = RefundRow, PaymentRow
    statement = (
        sa.select(
            refund.provider_payment_id,
            refund.currency,
            sa.func.sum(refund.amount_minor).label("refunded_minor"),
            sa.func.min(payment.paid_minor).label("paid_minor"),
            sa.func.min(payment.currency).label("paid_currency"),
        )
        .join(
            payment,
            (payment.merchant_id == refund.merchant_id)
            & (payment.provider == refund.provider)
            & (payment.provider_payment_id == refund.provider_payment_id),
            isouter=True,
        )
        .where(refund.merchant_id == merchant_id)
        .group_by(refund.provider, refund.provider_payment_id, refund.currency)
    )
    for row in connection.execute(statement):
        if row.currency != row.paid_currency or row.refunded_minor > row.paid_minor:
            yield (
                f"{row.refunded_minor} {row.currency} of {row.provider_payment_id} are refunded, "
                f"but {row.paid_minor or 0} {row.paid_currency or row.currency} were paid"
            )


def _counts(connection: Connection, merchant_id: int) -> Iterator[str]:
    table = DailyCountRow
    kept = _by_day(
        connection.execute(
            sa.select(table.order_on, table.status, sa.func.sum(table.payments))
            .where(table.merchant_id == merchant_id)
            .group_by(table.order_on, table.status)
        )
    )
    counted = _by_day(
        connection.execute(
            sa.select(PaymentRow.order_on, PaymentRow.status, sa.func.count())
            .where(PaymentRow.merchant_id == merchant_id, PaymentRow.order_on.is_not(None))
            .group_by(PaymentRow.order_on, PaymentRow.status)
        )
    )
    for day, status in sorted(kept.keys() | counted.keys()):
        if kept.get((day, status), 0) != counted.get((day, status), 0):
            yield (
                f"{status} payments of {day} are counted as {kept.get((day, status), 0)}, "
                f"but there are {counted.get((day, status), 0)}"
            )


def _by_day(rows: Any) -> dict[tuple[Any, str], int]:
    return {(day, status): int(count) for day, status, count in rows if count}
