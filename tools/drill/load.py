"""Senders that go on posting notices while somebody works on the service, and the book they keep."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from e2e.senders import Account, HungUpError, Line, Posted, a_goodparty_notice, a_maple_notice

PATIENCE_S = 60.0
"""After which whoever waits for something gives up, and the drill fails."""

_AGAIN_AFTER_S = 0.02

Notices = Callable[[Account, int], Posted]


def mixed(account: Account, number: int) -> Posted:
    """GoodParty's and Maple's, in turns."""
    return a_goodparty_notice(account, f"p{number}") if number % 2 else a_maple_notice(account, f"p{number}")


def webhooks(account: Account, number: int) -> Posted:
    """Only what is signed."""
    return a_maple_notice(account, f"p{number}")


class PromiseBroken(Exception):
    """Something did not come about in the time it may take."""


@dataclass
class Book:
    """What the senders know."""

    sent: dict[str, Posted] = field(default_factory=dict)
    """Every notice that was sent at all, by its payment."""
    acknowledged: set[str] = field(default_factory=set)
    refused: Counter[int] = field(default_factory=Counter)
    """Answers other than 200, by their status."""
    sent_again: set[str] = field(default_factory=set)
    """Those that nobody answered at first."""


class Load:
    """`senders` connections, each posting one notice after the other, a moment apart."""

    def __init__(
        self,
        account: Account,
        port: int,
        notices: Notices = mixed,
        *,
        first: int = 0,
        senders: int = 8,
        pause_s: float = 0.004,
    ) -> None:
        self.ports: Sequence[int] = [port]
        """Where they post to, in turns; may be changed at any time."""
        self.book = Book()
        self._account = account
        self._accounts = [account] * senders
        self._notices = notices
        self._pause_s = pause_s
        self._serial = itertools.count(first)
        self._turns = itertools.count()
        self._is_over = False

    def tell_secret(self, secret: str, *, share: float = 1.0) -> None:
        """That share of the senders signs with this secret from now on."""
        count = round(len(self._accounts) * share)
        self._accounts[:count] = [replace(self._account, secret=secret)] * count

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Load]:
        """They send while this is open, and everything sent is answered at its end."""
        senders = [asyncio.create_task(self._send(number)) for number in range(len(self._accounts))]
        try:
            yield self
        finally:
            self._is_over = True
            await asyncio.gather(*senders)

    async def more(self, count: int) -> None:
        """Returns when that many more have been acknowledged."""
        wanted = len(self.book.acknowledged) + count
        await until(lambda: len(self.book.acknowledged) >= wanted, f"{count} more notices were not acknowledged")

    async def _send(self, sender: int) -> None:
        lines: dict[int, Line] = {}
        try:
            while not self._is_over:
                posted = self._notices(self._accounts[sender], next(self._serial))
                self.book.sent[posted.payment] = posted
                await self._deliver(posted, lines)
                await asyncio.sleep(self._pause_s)
        finally:
            for line in lines.values():
                line.close()

    async def _deliver(self, posted: Posted, lines: dict[int, Line]) -> None:
        """Sends it until it is answered, as any sender does. A refusal is an answer, and is written down."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            port = self.ports[next(self._turns) % len(self.ports)]
            try:
                if port not in lines:
                    lines[port] = await Line.open(port)
                answer = await lines[port].post(posted)
            except (HungUpError, OSError):
                lines.pop(port, None)
                self.book.sent_again.add(posted.payment)
                if time.monotonic() > deadline:
                    raise PromiseBroken(f"a notice was not answered for {PATIENCE_S:.0f} s") from None
                await asyncio.sleep(_AGAIN_AFTER_S)
                continue
            if answer.headers.get("connection") == "close":
                lines.pop(port).close()
            if answer.status == 200:
                self.book.acknowledged.add(posted.payment)
            else:
                self.book.refused[answer.status] += 1
            return


async def post_all(port: int, notices: Sequence[Posted], *, at_once: int = 8) -> Counter[int]:
    """Posts each of them once; answers how often there was which status."""
    waiting = iter(notices)
    statuses: Counter[int] = Counter()

    async def post_on_one_line() -> None:
        line = await Line.open(port)
        try:
            for posted in waiting:
                statuses[(await line.post(posted)).status] += 1
        finally:
            line.close()

    await asyncio.gather(*(post_on_one_line() for _ in range(at_once)))
    return statuses


async def until(holds: Callable[[], bool], complaint: str, *, patience_s: float = PATIENCE_S) -> None:
    """Returns when it holds; raises PromiseBroken when it takes too long."""
    deadline = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > deadline:
            raise PromiseBroken(f"{complaint} within {patience_s:.0f} s")
        await asyncio.sleep(0.01)
