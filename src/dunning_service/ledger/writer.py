"""The group commit: all waiting works share one transaction, and each is answered after the commit.

While one batch is being committed the next one gathers, and goes on to while each turn of the event loop brings more.
There is no timer: in an idle service a lone notice is committed at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import structlog

from dunning_service.database.engines import Database
from dunning_service.errors import DunningError, Unavailable
from dunning_service.ledger.batch import Result
from dunning_service.ledger.commit import Committer, unconfirmed
from dunning_service.ledger.work import (
    ActionRecorded,
    ActionRequest,
    Command,
    CommandDone,
    Notice,
    NoticeRecorded,
    Work,
)
from dunning_service.values.clock import Clock

log = structlog.get_logger("dunning_service.ledger")

_PATIENCE_S = 10.0
"""How long a caller waits for a batch: the sender of a notice gives up about then, and sends it again."""


_QUIET_TURNS = 4
"""After so many turns of the event loop that brought nothing a batch is complete. In them the replies to the last batch
go out, and its callers' next requests come in: they would be half a batch of their own otherwise, and the two threads
would be in each other's way."""


class WriterMetrics(Protocol):
    """Where the writer reports how it is doing."""

    def batch_committed(self, size: int, seconds: float) -> None: ...
    def queue_depth(self, depth: int) -> None: ...


@dataclass(slots=True)
class _Waiting:
    work: Work
    bytes: int
    result: asyncio.Future[Result]
    until: float
    """When its turn must have come, by the loop's clock."""

    def refuse(self, *, may_be_committed: bool = False) -> None:
        if not self.result.done():
            message = "the database takes too long to commit it; send it again"
            self.result.set_result(unconfirmed(self.work, message) if may_be_committed else Unavailable(message))


class LedgerWriter:
    """The one way into the ledger. `start` it, hand it works, `close` it: closing commits what was accepted."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        metrics: WriterMetrics,
        *,
        max_batch: int = 128,
        max_pending: int = 10_000,
        max_pending_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self._committer = Committer(database)
        self._clock = clock
        self._metrics = metrics
        self._max_batch = max_batch
        self._max_pending = max_pending
        self._max_pending_bytes = max_pending_bytes
        self._pending: deque[_Waiting] = deque()
        self._pending_bytes = 0
        self._gathering = asyncio.Event()
        self._is_closing = False
        self._is_overdue = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger-writer")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to commit. Call it on the event loop that will hand over the works."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="ledger-writer")

    async def close(self) -> None:
        """Accepts nothing more, commits what was accepted, and stops."""
        self._is_closing = True
        self._gathering.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    @property
    def is_running(self) -> bool:
        """False before `start`, and when something that must not happen has ended it."""
        return self._task is not None and not self._task.done()

    async def record(self, notice: Notice) -> NoticeRecorded:
        """Returns when the notice is committed, with all that it says.

        Raises Unavailable when that could not be confirmed and it should be sent again, UnreadableNotice when the
        database refuses its data.
        """
        result = await self._submit(notice, len(notice.delivery.body))
        assert isinstance(result, NoticeRecorded)
        return result

    async def record_action(self, request: ActionRequest) -> ActionRecorded:
        """Returns when the action is committed.

        Raises NotFound, ActionDoesNotApply, IdempotencyKeyReused, or Unavailable when it could not be confirmed.
        """
        result = await self._submit(request, 0)
        assert isinstance(result, ActionRecorded)
        return result

    async def execute(self, command: Command) -> CommandDone:
        """Returns when the command's effect is committed, or was before, or a rule of its own has refused it.

        Raises NotFound, IdempotencyKeyReused, or Unavailable when it could not be confirmed.
        """
        result = await self._submit(command, 0 if command.delivery is None else len(command.delivery.body))
        assert isinstance(result, CommandDone)
        return result

    def require_room(self, size: int = 0) -> None:
        """Raises Unavailable when a work of `size` bytes cannot be taken. Asked before a body is read: under overload
        most requests would be read for nothing."""
        if self._is_closing:
            raise Unavailable("the service is shutting down; send it again")
        if self._is_overdue:
            raise Unavailable("the database has not answered for a while; send it again")
        if len(self._pending) >= self._max_pending or self._pending_bytes + size > self._max_pending_bytes:
            raise Unavailable("too much is waiting to be committed; send it again")

    async def _submit(self, work: Work, size: int) -> Result:
        self.require_room(size)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(work, size, loop.create_future(), loop.time() + _PATIENCE_S)
        self._pending.append(waiting)
        self._pending_bytes += size
        self._gathering.set()
        result = await waiting.result  # a caller who hangs up cancels this future, never the batch
        if isinstance(result, DunningError):
            raise result
        return result

    async def _run(self) -> None:
        while not (self._is_closing and not self._pending):
            if not self._pending:
                self._gathering.clear()
                await self._gathering.wait()
                continue
            await self._gather()
            batch = [self._pending.popleft() for _ in range(min(len(self._pending), self._max_batch))]
            try:
                await self._commit_in_time(batch)
            except Exception as error:  # the committer answers errors itself; this keeps callers from waiting for ever
                for waiting in batch:
                    if not waiting.result.done():
                        waiting.result.set_exception(error)
            finally:
                self._pending_bytes -= sum(waiting.bytes for waiting in batch)

    async def _gather(self) -> None:
        quiet_turns = 0
        while quiet_turns < _QUIET_TURNS and len(self._pending) < self._max_batch:
            before = len(self._pending)
            await asyncio.sleep(0)
            quiet_turns = quiet_turns + 1 if len(self._pending) == before else 0

    async def _commit_in_time(self, batch: Sequence[_Waiting]) -> None:
        """Commits what is not too old; when that takes too long, the callers are answered before the end of it."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for waiting in batch:
            if waiting.until < now:
                waiting.refuse()
        timely = [waiting for waiting in batch if waiting.until >= now]
        if not timely:
            return
        overdue = loop.call_later(_PATIENCE_S, self._give_up_on, timely)
        try:
            await self._commit(timely)
        finally:
            overdue.cancel()
            self._is_overdue = False

    def _give_up_on(self, batch: Sequence[_Waiting]) -> None:
        """Whether they are committed is not known, and nothing is accepted before it is. The batch goes on."""
        log.warning("batch.overdue", works=len(batch), waiting=len(self._pending))
        self._is_overdue = True
        for waiting in batch:
            waiting.refuse(may_be_committed=True)
        for waiting in self._pending:
            waiting.refuse()
        self._pending_bytes -= sum(waiting.bytes for waiting in self._pending)
        self._pending.clear()

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        self._metrics.queue_depth(len(self._pending))
        began = time.perf_counter()
        works = [waiting.work for waiting in batch]
        loop = asyncio.get_running_loop()
        results = await loop.run_in_executor(self._thread, self._committer.commit, works, self._clock())
        self._metrics.batch_committed(len(batch), time.perf_counter() - began)
        for waiting, result in zip(batch, results, strict=True):
            if not waiting.result.done():
                waiting.result.set_result(result)
