"""The load generator: keep-alive connections that each send the next request as soon as the last is answered.

It adds little of its own to what it measures: requests are bytes made beforehand, and of an answer only the status and
the length are read.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

import uvloop

_DRAIN_S = 40.0
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass
class Outcome:
    """What came back."""

    statuses: Counter[int] = field(default_factory=Counter)
    """Of every answer, those of the warm-up included."""
    latencies: list[float] = field(default_factory=list)
    """Seconds, ascending, of the answers that came while it was measured."""
    measured_s: float = 0.0
    generator_busy: float = 0.0
    """The share of a core that the generator took while it measured; near 1 it measures itself."""
    problems: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        return sum(count for status, count in self.statuses.items() if 200 <= status < 300)

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.measured_s if self.measured_s else 0.0

    def percentile_ms(self, share: float) -> float:
        """NaN when nothing was answered."""
        if not self.latencies:
            return float("nan")
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))] * 1000


def for_seconds(
    port: int,
    requests: Iterator[bytes],
    *,
    connections: int,
    warm_up: float,
    seconds: float,
    probe: Callable[[], None] = lambda: None,
) -> Outcome:
    """Sends for a while. `probe` is called as the measurement begins and as it ends."""

    def plan(load: _Load) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(warm_up, load.begin)
        loop.call_later(warm_up + seconds, load.end)

    return _run(_Load(requests, probe), plan, port, connections, warm_up + seconds + _DRAIN_S)


def this_many(port: int, requests: Iterator[bytes], *, connections: int, at_most_s: float) -> Outcome:
    """Sends exactly the requests there are, and waits for all answers."""
    load = _Load(requests, lambda: None)
    return _run(load, lambda load: load.begin(), port, connections, at_most_s)


class _Load:
    def __init__(self, requests: Iterator[bytes], probe: Callable[[], None]) -> None:
        self.requests = requests
        self.outcome = Outcome()
        self.is_stopping = False
        self.is_measuring = False
        self.open_connections = 0
        self.finished = asyncio.Event()
        self._probe = probe
        self._began = self._busy = 0.0

    def begin(self) -> None:
        self._probe()
        self._began, self._busy = time.perf_counter(), time.process_time()
        self.is_measuring = True

    def end(self) -> None:
        """No more requests; those that are under way are still answered, but not measured."""
        self.is_stopping = True
        if self.is_measuring:
            self.is_measuring = False
            self.outcome.measured_s = time.perf_counter() - self._began
            self.outcome.generator_busy = (time.process_time() - self._busy) / self.outcome.measured_s
            self._probe()

    def closed(self) -> None:
        self.open_connections -= 1
        if not self.open_connections:
            self.end()
            self.finished.set()


class _Connection(asyncio.Protocol):
    def __init__(self, load: _Load) -> None:
        self._load = load
        self._transport: asyncio.Transport
        self._received = b""
        self._sent_at = 0.0
        self._is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._load.open_connections += 1

    def send_next(self) -> None:
        request = None if self._load.is_stopping else next(self._load.requests, None)
        if request is None:
            self._transport.close()
            return
        self._is_waiting = True
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._received:
            data = self._received + data
        head_end = data.find(_END_OF_HEAD)
        if head_end < 0:
            self._received = data
            return
        head = data[:head_end].lower()
        at = head.find(_LENGTH)
        if at < 0:
            self._load.outcome.problems.append(f"an answer without Content-Length: {head[:200]!r}")
            self._transport.abort()
            return
        line_end = head.find(b"\r\n", at)
        length = int(head[at + len(_LENGTH) : line_end if line_end > 0 else None])
        if len(data) < head_end + len(_END_OF_HEAD) + length:
            self._received = data
            return
        self._received = b""
        self._is_waiting = False
        load = self._load
        load.outcome.statuses[int(head[9:12])] += 1
        if load.is_measuring:
            load.outcome.latencies.append(time.perf_counter() - self._sent_at)
        self.send_next()

    def connection_lost(self, error: Exception | None) -> None:
        if self._is_waiting:
            self._load.outcome.problems.append(f"a connection was lost before its answer: {error or 'closed'}")
        self._load.closed()


def _run(load: _Load, plan: Callable[[_Load], None], port: int, connections: int, at_most_s: float) -> Outcome:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        opened = [
            (await loop.create_connection(lambda: _Connection(load), "127.0.0.1", port))[1] for _ in range(connections)
        ]
        plan(load)
        for connection in opened:
            connection.send_next()
        try:
            await asyncio.wait_for(load.finished.wait(), at_most_s)
        except TimeoutError:
            load.outcome.problems.append(f"{load.open_connections} requests had no answer after {at_most_s:.0f} s")
            load.end()

    gc.collect()
    gc.disable()  # a pause here would be measured as the server's
    try:
        uvloop.run(run())
    finally:
        gc.enable()
    load.outcome.latencies.sort()
    load.outcome.problems = _counted(load.outcome.problems)
    return load.outcome


def _counted(problems: list[str]) -> list[str]:
    return [text if times == 1 else f"{text} ({times} times)" for text, times in Counter(problems).items()]
