"""How often a batch waits for PostgreSQL: each time costs what the network between two machines does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from building import NOON, a_failure, a_notice, a_success
from database_proxy import DatabaseProxy
from databases import PostgresDatabases
from dunning_service.ledger.work import Work
from ledgers import Ledger


class _RoundTrips(DatabaseProxy):
    """A proxy that counts how often its caller speaks after the server has."""

    def __init__(self, url: str) -> None:
        self.count = 0
        self._has_answered = True
        super().__init__(url)

    def from_caller(self, data: bytes) -> bool:
        if self._has_answered:
            self.count += 1
        self._has_answered = False
        return True

    def from_server(self, data: bytes) -> bool:
        self._has_answered = True
        return True


@contextmanager
def _counted(databases: PostgresDatabases) -> Iterator[tuple[Ledger, _RoundTrips]]:
    url = databases.create()
    trips = _RoundTrips(url)
    ledger = Ledger(trips.url)
    try:
        yield ledger, trips
    finally:
        ledger.database.write_engine.dispose()
        trips.close()
        databases.drop(url)


@pytest.fixture
def counted(postgres_databases: PostgresDatabases) -> Iterator[tuple[Ledger, _RoundTrips]]:
    with _counted(postgres_databases) as found:
        yield found


def _trips_of(ledger: Ledger, trips: _RoundTrips, works: list[Work]) -> int:
    before = trips.count
    ledger.committer.commit(works, NOON)
    return trips.count - before


def test_new_payments_take_two(counted: tuple[Ledger, _RoundTrips]) -> None:
    ledger, trips = counted
    merchant = ledger.add_merchant()

    def batch(first: int) -> list[Work]:
        return [
            a_notice(a_failure(f"in_{number}", payer_key=f"{number}:"), merchant_id=merchant.id)
            for number in range(first, first + 20)
        ]

    ledger.committer.commit(batch(0), NOON)  # connects, and takes a block of numbers
    assert _trips_of(ledger, trips, batch(20)) == 2


def test_payments_that_are_known_take_at_most_three(counted: tuple[Ledger, _RoundTrips]) -> None:
    ledger, trips = counted
    merchant = ledger.add_merchant()
    ledger.committer.commit([a_notice(a_failure(payer_key="7:"), merchant_id=merchant.id)], NOON)
    again = a_notice(a_failure(attempt="2", payer_key="7:"), merchant_id=merchant.id)
    assert _trips_of(ledger, trips, [again]) <= 3
    assert _trips_of(ledger, trips, [a_notice(a_success(attempt="3", payer_key="7:"), merchant_id=merchant.id)]) <= 3
    assert _trips_of(ledger, trips, [again]) <= 3
