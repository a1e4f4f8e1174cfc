"""No room left on the disk: nothing is acknowledged, reading goes on, and so does everything once there is room."""

from __future__ import annotations

import asyncio
import random
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from databases import PostgresDatabases
from e2e.every_route import LOGGED, Call, calls_for, require_that_all_is_well, says_unavailable, send
from e2e.private_postgres import private_postgres
from e2e.processes import ServerProcess, serving
from e2e.senders import Account, Line, Posted, a_goodparty_notice, complaints, lines, listed, open_account, together

CONNECTIONS = 8
SMALL, LARGE = 10_000, 400_000
"""Half as many bytes as are added to a notice."""
LARGEST_FILE = 17 * 1024 * 1024
"""A little more than one file of PostgreSQL's log needs."""
REFUSALS = 3
"""So often somebody is refused before he gives up."""


@contextmanager
def no_file_beyond(size: int, processes: Sequence[int]) -> Iterator[None]:
    """None of these processes can write any file past so many bytes; its log is one of them."""
    before = [resource.prlimit(process, resource.RLIMIT_FSIZE) for process in processes]
    for process, (_, hard) in zip(processes, before, strict=True):
        resource.prlimit(process, resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        for process, limits in zip(processes, before, strict=True):
            resource.prlimit(process, resource.RLIMIT_FSIZE, limits)


def is_read(call: Call) -> bool:
    return call.method == "GET" or call.route == LOGGED


async def wrong_answers(server: ServerProcess, calls: Sequence[Call]) -> list[str]:
    """What was acknowledged, or refused in other words than the caller's own; and who could not read."""
    found = []
    async with lines(server.port, 1) as (line,):
        for call in calls:
            answer = await send(line, call)
            if not is_read(call):
                found.append(says_unavailable(call, answer))
            elif answer.status != 200:
                found.append(f"{call.method} {call.path} was answered {answer}")
    return [wrong for wrong in found if wrong is not None]


class Load:
    """Large notices from several connections, until each has been refused a few times."""

    def __init__(self, account: Account, size: int) -> None:
        self.acknowledged: set[str] = set()
        self.refused: list[Posted] = []
        self._account = account
        self._size = size
        self._chance = random.Random(size)
        self._serial = iter(range(1_000_000))

    async def until_refused(self, server: ServerProcess) -> None:
        async with lines(server.port, CONNECTIONS) as opened:
            await together(*(self._post_on(line) for line in opened))

    async def _post_on(self, line: Line) -> None:
        refusals = 0
        while refusals < REFUSALS:
            padding = self._chance.randbytes(self._size).hex()  # which cannot be made much smaller
            posted = a_goodparty_notice(self._account, f"in_{next(self._serial)}", Padding=padding)
            answer = await line.post(posted)
            if answer.status == 200:
                self.acknowledged.add(posted.payment)
                continue
            call = Call("POST", posted.path, posted.path, posted.headers)
            assert says_unavailable(call, answer) is None, answer
            self.refused.append(posted)
            refusals += 1


async def require_nothing_lost(load: Load, server: ServerProcess, url: str, account: Account) -> None:
    """What was acknowledged is there, and what was refused once it is sent again; each once."""
    found = [payment["provider_payment_id"] for payment in listed(server.base_url, account)]
    assert load.acknowledged <= set(found)
    async with lines(server.port, 1) as (line,):
        for posted in load.refused:
            assert (await line.post(posted)).status == 200
    found = [payment["provider_payment_id"] for payment in listed(server.base_url, account)]
    assert sorted(found) == sorted(load.acknowledged | {posted.payment for posted in load.refused})
    assert complaints(url) == []


async def test_an_sqlite_database_that_cannot_grow_loses_nothing(sqlite_url: str) -> None:
    account = open_account(sqlite_url)
    load = Load(account, SMALL)
    with serving(sqlite_url) as server:
        sizes = [path.stat().st_size for path in Path(str(make_url(sqlite_url).database)).parent.glob("*")]
        with no_file_beyond(max(sizes) + 500_000, [server.pid]):
            await load.until_refused(server)
            assert load.acknowledged
            assert len(listed(server.base_url, account)) >= len(load.acknowledged)
        await require_nothing_lost(load, server, sqlite_url, account)


async def test_without_any_room_every_route_that_writes_says_so_and_those_that_read_answer(sqlite_url: str) -> None:
    with serving(sqlite_url) as server:
        account = open_account(sqlite_url)
        async with lines(server.port, 1) as (line,):
            calls = await calls_for(line, account)
        with no_file_beyond(0, [server.pid]):
            assert await wrong_answers(server, calls) == []
        await require_that_all_is_well(server, calls)
    assert complaints(sqlite_url) == []


async def test_a_postgresql_that_cannot_grow_loses_nothing() -> None:
    with private_postgres() as postgres:
        url = PostgresDatabases(postgres.url).create()
        account = open_account(url)
        load = Load(account, LARGE)
        postgres.crash()
        postgres.start(largest_file=LARGEST_FILE)
        with serving(url) as server:
            await load.until_refused(server)
            assert load.acknowledged
            assert len(listed(server.base_url, account)) >= len(load.acknowledged)
            await asyncio.to_thread(postgres.crash)
            await asyncio.to_thread(postgres.start)
            await asyncio.to_thread(server.wait_until_ready)
            await require_nothing_lost(load, server, url, account)
