"""A connection to PostgreSQL that is lost in the middle of a batch: what its callers are told is what became of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg
import pytest
from structlog.testing import capture_logs

from building import NOON, a_failure, a_notice
from database_proxy import DatabaseProxy
from databases import PostgresDatabases
from dunning_service.errors import Unavailable
from dunning_service.events import Delivery
from dunning_service.ledger.models import PaymentRow
from dunning_service.ledger.work import Command, Effect, IdempotencyKey, NoticeRecorded, Snapshot
from ledgers import Ledger


class _Cutter(DatabaseProxy):
    """A proxy that cuts a connection, once, at the first message that has `at` in it."""

    def __init__(self, url: str) -> None:
        self.at: bytes | None = None
        self.passes_it_on = False
        """True: the server gets the message, and its answer is lost."""
        self._loses_answer = False
        super().__init__(url)

    def from_caller(self, data: bytes) -> bool:
        if self.at is None or self.at not in data:
            return True
        self.at = None
        self._loses_answer = self.passes_it_on
        return self.passes_it_on

    def from_server(self, data: bytes) -> bool:
        is_lost, self._loses_answer = self._loses_answer, False
        return not is_lost


@pytest.fixture
def url(postgres_databases: PostgresDatabases) -> Iterator[str]:
    made = postgres_databases.create()
    yield made
    postgres_databases.drop(made)


@pytest.fixture
def cutter(url: str) -> Iterator[_Cutter]:
    proxy = _Cutter(url)
    yield proxy
    proxy.close()


@contextmanager
def ledger_at(url: str) -> Iterator[Ledger]:
    ledger = Ledger(url)
    yield ledger
    ledger.database.write_engine.dispose()


def tries(snapshot: Snapshot, now: datetime) -> Effect:
    return Effect({}, [a_failure("pr_1", f"par_{len(snapshot.attempts['pr_1'])}")])


def a_command(merchant_id: int, key: str | None) -> Command:
    return Command(
        merchant_id=merchant_id,
        time_zone="UTC",
        provider="payment_records",
        provider_payment_ids=["pr_1"],
        origin="/v1/payment_records",
        delivery=Delivery(b"amount=1", (), NOON),
        idempotency_key=None if key is None else IdempotencyKey(key, b"\x01" * 32, "req_1"),
        execute=tries,
    )


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_notice_whose_commit_is_in_doubt_is_asked_for_again(cutter: _Cutter, is_committed: bool) -> None:
    with ledger_at(cutter.url) as ledger:
        merchant = ledger.add_merchant()
        ledger.committer.commit([a_notice(a_failure("in_0"), merchant_id=merchant.id)], NOON)
        cutter.at, cutter.passes_it_on = b"COMMIT\0", is_committed
        notice = a_notice(a_failure("in_1"), merchant_id=merchant.id)
        with capture_logs() as logged:
            (refused,) = ledger.committer.commit([notice], NOON)
        assert isinstance(refused, Unavailable)
        assert (refused.retry_after, "send it again" in refused.message) == (1, True)
        assert [entry["event"] for entry in logged] == ["batch.in_doubt"]
        assert ("in_1" in ledger.payment_ids(merchant.id)) is is_committed

        (again,) = ledger.committer.commit([notice], NOON)
        assert isinstance(again, NoticeRecorded)
        assert again.is_new is not is_committed
        assert len(ledger.rows(PaymentRow, merchant.id)) == 2
        assert ledger.complaints(merchant.id) == []


@pytest.mark.parametrize("key", [None, "k"])
def test_what_would_be_done_twice_is_not_asked_for_again(cutter: _Cutter, key: str | None) -> None:
    with ledger_at(cutter.url) as ledger:
        merchant = ledger.add_merchant()
        ledger.committer.commit([a_notice(a_failure("in_0"), merchant_id=merchant.id)], NOON)
        cutter.at, cutter.passes_it_on = b"COMMIT\0", True
        (lost,) = ledger.committer.commit([a_command(merchant.id, key)], NOON)
    assert isinstance(lost, Unavailable)
    if key is None:
        assert (lost.retry_after, "look before you send it again" in lost.message) == (None, True)
    else:
        assert (lost.retry_after, "send it again" in lost.message) == (1, True)


def test_a_connection_that_is_lost_before_the_commit_is_sent_costs_nobody_an_answer(cutter: _Cutter) -> None:
    with ledger_at(cutter.url) as ledger:
        merchant = ledger.add_merchant()
        ledger.committer.commit([a_notice(a_failure("in_0"), merchant_id=merchant.id)], NOON)
        for passes_it_on in (False, True):
            cutter.at, cutter.passes_it_on = b"BEGIN", passes_it_on
            with capture_logs() as logged:
                (done,) = ledger.committer.commit([a_command(merchant.id, None)], NOON)
            assert not isinstance(done, Unavailable)
            assert [entry["event"] for entry in logged] == ["batch.retried"]
        assert len(ledger.payment_ids(merchant.id)) == 2


def test_a_server_that_stops_right_after_the_commit_has_committed(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """It says so, and then that it ends the connection, in place of the reply that the driver waits for."""
    with _own(url) as operator:
        # a commit that waits for others can be met in the middle
        operator.execute(f'ALTER DATABASE "{operator.info.dbname}" SET commit_delay = 100000')
        operator.execute(f'ALTER DATABASE "{operator.info.dbname}" SET commit_siblings = 0')
    with ledger_at(url) as ledger:
        merchant = ledger.add_merchant()
        ledger.committer.commit([a_notice(a_failure("in_0"), merchant_id=merchant.id)], NOON)
        stopping = threading.Thread(target=_end_the_one_that_commits, args=(url,))
        stopping.start()
        with caplog.at_level(logging.WARNING):
            (done,) = ledger.committer.commit([a_command(merchant.id, None)], NOON)
        stopping.join()
        assert not isinstance(done, Unavailable), done
        assert "pr_1" in ledger.payment_ids(merchant.id)
        assert caplog.records == []


def _own(url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def _end_the_one_that_commits(url: str) -> None:
    until = time.monotonic() + 20
    with _own(url) as operator:
        while time.monotonic() < until:
            ended = operator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND state = 'active' AND query = 'COMMIT'"
            )
            if ended.fetchall():
                return
