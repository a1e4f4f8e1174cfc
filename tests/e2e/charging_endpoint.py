"""A merchant's charging endpoint, as docs/gateways.md wants one, but unreliable: a real server on the loopback."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from standardwebhooks import Webhook, WebhookVerificationError

from e2e.charging_book import Book, Conduct, Entry
from e2e.processes import HOST

CUT_OFF = "whoever had asked was gone before the answer"
TIMED_OUT = "whoever had asked waited no longer"
ANSWERED = "answered"
LOOKED_UP = "looked up"

_PATH = "/charges"
_LONG_S = 25.0
"""Whoever is gone sooner was cut off: the ledger waits longer than this."""
_WORK_S = (0.02, 0.3)
_LATE_S = (0.5, 6.0)
_LOOKUP_S = (0.005, 0.05)
_LOOKUP_FAILS = 0.03
_PATIENCE_S = 10.0

_Answer = tuple[int, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class ChargingEndpoint:
    """Made by `charging`, which also puts an end to it."""

    def __init__(self, book: Book, silent_s: float) -> None:
        self.book = book
        self.port = 0
        self._silent_s = silent_s
        self._signer: Webhook | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def host(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}{_PATH}"

    def trust(self, secret: str) -> None:
        """What is not signed with this secret is refused."""
        self._signer = Webhook(secret)

    async def serve(self, is_ready: threading.Event, is_over: asyncio.Event) -> None:
        """Until it is over."""
        server = await asyncio.start_server(self._connected, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        is_ready.set()
        await is_over.wait()
        server.close()
        for writer in self._open:
            writer.transport.abort()
        if self._serving:
            await asyncio.wait(self._serving)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._open.add(writer)
        try:
            while True:
                answer = await self._answer(await _request(reader), reader)
                if answer is None:
                    return
                writer.write(_response(*answer))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self._open.discard(writer)
            self._serving.discard(task)
            writer.close()

    async def _answer(self, request: _Request, reader: asyncio.StreamReader) -> _Answer | None:
        """None: the connection is closed instead."""
        key = self._key_of(request)
        if key is None:
            self.book.complaints.append(f"refused: {request}")
            return 401, {"outcome": "unauthorized"}
        if request.method == "GET":
            return await self._look_up(self.book.entry(key), reader)
        return await self._charge(request.body, reader)

    def _key_of(self, request: _Request) -> str | None:
        """The key that a request is about; None for one that must not be believed."""
        assert self._signer is not None
        try:
            self._signer.verify(request.body, dict(request.headers), json_parse=False)
        except WebhookVerificationError:
            return None
        if request.method == "GET":
            key = request.path.removeprefix(f"{_PATH}/")
        else:
            key = json.loads(request.body)["key"]
            if request.path != _PATH or request.headers.get("idempotency-key") != key:
                return None
        return key if request.headers["webhook-id"] == key else None

    async def _look_up(self, entry: Entry, reader: asyncio.StreamReader) -> _Answer | None:
        if await _is_gone_within(reader, random.uniform(*_LOOKUP_S)):
            entry.story.append(f"{LOOKED_UP}, but {CUT_OFF}")
            return None
        if random.random() < _LOOKUP_FAILS:
            entry.story.append(f"{LOOKED_UP}, answered 500")
            return 500, {}
        if entry.answer is not None:
            entry.story.append(f"{LOOKED_UP}: {entry.outcome}")
            return 200, entry.answer
        entry.not_found += 1
        entry.story.append(f"{LOOKED_UP}: not_found")
        return 404, {"key": entry.key, "outcome": "not_found"}

    async def _charge(self, body: bytes, reader: asyncio.StreamReader) -> _Answer | None:
        began = time.monotonic()
        is_new = self.book.entry(json.loads(body)["key"]).answer is None
        entry, conduct = self.book.asked(body)
        if is_new and conduct.does_it:
            self.book.write_down(entry)
        late_s = random.uniform(*_LATE_S) if conduct is Conduct.ANSWERS_LATE else 0.0
        # it may be charged long before it is answered, or just before
        before_s = random.uniform(0, late_s)
        is_gone = await _is_gone_within(reader, random.uniform(*_WORK_S) + before_s)
        if is_new and conduct.does_it:
            self.book.settle(entry)
        match conduct:
            case Conduct.ANSWERS | Conduct.ANSWERS_LATE:
                is_gone = is_gone or await _is_gone_within(reader, late_s - before_s)
            case Conduct.TIMES_OUT_DONE | Conduct.TIMES_OUT_UNDONE:
                is_gone = is_gone or await _is_gone_within(reader, self._silent_s)
        if is_gone:
            entry.story.append(CUT_OFF if time.monotonic() - began < _LONG_S else TIMED_OUT)
            return None
        match conduct:
            case Conduct.ANSWERS | Conduct.ANSWERS_LATE:
                assert entry.answer is not None
                entry.story.append(ANSWERED)
                return 200, entry.answer
            case Conduct.FAILS_DONE | Conduct.FAILS_UNDONE:
                return 500, {"error": "out of order"}
            case _:
                return None


@contextmanager
def charging(book: Book, *, silent_s: float) -> Iterator[ChargingEndpoint]:
    """An endpoint that charges into this book, in a thread of its own.

    When it does not answer it hangs up after `silent_s`.
    """
    endpoint = ChargingEndpoint(book, silent_s)
    is_ready = threading.Event()
    stopping: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        is_over = asyncio.Event()
        stopping.append((asyncio.get_running_loop(), is_over))
        await endpoint.serve(is_ready, is_over)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="charging endpoint")
    thread.start()
    try:
        assert is_ready.wait(_PATIENCE_S)
        yield endpoint
    finally:
        for loop, is_over in stopping:
            loop.call_soon_threadsafe(is_over.set)
        thread.join(_PATIENCE_S)


async def _request(reader: asyncio.StreamReader) -> _Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {}
    for line in head[1:-2]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return _Request(method, path, headers, body)


def _response(status: int, body: Mapping[str, object]) -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


async def _is_gone_within(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Waits so long, and no longer than whoever has asked."""
    try:
        async with asyncio.timeout(seconds):
            return await reader.read(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True
