"""Callers who take their time: connections that say nothing, half a request line, bodies of a byte a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from e2e.processes import HOST
from e2e.senders import LOG_FAILURE, Account
from overload.answers import Answer, next_answer

HALF_A_REQUEST_LINE = b"POST /api/ActionServ"
_BYTE_EVERY_S = 1.0


@dataclass
class Lingering(asyncio.Protocol):
    """One connection, and what became of it."""

    path: str = ""
    answer: Answer | None = None
    ended_after_s: float | None = None
    """Since it was opened; None while it is open."""
    was_reset: bool = False
    transport: asyncio.Transport = field(init=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._received = bytearray()
        self._opened_at = time.perf_counter()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self.answer is None:
            self.answer = next_answer(self._received)

    def connection_lost(self, error: Exception | None) -> None:
        self.ended_after_s = time.perf_counter() - self._opened_at
        self.was_reset = error is not None


@asynccontextmanager
async def connections(port: int, count: int, says: bytes = b"") -> AsyncIterator[list[Lingering]]:
    """So many connections that say this, and then nothing; those that are still open are closed at the end."""
    opened = [await _open(port, "") for _ in range(count)]
    try:
        for one in opened:
            if says:
                one.transport.write(says)
        yield opened
    finally:
        for one in opened:
            one.transport.abort()


async def slow_bodies(
    port: int, account: Account, count: int, sizes: Sequence[int], at_most_s: float
) -> list[Lingering]:
    """So many requests to the ways in of four systems, whose bodies of these sizes arrive but for their last kilobyte,
    which comes a byte a second. Returns when all of them have ended, or after `at_most_s`."""
    opened = []
    for nth in range(count):
        path, head = _slow_request(account, nth, sizes[nth // 4 % len(sizes)])
        one = await _open(port, path)
        one.transport.write(head)
        opened.append(one)
    give_up_at = time.perf_counter() + at_most_s
    while time.perf_counter() < give_up_at and any(one.ended_after_s is None for one in opened):
        await asyncio.sleep(_BYTE_EVERY_S)
        for one in opened:
            if one.ended_after_s is None and one.answer is None:
                one.transport.write(b" ")
    for one in opened:
        one.transport.abort()
    return opened


async def _open(port: int, path: str) -> Lingering:
    _, one = await asyncio.get_running_loop().create_connection(lambda: Lingering(path), HOST, port)
    return one


def ways_in(account: Account) -> tuple[str, ...]:
    """Where four systems post, each of which is refused in another dialect."""
    return (
        LOG_FAILURE,
        f"/webhooks/{account.source_id}",
        "/v1/payment_records/report_payment",
        "/sub-api/v1/subscriptions",
    )


def _slow_request(account: Account, nth: int, size: int) -> tuple[str, bytes]:
    """A path, and all of a request but its last kilobyte."""
    paths = ways_in(account)
    path = paths[nth % len(paths)]
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {account.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {size + 1024}\r\n\r\n"
    )
    return path, head.encode() + b" " * size
