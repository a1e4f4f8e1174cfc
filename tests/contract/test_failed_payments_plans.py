"""Which index SQLite takes: without statistics it goes by the wording, and the wrong one makes it read everything.

PostgreSQL goes by its statistics, which a small table does not have: `make bench-list` is where that would show.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from building import NOON, a_failure, a_notice
from dunning_service.failed_payments import counted
from dunning_service.failed_payments.queries import FailedPaymentsQuery
from dunning_service.failed_payments.sorting import Sort, position_of
from ledgers import Ledger
from sql_statements import statements

TODAY = NOON.date()
BY_DAY = "ix_payments_failed (merchant_id"
BY_STATUS = "ix_payments_failed_by_status (merchant_id=? AND status=?"
BY_CHANGE = "ix_payments_merchant_id_updated_at_id (merchant_id"

DAYS = {"order_from": TODAY - timedelta(days=2), "order_to": TODAY}
DAY = {"order_from": TODAY, "order_to": TODAY}
FAILED = {"statuses": frozenset({"failed"})}


@pytest.fixture
async def ledger(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ledger]:
    monkeypatch.setattr(counted, "BLOCK_BITS", 2)
    opened = Ledger(sqlite_url)
    failures = [
        a_failure(f"in_{at}", customer_name="\u00c5se", occurred_at=NOON - timedelta(days=at % 4)) for at in range(40)
    ]
    opened.committer.commit([a_notice(failure) for failure in failures], NOON)
    yield opened
    await opened.database.close()


def require_index(ledger: Ledger, asked: Sequence[tuple[str, Any]], index: str, *, may_sort: bool = False) -> None:
    """Every statement about payments searches by that index, and does not sort what it finds unless it may."""
    found = [(statement, parameters) for statement, parameters in asked if "FROM payments" in statement]
    assert found
    with ledger.database.write() as connection:
        for statement, parameters in found:
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            steps = [step for step in plan if not step.startswith("SCALAR SUBQUERY")]
            if may_sort:
                steps = [step for step in steps if not step.startswith("USE TEMP B-TREE")]
            assert all(index in step for step in steps), (statement, plan)


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        *[({}, BY_DAY), (FAILED, BY_STATUS), (DAYS, BY_DAY), (DAYS | FAILED, BY_STATUS), (DAY, BY_DAY)],
        *[(DAY | FAILED, BY_STATUS), ({"order_to": TODAY}, BY_DAY), ({"order_from": TODAY}, BY_DAY)],
        *[({"text": "\u00c5se"}, BY_DAY), ({"text": "in_"} | FAILED, BY_STATUS), ({"text": "in_"} | DAYS, BY_DAY)],
    ],
)
async def test_page_is_found_by_day(ledger: Ledger, filters: dict[str, Any], index: str) -> None:
    query = FailedPaymentsQuery(merchant_id=1, **filters)
    async with ledger.database.read() as connection:
        total = await query.total(connection)
        with statements(ledger.database) as asked:
            for offset in (0, total // 2, total - 2):
                await query.numbered_page(connection, offset=offset, limit=5)
            (row, *_) = await query.numbered_page(connection, offset=total // 2, limit=1)
            await query.rows_after(connection, sort=Sort.NEWEST_ORDER, position=None, limit=3)
            for sort in (Sort.NEWEST_ORDER, Sort.OLDEST_ORDER):
                await query.rows_after(connection, sort=sort, position=position_of(sort, row), limit=10)
    require_index(ledger, asked, index)


async def test_changes_are_found_by_their_time(ledger: Ledger) -> None:
    query = FailedPaymentsQuery(merchant_id=1, updated_since=NOON - timedelta(days=1))
    async with ledger.database.read() as connection:
        (row,) = await query.rows_after(connection, sort=Sort.LATEST_CHANGE, position=None, limit=1)
        with statements(ledger.database) as asked:
            for sort in (Sort.LATEST_CHANGE, Sort.EARLIEST_CHANGE):
                await query.rows_after(connection, sort=sort, position=position_of(sort, row), limit=100)
    require_index(ledger, asked, BY_CHANGE)


async def test_sums_for_one_subscription_are_of_its_rows(ledger: Ledger) -> None:
    query = FailedPaymentsQuery(merchant_id=1, subscription="sub_1")
    async with ledger.database.read() as connection:
        with statements(ledger.database) as asked:
            await query.groups(connection)
            await query.total(connection)
            await query.numbered_page(connection, offset=0, limit=50)
    require_index(ledger, asked, "ix_payments_merchant_id_provider_subscription_id", may_sort=True)
