"""The check of the ledger: folds and counts everything again, and names every difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import InstrumentedAttribute

from dunning_service.database.bulk import bulk_for
from dunning_service.database.bulk_sql import Row
from dunning_service.ledger.counting import COUNTS, CountRow, keys_of, measures_of, miscounts
from dunning_service.ledger.models import (
    BLOCK_BITS,
    ActionRow,
    AttemptRow,
    BlockCountRow,
    DailyAmountRow,
    DeliveryRow,
    PaymentRow,
    ReceiptRow,
    RefundRow,
)
from dunning_service.ledger.reading import (
    payers_named,
    read_moves,
    read_open_failures,
    read_payments,
    read_receipts,
)
from dunning_service.ledger.reads import Reads
from dunning_service.ledger.working_set import Payment, WorkingSet
from dunning_service.merchants.models import Merchant
from dunning_service.values.chunks import in_chunks
from dunning_service.values.progress import Progress, Unreported

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
        for receipt in _contradictions(connection, merchant.id):
            yield f"merchant {merchant.name}: {receipt}"
        for delivery in _unrecorded(connection, merchant.id):
            yield f"merchant {merchant.name}: {delivery}"
        for orphan in _orphans(connection, merchant.id):
            yield f"merchant {merchant.name}: {orphan}"
        for receipt in _receipts_laid_twice(connection, merchant.id):
            yield f"merchant {merchant.name}: {receipt}"
        for move in _moves(connection, merchant.id):
            yield f"merchant {merchant.name}: {move}"
        for refund in _refunds(connection, merchant.id):
            yield f"merchant {merchant.name}: {refund}"
        for count in _counts(connection, merchant.id):
            yield f"merchant {merchant.name}: {count}"


def _payments(connection: Connection, merchant_id: int, time_zone: str, progress: Progress) -> Iterator[str]:
    progress.begin("payments checked")
    last = 0
    while page := payments_after(connection, merchant_id, time_zone, last):
        last = page[-1][1].id
        for row, payment in page:
            yield from _differing(row, payment)
        yield from _brought_by_nothing(connection, merchant_id, [payment for _, payment in page])
        progress.advance(len(page))


def payments_after(
    connection: Connection, merchant_id: int, time_zone: str, last: int
) -> Sequence[tuple[Row, Payment]]:
    """A page of payments numbered above `last`: each row with the payment as its facts fold; none at the end."""
    ids = connection.scalars(
        sa.select(PaymentRow.id)
        .where(PaymentRow.merchant_id == merchant_id, PaymentRow.id > last)
        .order_by(PaymentRow.id)
        .limit(_PAGE)
    ).all()
    rows = Reads(bulk_for(connection)).select(
        PaymentRow, ("merchant_id", "id"), {(merchant_id, number) for number in ids}
    )
    working_set = book_of(connection, rows, {merchant_id: time_zone})
    return [(row, working_set.by_id[merchant_id, row["id"]]) for row in sorted(rows, key=lambda row: row["id"])]


def _differing(row: Row, payment: Payment) -> Iterator[str]:
    for name, expected in payment.differing(row).items():
        yield f"ODR{row['id']} has {name} {row[name]!s}, but its facts say {expected!s}"


def book_of(connection: Connection, rows: list[Row], zones: dict[int, str]) -> WorkingSet:
    """These payments and, where a payer has receipts, what else those pay or could pay."""
    working_set = WorkingSet()
    reads = Reads(bulk_for(connection))
    read_payments(reads, working_set, rows, zones)
    payers = payers_named(working_set)
    read_receipts(reads, working_set, payers)
    read_moves(reads, working_set, set(working_set.receipt_keys()), zones)
    read_open_failures(reads, working_set, {payer for payer in payers if working_set.has_receipts(payer)}, zones)
    working_set.take_as_read()
    return working_set


def _brought_by_nothing(connection: Connection, merchant_id: int, payments: Sequence[Payment]) -> Iterator[str]:
    """Attempts that count though their delivery does not say so, or says so later than it came."""
    brought_by = {
        attempt.delivery_digest
        for payment in payments
        for attempt in payment.attempts.values()
        if attempt.delivery_digest is not None and not attempt.is_superseded
    }
    statement = sa.select(DeliveryRow.digest, DeliveryRow.outcome, DeliveryRow.subjects, DeliveryRow.received_at)
    deliveries = {
        row.digest: row
        for some in in_chunks(sorted(brought_by), _PAGE)
        for row in connection.execute(
            statement.where(DeliveryRow.merchant_id == merchant_id, DeliveryRow.digest.in_(some))
        )
    }
    for payment in payments:
        for attempt in payment.attempts.values():
            if attempt.delivery_digest is None or attempt.is_superseded:
                continue
            what = f"attempt {attempt.provider_attempt_id} of ODR{payment.id}"
            delivery = deliveries.get(attempt.delivery_digest)
            if delivery is None:
                yield f"{what} came with a delivery that is not there"
            elif delivery.outcome != "recorded" or (
                delivery.subjects is not None and payment.id not in delivery.subjects["payments"]
            ):
                yield f"{what} counts, but the delivery {_id_of(delivery)} does not say so any more; replay it"
            elif attempt.received_at < delivery.received_at:
                yield f"{what} was heard before its delivery {_id_of(delivery)} came"


def _unrecorded(connection: Connection, merchant_id: int) -> Iterator[str]:
    """Recorded deliveries of which an attempt or a receipt is missing."""
    last = b""
    while True:
        deliveries = connection.execute(
            sa.select(DeliveryRow.digest, DeliveryRow.outcome, DeliveryRow.subjects, DeliveryRow.provider)
            .where(DeliveryRow.merchant_id == merchant_id, DeliveryRow.digest > last)
            .order_by(DeliveryRow.digest)
            .limit(_PAGE)
        ).all()
        if not deliveries:
            return
        last = deliveries[-1].digest
        said = [one for one in deliveries if one.outcome == "recorded" and one.subjects is not None]
        numbers = {number for one in said for number in one.subjects["payments"]}
        attempts = _said_of(connection, AttemptRow.payment_id, numbers, AttemptRow.merchant_id == merchant_id)
        names = {name for one in said for name in one.subjects["receipts"]}
        of_merchant = (ReceiptRow.merchant_id == merchant_id, ReceiptRow.provider.in_({one.provider for one in said}))
        receipts = _said_of(connection, ReceiptRow.provider_receipt_id, names, *of_merchant)
        for one in said:
            missing = [f"ODR{number}" for number in one.subjects["payments"] if (one.digest, number) not in attempts]
            missing += [
                f"the receipt {name}" for name in one.subjects["receipts"] if (one.digest, name) not in receipts
            ]
            for what in missing:
                yield f"the delivery {_id_of(one)} says something of {what} that is not recorded; replay it"


def _said_of(
    connection: Connection,
    subject: InstrumentedAttribute[Any],
    wanted: set[Any],
    *conditions: sa.ColumnElement[bool],
) -> set[tuple[bytes, Any]]:
    """(delivery's digest, subject) of the statements about these that count."""
    model = subject.class_
    statement = sa.select(model.delivery_digest, subject).where(
        *conditions, ~model.is_superseded, model.delivery_digest.is_not(None)
    )
    return {
        (digest, name)
        for some in in_chunks(sorted(wanted), _PAGE)
        for digest, name in connection.execute(statement.where(subject.in_(some)))
    }


def _contradictions(connection: Connection, merchant_id: int) -> Iterator[str]:
    """Receipts of which two deliveries, each read once, say different things: the second should have been refused.

    Reading deliveries again may bring that about, until the other one has been read again too.
    """
    receipt = ReceiptRow
    contents = (
        receipt.payer_key,
        sa.func.coalesce(receipt.amount_minor, -1),
        sa.func.coalesce(receipt.currency, ""),
    )
    statement = (
        sa.select(receipt.provider, receipt.provider_receipt_id)
        .outerjoin(
            DeliveryRow,
            (DeliveryRow.merchant_id == receipt.merchant_id) & (DeliveryRow.digest == receipt.delivery_digest),
        )
        .where(receipt.merchant_id == merchant_id, ~receipt.is_superseded)
        .group_by(receipt.provider, receipt.provider_receipt_id)
        .having(
            sa.or_(*(sa.func.min(content) != sa.func.max(content) for content in contents)),
            sa.func.coalesce(sa.func.max(DeliveryRow.reading), 1) == 1,
        )
        .order_by(receipt.provider, receipt.provider_receipt_id)
    )
    for row in connection.execute(statement):
        yield (
            f"the receipt {row.provider_receipt_id} of {row.provider} is recorded with different contents; "
            "the one first heard holds"
        )


def _id_of(delivery: Any) -> str:
    """As `dunning events` takes it."""
    digest: bytes = delivery.digest
    return digest.hex()[:12]


def _orphans(connection: Connection, merchant_id: int) -> Iterator[str]:
    """Attempts of payments that are not there. No foreign key looks after them: see `ledger/models.py`."""
    has_payment = sa.exists().where(PaymentRow.merchant_id == merchant_id, PaymentRow.id == AttemptRow.payment_id)
    attempts = sa.select(AttemptRow.payment_id, AttemptRow.provider_attempt_id)
    for row in connection.execute(attempts.where(AttemptRow.merchant_id == merchant_id, ~has_payment)):
        yield f"attempt {row.provider_attempt_id} is of ODR{row.payment_id}, which is not there"


def _receipts_laid_twice(connection: Connection, merchant_id: int) -> Iterator[str]:
    """Receipts that more than one payment says it was paid by."""
    payment = PaymentRow
    paid = payment.provider_receipt_id.is_not(None)
    twice = (
        sa.select(payment.provider, payment.provider_receipt_id)
        .where(payment.merchant_id == merchant_id, paid)
        .group_by(payment.provider, payment.provider_receipt_id)
        .having(sa.func.count() > 1)
    )
    for row in connection.execute(twice):
        this = (payment.provider == row.provider, payment.provider_receipt_id == row.provider_receipt_id)
        ids = connection.scalars(sa.select(payment.id).where(payment.merchant_id == merchant_id, *this).order_by("id"))
        numbers = " and ".join(f"ODR{number}" for number in ids)
        yield f"receipt {row.provider_receipt_id} is laid on {numbers}, but a receipt pays one payment"


def _moves(connection: Connection, merchant_id: int) -> Iterator[str]:
    """Moves of a receipt, or to a payment, that is not there. No foreign key looks after them either."""
    action, payment = ActionRow, PaymentRow
    moved = (action.merchant_id == merchant_id, action.provider_receipt_id.is_not(None))
    has_target = sa.exists().where(payment.merchant_id == merchant_id, payment.id == action.to_payment_id)
    has_receipt = sa.exists().where(
        payment.merchant_id == merchant_id,
        payment.id == action.payment_id,
        ReceiptRow.merchant_id == merchant_id,
        ReceiptRow.provider == payment.provider,
        ReceiptRow.provider_receipt_id == action.provider_receipt_id,
    )
    columns = (action.payment_id, action.number, action.provider_receipt_id, action.to_payment_id)
    for row in connection.execute(sa.select(*columns).where(*moved, ~has_target)):
        yield (
            f"action {row.number} of ODR{row.payment_id} moves receipt {row.provider_receipt_id} to "
            f"ODR{row.to_payment_id}, which is not there"
        )
    for row in connection.execute(sa.select(*columns).where(*moved, ~has_receipt)):
        yield f"action {row.number} of ODR{row.payment_id} moves receipt {row.provider_receipt_id}, which is not there"


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
    """Counts that are not what counting the payments gives."""
    for model in COUNTS:
        at = len(keys_of(model))
        middle = at + len(measures_of(model))
        for found in connection.execute(miscounts(model, merchant_id)):
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
