"""What the server's HTTP protocol bounds, on a socket: how far ahead it reads, and how long it waits."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import uvicorn

from dunning_service.server.connection_limit import OVER_LIMIT
from dunning_service.server.listening import bound
from dunning_service.server.protocol import MAX_HEAD_BYTES, MAX_HEADERS, ServerProtocol
from e2e.processes import HOST
from overload.answers import Answer, next_answer

RECEIVE_TIMEOUT_S = 0.4
KEEP_ALIVE_S = 1
MAX_CONNECTIONS = 8
LARGE = 8_000_000
_SOON_S = 20.0


class Echo:
    """Answers with the path, and how long the body was. `/early` does not read it; `/large` answers at length."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.may_answer.wait()
        size, more = 0, scope["path"] != "/early"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        said = {"path": scope["path"], "size": size, "is_over_limit": OVER_LIMIT in scope}
        body = b"x" * LARGE if scope["path"] == "/large" else json.dumps(said).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Served:
    """A server in this process."""

    def __init__(self, app: Echo, server: uvicorn.Server, port: int) -> None:
        self.app = app
        self.port = port
        self._server = server
        self._callers: list[Caller] = []

    @property
    def connections(self) -> list[Any]:
        return list(self._server.server_state.connections)

    async def call(self, said: bytes = b"") -> Caller:
        reader, writer = await asyncio.open_connection(HOST, self.port)
        writer.write(said)
        self._callers.append(Caller(reader, writer))
        return self._callers[-1]

    async def hang_up(self) -> None:
        """On every connection that a test has left open."""
        for caller in self._callers:
            caller.writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await caller.writer.wait_closed()


class Caller:
    """One connection to it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self._reader = reader
        self._received = bytearray()

    async def answer(self) -> Answer | None:
        """The next one; None when the connection ends instead."""
        async with asyncio.timeout(_SOON_S):
            while (found := next_answer(self._received)) is None:
                try:
                    data = await self._reader.read(65_536)
                except ConnectionError:
                    return None
                if not data:
                    return None
                self._received += data
        return found

    async def said(self) -> dict[str, Any]:
        """What the application answered."""
        found = await self.answer()
        assert found is not None
        assert found.status == 200, found
        read: dict[str, Any] = json.loads(found.body)
        return read


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as found:
        yield found


@asynccontextmanager
async def serving(
    receive_timeout_s: float = RECEIVE_TIMEOUT_S, keep_alive_s: int = KEEP_ALIVE_S
) -> AsyncIterator[Served]:
    app = Echo()
    protocol = partial(ServerProtocol, receive_timeout_s=receive_timeout_s, max_connections=MAX_CONNECTIONS)
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, ws="none", http=protocol)  # type: ignore[arg-type]
    config.timeout_keep_alive = keep_alive_s
    config.timeout_graceful_shutdown = 1
    listening = bound(HOST, 0, "")
    server = _InThisProcess(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    await _until(lambda: server.started)
    served = Served(app, server, listening.getsockname()[1])
    try:
        yield served
    finally:
        await served.hang_up()
        app.may_answer.set()
        server.should_exit = True
        await task


class _InThisProcess(uvicorn.Server):
    """Whose signals are the tests'."""

    async def serve(self, sockets: Any = None) -> None:
        await self._serve(sockets)


async def _until(is_so: Any) -> None:
    async with asyncio.timeout(_SOON_S):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def a_request(path: str, body: bytes = b"", *, is_chunked: bool = False) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\n"
    if not is_chunked:
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    chunks = [body[at : at + 3_000] for at in range(0, len(body), 3_000)]
    written = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + written + b"0\r\n\r\n"


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_pipelined_is_answered_in_its_order_however_it_arrives(seed: int) -> None:
    chance = random.Random(seed)
    sizes = [chance.choice([0, 1, 10, 2_000, 2_048, 5_000, 70_000, 300_000]) for _ in range(150)]
    requests = [
        a_request(f"/{nth}" if nth % 7 else "/early", b"b" * size, is_chunked=chance.random() < 0.5)
        for nth, size in enumerate(sizes)
    ]
    stream = b"".join(requests)
    async with serving(receive_timeout_s=_SOON_S) as served:
        caller = await served.call()
        writing = asyncio.create_task(_written(caller, stream, chance))
        for nth, size in enumerate(sizes):
            said = await caller.said()
            if nth % 7:
                assert said == {"path": f"/{nth}", "size": size, "is_over_limit": False}
            else:
                assert said["path"] == "/early"
        await writing


async def _written(caller: Caller, stream: bytes, chance: random.Random) -> None:
    at = 0
    while at < len(stream):
        step = chance.choice([1, 100, 2_047, 2_048, 2_049, 60_000, 400_000])
        caller.writer.write(stream[at : at + step])
        await caller.writer.drain()
        at += step


async def test_no_more_is_read_than_is_answered(served: Served) -> None:
    served.app.may_answer.clear()
    request, count = b"GET /short HTTP/1.1\r\n\r\n", 1_000_000
    caller = await served.call()
    caller.writer.write(request * count)
    writing = asyncio.create_task(caller.writer.drain())
    await _until(lambda: served.connections and served.connections[0].flow.read_paused)
    assert len(served.connections[0].pipeline) < 200
    assert not writing.done()  # the sender is held up, and not the server's memory filled
    served.app.may_answer.set()
    for _ in range(1_000):
        assert (await caller.said())["path"] == "/short"
    writing.cancel()


async def test_a_head_that_does_not_come_is_answered_408(served: Served) -> None:
    caller = await served.call(b"POST /slow HTTP/1.1\r\nX: ")
    for _ in range(3):
        await asyncio.sleep(RECEIVE_TIMEOUT_S / 4)
        caller.writer.write(b"T")  # that something comes is not enough
    found = await caller.answer()
    assert found is not None
    assert found.status == 408
    assert found.closes
    assert await caller.answer() is None


async def test_a_connection_that_says_nothing_is_closed(served: Served) -> None:
    caller = await served.call()
    began = asyncio.get_running_loop().time()
    assert await caller.answer() is None
    assert asyncio.get_running_loop().time() - began >= KEEP_ALIVE_S * 0.9


async def test_a_connection_between_two_requests_is_left_alone() -> None:
    async with serving(keep_alive_s=30) as served:
        caller = await served.call(a_request("/1"))
        assert (await caller.said())["path"] == "/1"
        await asyncio.sleep(RECEIVE_TIMEOUT_S * 1.5)
        caller.writer.write(a_request("/2"))
        assert (await caller.said())["path"] == "/2"


async def test_a_request_that_is_being_answered_may_take_its_time(served: Served) -> None:
    served.app.may_answer.clear()
    caller = await served.call(a_request("/1") + b"POST /2 HTT")
    await asyncio.sleep(RECEIVE_TIMEOUT_S * 2)
    served.app.may_answer.set()
    assert (await caller.said())["path"] == "/1"
    caller.writer.write(b"P/1.1\r\nContent-Length: 0\r\n\r\n")
    assert (await caller.said())["path"] == "/2"


async def test_the_rest_of_a_body_that_was_answered_is_not_waited_for(served: Served) -> None:
    caller = await served.call(a_request("/early", b"x" * 100)[:-50])
    assert (await caller.said())["path"] == "/early"
    assert await caller.answer() is None


async def test_whoever_does_not_read_its_answer_is_hung_up_on(served: Served) -> None:
    await served.call(a_request("/large"))
    await _until(lambda: served.connections)
    await _until(lambda: not served.connections)


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * (MAX_HEADERS + 100),
        b"GET / HTTP/1.1\r\nlong: " + b"x" * (MAX_HEAD_BYTES + 5_000),
    ],
)
async def test_a_head_that_is_too_long_is_answered_431_after_what_was_asked_before(served: Served, head: bytes) -> None:
    caller = await served.call(a_request("/first") + a_request("/second") + head)
    assert [(await caller.said())["path"] for _ in range(2)] == ["/first", "/second"]
    found = await caller.answer()
    assert found is None or found.status == 431
    alone = await (await served.call(head)).answer()
    assert alone is not None
    assert alone.status == 431


@pytest.mark.parametrize("tail", [b"0\r\nlong: ", b"1;long="])
async def test_what_is_around_the_parts_of_a_body_may_not_be_endless(served: Served, tail: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    caller = await served.call(head + tail)
    caller.writer.write(b"x" * (MAX_HEAD_BYTES * 2))
    assert await caller.answer() is None


async def test_requests_on_more_connections_than_are_served_are_marked_and_the_last_on_theirs(served: Served) -> None:
    for _ in range(MAX_CONNECTIONS):
        idle = await served.call(a_request("/idle"))
        assert not (await idle.said())["is_over_limit"]
    silent, surplus = await served.call(), await served.call(a_request("/surplus"))
    assert (await surplus.said())["is_over_limit"]
    one_more = await served.call()
    assert await one_more.answer() is None  # at once, or for its silence
    assert await surplus.answer() is None
    assert await silent.answer() is None


@pytest.mark.parametrize(
    ("soft", "hard", "served_then", "soft_then"),
    [(256, 2_000, 500, 753), (256, 512, 307, 512), (1_000, 1_000, 500, 1_000)],
)
def test_a_process_allows_itself_the_files_that_its_connections_take(
    soft: int, hard: int, served_then: int, soft_then: int
) -> None:
    program = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from dunning_service.commands.printing import warn
from dunning_service.server.listening import server_options
from dunning_service.settings import Settings
served = server_options(Settings(max_connections=500), warn)["http"].keywords["max_connections"]
print(served, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(served_then), str(soft_then)]
    assert ("DUNNING_MAX_CONNECTIONS" in done.stderr) == (served_then < 500)
