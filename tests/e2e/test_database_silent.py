"""A PostgreSQL that is gone, or hangs with its connections open, as every route's callers see it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from databases import PostgresDatabases
from dunning_service.app import create_app
from dunning_service.settings import Settings
from e2e.every_route import (
    WITHOUT_DATABASE,
    Call,
    calls_for,
    require_that_all_is_well,
    routes_of,
    says_unavailable,
    send,
)
from e2e.private_postgres import PrivatePostgres
from e2e.processes import ServerProcess, serving
from e2e.senders import Account, HungUpError, Line, a_goodparty_notice, complaints, lines, listed, open_account
from running import SECRET_KEY

AT_ONCE_S = 1.0
IN_BOUNDS_S = 15.0
FORGOTTEN_S = 2.5
"""After this nobody remembers whose a token is."""


@pytest.fixture(scope="module")
def postgres_url(postgres: PrivatePostgres) -> str:
    return PostgresDatabases(postgres.url).create()


@pytest.fixture(scope="module")
def server(postgres_url: str) -> Iterator[ServerProcess]:
    """One for all: it recovers without a restart."""
    with serving(postgres_url) as running:
        yield running


@asynccontextmanager
async def ready_calls(url: str, server: ServerProcess) -> AsyncIterator[tuple[Account, list[Call]]]:
    account = open_account(url)
    async with lines(server.port, 1) as (line,):
        yield account, await calls_for(line, account)


async def wrong_answers(server: ServerProcess, calls: Sequence[Call], within_s: float) -> list[str]:
    """All of them at once, each on a connection of its own: what is not a 503, in its own words and in time."""

    async def ask(line: Line, call: Call) -> str | None:
        began = time.monotonic()
        try:
            wrong = says_unavailable(call, await send(line, call))
        except (HungUpError, TimeoutError):
            return f"{call.method} {call.path} was not answered"
        took = time.monotonic() - began
        return wrong or (f"{call.method} {call.path} took {took:.1f} s" if took > within_s else None)

    async with lines(server.port, len(calls)) as opened:
        told = await asyncio.gather(*(ask(line, call) for line, call in zip(opened, calls, strict=True)))
    return [wrong for wrong in told if wrong is not None]


async def wrong_in_turn(server: ServerProcess, calls: Sequence[Call], within_s: float) -> list[str]:
    """The same, one after the other, so that none of them waits for the others."""
    return [wrong for call in calls for wrong in await wrong_answers(server, [call], within_s)]


async def require_alive(server: ServerProcess, paths: Sequence[str], within_s: float) -> None:
    async with lines(server.port, 1) as (line,):
        for path in paths:
            began = time.monotonic()
            assert (await line.get(path, {})).status == 200, path
            assert time.monotonic() - began < within_s, path


async def test_there_is_a_call_for_every_route(server: ServerProcess, postgres_url: str, tmp_path: Path) -> None:
    app = create_app(Settings(_env_file=None, database_url=f"sqlite:///{tmp_path}/none.db", secret_key=SECRET_KEY))
    async with ready_calls(postgres_url, server) as (_, calls):
        assert {(call.method, call.route) for call in calls} == routes_of(app) - WITHOUT_DATABASE
        await require_that_all_is_well(server, calls)


async def test_without_its_database_every_route_says_so_at_once(
    server: ServerProcess, postgres: PrivatePostgres, postgres_url: str
) -> None:
    async with ready_calls(postgres_url, server) as (_, calls):
        await asyncio.to_thread(postgres.kill)
        try:
            # first while it is remembered whose the token is, so that it is the ledger that cannot be reached
            assert await wrong_in_turn(server, calls, AT_ONCE_S) == []
            await asyncio.sleep(FORGOTTEN_S)
            assert await wrong_in_turn(server, calls, AT_ONCE_S) == []
            await require_alive(server, ["/healthz", "/metrics"], AT_ONCE_S)
            # the OpenAPI document is made when it is first asked for
            await require_alive(server, [path for _, path in WITHOUT_DATABASE], IN_BOUNDS_S)
        finally:
            await asyncio.to_thread(postgres.start)
        await asyncio.to_thread(server.wait_until_ready)
        await require_that_all_is_well(server, calls)
    assert complaints(postgres_url) == []


async def test_a_database_that_hangs_keeps_nobody_waiting(
    server: ServerProcess, postgres: PrivatePostgres, postgres_url: str
) -> None:
    async with ready_calls(postgres_url, server) as (account, calls):
        with postgres.frozen():
            hung = asyncio.create_task(wrong_answers(server, calls, IN_BOUNDS_S))
            await require_alive(server, ["/healthz"], AT_ONCE_S)
            assert await hung == []
            # a crowd that comes meanwhile is answered too, and the service stays alive under it
            crowd = [_a_notice(account, number) for number in range(300)]
            crowding = asyncio.create_task(wrong_answers(server, crowd, IN_BOUNDS_S))
            await require_alive(server, ["/healthz", "/metrics", "/healthz"], 5 * AT_ONCE_S)
            assert await crowding == []
        await asyncio.to_thread(server.wait_until_ready)
        await require_that_all_is_well(server, calls)
        await require_that_all_is_well(server, crowd[:20])
        found = [payment["provider_payment_id"] for payment in listed(server.base_url, account)]
        assert len(found) == len(set(found))
        assert {f"in_crowd_{number}" for number in range(20)} <= set(found)
    assert complaints(postgres_url) == []


def _a_notice(account: Account, number: int) -> Call:
    posted = a_goodparty_notice(account, f"in_crowd_{number}")
    return Call("POST", posted.path, posted.path, posted.headers, posted.body, posted.media_type)
