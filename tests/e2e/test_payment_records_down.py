"""A PostgreSQL that crashes under those who report payments: 503 in Stripe's words, and business as usual after it."""

from __future__ import annotations

import asyncio
import itertools
import json

import httpx

from databases import PostgresDatabases
from e2e.private_postgres import PrivatePostgres
from e2e.processes import serving
from e2e.reporters import (
    ATTEMPTS,
    RECORDS,
    FormLine,
    Report,
    a_payment,
    accepted,
    an_attempt,
    error_of,
    everything,
    form_lines,
)
from e2e.senders import Account, Answer, complaints, open_account, together

CONNECTIONS = 12
BEFORE_THE_OUTAGE = 100
SOON_S = 3.0


class Load:
    """Payments from many connections; after a while the database crashes under them, and each is told so."""

    def __init__(self, account: Account, postgres: PrivatePostgres) -> None:
        self.acknowledged: list[tuple[Report, Answer]] = []
        self.refused: list[Report] = []
        self._account = account
        self._postgres = postgres
        self._serial = itertools.count()
        self._is_time = asyncio.Event()

    async def until_refused(self, opened: list[FormLine]) -> None:
        await together(self._crash(), *(self._report_on(line) for line in opened))

    async def _crash(self) -> None:
        await self._is_time.wait()
        await asyncio.to_thread(self._postgres.crash)

    async def _report_on(self, line: FormLine) -> None:
        while True:
            report = a_payment(self._account, f"key {next(self._serial)}", "failed")
            async with asyncio.timeout(SOON_S):
                answer = await line.report(report)
            if answer.status != 200:
                _require_503(answer)
                self.refused.append(report)
                return
            self.acknowledged.append((report, answer))
            if len(self.acknowledged) == BEFORE_THE_OUTAGE:
                self._is_time.set()


def _require_503(answer: Answer) -> None:
    assert answer.status == 503, answer
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["request-id"]
    assert "idempotent-replayed" not in answer.headers
    error = error_of(answer)
    assert error["type"] == "api_error"
    assert error["message"]


async def test_a_postgresql_that_crashes_under_reports_and_comes_back(postgres: PrivatePostgres) -> None:
    url = PostgresDatabases(postgres.url).create()
    account = open_account(url)
    load = Load(account, postgres)
    with serving(url) as server:
        async with form_lines([server.port], CONNECTIONS) as opened:
            record = await accepted(opened[0], a_payment(account, outcome="failed"))
            await load.until_refused(opened)
            assert load.refused
            another = an_attempt(account, record["id"], "another")
            for report in (another, load.acknowledged[0][0], a_payment(account)):
                _require_503(await opened[0].report(report))
            await _require_that_readers_are_told(server.base_url, account, record)

            await asyncio.to_thread(postgres.start)
            await asyncio.to_thread(server.wait_until_ready)
            for report, answer in load.acknowledged:
                replay = await opened[0].report(report)
                assert (replay.status, replay.body) == (200, answer.body)
            # a 503 is not an answer to keep: the same key does it now, once
            for report in (*load.refused, another):
                answer, replay = await opened[0].report(report), await opened[0].report(report)
                assert (answer.status, replay.status, replay.body) == (200, 200, answer.body)
        found = everything(server.base_url, account, RECORDS)
        assert len(found) == 1 + len(load.acknowledged) + len(load.refused)
        assert {json.loads(answer.body)["id"] for _, answer in load.acknowledged} <= {one["id"] for one in found}
        assert len(everything(server.base_url, account, ATTEMPTS, payment_record=record["id"])) == 2
    assert complaints(url) == []


async def _require_that_readers_are_told(base_url: str, account: Account, record: dict[str, str]) -> None:
    attempt = record["latest_payment_attempt_record"]
    async with httpx.AsyncClient(base_url=base_url, headers=account.auth, trust_env=False, timeout=SOON_S) as client:
        for path in (
            RECORDS,
            f"{RECORDS}/{record['id']}",
            f"{ATTEMPTS}?payment_record={record['id']}",
            f"{ATTEMPTS}/{attempt}",
        ):
            response = await client.get(path)
            _require_503(Answer(response.status_code, dict(response.headers), response.content))
        # whether a token is known cannot be told either, so it is not called unknown
        unknown = await client.get(RECORDS, headers={"Authorization": "Bearer dun_nobody_knows"})
        _require_503(Answer(unknown.status_code, dict(unknown.headers), unknown.content))
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/v1/charges")).status_code == 404
