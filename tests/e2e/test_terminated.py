"""SIGTERM: the service finishes what it has taken in, and hangs up on nobody."""

from __future__ import annotations

import asyncio
import itertools

from e2e.processes import HOST, ServerProcess, serving
from e2e.senders import (
    Account,
    Line,
    a_goodparty_notice,
    a_maple_notice,
    complaints,
    lines,
    open_account,
    payments_of,
    together,
)

CONNECTIONS = 32
BEFORE_THE_STOP = 400


class Load:
    """Notices from many connections, until each has been told that its answer was the last on it."""

    def __init__(self, account: Account) -> None:
        self.acknowledged: list[str] = []
        self._account = account
        self._serial = itertools.count()

    async def until_stopped(self, server: ServerProcess) -> None:
        async with lines(server.port, CONNECTIONS) as opened:
            await together(*(self._post_on(line, server) for line in opened))

    async def _post_on(self, line: Line, server: ServerProcess) -> None:
        is_last = False
        while not is_last:
            number = next(self._serial)
            if number == BEFORE_THE_STOP:
                server.terminate()
            notice = a_goodparty_notice if number % 2 else a_maple_notice
            posted = notice(self._account, f"p{number}")
            answer = await line.post(posted)  # raises when the connection ends without an answer
            assert answer.status == 200, answer
            self.acknowledged.append(posted.payment)
            is_last = answer.headers.get("connection") == "close"


async def test_a_stop_under_load_answers_every_request_and_loses_nothing(database_url: str) -> None:
    account = open_account(database_url)
    load = Load(account)
    with serving(database_url) as server:
        await load.until_stopped(server)
        assert await asyncio.to_thread(server.wait) == 0
    assert len(load.acknowledged) > BEFORE_THE_STOP
    assert sorted(payments_of(database_url, account)) == sorted(load.acknowledged)
    assert complaints(database_url) == []


async def test_a_request_that_comes_on_an_idle_connection_during_a_stop_is_answered(sqlite_url: str) -> None:
    account = open_account(sqlite_url)
    with serving(sqlite_url) as server:
        # the other stays open and silent, and does not keep the service from ending
        async with lines(server.port, 2) as (line, _):
            assert (await line.post(a_goodparty_notice(account, "before"))).status == 200
            server.terminate()
            await _until_nobody_is_let_in(server.port)
            answer = await line.post(a_goodparty_notice(account, "during"))
            assert answer.status == 200
            assert answer.headers["connection"] == "close"
            async with asyncio.timeout(15):  # less than an idle connection may live, and than a stop may take
                assert await asyncio.to_thread(server.wait) == 0
    assert sorted(payments_of(sqlite_url, account)) == ["before", "during"]


async def _until_nobody_is_let_in(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except ConnectionError:
                return
            writer.close()
