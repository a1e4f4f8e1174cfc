"""A database that goes away, is locked or is full: 503 while it lasts, and business as usual after it."""

from __future__ import annotations

import asyncio
import itertools
import json
import sqlite3
import time

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from building import a_failure, a_notice
from databases import PostgresDatabases
from dunning_service.errors import Unavailable
from e2e.private_postgres import PrivatePostgres
from e2e.processes import ServerProcess, serving
from e2e.senders import (
    Account,
    Answer,
    Line,
    Posted,
    a_goodparty_notice,
    a_maple_notice,
    complaints,
    lines,
    listed,
    open_account,
    together,
)
from running import run_service

CONNECTIONS = 16
BEFORE_THE_OUTAGE = 200
SOON_S = 3.0

FAILED_LIST = "/api/v1/failed-payments"
FRONT_PAYMENT_LIST = "/api/v1/connect/subscriptions/failed/list"
GOODPARTY_LIST = "/api/ActionService/GetInvoicePaymentFailed"


class Load:
    """Notices from many connections; after a while the database crashes under them, and each is told so."""

    def __init__(self, account: Account, postgres: PrivatePostgres) -> None:
        self.acknowledged: set[str] = set()
        self.refused: list[Posted] = []
        self.slowest_s = 0.0
        self._account = account
        self._postgres = postgres
        self._serial = itertools.count()
        self._is_time = asyncio.Event()

    async def until_refused(self, server: ServerProcess) -> None:
        async with lines(server.port, CONNECTIONS) as opened:
            await together(self._crash(), *(self._post_on(line) for line in opened))

    async def _crash(self) -> None:
        await self._is_time.wait()
        await asyncio.to_thread(self._postgres.crash)

    async def _post_on(self, line: Line) -> None:
        while True:
            number = next(self._serial)
            notice = a_goodparty_notice if number % 2 else a_maple_notice
            posted = notice(self._account, f"p{number}")
            began = time.monotonic()
            answer = await line.post(posted)
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            if answer.status != 200:
                _require_503(posted, answer)
                self.refused.append(posted)
                return
            self.acknowledged.add(posted.payment)
            if len(self.acknowledged) == BEFORE_THE_OUTAGE:
                self._is_time.set()


def _require_503(posted: Posted, answer: Answer) -> None:
    """It says so in the dialect of the one who posted."""
    assert answer.status == 503, answer
    assert int(answer.headers["retry-after"]) >= 1
    said = json.loads(answer.body)
    if posted.path.startswith("/webhooks/"):
        assert answer.headers["content-type"] == "application/problem+json"
        assert said["code"] == "service_unavailable"
    else:
        assert said.keys() == {"Message"}


async def test_a_postgresql_that_crashes_and_comes_back(postgres: PrivatePostgres) -> None:
    url = PostgresDatabases(postgres.url).create()
    account = open_account(url)
    load = Load(account, postgres)
    with serving(url) as server:
        await load.until_refused(server)
        assert load.refused
        assert load.slowest_s < SOON_S
        async with httpx.AsyncClient(
            base_url=server.base_url, headers=account.auth, trust_env=False, timeout=SOON_S
        ) as client:
            await _require_that_readers_are_told(client)
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get("/healthz")).status_code == 200
            await asyncio.to_thread(postgres.start)
            await asyncio.to_thread(server.wait_until_ready)
            assert (await client.get(FAILED_LIST)).status_code == 200

        # what is there is what was acknowledged, and perhaps what was refused when the answer of a commit was lost
        found = [payment["provider_payment_id"] for payment in listed(server.base_url, account)]
        assert len(found) == len(set(found))
        assert load.acknowledged <= set(found) <= load.acknowledged | {posted.payment for posted in load.refused}

        async with lines(server.port, 1) as (line,):
            for posted in load.refused:
                assert (await line.post(posted)).status == 200
        assert len(listed(server.base_url, account)) == len(load.acknowledged) + len(load.refused)
    assert complaints(url) == []


async def _require_that_readers_are_told(client: httpx.AsyncClient) -> None:
    ours = await client.get(FAILED_LIST)
    front_payment = await client.get(FRONT_PAYMENT_LIST)
    goodparty = await client.post(GOODPARTY_LIST, json={})
    for response in (ours, front_payment, goodparty):
        assert response.status_code == 503, response.text
        assert int(response.headers["retry-after"]) >= 1
    assert ours.headers["content-type"] == "application/problem+json"
    assert ours.json()["code"] == "service_unavailable"
    assert front_payment.json()["status_code"] == 503
    assert front_payment.json()["is_error"] is True
    assert goodparty.json().keys() == {"Message"}


async def test_an_sqlite_database_that_another_process_has_locked(sqlite_url: str) -> None:
    account = open_account(sqlite_url)
    other = sqlite3.connect(str(make_url(sqlite_url).database), isolation_level=None)
    with serving(sqlite_url) as server:
        other.execute("BEGIN IMMEDIATE")
        async with lines(server.port, 2) as (line, another):
            goodparty, maple = a_goodparty_notice(account, "in_1"), a_maple_notice(account, "txn_1")
            answers = await asyncio.gather(line.post(goodparty), another.post(maple))
            for posted, answer in zip((goodparty, maple), answers, strict=True):
                _require_503(posted, answer)
            assert listed(server.base_url, account) == []  # whoever reads does not wait for whoever writes
            other.execute("ROLLBACK")
            assert (await line.post(goodparty)).status == 200
            assert (await another.post(maple)).status == 200
        assert len(listed(server.base_url, account)) == 2
    other.close()


async def test_a_full_disk_is_a_reason_to_send_again_later(sqlite_url: str) -> None:
    async with run_service(sqlite_url) as service:
        notice = a_notice(a_failure(), merchant_id=service.merchant.id, body=b"x" * 1_000_000)
        _allow_pages(service.database.write_engine, 1)
        with pytest.raises(Unavailable):
            await service.writer.record(notice)
        _allow_pages(service.database.write_engine, 1_000_000)
        assert (await service.writer.record(notice)).is_new
    assert complaints(sqlite_url) == []


def _allow_pages(engine: sa.Engine, pages: int) -> None:
    """How large the file may become, or stay, as the writer's own connection sees it."""
    connection = engine.raw_connection()
    try:
        connection.cursor().execute(f"PRAGMA max_page_count={pages}")
    finally:
        connection.close()
