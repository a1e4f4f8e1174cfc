"""The facts about a person: their payments, payers, receipts and subscriptions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.billing.models import ScheduledPaymentRow, SubscriptionRow
from dunning_service.database.byte_texts import ascii_lower, byte_length
from dunning_service.database.long_work import lift_limits
from dunning_service.erasure.person import Person, caseless
from dunning_service.ledger.models import AttemptRow, PaymentRow, ReceiptRow, RefundRow
from dunning_service.senders import PAYMENT_RECORDS, SUBSCRIPTIONS
from dunning_service.values.chunks import in_chunks

_ATTEMPTS = AttemptRow.__table__.c
_PAYMENTS = PaymentRow.__table__.c
_RECEIPTS = ReceiptRow.__table__.c
_REFUNDS = RefundRow.__table__.c
_SUBSCRIPTIONS = SubscriptionRow.__table__.c
_SCHEDULED = ScheduledPaymentRow.__table__.c

_AT_ONCE = 500

Payer = tuple[str, str]
"""(provider, payer_key)"""


class FoundPayment(NamedTuple):
    """A payment of the person: its names in the ledger, and its status."""

    provider: str
    provider_payment_id: str
    status: str


class FoundSubscription(NamedTuple):
    """A subscription of the person: its status, and whether one of its payments has an attempt in flight."""

    status: str
    is_being_charged: bool


@dataclass
class PersonalData:
    """The facts about a person, as far as they have been found."""

    payments: dict[int, FoundPayment] = field(default_factory=dict)
    """By their numbers."""
    payers: dict[Payer, set[int]] = field(default_factory=dict)
    """Every payer that an attempt at them names, or that a receipt names; and the payments of each."""
    receipts: set[tuple[str, str]] = field(default_factory=set)
    """(provider, provider_receipt_id)"""
    subscriptions: dict[str, FoundSubscription] = field(default_factory=dict)
    """Our own, by their ids."""
    brought_by: set[bytes] = field(default_factory=set)
    """Digests of the deliveries that these facts came with."""
    others: set[str] = field(default_factory=set)
    """Ids, addresses and phone numbers beside the person's own: perhaps the same person's too."""

    @property
    def is_empty(self) -> bool:
        """True when no fact is about the person."""
        return not (self.payments or self.payers or self.subscriptions)

    @property
    def names(self) -> set[tuple[str, str]]:
        """(provider, provider_payment_id)"""
        return {(payment.provider, payment.provider_payment_id) for payment in self.payments.values()}

    def add(self, other: PersonalData) -> None:
        """Adds what was found at another time."""
        self.payments |= other.payments
        for payer, numbers in other.payers.items():
            self.payers.setdefault(payer, set()).update(numbers)
        self.receipts |= other.receipts
        self.subscriptions |= other.subscriptions
        self.brought_by |= other.brought_by
        self.others |= other.others


def find(connection: Connection, merchant_id: int, person: Person) -> PersonalData:
    """All facts about the person, read in one view of the database."""
    lift_limits(connection, may_scan=True)
    finder = _Finder(connection, merchant_id, person)
    finder.find_subscriptions()
    finder.find_payments()
    finder.find_receipts()
    return finder.found


class _Finder:
    """The search for the facts about one person, in one view of the database."""

    def __init__(self, connection: Connection, merchant_id: int, person: Person) -> None:
        self._connection = connection
        self._merchant_id = merchant_id
        self._person = person
        self.found = PersonalData()

    def find_subscriptions(self) -> None:
        """Finds the subscriptions whose customer is the person."""
        of_person = sa.or_(
            _SUBSCRIPTIONS.customer_id.in_([caseless(text) for text in self._person.customer_ids]),  # UUIDs as we write
            self._is_email(_SUBSCRIPTIONS.customer_email),
        )
        in_flight = sa.exists().where(
            _SCHEDULED.merchant_id == _SUBSCRIPTIONS.merchant_id,
            _SCHEDULED.subscription_id == _SUBSCRIPTIONS.id,
            _SCHEDULED.attempt_in_flight.is_not(None),
        )
        statement = sa.select(
            _SUBSCRIPTIONS.id,
            _SUBSCRIPTIONS.status,
            _SUBSCRIPTIONS.customer_id,
            _SUBSCRIPTIONS.customer_email,
            _SUBSCRIPTIONS.customer_phone,
            in_flight.label("is_being_charged"),
        ).where(_SUBSCRIPTIONS.merchant_id == self._merchant_id, of_person)
        for row in self._connection.execute(statement):
            self.found.subscriptions[row.id] = FoundSubscription(row.status, row.is_being_charged)
            self._note_others(row.customer_id, row.customer_email, row.customer_phone)

    def find_payments(self) -> None:
        """Finds the payments that name the person, all others of the same payers, and all of the subscriptions."""
        ids = self._person.customer_ids
        named = sa.or_(
            _ATTEMPTS.provider_customer_id.in_(ids),
            _ATTEMPTS.payer_key.in_(ids),
            self._is_email(_ATTEMPTS.customer_email),
        )
        by_name = sa.select(_ATTEMPTS.payment_id).where(_ATTEMPTS.merchant_id == self._merchant_id, named).distinct()
        new = set(self._connection.scalars(by_name))
        for some in in_chunks(list(self.found.subscriptions), _AT_ONCE):
            scheduled = sa.select(_PAYMENTS.id).where(
                _PAYMENTS.merchant_id == self._merchant_id,
                _PAYMENTS.provider == SUBSCRIPTIONS.name,
                _PAYMENTS.provider_subscription_id.in_(some),
            )
            new |= set(self._connection.scalars(scheduled))
        self._find_payers_of_receipts()
        while new := self._take(new):
            pass

    def _is_email(self, column: Any) -> sa.ColumnElement[bool]:
        """True of rows with one of the addresses, in any case: SQL compares those of ASCII, Python all others."""
        if not self._person.emails:
            return sa.false()
        others = sa.select(column).where(
            column.table.c.merchant_id == self._merchant_id, byte_length(column) != sa.func.length(column)
        )
        spelled = [text for text in self._connection.scalars(others.distinct()) if self._person.has_email(text)]
        return sa.or_(ascii_lower(column).in_(self._person.emails), column.in_(spelled))

    def _find_payers_of_receipts(self) -> None:
        """Finds payers that only receipts name: a payer's key ends with the customer's id."""
        ids = self._person.customer_ids
        ends = [_RECEIPTS.payer_key.endswith(f":{text}", autoescape=True) for text in ids]
        statement = sa.select(_RECEIPTS.provider, _RECEIPTS.payer_key).where(
            _RECEIPTS.merchant_id == self._merchant_id, sa.or_(_RECEIPTS.payer_key.in_(ids), *ends)
        )
        for row in self._connection.execute(statement.distinct()):
            # on SQLite, LIKE takes ids that differ in case for the same
            if row.payer_key in ids or any(row.payer_key.endswith(f":{text}") for text in ids):
                self.found.payers.setdefault((row.provider, row.payer_key), set())

    def _take(self, new: Collection[int]) -> set[int]:
        """Adds these payments; returns other payments of the payers that they name."""
        # a payer that is known already may have got another payment
        payers = set(self.found.payers)
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
                self.found.payments[row.id] = FoundPayment(row.provider, row.provider_payment_id, row.status)
                self._note_others(row.provider_customer_id, row.customer_email, row.customer_phone)
                if row.delivery_digest is not None:
                    self.found.brought_by.add(row.delivery_digest)
                if row.payer_key is not None:
                    payers.add((row.provider, row.payer_key))
        for payer in payers:
            self.found.payers.setdefault(payer, set())
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
                    self.found.payers[provider, key].add(number)
                    others.add(number)
        return others - self.found.payments.keys()

    def find_receipts(self) -> None:
        """Finds the receipts of the payers, and the deliveries of receipts and refunds."""
        for provider, key in self.found.payers:
            statement = sa.select(_RECEIPTS.provider_receipt_id, _RECEIPTS.delivery_digest).where(
                _RECEIPTS.merchant_id == self._merchant_id,
                _RECEIPTS.provider == provider,
                _RECEIPTS.payer_key == key,
            )
            for row in self._connection.execute(statement):
                self.found.receipts.add((provider, row.provider_receipt_id))
                if row.delivery_digest is not None:
                    self.found.brought_by.add(row.delivery_digest)
        records = [name for provider, name in self.found.names if provider == PAYMENT_RECORDS.name]
        for some in in_chunks(records, _AT_ONCE):
            refunds = sa.select(_REFUNDS.delivery_digest).where(
                _REFUNDS.merchant_id == self._merchant_id,
                _REFUNDS.provider == PAYMENT_RECORDS.name,
                _REFUNDS.provider_payment_id.in_(some),
            )
            self.found.brought_by |= set(self._connection.scalars(refunds))

    def _note_others(self, customer_id: str | None, email: str | None, phone: str | None) -> None:
        if customer_id and customer_id not in self._person.customer_ids:
            self.found.others.add(customer_id)
        if email and not self._person.has_email(email):
            self.found.others.add(email)
        if phone:
            self.found.others.add(phone)
