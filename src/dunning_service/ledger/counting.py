"""The counts behind totals and page numbers: how they change with each batch, and how they are recounted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select
from sqlalchemy.engine import Connection

from dunning_service.database.bulk import bulk_for
from dunning_service.ledger.facts import Row
from dunning_service.ledger.models import (
    BLOCK_BITS,
    SHARDS,
    BlockCountRow,
    DailyAmountRow,
    DailyCountRow,
    PaymentRow,
)
from dunning_service.ledger.working_set import Payment

CountRow = type[DailyCountRow] | type[BlockCountRow] | type[DailyAmountRow]

COUNTS: tuple[CountRow, ...] = (DailyCountRow, BlockCountRow, DailyAmountRow)
"""The tables of counts, in the order in which every transaction changes them."""

_LOW = 0xFFFF_FFFF
_AT_ONCE = 20_000
"""As many payments as are counted again in one transaction, unless a single day has more."""
_DAYS_AT_ONCE = 500
"""Each is a parameter, several times over, and databases set a limit to those."""
_RECOUNT_LOCK = ("recount",)
_PAYMENTS = PaymentRow.__table__.c


def count_changes(payments: Sequence[Payment], shard: int) -> Iterator[tuple[CountRow, list[Row]]]:
    """By how much the counts move, table by table, in the order of their keys."""
    daily: dict[tuple[int, date, str], int] = defaultdict(int)
    blocks: dict[tuple[int, date, str, int], int] = defaultdict(int)
    amounts: dict[tuple[int, date, str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for payment in payments:
        before, after = payment.held, payment.counted
        if before == after:
            continue
        for sign, counted in ((-1, before), (1, after)):
            if counted is None or counted.order_on is None:
                continue
            key = (payment.key[0], counted.order_on, counted.status)
            daily[key] += sign
            blocks[*key, payment.id >> BLOCK_BITS] += sign
            sums = amounts[*key, counted.currency or ""]
            sums[0] += sign
            if counted.amount_minor is None:
                sums[3] += sign
            else:
                sums[1] += sign * (counted.amount_minor >> 32)
                sums[2] += sign * (counted.amount_minor & _LOW)
    yield (
        DailyCountRow,
        [
            {"merchant_id": merchant_id, "order_on": order_on, "status": status, "shard": shard, "payments": moved}
            for (merchant_id, order_on, status), moved in sorted(daily.items())
            if moved
        ],
    )
    yield (
        BlockCountRow,
        [
            {
                "merchant_id": merchant_id,
                "order_on": order_on,
                "status": status,
                "block": block,
                "shard": shard,
                "payments": moved,
            }
            for (merchant_id, order_on, status, block), moved in sorted(blocks.items())
            if moved
        ],
    )
    yield (
        DailyAmountRow,
        [
            {
                "merchant_id": merchant_id,
                "order_on": order_on,
                "status": status,
                "currency": currency,
                "shard": shard,
                "payments": sums[0],
                "amount_high": sums[1],
                "amount_low": sums[2],
                "without_amount": sums[3],
            }
            for (merchant_id, order_on, status, currency), sums in sorted(amounts.items())
            if any(sums)
        ],
    )


def keys_of(model: CountRow) -> list[str]:
    """What a count is of, without the merchant and the shard."""
    table: Any = model.__table__
    return [column.name for column in table.primary_key if column.name not in ("merchant_id", "shard")]


def measures_of(model: CountRow) -> list[str]:
    """What is counted or added up."""
    table: Any = model.__table__
    return [column.name for column in table.c if not column.primary_key]


def counted_days(connection: Connection, merchant_id: int) -> list[tuple[date, int]]:
    """Every day on which there are payments or counts, with how many payments there are."""
    payments = sa.select(_PAYMENTS.order_on, sa.func.count().label("payments")).where(
        _PAYMENTS.merchant_id == merchant_id, _PAYMENTS.order_on.is_not(None)
    )
    there = {row.order_on: int(row.payments) for row in connection.execute(payments.group_by(_PAYMENTS.order_on))}
    for model in COUNTS:
        table: Any = model.__table__
        of_merchant = sa.select(table.c.order_on).where(table.c.merchant_id == merchant_id).distinct()
        for day in connection.scalars(of_merchant):
            there.setdefault(day, 0)
    return sorted(there.items())


def chunks_of(days: Iterable[tuple[date, int]]) -> list[list[date]]:
    """Days with how many payments there are on each, in chunks that are counted again in a moment each."""
    chunks: list[list[date]] = []
    room = 0
    for day, payments in days:
        if not chunks or payments > room or len(chunks[-1]) == _DAYS_AT_ONCE:
            chunks.append([])
            room = _AT_ONCE
        chunks[-1].append(day)
        room -= payments
    return chunks


def miscounted_days(connection: Connection, merchant_id: int, days: Collection[date]) -> list[date]:
    """Those of these days that `recount` would change."""
    return sorted({row.order_on for model in COUNTS for row in connection.execute(miscounts(model, merchant_id, days))})


def miscounts(model: CountRow, merchant_id: int, days: Collection[date] | None = None) -> Select[*tuple[Any, ...]]:
    """The counts of a merchant, or of some of its days, that are not what counting the payments gives.

    The columns: those of `keys_of`, then for each of `measures_of` what is kept, then for each what there is. It is one
    statement, so both are of one moment.
    """
    names = measures_of(model)
    both = sa.union_all(_kept(model, merchant_id, days), _counted(model, merchant_id, days)).subquery()
    keys = [both.c[name] for name in keys_of(model)]
    kept = [sa.func.sum(both.c[name]) for name in names]
    there = [sa.func.sum(both.c[f"{name}_there"]) for name in names]
    return (
        sa.select(*keys, *kept, *there)
        .group_by(*keys)
        .having(sa.or_(*(one != other for one, other in zip(kept, there, strict=True))))
        .order_by(*keys)
    )


def _kept(model: CountRow, merchant_id: int, days: Collection[date] | None) -> Select[*tuple[Any, ...]]:
    table: Any = model.__table__
    names = measures_of(model)
    statement = sa.select(
        *(table.c[name] for name in keys_of(model)),
        *(table.c[name] for name in names),
        *(sa.literal_column("0").label(f"{name}_there") for name in names),
    ).where(table.c.merchant_id == merchant_id)
    return statement if days is None else statement.where(table.c.order_on.in_(days))


def summed_halves(amount: ColumnElement[Any]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """The sums of the upper and of the lower 32 bits of amounts: neither is ever too large for 64."""
    halves = amount.op(">>")(sa.literal_column("32")), amount.op("&")(sa.literal_column(str(_LOW)))
    high, low = (sa.func.coalesce(sa.func.sum(half), 0) for half in halves)
    return high, low


def _counted(model: CountRow, merchant_id: int, days: Collection[date] | None) -> Select[*tuple[Any, ...]]:
    """By counting the payments."""
    high, low = summed_halves(_PAYMENTS.amount_minor)
    columns: dict[str, ColumnElement[Any]] = {
        "order_on": _PAYMENTS.order_on,
        "status": _PAYMENTS.status,
        "block": _PAYMENTS.id.op(">>")(sa.literal_column(str(BLOCK_BITS))),
        "currency": sa.func.coalesce(_PAYMENTS.currency, sa.literal_column("''")),
        "payments": sa.func.count(),
        "amount_high": high,
        "amount_low": low,
        "without_amount": sa.func.count() - sa.func.count(_PAYMENTS.amount_minor),
    }
    keys, names = keys_of(model), measures_of(model)
    statement = (
        sa.select(
            *(columns[name].label(name) for name in keys),
            *(sa.literal_column("0").label(name) for name in names),
            *(columns[name].label(f"{name}_there") for name in names),
        )
        .where(_PAYMENTS.merchant_id == merchant_id, _PAYMENTS.order_on.is_not(None))
        .group_by(*(columns[name] for name in keys))
    )
    return statement if days is None else statement.where(_PAYMENTS.order_on.in_(days))


def recount(connection: Connection, merchant_id: int, days: Collection[date]) -> None:
    """Adds to the counts of these days what they lack, while others write; `connection` is in READ COMMITTED, as
    writers are.

    A transaction changes payments and counts together, so what a count lacks stays the same whatever is committed
    meanwhile. Only another recount would add the same again, so that one waits.
    """
    bulk = bulk_for(connection)
    bulk.lock({_RECOUNT_LOCK}, ())
    shard = bulk.free_shard(SHARDS)[0]
    for model in COUNTS:
        keys, names = keys_of(model), measures_of(model)
        rows = [
            {"merchant_id": merchant_id, "shard": shard}
            | dict(zip(keys, found, strict=False))
            | {name: int(found[at + len(names)]) - int(found[at]) for at, name in enumerate(names, len(keys))}
            for found in connection.execute(miscounts(model, merchant_id, days))
        ]
        table: Any = model.__table__
        bulk.add(table, rows)
