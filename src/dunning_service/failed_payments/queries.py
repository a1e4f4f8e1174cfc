"""The query behind both lists of failed payments: filters, totals, pages and sums of one merchant."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Row, Select
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_service.database import name_index as names
from dunning_service.database.unindexed import unindexed, unindexed_anywhere
from dunning_service.errors import NotFound
from dunning_service.failed_payments.counted import CountedPayments, Group, Place, grouped
from dunning_service.failed_payments.phones import phone_candidates
from dunning_service.failed_payments.public_number import payment_id_of
from dunning_service.failed_payments.schedules import NextAttempt, is_planned, is_ruled_by
from dunning_service.failed_payments.sorting import ORDERINGS, Ordering, Position, Sort
from dunning_service.ledger.counting import summed_halves
from dunning_service.ledger.fields import folded, folded_name
from dunning_service.ledger.models import PaymentRow
from dunning_service.ledger.texts import FoldedTexts
from dunning_service.ledger.work import NO_SUCH_PAYMENT

_PAYMENTS = PaymentRow.__table__.c

_BY_DAY = (Sort.NEWEST_ORDER, Sort.OLDEST_ORDER)

AnyRow = Row[*tuple[Any, ...]]
"""A row whose columns are read by name."""

_NOT_SHOWN = {"merchant_id", "payer_key", "details", *FoldedTexts._fields} - {"customer_phone_key"}

LISTED = tuple(column for column in _PAYMENTS if column.name not in _NOT_SHOWN)
"""The columns that a listed payment is shown with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedPaymentsQuery:
    """Filters on the failed payments of one merchant; all of them must hold. Empty or None: no such filter.

    Methods that belong together (a page and its total) are called on one connection, whose view does not change.
    """

    merchant_id: int
    statuses: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    subscription: str | None = None
    customer: str | None = None
    email: str | None = None
    phone_key: str | None = None
    name: str | None = None
    """Part of the customer's name, in any case and with any accents."""
    text: str | None = None
    """Part of any text that a payment is known by, in any case."""
    amount_min: int | None = None
    amount_max: int | None = None
    currencies: frozenset[str | None] = frozenset()
    """None among them: payments of an unknown currency."""
    categories: frozenset[str] = frozenset()
    order_from: date | None = None
    order_to: date | None = None
    last_failed_since: datetime | None = None
    last_failed_before: datetime | None = None
    updated_since: datetime | None = None
    next_attempt: NextAttempt | None = None
    next_attempt_rules: frozenset[str] = frozenset()
    next_attempt_since: datetime | None = None
    next_attempt_before: datetime | None = None
    is_name_rare: bool = False
    """True when the name is to be looked up among all names. Set by the methods below, for themselves."""

    @property
    def digest(self) -> str:
        """The same for the same filters of the same merchant, and different for others.

        Filters at their defaults are left out, so a filter that is added later leaves the cursors in circulation valid.
        """
        values = {
            field.name: sorted(value, key=str) if isinstance(value, frozenset) else value
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default and field.name != "is_name_rare"
        }
        text = json.dumps(values, sort_keys=True, default=lambda moment: moment.isoformat())
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    async def total(self, connection: AsyncConnection) -> int:
        """The number of payments that match."""
        if (counted := self._counted) is not None:
            return await counted.total(connection)
        conditions = (await self._prepared(connection)).conditions()
        statement = sa.select(sa.func.count()).select_from(PaymentRow.__table__).where(*conditions)
        return int((await connection.execute(statement)).scalar_one())

    async def numbered_page(self, connection: AsyncConnection, *, offset: int, limit: int) -> Sequence[AnyRow]:
        """`limit` rows after the first `offset`, newest order first.

        Where the filters are those of the counts, few of the rows before the page are walked over.
        """
        if not offset or (counted := self._counted) is None:
            prepared = await self._prepared(connection)
            statement = prepared._ordered(Sort.NEWEST_ORDER).offset(offset).limit(limit)
            return (await connection.execute(statement)).all()
        place = await counted.place_of(connection, offset)
        if place is None:
            return ()
        rows = list((await connection.execute(self._from_place(place).limit(limit))).all())
        if len(rows) < limit and place.order_on != self.order_from:
            beyond = replace(self, order_to=None)._ordered(Sort.NEWEST_ORDER).where(_PAYMENTS.order_on < place.order_on)
            rows += (await connection.execute(beyond.limit(limit - len(rows)))).all()
        return rows

    def _from_place(self, place: Place) -> Select[*tuple[Any, ...]]:
        """The rest of the day on which the page begins. The rows before it are walked over in the index alone."""
        day = replace(self, order_from=place.order_on, order_to=place.order_on)
        before = sa.select(_PAYMENTS.id).where(*day.conditions(), _PAYMENTS.id >= place.payment_id)
        first = before.order_by(_PAYMENTS.id).offset(place.skip).limit(1).scalar_subquery()
        return day._ordered(Sort.NEWEST_ORDER).where(_PAYMENTS.id >= first)

    async def rows_after(
        self, connection: AsyncConnection, *, sort: Sort, position: Position | None, limit: int
    ) -> Sequence[AnyRow]:
        """The first `limit` rows in this order, or those after `position`."""
        prepared = await self._prepared(connection)
        if position is None:
            return (await connection.execute(prepared._ordered(sort).limit(limit))).all()
        ties, *beyond = prepared._ordering(sort).beyond(position)
        statements = [prepared._tied(sort, position)._ordered(sort).where(ties)]
        if not (prepared._is_one_day and sort in _BY_DAY):
            statements += [prepared._ordered(sort).where(part) for part in beyond]
        rows: list[AnyRow] = []
        for statement in statements:
            if len(rows) < limit:
                rows += (await connection.execute(statement.limit(limit - len(rows)))).all()
        return rows

    def _tied(self, sort: Sort, position: Position) -> FailedPaymentsQuery:
        """The same query about rows that tie with a position, without the bounds that these keep anyway."""
        if sort in _BY_DAY and isinstance(position.key, date):
            return replace(self, order_from=position.key, order_to=position.key)
        return replace(self, updated_since=None) if sort in (Sort.LATEST_CHANGE, Sort.EARLIEST_CHANGE) else self

    async def groups(self, connection: AsyncConnection) -> Sequence[Group]:
        """Count and amount of what matches, by status and currency; in the order of both, unknown currency last."""
        if (counted := self._counted) is not None:
            return await counted.groups(connection)
        prepared = await self._prepared(connection)
        status = _PAYMENTS.status if prepared._hidden is None else prepared._hidden(_PAYMENTS.status)
        amount = _PAYMENTS.amount_minor
        statement = (
            sa.select(
                status,
                _PAYMENTS.currency,
                sa.func.count(),
                *summed_halves(amount),
                sa.func.count() - sa.func.count(amount),
            )
            .where(*prepared.conditions())
            .group_by(status, _PAYMENTS.currency)
        )
        return grouped(tuple(row) for row in await connection.execute(statement))

    async def _prepared(self, connection: AsyncConnection) -> FailedPaymentsQuery:
        """The same query, by the index of names where the name is rare."""
        name = folded_name(self.name)
        if name is None or self._hidden is not None or not await names.are_few(connection, name):
            return self
        return replace(self, is_name_rare=True)

    def _ordered(self, sort: Sort) -> Select[*tuple[Any, ...]]:
        return sa.select(*LISTED).where(*self.conditions()).order_by(*self._ordering(sort).clauses())

    def _ordering(self, sort: Sort) -> Ordering:
        return replace(ORDERINGS[sort], hidden=self._hidden)

    @property
    def _hidden(self) -> type[unindexed] | None:
        """The wrapper that hides other columns from their indexes where an exact filter leaves few rows."""
        exact = (self.subscription, self.customer, self.email)
        is_about_few = any(value is not None for value in exact) or self._is_scheduled or bool(self.next_attempt_rules)
        is_about_few = is_about_few or self.is_name_rare
        if self.phone_key is not None and not is_about_few:
            return unindexed_anywhere  # it may be any of two hundred numbers
        return unindexed if is_about_few else None

    @property
    def _is_scheduled(self) -> bool:
        """True when only payments with a planned attempt are asked for."""
        is_within = self.next_attempt_since is not None or self.next_attempt_before is not None
        return is_within or self.next_attempt is NextAttempt.PLANNED

    @property
    def _is_one_day(self) -> bool:
        return self.order_from is not None and self.order_from == self.order_to

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions of the statement."""
        status: ColumnElement[Any] = _PAYMENTS.status
        order_on: ColumnElement[Any] = _PAYMENTS.order_on
        updated_at: ColumnElement[Any] = _PAYMENTS.updated_at
        if (hidden := self._hidden) is not None:
            status, order_on, updated_at = hidden(status), hidden(order_on), hidden(updated_at)
        found: list[ColumnElement[bool]] = [_PAYMENTS.merchant_id == self.merchant_id]
        # Each bound is said once: SQLite would take one of several for its index, and the wrong one.
        if self._is_one_day:
            found.append(order_on == self.order_from)
        elif self.order_from is None and self.order_to is None:
            found.append(order_on.is_not(None))
        for column, values in (
            (status, self.statuses),
            (_PAYMENTS.provider, self.providers),
            (_PAYMENTS.category, self.categories),
        ):
            if values:
                found.append(_is_one_of(column, values))
        if self.currencies:
            known = {currency for currency in self.currencies if currency is not None}
            found.append(
                sa.or_(
                    *([_PAYMENTS.currency.is_(None)] if None in self.currencies else []),
                    *([_is_one_of(_PAYMENTS.currency, known)] if known else []),
                )
            )
        for column, value in (
            (_PAYMENTS.provider_subscription_id, self.subscription),
            (_PAYMENTS.provider_customer_id, self.customer),
            (_PAYMENTS.customer_email_folded, folded(self.email)),
        ):
            if value is not None:
                found.append(column == value)
        if self.phone_key is not None:
            found.append(_is_one_of(_PAYMENTS.customer_phone_key, phone_candidates(self.phone_key)))
        for column, least in (
            (_PAYMENTS.amount_minor, self.amount_min),
            (order_on, None if self._is_one_day else self.order_from),
            (_PAYMENTS.last_failed_at, self.last_failed_since),
            (updated_at, self.updated_since),
        ):
            if least is not None:
                found.append(column >= least)
        for column, most in (
            (_PAYMENTS.amount_minor, self.amount_max),
            (order_on, None if self._is_one_day else self.order_to),
        ):
            if most is not None:
                found.append(column <= most)
        if self.last_failed_before is not None:
            found.append(_PAYMENTS.last_failed_at < self.last_failed_before)
        if self.is_name_rare and (name := folded_name(self.name)) is not None:
            found.append(names.has_name_like(_PAYMENTS.id, name))
        if self.name is not None:
            found.append(_has_name(self.name))
        if self.text is not None:
            found.append(_mentions(self.text))
        if self._is_scheduled:
            found.append(is_planned(self.merchant_id, self.next_attempt_since, self.next_attempt_before))
        if self.next_attempt is NextAttempt.NONE:
            found.append(sa.not_(is_planned(self.merchant_id)))
        if self.next_attempt_rules:
            found.append(is_ruled_by(self.merchant_id, self.next_attempt_rules))
        return found

    @property
    def _counted(self) -> CountedPayments | None:
        """The counts of the matching payments; None when a filter is set that they do not have."""
        counted = CountedPayments(
            merchant_id=self.merchant_id, statuses=self.statuses, order_from=self.order_from, order_to=self.order_to
        )
        return counted if self == FailedPaymentsQuery(**asdict(counted)) else None


def _is_one_of(column: ColumnElement[Any], values: Sequence[str] | set[str] | frozenset[str]) -> ColumnElement[bool]:
    """Equality where one value will do, so that an index which goes on after the column keeps its order."""
    return column == next(iter(values)) if len(values) == 1 else column.in_(sorted(values))


def _has_name(part: str) -> ColumnElement[bool]:
    """Part of the customer's name; nothing has a part of which folding leaves nothing."""
    name = folded_name(part)
    return sa.false() if name is None else _PAYMENTS.customer_name_folded.contains(name, autoescape=True)


def _mentions(text: str) -> ColumnElement[bool]:
    """Free text: part of a name, an address, an identifier or the description, or the whole public number."""
    name, plain = folded_name(text), folded(text)
    alternatives = [
        _has_name(text),
        *([] if name is None else [_PAYMENTS.description_folded.contains(name, autoescape=True)]),
        _PAYMENTS.customer_email_folded.contains(plain, autoescape=True),
        _PAYMENTS.identifiers_folded.contains(plain, autoescape=True),
    ]
    payment_id = payment_id_of(text.upper())
    if payment_id is not None:
        alternatives.append(_PAYMENTS.id == payment_id)
    return sa.or_(*alternatives)


async def find_payment(connection: AsyncConnection, merchant_id: int, number: str) -> AnyRow:
    """The merchant's failed payment with that public number.

    Raises NotFound for every other number, whether it is another merchant's, never failed, or no number at all.
    """
    payment_id = payment_id_of(number)
    if payment_id is None:
        raise NotFound(NO_SUCH_PAYMENT)
    statement = sa.select(*LISTED, _PAYMENTS.payer_key).where(
        _PAYMENTS.merchant_id == merchant_id, _PAYMENTS.id == payment_id, _PAYMENTS.order_on.is_not(None)
    )
    found = (await connection.execute(statement)).one_or_none()
    if found is None:
        raise NotFound(NO_SUCH_PAYMENT)
    return found
