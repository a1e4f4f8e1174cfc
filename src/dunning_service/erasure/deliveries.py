"""The stored deliveries about a person: found in their raw bytes, and in what their adapters read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa

from dunning_service.database.engines import Database
from dunning_service.database.long_work import lift_limits
from dunning_service.erasure.finding import PersonalData
from dunning_service.erasure.person import Person, Words
from dunning_service.errors import DunningError
from dunning_service.events import AttemptReported, Delivery, Event
from dunning_service.ledger.models import DeliveryRow
from dunning_service.providers import Options, all_providers
from dunning_service.senders import PAYMENT_RECORDS, SUBSCRIPTIONS
from dunning_service.values.chunks import in_chunks
from dunning_service.values.progress import Progress

_DELIVERIES = DeliveryRow.__table__.c
_PAGE = 500
_WITH_BYTES = sa.select(*_DELIVERIES).where(_DELIVERIES.body.is_not(None))


def count_deliveries(database: Database, merchant_id: int) -> int:
    """The number of the merchant's deliveries that have their bytes."""
    counted = sa.select(sa.func.count()).where(_DELIVERIES.merchant_id == merchant_id, _DELIVERIES.body.is_not(None))
    count: int = _read(database, counted)[0][0]
    return count


def find_deliveries(
    database: Database,
    merchant_id: int,
    person: Person,
    found: PersonalData,
    progress: Progress,
    *,
    since: datetime | None = None,
) -> dict[bytes, str]:
    """The deliveries about the person that still have their bytes, or those that came since a moment: each digest, and
    its outcome.

    All bytes are searched: of a notice that stated nothing new, or was never understood, no fact says that it came.
    Page by page, so that writers are not blocked.
    """
    search = _Search(person, found)
    read = partial(_read, database)
    outcomes: dict[bytes, str] = {}
    for rows in pages_of(read, merchant_id) if since is None else _pages_since(read, merchant_id, since):
        outcomes |= {row.digest: row.outcome for row in rows if search.is_about(row)}
        progress.advance(len(rows))
    return outcomes


def pages_of(
    read: Callable[[sa.Select[Any]], Sequence[Any]], merchant_id: int, *conditions: sa.ColumnElement[bool]
) -> Iterator[Sequence[Any]]:
    """The merchant's deliveries that have their bytes, a page at a time, in the order of the primary key."""
    last = b""
    while True:
        after = _WITH_BYTES.where(_DELIVERIES.merchant_id == merchant_id, _DELIVERIES.digest > last, *conditions)
        rows = read(after.order_by(_DELIVERIES.digest).limit(_PAGE))
        yield rows
        if len(rows) < _PAGE:
            return
        last = rows[-1].digest


def events_of(row: Any, options: Options) -> Sequence[Event]:
    """The events that the provider's adapter reads from a stored delivery. Raises DunningError where it cannot."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in row.headers.items()]
    return all_providers()[row.provider].parse(Delivery(row.body, headers, row.received_at), options)


def _pages_since(
    read: Callable[[sa.Select[Any]], Sequence[Any]], merchant_id: int, since: datetime
) -> Iterator[Sequence[Any]]:
    """The deliveries that came since a moment, found by an index, so that the others are not read."""
    came = sa.select(_DELIVERIES.digest).where(_DELIVERIES.merchant_id == merchant_id, _DELIVERIES.received_at >= since)
    for some in in_chunks([row.digest for row in read(came)], _PAGE):
        yield read(_WITH_BYTES.where(_DELIVERIES.merchant_id == merchant_id, _DELIVERIES.digest.in_(some)))


def _read(database: Database, statement: sa.Select[Any]) -> Sequence[Any]:
    """Rows read in a view of their own without a time limit: where most bytes have been pruned, a page is far away."""
    with database.read_blocking() as connection:
        lift_limits(connection)
        return connection.execute(statement).all()


class _Search:
    """What makes a delivery one about the person."""

    def __init__(self, person: Person, found: PersonalData) -> None:
        self._person = person
        self._found = found
        self._names = found.names
        ours = (PAYMENT_RECORDS.name, SUBSCRIPTIONS.name)
        # our own ids are long and unique, so they may be searched for anywhere
        self._ours = {name for provider, name in self._names if provider in ours} | found.subscriptions.keys()
        self._words = Words(person.words | self._ours)

    def is_about(self, row: Any) -> bool:
        """True when a fact, the bytes, the address or the adapter's reading says so."""
        if row.digest in self._found.brought_by or self._words.are_in(row.body):
            return True
        if not self._ours.isdisjoint(row.origin.split("/")):
            return True
        return row.provider in all_providers() and self._says_so(row)

    def _says_so(self, row: Any) -> bool:
        """True when an event names the person, or one of their payments, payers or receipts."""
        provider = all_providers()[row.provider]
        try:
            events = events_of(row, provider.options_model())
        except DunningError:
            return False
        for event in events:
            if event.payer_key is not None and (provider.name, event.payer_key) in self._found.payers:
                return True
            if isinstance(event, AttemptReported):
                if (provider.name, event.provider_payment_id) in self._names:
                    return True
                if event.provider_customer_id in self._person.customer_ids:
                    return True
                if self._person.has_email(event.customer_email):
                    return True
            elif (provider.name, event.provider_receipt_id) in self._found.receipts:
                return True
        return False
