"""What the ledger holds about a person: which payments, payers, receipts, subscriptions and deliveries."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.billing.models import ScheduledPaymentRow, SubscriptionRow
from dunning_service.database.byte_texts import ascii_lower, byte_length
from dunning_service.database.engines import Database
from dunning_service.database.long_work import lift_limits
from dunning_service.erasure.person import Person, Words, caseless
from dunning_service.errors import DunningError
from dunning_service.events import AttemptReported, Delivery
from dunning_service.ledger.models import AttemptRow, DeliveryRow, PaymentRow, ReceiptRow, RefundRow
from dunning_service.providers import all_providers
from dunning_service.senders import PAYMENT_RECORDS, SUBSCRIPTIONS
from dunning_service.values.chunks import in_chunks
from dunning_service.values.progress import Progress

_ATTEMPTS = AttemptRow.__table__.c
_PAYMENTS = PaymentRow.__table__.c
_RECEIPTS = ReceiptRow.__table__.c
_REFUNDS = RefundRow.__table__.c
_DELIVERIES = DeliveryRow.__table__.c
_SUBSCRIPTIONS = SubscriptionRow.__table__.c
_SCHEDULED = ScheduledPaymentRow.__table__.c

_AT_ONCE = 500
_PAGE = 500

Payer = tuple[str, str]
"""(provider, payer_key)"""


class FoundPayment(NamedTuple):
    provider: str
    provider_payment_id: str
    status: str


@dataclass
class PersonalData:
    """What is there about a person."""

    payments: dict[int, FoundPayment] = field(default_factory=dict)
    """By their numbers."""
    payers: dict[Payer, set[int]] = field(default_factory=dict)
    """Every payer that an attempt at them names, or that a receipt names; and the payments of each."""
    receipts: set[tuple[str, str]] = field(default_factory=set)
    """(provider, provider_receipt_id)"""
    subscriptions: dict[str, str] = field(default_factory=dict)
    """The id of each of our own, and its status."""
    brought_by: set[bytes] = field(default_factory=set)
    """Digests of the deliveries that these facts came with."""
    others: set[str] = field(default_factory=set)
    """Ids, addresses and numbers that stand beside the person's own: perhaps more names of the same person."""

    @property
    def is_empty(self) -> bool:
        return not (self.payments or self.payers or self.subscriptions)

    @property
    def names(self) -> set[tuple[str, str]]:
        """(provider, provider_payment_id)"""
        return {(payment.provider, payment.provider_payment_id) for payment in self.payments.values()}

    def add(self, other: PersonalData) -> None:
        """Takes in what was found at another time."""
        self.payments |= other.payments
        for payer, numbers in other.payers.items():
            self.payers.setdefault(payer, set()).update(numbers)
        self.receipts |= other.receipts
        self.subscriptions |= other.subscriptions
        self.brought_by |= other.brought_by
        self.others |= other.others


def find(connection: Connection, merchant_id: int, person: Person, found: PersonalData) -> None:
    """Puts into `found` all facts about the person, in one view of the database."""
    lift_limits(connection, may_scan=True)
    finder = _Finder(connection, merchant_id, person, found)
    finder.find_subscriptions()
    finder.find_payments()
    finder.find_what_belongs_to_them()


class _Finder:
    def __init__(self, connection: Connection, merchant_id: int, person: Person, found: PersonalData) -> None:
        self._connection = connection
        self._merchant_id = merchant_id
        self._person = person
        self._found = found

    def find_subscriptions(self) -> None:
        of_person = sa.or_(
            _SUBSCRIPTIONS.customer_id.in_([caseless(text) for text in self._person.customer_ids]),  # UUIDs as we write
            self._is_email(_SUBSCRIPTIONS.customer_email),
        )
        statement = sa.select(
            _SUBSCRIPTIONS.id,
            _SUBSCRIPTIONS.status,
            _SUBSCRIPTIONS.customer_id,
            _SUBSCRIPTIONS.customer_email,
            _SUBSCRIPTIONS.customer_phone,
        ).where(_SUBSCRIPTIONS.merchant_id == self._merchant_id, of_person)
        for row in self._connection.execute(statement):
            self._found.subscriptions[row.id] = row.status
            self._note_others(row.customer_id, row.customer_email, row.customer_phone)

    def find_payments(self) -> None:
        """Those of which any attempt names the person, all of the same payers, and all of the subscriptions."""
        ids = self._person.customer_ids
        named = sa.or_(
            _ATTEMPTS.provider_customer_id.in_(ids),
            _ATTEMPTS.payer_key.in_(ids),
            self._is_email(_ATTEMPTS.customer_email),
        )
        new = self._numbers(_ATTEMPTS.payment_id, named)
        for some in in_chunks(list(self._found.subscriptions), _AT_ONCE):
            scheduled = sa.select(_PAYMENTS.id).where(
                _PAYMENTS.merchant_id == self._merchant_id,
                _PAYMENTS.provider == SUBSCRIPTIONS.name,
                _PAYMENTS.provider_subscription_id.in_(some),
            )
            new |= set(self._connection.scalars(scheduled))
        self._find_receipts_of(ids)
        while new := self._take(new):
            pass

    def _numbers(self, column: Any, condition: sa.ColumnElement[bool]) -> set[int]:
        statement = sa.select(column).where(_ATTEMPTS.merchant_id == self._merchant_id, condition).distinct()
        return set(self._connection.scalars(statement))

    def _is_email(self, column: Any) -> sa.ColumnElement[bool]:
        """The rows with one of the addresses in any case: SQL compares those of ASCII, Python the distinct others."""
        if not self._person.emails:
            return sa.false()
        others = sa.select(column).where(
            column.table.c.merchant_id == self._merchant_id, byte_length(column) != sa.func.length(column)
        )
        spelled = [text for text in self._connection.scalars(others.distinct()) if self._person.has_email(text)]
        return sa.or_(ascii_lower(column).in_(self._person.emails), column.in_(spelled))

    def _find_receipts_of(self, customer_ids: Collection[str]) -> None:
        """Payers that only receipts name: a payer's key ends with the customer's id."""
        either = [
            sa.or_(_RECEIPTS.payer_key == text, _RECEIPTS.payer_key.endswith(f":{text}", autoescape=True))
            for text in customer_ids
        ]
        if not either:
            return
        statement = sa.select(_RECEIPTS.provider, _RECEIPTS.payer_key).distinct()
        for row in self._connection.execute(
            statement.where(_RECEIPTS.merchant_id == self._merchant_id, sa.or_(*either))
        ):
            # on SQLite, LIKE takes ids that differ in case for the same
            if any(row.payer_key == text or row.payer_key.endswith(f":{text}") for text in customer_ids):
                self._found.payers.setdefault((row.provider, row.payer_key), set())

    def _take(self, new: Collection[int]) -> set[int]:
        """Takes these payments in; answers other payments of the payers whom they name."""
        # a payer that is known already may have got another payment
        payers = set(self._found.payers)
        for some in in_chunks(sorted(new), _AT_ONCE):
            statement = (
                sa.select(
                    _PAYMENTS.id,
                    _PAYMENTS.provider,
                    _PAYMENTS.provider_payment_id,
                    _PAYMENTS.status,
                    _ATTEMPTS.payer_key,
                    _ATTEMPTS.provider_customer_id,
                    _ATTEMPTS.customer_email,
                    _ATTEMPTS.customer_phone,
                    _ATTEMPTS.delivery_digest,
                )
                .join(
                    AttemptRow,
                    (_ATTEMPTS.merchant_id == _PAYMENTS.merchant_id) & (_ATTEMPTS.payment_id == _PAYMENTS.id),
                )
                .where(_PAYMENTS.merchant_id == self._merchant_id, _PAYMENTS.id.in_(some))
            )
            for row in self._connection.execute(statement):
                self._found.payments[row.id] = FoundPayment(row.provider, row.provider_payment_id, row.status)
                self._note_others(row.provider_customer_id, row.customer_email, row.customer_phone)
                if row.delivery_digest is not None:
                    self._found.brought_by.add(row.delivery_digest)
                if row.payer_key is not None:
                    payers.add((row.provider, row.payer_key))
        for payer in payers:
            self._found.payers.setdefault(payer, set())
        others: set[int] = set()
        for keys in in_chunks(sorted({key for _, key in payers}), _AT_ONCE):
            theirs = (
                sa.select(_PAYMENTS.provider, _ATTEMPTS.payer_key, _ATTEMPTS.payment_id)
                .join(
                    PaymentRow,
                    (_PAYMENTS.merchant_id == _ATTEMPTS.merchant_id) & (_PAYMENTS.id == _ATTEMPTS.payment_id),
                )
                .where(_ATTEMPTS.merchant_id == self._merchant_id, _ATTEMPTS.payer_key.in_(keys))
            )
            for provider, key, number in self._connection.execute(theirs):
                if (provider, key) in payers:
                    self._found.payers[provider, key].add(number)
                    others.add(number)
        return others - self._found.payments.keys()

    def find_what_belongs_to_them(self) -> None:
        for provider, key in self._found.payers:
            of_payer = (
                _RECEIPTS.merchant_id == self._merchant_id,
                _RECEIPTS.provider == provider,
                _RECEIPTS.payer_key == key,
            )
            statement = sa.select(_RECEIPTS.provider_receipt_id, _RECEIPTS.delivery_digest).where(*of_payer)
            for row in self._connection.execute(statement):
                self._found.receipts.add((provider, row.provider_receipt_id))
                if row.delivery_digest is not None:
                    self._found.brought_by.add(row.delivery_digest)
        records = [name for provider, name in self._found.names if provider == PAYMENT_RECORDS.name]
        for some in in_chunks(records, _AT_ONCE):
            refunds = sa.select(_REFUNDS.delivery_digest).where(
                _REFUNDS.merchant_id == self._merchant_id,
                _REFUNDS.provider == PAYMENT_RECORDS.name,
                _REFUNDS.provider_payment_id.in_(some),
            )
            self._found.brought_by |= set(self._connection.scalars(refunds))

    def _note_others(self, customer_id: str | None, email: str | None, phone: str | None) -> None:
        if customer_id and customer_id not in self._person.customer_ids:
            self._found.others.add(customer_id)
        if email and not self._person.has_email(email):
            self._found.others.add(email)
        if phone:
            self._found.others.add(phone)


def under_way(connection: Connection, merchant_id: int, subscription_ids: Collection[str]) -> set[str]:
    """Those of the subscriptions at which an attempt has begun and has no outcome yet."""
    busy: set[str] = set()
    for some in in_chunks(list(subscription_ids), _AT_ONCE):
        statement = sa.select(_SCHEDULED.subscription_id).where(
            _SCHEDULED.merchant_id == merchant_id,
            _SCHEDULED.subscription_id.in_(some),
            _SCHEDULED.attempt_in_flight.is_not(None),
        )
        busy |= set(connection.scalars(statement))
    return busy


@dataclass(frozen=True, slots=True)
class StoredNotice:
    """A delivery whose bytes are still there and are about the person."""

    digest: bytes
    outcome: str


def count_deliveries(database: Database, merchant_id: int) -> int:
    """How many deliveries of the merchant have their bytes."""
    counted = sa.select(sa.func.count()).where(_DELIVERIES.merchant_id == merchant_id, _DELIVERIES.body.is_not(None))
    with _patiently(database) as connection:
        return connection.execute(counted).scalar_one()


def find_deliveries(
    database: Database,
    merchant_id: int,
    person: Person,
    found: PersonalData,
    progress: Progress,
    *,
    since: datetime | None = None,
) -> Iterator[StoredNotice]:
    """Every delivery about the person that still has its bytes, or those that came since a moment.

    All bytes are looked through, for a notice may have told nothing new, or may never have been understood, and then
    no fact says that it came. Page by page, so that nobody is kept from writing.
    """
    search = _Search(person, found)
    pages = _pages(database, merchant_id) if since is None else _pages_since(database, merchant_id, since)
    for rows in pages:
        for row in rows:
            if search.is_about(row):
                yield StoredNotice(row.digest, row.outcome)
        progress.advance(len(rows))


_WITH_BYTES = sa.select(
    _DELIVERIES.digest,
    _DELIVERIES.provider,
    _DELIVERIES.origin,
    _DELIVERIES.outcome,
    _DELIVERIES.headers,
    _DELIVERIES.body,
    _DELIVERIES.received_at,
).where(_DELIVERIES.body.is_not(None))


def _pages(database: Database, merchant_id: int) -> Iterator[Sequence[Any]]:
    """All deliveries with bytes, in the order of the primary key."""
    last = b""
    while True:
        statement = (
            _WITH_BYTES.where(_DELIVERIES.merchant_id == merchant_id, _DELIVERIES.digest > last)
            .order_by(_DELIVERIES.digest)
            .limit(_PAGE)
        )
        with _patiently(database) as connection:
            rows = connection.execute(statement).all()
        yield rows
        if len(rows) < _PAGE:
            return
        last = rows[-1].digest


def _pages_since(database: Database, merchant_id: int, since: datetime) -> Iterator[Sequence[Any]]:
    """Those that came since a moment; there is an index for that, and the rest is not looked at."""
    came = sa.select(_DELIVERIES.digest).where(_DELIVERIES.merchant_id == merchant_id, _DELIVERIES.received_at >= since)
    with _patiently(database) as connection:
        digests = connection.scalars(came).all()
    for some in in_chunks(digests, _AT_ONCE):
        with _patiently(database) as connection:
            yield connection.execute(
                _WITH_BYTES.where(_DELIVERIES.merchant_id == merchant_id, _DELIVERIES.digest.in_(some))
            ).all()


@contextmanager
def _patiently(database: Database) -> Iterator[Connection]:
    """A view in which a statement may take its time: where most bytes have been pruned, a page is a long way."""
    with database.read_blocking() as connection:
        lift_limits(connection)
        yield connection


class _Search:
    def __init__(self, person: Person, found: PersonalData) -> None:
        self._person = person
        self._found = found
        self._names = found.names
        ours = (PAYMENT_RECORDS.name, SUBSCRIPTIONS.name)
        # our own ids are long and nobody else's, so they may be looked for anywhere
        self._ours = {name for provider, name in self._names if provider in ours} | found.subscriptions.keys()
        self._words = Words(person.words | self._ours)
        self._providers = all_providers()

    def is_about(self, row: Any) -> bool:
        if row.digest in self._found.brought_by or self._words.are_in(row.body):
            return True
        if not self._ours.isdisjoint(row.origin.split("/")):
            return True
        return row.provider in self._providers and self._says_so(row)

    def _says_so(self, row: Any) -> bool:
        """What the provider's adapter makes of it names the person, or one of their payments, payers or receipts."""
        provider = self._providers[row.provider]
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in row.headers.items()]
        try:
            events = provider.parse(Delivery(row.body, headers, row.received_at), provider.options_model())
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
