"""The check of erasures: personal data that are present again where they were erased."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.erasure.deliveries import events_of, pages_of
from dunning_service.errors import DunningError
from dunning_service.ledger.erasing import PERSONAL, digests_in
from dunning_service.ledger.fold import ERASED_PAYER
from dunning_service.ledger.models import AttemptRow, DeliveryRow, PaymentRow, ReceiptRow
from dunning_service.ledger.work import ERASED_AT
from dunning_service.merchants.directory import MerchantView
from dunning_service.merchants.sources import source_options
from dunning_service.providers import Options, all_providers
from dunning_service.senders import impersonal

_ATTEMPTS = AttemptRow.__table__.c
_DELIVERIES = DeliveryRow.__table__.c
_PAYMENTS = PaymentRow.__table__.c
_RECEIPTS = ReceiptRow.__table__.c

_NEXT_STEP = "run `dunning customer erase` for the customer again"


def returned(connection: Connection, merchant: MerchantView) -> Iterator[str]:
    """A sentence for each of a merchant's erased deliveries, attempts and receipts that holds personal data again."""
    for found in (_deliveries, _attempts, _receipts):
        for what in found(connection, merchant.id):
            yield f"merchant {merchant.name}: {what}; {_NEXT_STEP}"
    for what in _repeats(connection, merchant):
        yield f"merchant {merchant.name}: {what}"


def _deliveries(connection: Connection, merchant_id: int) -> Iterator[str]:
    marked = sa.cast(_DELIVERIES.headers, sa.Text).contains(f'"{ERASED_AT}"', autoescape=True)
    statement = sa.select(_DELIVERIES.digest, _DELIVERIES.headers, _DELIVERIES.body.is_not(None).label("has_body"))
    for row in connection.execute(statement.where(_DELIVERIES.merchant_id == merchant_id, marked)):
        if row.has_body or row.headers.keys() != {ERASED_AT}:
            what = "bytes" if row.has_body else "headers"
            yield f"delivery {row.digest.hex()[:12]} was erased, but its {what} are there"


def _attempts(connection: Connection, merchant_id: int) -> Iterator[str]:
    statement = (
        sa.select(*_ATTEMPTS, _PAYMENTS.provider, _has_body(_ATTEMPTS))
        .join(
            PaymentRow,
            (_PAYMENTS.merchant_id == _ATTEMPTS.merchant_id) & (_PAYMENTS.id == _ATTEMPTS.payment_id),
        )
        .where(_ATTEMPTS.merchant_id == merchant_id, _ATTEMPTS.erased_at.is_not(None))
    )
    for row in connection.execute(statement):
        there = [name for name in PERSONAL if getattr(row, name) is not None]
        if row.payer_key is not None and not row.payer_key.startswith(ERASED_PAYER):
            there.append("payer_key")
        there += _details(row.provider, row.details)
        if row.has_body:
            there.append("the bytes of its delivery")
        if there:
            yield f"attempt {row.provider_attempt_id} of ODR{row.payment_id} was erased, but has {', '.join(there)}"


def _receipts(connection: Connection, merchant_id: int) -> Iterator[str]:
    statement = sa.select(*_RECEIPTS, _has_body(_RECEIPTS)).where(
        _RECEIPTS.merchant_id == merchant_id, _RECEIPTS.payer_key.startswith(ERASED_PAYER)
    )
    for row in connection.execute(statement):
        there = _details(row.provider, row.details)
        if row.has_body:
            there.append("the bytes of its delivery")
        if there:
            yield f"receipt {row.provider_receipt_id} was erased, but has {', '.join(there)}"


def _has_body(facts: Any) -> sa.Label[bool]:
    """True of facts whose delivery has its bytes."""
    delivery = (_DELIVERIES.merchant_id == facts.merchant_id) & (_DELIVERIES.digest == facts.delivery_digest)
    return sa.exists().where(delivery, _DELIVERIES.body.is_not(None)).label("has_body")


def _repeats(connection: Connection, merchant: MerchantView) -> Iterator[str]:
    """Deliveries that repeat an erased statement in other bytes and kept those, as earlier versions let them."""
    of_attempts = (_ATTEMPTS.merchant_id == merchant.id, _ATTEMPTS.erased_at.is_not(None))
    since = connection.scalar(sa.select(sa.func.min(_ATTEMPTS.erased_at)).where(*of_attempts))
    if since is None:
        return
    of_receipts = (_RECEIPTS.merchant_id == merchant.id, _RECEIPTS.payer_key.startswith(ERASED_PAYER))
    currencies = connection.scalars(sa.select(_ATTEMPTS.currency).where(*of_attempts).distinct()).all()
    erased = {
        *connection.scalars(sa.select(_ATTEMPTS.digest).where(*of_attempts)),
        *connection.scalars(sa.select(_RECEIPTS.digest).where(*of_receipts)),
    }
    options: dict[str, Options | None] = {}
    conditions = (_DELIVERIES.received_at >= since, _DELIVERIES.provider.in_(sorted(all_providers())))
    for row in chain.from_iterable(pages_of(lambda page: connection.execute(page).all(), merchant.id, *conditions)):
        if row.origin not in options:
            with suppress(DunningError):  # a provider, or options, that this version does not know
                options[row.origin] = source_options(connection, merchant, row.origin)
        if not erased.isdisjoint(_statements(row, options.get(row.origin), merchant, currencies)):
            name = row.digest.hex()[:12]
            yield (
                f"delivery {name} repeats an erased statement, but its bytes are there; "
                f"`dunning events replay {name}` drops them"
            )


def _statements(
    row: Any, options: Options | None, merchant: MerchantView, currencies: Sequence[str | None]
) -> set[bytes]:
    """The digests of what a delivery states, in any of the currencies; none where it cannot be read."""
    if options is None:
        options = all_providers()[row.provider].options_model(default_currency=merchant.default_currency)
    try:
        return {digest for event in events_of(row, options) for digest in digests_in(event, currencies)}
    except DunningError:
        return set()


def _details(provider: str, details: dict[str, Any]) -> list[str]:
    """The names of details that an erasure takes out."""
    return [f"{name} in its details" for name in sorted(details.keys() - impersonal(provider, details).keys())]
