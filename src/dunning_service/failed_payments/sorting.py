"""The orders of the list of failed payments, each total, so that a cursor can continue it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement

from dunning_service.ledger.models import PaymentRow

_PAYMENTS = PaymentRow.__table__.c

SortKey = date | datetime | int | None
"""The value a payment is sorted by: its order date, its time of change or its amount, which may be unknown."""


class Sort(StrEnum):
    """The sort orders of the list; a minus means descending."""

    NEWEST_ORDER = "-order_date"
    OLDEST_ORDER = "order_date"
    LATEST_CHANGE = "-updated_at"
    EARLIEST_CHANGE = "updated_at"
    LARGEST_AMOUNT = "-amount"
    SMALLEST_AMOUNT = "amount"


@dataclass(frozen=True, slots=True)
class Position:
    """The position of a row in a sorted list: the last row of a page."""

    key: SortKey
    payment_id: int


@dataclass(frozen=True, slots=True)
class Ordering:
    """One total order: by a column, then by id. Unknown values come last, whichever the direction."""

    name: str
    """The column's, which a listed row has as an attribute."""
    is_descending: bool
    is_id_descending: bool
    may_be_unknown: bool = False
    hidden: Callable[[ColumnElement[Any]], ColumnElement[Any]] | None = None
    """Hides the column from its index where another finds the rows: see `unindexed.py`."""

    @property
    def column(self) -> ColumnElement[Any]:
        """The column to sort by."""
        column = _PAYMENTS[self.name]
        return column if self.hidden is None else self.hidden(column)

    def clauses(self) -> Sequence[ColumnElement[Any]]:
        """The expressions of the ORDER BY."""
        by = self.column.desc() if self.is_descending else self.column.asc()
        by_id = _PAYMENTS.id.desc() if self.is_id_descending else _PAYMENTS.id.asc()
        return (by.nulls_last() if self.may_be_unknown else by, by_id)

    def beyond(self, position: Position) -> Sequence[ColumnElement[bool]]:
        """Conditions for the rows after `position`, in parts that follow each other.

        First the rest of the rows that tie with it, then what lies beyond: apart, each is one range of the index, while
        their OR would make the database walk over everything that ties.
        """
        later_id = _PAYMENTS.id < position.payment_id if self.is_id_descending else _PAYMENTS.id > position.payment_id
        if position.key is None:
            return (sa.and_(self.column.is_(None), later_id),)
        ties = sa.and_(self.column == position.key, later_id)
        beyond = self.column < position.key if self.is_descending else self.column > position.key
        if self.may_be_unknown:
            beyond = sa.or_(beyond, self.column.is_(None))
        return (ties, beyond)


# the direction of the id follows the indexes: an order and its opposite are one index, read forwards or backwards
ORDERINGS = {
    Sort.NEWEST_ORDER: Ordering("order_on", is_descending=True, is_id_descending=False),
    Sort.OLDEST_ORDER: Ordering("order_on", is_descending=False, is_id_descending=True),
    Sort.LATEST_CHANGE: Ordering("updated_at", is_descending=True, is_id_descending=True),
    Sort.EARLIEST_CHANGE: Ordering("updated_at", is_descending=False, is_id_descending=False),
    Sort.LARGEST_AMOUNT: Ordering("amount_minor", is_descending=True, is_id_descending=False, may_be_unknown=True),
    Sort.SMALLEST_AMOUNT: Ordering("amount_minor", is_descending=False, is_id_descending=False, may_be_unknown=True),
}


def position_of(sort: Sort, row: Any) -> Position:
    """The position of a listed row."""
    return Position(key=getattr(row, ORDERINGS[sort].name), payment_id=row.id)
