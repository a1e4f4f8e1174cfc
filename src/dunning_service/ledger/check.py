"""Does the ledger still add up? Folds and counts everything again, and names every difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.ledger.book import Book
from dunning_service.ledger.bulk import Row
from dunning_service.ledger.counting import COUNTS, CountRow, keys_of, measures_of, miscounts, uncounted_days
from dunning_service.ledger.fold import FoldedPayment
from dunning_service.ledger.models import (
    BLOCK_BITS,
    AttemptRow,
    BlockCountRow,
    DailyAmountRow,
    DailyCountRow,
    PaymentRow,
    RefundRow,
)
from dunning_service.ledger.reading import payers_named, read_open_failures, read_payments, read_receipts, select_by
from dunning_service.merchants.models import Merchant
from dunning_service.progress import Progress, Unreported

_PAGE = 500


def differences(
    connection: Connection, merchant_id: int | None = None, progress: Progress | None = None
) -> Iterator[str]:
    """One sentence for each payment or count that is not what its facts say; none when all is well.

    Reads page by page, in the transaction of `connection`, so that it sees one moment.
    """
    progress = progress or Unreported()
    merchants = sa.select(Merchant.id, Merchant.name, Merchant.time_zone).order_by(Merchant.id)
    if merchant_id is not None:
        merchants = merchants.where(Merchant.id == merchant_id)
    for merchant in connection.execute(merchants).all():
        for payment in _payments(connection, merchant.id, merchant.time_zone, progress):
            yield f"merchant {merchant.name}: {payment}"
        for orphan in _orphans(connection, merchant.id):
            yield f"merchant {merchant.name}: {orphan}"
        for refund in _refunds(connection, merchant.id):
            yield f"merchant {merchant.name}: {refund}"
        for count in _counts(connection, merchant.id):
            yield f"merchant {merchant.name}: {count}"


def _payments(connection: Connection, merchant_id: int, time_zone: str, progress: Progress) -> Iterator[str]:
    progress.begin("payments checked")
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
        progress.advance(len(ids))


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
    """Counts that are not what counting gives; of a day whose finer counts are not used, the daily ones only."""
    unused = set(connection.scalars(uncounted_days(merchant_id)))
    for model in COUNTS:
        at = len(keys_of(model))
        for found in connection.execute(miscounts(model, merchant_id)):
            if model is DailyCountRow or found.order_on not in unused:
                middle = at + len(measures_of(model))
                yield _miscount(model, found, found[at:middle], found[middle:])


def _miscount(model: CountRow, found: Any, kept: Sequence[Any], there: Sequence[Any]) -> str:
    what = f"{found.status} payments of {found.order_on}"
    if model is BlockCountRow:
        what += f" numbered from ODR{found.block << BLOCK_BITS} on"
    if model is not DailyAmountRow:
        return f"{what} are counted as {kept[0]}, but there are {there[0]}"
    what += f" in {found.currency or 'an unknown currency'}"
    return f"{what} are counted as {_told(kept)}, but there are {_told(there)}"


def _told(measures: Sequence[Any]) -> str:
    payments, high, low, without_amount = (int(measure) for measure in measures)
    return f"{payments} worth {(high << 32) + low}, {without_amount} of them without an amount"
