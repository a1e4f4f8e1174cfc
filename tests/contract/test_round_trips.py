"""How often a batch waits for PostgreSQL: each time costs what the network between two machines does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy.engine import make_url

from building import NOON, a_failure, a_notice, a_success
from databases import PostgresDatabases
from dunning_service.ledger.work import Work
from ledgers import Ledger


class _RoundTrips:
    """A proxy in front of a server that counts how often its caller speaks after the server has."""

    def __init__(self, server: str) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._server = server
        self.port: int = self._listening.getsockname()[1]
        self.count = 0
        self._has_answered = True
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listening.accept()
            except OSError:
                return
            server = _dialled(self._server)
            threading.Thread(target=self._pass_on, args=(caller, server, True), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, caller, False), daemon=True).start()

    def _pass_on(self, from_: socket.socket, to: socket.socket, is_caller: bool) -> None:
        try:
            while data := from_.recv(1 << 18):
                if is_caller and self._has_answered:
                    self.count += 1
                self._has_answered = not is_caller
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other direction has ended


def _dialled(url: str) -> socket.socket:
    server = make_url(url)
    folder = server.query.get("host")
    if folder is None:
        return socket.create_connection((server.host or "127.0.0.1", server.port or 5432))
    line = socket.socket(socket.AF_UNIX)
    line.connect(f"{folder}/.s.PGSQL.{server.port or 5432}")
    return line


@contextmanager
def _counted(databases: PostgresDatabases) -> Iterator[tuple[Ledger, _RoundTrips]]:
    url = databases.create()
    trips = _RoundTrips(url)
    through = make_url(url).set(host="127.0.0.1", port=trips.port, query={})
    ledger = Ledger(through.render_as_string(hide_password=False))
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
