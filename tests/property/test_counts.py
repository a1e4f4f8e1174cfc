"""What is shown from counts is what counting gives: while others write, after status changes, and while it is counted
again."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from building import NOON, a_decision, a_failure, a_notice, a_success, in_batches
from dunning_service.errors import DunningError, NotFound
from dunning_service.events import Event
from dunning_service.failed_payments import counted
from dunning_service.failed_payments.queries import FailedPaymentsQuery
from dunning_service.ledger import check, counting
from dunning_service.ledger.counting import recount
from dunning_service.ledger.models import PaymentRow
from dunning_service.ledger.status import ActionKind, Status
from ledgers import Ledger
from property._stories import several_examples

PER_PAGE = 3
DAYS = [NOON.date() - timedelta(days=days) for days in range(3)]

QUERIES: list[dict[str, Any]] = [
    {},
    {"statuses": frozenset({Status.FAILED})},
    {"statuses": frozenset({Status.PAID, Status.INVOICED})},
    {"order_from": DAYS[1], "order_to": DAYS[0]},
    {"order_from": DAYS[1], "order_to": DAYS[1]},
    {"order_to": DAYS[1], "statuses": frozenset({Status.PAID})},
]

told = st.builds(
    lambda payment, succeeds, days, amount, currency: (a_success if succeeds else a_failure)(
        f"in_{payment}",
        occurred_at=NOON - timedelta(days=days),
        amount_minor=amount,
        currency=currency,
    ),
    st.integers(1, 30),
    st.booleans(),
    st.integers(0, 2),
    st.sampled_from([None, 40, 100, 2**62]),
    st.sampled_from(["NOK", "EUR", None]),
)
shares = st.lists(st.lists(told, min_size=5, max_size=25), min_size=3, max_size=3)


@pytest.fixture(autouse=True)
def _blocks_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that few payments are many blocks."""
    for module in (counted, counting, check):
        monkeypatch.setattr(module, "BLOCK_BITS", 2)


@pytest.fixture
def ledgers(database_url: str) -> Iterator[list[Ledger]]:
    """Three, as three processes would have them."""
    opened = [Ledger(database_url) for _ in range(3)]
    yield opened
    for ledger in opened:
        ledger.database.write_engine.dispose()


@settings(several_examples, max_examples=6)
@given(shares=shares, seed=st.integers(0, 2**32))
def test_totals_pages_and_sums_are_what_counting_gives_while_others_write(
    ledgers: list[Ledger], shares: list[list[Event]], seed: int
) -> None:
    merchant_id = ledgers[0].add_merchant().id

    with _writing(ledgers, merchant_id, shares, seed) as is_writing:
        asyncio.run(_require_right(ledgers[0], merchant_id, is_writing))

    assert ledgers[0].complaints(merchant_id) == []


@settings(several_examples, max_examples=4)
@given(shares=shares, seed=st.integers(0, 2**32))
def test_they_are_so_while_lost_counts_are_counted_again(
    ledgers: list[Ledger], shares: list[list[Event]], seed: int
) -> None:
    merchant_id = ledgers[0].add_merchant().id
    with _writing(ledgers, merchant_id, shares, seed):
        pass
    with ledgers[0].database.write() as connection:
        for model in counting.COUNTS:
            connection.execute(sa.delete(model).where(model.merchant_id == merchant_id))

    with _writing(ledgers[1:], merchant_id, shares[:2], seed + 1) as is_writing:
        for day in DAYS:
            with ledgers[0].database.write() as connection:
                recount(connection, merchant_id, [day])
        asyncio.run(_require_right(ledgers[0], merchant_id, is_writing))

    assert ledgers[0].complaints(merchant_id) == []


@contextmanager
def _writing(
    ledgers: Sequence[Ledger],
    merchant_id: int,
    shares: Sequence[Sequence[Event]],
    seed: int,
) -> Iterator[Callable[[], bool]]:
    """Each committer records its share, and decides about payments of all of them. Yields whether one still does."""
    gate = threading.Barrier(len(ledgers))

    def write(ledger: Ledger, share: Sequence[Event], chance: random.Random) -> None:
        gate.wait(timeout=30)
        works = [a_notice(event, merchant_id=merchant_id) for event in share]
        for some in in_batches(works, [chance.randint(1, 6) for _ in works]):
            known = list(ledger.payment_ids(merchant_id).values())
            decisions = [
                a_decision(payment_id, chance.choice(list(ActionKind)), merchant_id=merchant_id, must_apply=False)
                for payment_id in chance.sample(known, min(2, len(known)))
            ]
            for result in ledger.committer.commit([*some, *decisions], NOON):
                # there is no deciding about a payment that has never failed
                assert not isinstance(result, DunningError) or isinstance(result, NotFound), result

    with ThreadPoolExecutor(len(ledgers)) as threads:
        chances = [random.Random(seed + number) for number in range(len(ledgers))]
        written = [threads.submit(write, *one) for one in zip(ledgers, shares, chances, strict=True)]
        yield lambda: not all(one.done() for one in written)
        for one in written:
            one.result(timeout=60)


async def _require_right(ledger: Ledger, merchant_id: int, is_writing: Callable[[], bool]) -> None:
    """Every total, page and sum is what the payments themselves give at the same moment; to the end, and once after."""
    is_last = False
    while not is_last:
        is_last = not is_writing()
        for filters in QUERIES:
            query = FailedPaymentsQuery(merchant_id=merchant_id, **filters)
            async with ledger.database.read() as connection:
                total = await query.total(connection)
                pages = [
                    [row.id for row in await query.numbered_page(connection, offset=offset, limit=PER_PAGE)]
                    for offset in range(0, total + PER_PAGE, PER_PAGE)
                ]
                groups = await query.groups(connection)
                there = (await connection.execute(_all(query))).all()
            numbers = [row.id for row in there]
            assert total == len(numbers)
            assert pages == [numbers[at : at + PER_PAGE] for at in range(0, total + PER_PAGE, PER_PAGE)]
            assert {(one.status, one.currency): (one.payments, one.amount_minor) for one in groups} == _summed(there)
    await ledger.database.read_engine.dispose()


def _all(query: FailedPaymentsQuery) -> sa.Select[*tuple[Any, ...]]:
    """What matches, in the order of the list; said without the query's help."""
    payment = PaymentRow
    statement = sa.select(payment.id, payment.status, payment.currency, payment.amount_minor).where(
        payment.merchant_id == query.merchant_id,
        payment.order_on >= (query.order_from or date.min),
        payment.order_on <= (query.order_to or date.max),
        payment.status.in_(query.statuses or list(Status)),
    )
    return statement.order_by(payment.order_on.desc(), payment.id)


def _summed(rows: Sequence[Any]) -> dict[tuple[str, str | None], tuple[int, int]]:
    sums: dict[tuple[str, str | None], tuple[int, int]] = {}
    for row in rows:
        payments, amount = sums.get((row.status, row.currency), (0, 0))
        sums[row.status, row.currency] = (payments + 1, amount + (row.amount_minor or 0))
    return sums
