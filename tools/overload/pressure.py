"""More than can be served: connections that each keep several requests under way, and a book of what became of them."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import cast

from bench import notices
from dialects import wrong_with
from e2e.processes import HOST
from e2e.senders import LOG_FAILURE, Account
from overload.answers import Answer, next_answer

_STALLED_S = 30.0
_AT_MOST_S = 600.0
_NUMBER = re.compile(r"(\d{9})(?:abc)?$")


@dataclass
class Book:
    """The sender's: numbers of payments, and what was said to each."""

    acknowledged: set[int] = field(default_factory=set)
    refused: Counter[int] = field(default_factory=Counter)
    """Refusals by status; one notice may be refused several times."""
    latencies: list[float] = field(default_factory=list)
    """Of acknowledgements, in seconds, from when the request was written."""
    problems: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.acknowledged) / self.seconds if self.seconds else 0.0


class Requests:
    """Every other notice is GoodParty's, with a token, and the others are Maple's, signed."""

    def __init__(self, account: Account) -> None:
        self._paths = (LOG_FAILURE, f"/webhooks/{account.source_id}")
        self._makers = (notices.goodparty(account.token), notices.maple(self._paths[1], account.secret))

    def of(self, number: int) -> bytes:
        return self._makers[number % 2](number)

    def path_of(self, number: int) -> str:
        return self._paths[number % 2]


def number_of(provider_payment_id: str) -> int | None:
    """The number of a payment in the ledger; None for one that somebody else reported."""
    found = _NUMBER.search(provider_payment_id)
    return int(found[1]) if found else None


class Pressure:
    """Notices on `connections`, `depth` of them under way on each.

    With `total`, exactly so many notices, each sent again as long as it is refused; else new ones for `seconds`, whose
    refusals are counted and left alone.
    """

    def __init__(
        self,
        requests: Requests,
        *,
        connections: int,
        depth: int,
        first: int = 0,
        seconds: float | None = None,
        total: int | None = None,
    ) -> None:
        self.requests = requests
        self.depth = depth
        self.book = Book()
        self.under_way = 0
        self._connections = connections
        self._next = first
        self._end = None if total is None else first + total
        self._seconds = seconds
        self._is_over = False
        self._again: deque[int] = deque()
        self._waiting_to_be_sent_again = 0
        self._idle: set[_Connection] = set()
        self._finished = asyncio.Event()
        self._last_answer_at = 0.0

    async def apply(self, port: int) -> Book:
        """Returns when everything that was sent has been answered."""
        loop = asyncio.get_running_loop()
        opened = []
        for _ in range(self._connections):
            opened.append(await loop.create_connection(lambda: _Connection(self), HOST, port))
        began = self._last_answer_at = time.perf_counter()
        if self._seconds is not None:
            loop.call_later(self._seconds, self._stop)
        for _, connection in opened:
            connection.fill()
        while not self._finished.is_set():
            try:
                await asyncio.wait_for(self._finished.wait(), 1.0)
            except TimeoutError:
                if time.perf_counter() - self._last_answer_at > _STALLED_S:
                    self.book.problems[f"nothing was answered for {_STALLED_S:.0f} s"] += 1
                    break
                if time.perf_counter() - began > _AT_MOST_S:
                    self.book.problems[f"not at its end after {_AT_MOST_S:.0f} s"] += 1
                    break
        self.book.seconds = time.perf_counter() - began
        for transport, _ in opened:
            transport.close()
        self.book.latencies.sort()
        return self.book

    def next_number(self) -> int | None:
        """What is to be sent next; None when there is nothing now."""
        if self._is_over:
            return None
        if self._again:
            return self._again.popleft()
        if self._next == self._end:
            return None
        self._next += 1
        return self._next - 1

    def answered(self, number: int, sent_at: float, answer: Answer) -> None:
        self.under_way -= 1
        self._last_answer_at = now = time.perf_counter()
        if answer.is_acknowledgement:
            self.book.acknowledged.add(number)
            self.book.latencies.append(now - sent_at)
            return
        self.book.refused[answer.status] += 1
        problem = wrong_with(self.requests.path_of(number), answer, 429, 503)
        if problem is not None:
            self.book.problems[problem] += 1
        elif self._end is not None:
            self._waiting_to_be_sent_again += 1
            asyncio.get_running_loop().call_later(int(answer.headers["retry-after"]), self._send_again, number)

    def lost(self, connection: _Connection, count: int) -> None:
        """The connection ended with so many requests unanswered."""
        self._idle.discard(connection)
        self.under_way -= count
        if count:
            self.book.problems["a connection ended with requests unanswered"] += 1
        self.look()

    def is_idle(self, connection: _Connection) -> None:
        """It could send more, and there is nothing now."""
        self._idle.add(connection)
        self.look()

    def look(self) -> None:
        is_done = self._is_over or (self._next == self._end and not self._again and not self._waiting_to_be_sent_again)
        if is_done and not self.under_way:
            self._finished.set()

    def _send_again(self, number: int) -> None:
        self._waiting_to_be_sent_again -= 1
        self._again.append(number)
        if self._idle:
            self._idle.pop().fill()

    def _stop(self) -> None:
        self._is_over = True
        self.look()


class _Connection(asyncio.Protocol):
    def __init__(self, pressure: Pressure) -> None:
        self._pressure = pressure
        self._transport: asyncio.Transport
        self._received = bytearray()
        self._under_way: deque[tuple[int, float]] = deque()
        self._may_write = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def fill(self) -> None:
        while self._may_write and len(self._under_way) < self._pressure.depth:
            number = self._pressure.next_number()
            if number is None:
                self._pressure.is_idle(self)
                return
            self._under_way.append((number, time.perf_counter()))
            self._pressure.under_way += 1
            self._transport.write(self._pressure.requests.of(number))

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (answer := next_answer(self._received)) is not None:
            self._pressure.answered(*self._under_way.popleft(), answer)
        self.fill()

    def pause_writing(self) -> None:
        self._may_write = False

    def resume_writing(self) -> None:
        self._may_write = True
        self.fill()

    def connection_lost(self, error: Exception | None) -> None:
        self._may_write = False
        self._pressure.lost(self, len(self._under_way))
        self._under_way.clear()


def percentile_ms(latencies: list[float], share: float) -> float:
    """Of ascending seconds; NaN of none."""
    if not latencies:
        return float("nan")
    return latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000
