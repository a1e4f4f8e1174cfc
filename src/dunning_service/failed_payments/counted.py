"""Totals, sums and page starts of failed payments, from the stored counts.

The counts are by day and status, so they serve filters of these two, as quickly for many payments as for few.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_service.ledger.models import BLOCK_BITS, BlockCountRow, DailyAmountRow, DailyCountRow

_DAILY = DailyCountRow.__table__.c
_BLOCKS = BlockCountRow.__table__.c
_AMOUNTS = DailyAmountRow.__table__.c


class Group(NamedTuple):
    """The failed payments of one status in one currency (None: unknown), added up."""

    status: str
    currency: str | None
    payments: int
    amount_minor: int
    without_amount: int


def grouped(sums: Iterable[tuple[Any, ...]]) -> list[Group]:
    """Groups of (status, currency, payments, upper halves, lower halves, without amount), in the order of status and
    currency, unknown currency last. Amounts are added up in halves of 32 bits, because SQLite refuses a sum beyond 64.
    """
    groups = [
        Group(status, currency, int(payments), (int(high) << 32) + int(low), int(without_amount))
        for status, currency, payments, high, low, without_amount in sums
    ]
    return sorted(groups, key=lambda group: (group.status, group.currency is None, group.currency or ""))


class Place(NamedTuple):
    """The start of a page of the list."""

    order_on: date
    payment_id: int
    """A number that none of the day's payments before `skip` is below."""
    skip: int
    """How many of the day's payments from that number on come before the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedPayments:
    """The counts of one merchant's failed payments, of some statuses (none: of all) and some days."""

    merchant_id: int
    statuses: frozenset[str]
    order_from: date | None
    order_to: date | None

    async def total(self, connection: AsyncConnection) -> int:
        """The number of payments."""
        statement = sa.select(sa.func.coalesce(sa.func.sum(_DAILY.payments), 0)).where(*self._conditions(_DAILY))
        return int((await connection.execute(statement)).scalar_one())

    async def place_of(self, connection: AsyncConnection, offset: int) -> Place | None:
        """The start of the page after the first `offset`, newest day first and by number within it; None after all."""
        on_day = sa.func.sum(_DAILY.payments)
        days = (
            sa.select(
                _DAILY.order_on,
                on_day.label("on_day"),
                sa.func.sum(on_day).over(order_by=_DAILY.order_on.desc()).label("up_to"),
            )
            .where(*self._conditions(_DAILY))
            .group_by(_DAILY.order_on)
            .subquery()
        )
        statement = sa.select(days).where(days.c.up_to > offset).order_by(days.c.order_on.desc()).limit(1)
        day = (await connection.execute(statement)).one_or_none()
        if day is None:
            return None
        skip = offset - int(day.up_to - day.on_day)
        # walking over a block's worth of rows is as quick as finding the block
        if skip < 1 << BLOCK_BITS:
            return Place(day.order_on, 0, skip)
        return await self._place_on(connection, day.order_on, skip)

    async def _place_on(self, connection: AsyncConnection, order_on: date, skip: int) -> Place:
        in_block = sa.func.sum(_BLOCKS.payments)
        blocks = (
            sa.select(
                _BLOCKS.block,
                in_block.label("in_block"),
                sa.func.sum(in_block).over(order_by=_BLOCKS.block).label("up_to"),
            )
            .where(*self._conditions(_BLOCKS), _BLOCKS.order_on == order_on)
            .group_by(_BLOCKS.block)
            .subquery()
        )
        statement = sa.select(blocks).where(blocks.c.up_to > skip).order_by(blocks.c.block).limit(1)
        block = (await connection.execute(statement)).one()
        return Place(order_on, block.block << BLOCK_BITS, skip - int(block.up_to - block.in_block))

    async def groups(self, connection: AsyncConnection) -> list[Group]:
        """Count and amount by status and currency."""
        sums = (sa.func.sum(column) for column in (_AMOUNTS.payments, _AMOUNTS.amount_high, _AMOUNTS.amount_low))
        statement = (
            sa.select(_AMOUNTS.status, _AMOUNTS.currency, *sums, sa.func.sum(_AMOUNTS.without_amount))
            .where(*self._conditions(_AMOUNTS))
            .group_by(_AMOUNTS.status, _AMOUNTS.currency)
        )
        found = await connection.execute(statement)
        return grouped((status, currency or None, *rest) for status, currency, *rest in found if rest[0])

    def _conditions(self, counts: Any) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = [counts.merchant_id == self.merchant_id]
        if self.statuses:
            found.append(counts.status.in_(sorted(self.statuses)))
        if self.order_from is not None:
            found.append(counts.order_on >= self.order_from)
        if self.order_to is not None:
            found.append(counts.order_on <= self.order_to)
        return found
