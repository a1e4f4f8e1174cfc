"""Who sends for as long as it takes: what was not acknowledged is sent again, as a provider would."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

from e2e.sender_book import Life, a_life
from e2e.senders import Account, Answer, HungUpError, Line

Ports = Callable[[], Sequence[int]]

_AGAIN_WITHIN_S = 60.0
_PAUSE_S = 0.25
"""After a 503, or where nobody listens. A provider would wait for longer."""
_REPEATED = 0.1
"""So much of what was acknowledged is posted again all the same, as providers do."""


class Senders:
    """Several connections, on which payments are told of: new ones until `stop`, and then whatever is left to tell.

    `ports` are those that listen at the moment.
    """

    def __init__(self, account: Account, ports: Ports, name: str, seed: float, connections: int) -> None:
        self.lives: list[Life] = []
        self.acknowledged = 0
        self.repeated = 0
        self.refused = 0
        self.problems: list[str] = []
        self._account = account
        self._ports = ports
        self._name = name
        self._chances = [random.Random(f"{seed} {number}") for number in range(connections)]
        self._serial = itertools.count()
        self._is_stopped = False
        self._has_begun = asyncio.Event()

    def stop(self) -> None:
        self._is_stopped = True

    async def some_acknowledged(self) -> None:
        """Returns when as many things as there are connections were acknowledged, or it takes too long."""
        try:
            async with asyncio.timeout(_AGAIN_WITHIN_S):
                await self._has_begun.wait()
        except TimeoutError:
            self.problems.append(f"too little was acknowledged within {_AGAIN_WITHIN_S:.0f} s")

    async def tell_of_new_ones(self) -> None:
        async with asyncio.TaskGroup() as group:
            for chance in self._chances:
                group.create_task(self._tell_on(chance))

    async def tell_again(self) -> None:
        """Everything that is left, until it is acknowledged; and some of what was acknowledged once more."""
        done = [life for life in self.lives if life.answers and self._chances[0].random() < _REPEATED]
        left = [life for life in self.lives if life.next_step is not None]
        async with asyncio.TaskGroup() as group:
            for chance in self._chances:
                group.create_task(self._tell_the_rest(left, done, chance))

    async def _tell_on(self, chance: random.Random) -> None:
        async with aclosing(_Redialled(self._ports, chance)) as line:
            while not self._is_stopped:
                life = a_life(self._account, f"{self._name}-{next(self._serial)}", chance)
                self.lives.append(life)
                while life.next_step is not None and await self._is_told(life, line):
                    self.acknowledged += 1
                    if self.acknowledged >= len(self._chances):
                        self._has_begun.set()
                if life.next_step is not None:
                    await asyncio.sleep(_PAUSE_S)

    async def _tell_the_rest(self, left: list[Life], done: list[Life], chance: random.Random) -> None:
        deadline = time.monotonic() + _AGAIN_WITHIN_S
        async with aclosing(_Redialled(self._ports, chance)) as line:
            while left:
                life = left.pop()
                while life.next_step is not None and not self._is_late(life, deadline):
                    self.repeated += 1
                    if not await self._is_told(life, line):
                        await asyncio.sleep(_PAUSE_S)
            while done:
                life = done.pop()
                number = chance.randrange(len(life.answers))
                while not self._is_late(life, deadline):
                    self.repeated += 1
                    if await self._is_repeated(life, number, line):
                        break
                    await asyncio.sleep(_PAUSE_S)

    def _is_late(self, life: Life, deadline: float) -> bool:
        if time.monotonic() < deadline:
            return False
        self.problems.append(f"not acknowledged within {_AGAIN_WITHIN_S:.0f} s: {life}")
        return True

    async def _is_told(self, life: Life, line: _Redialled) -> bool:
        """Tells the next thing; true when it was acknowledged."""
        step = life.next_step
        answer = await self._answer(line, life.tell)
        if answer is None or answer.status == 200:
            return answer is not None
        self.problems.append(f"{answer} to {step} of {life}")
        life.is_refused = True
        return False

    async def _is_repeated(self, life: Life, number: int, line: _Redialled) -> bool:
        """Tells something once more; true when it was answered, and that should be as it was before."""
        posted = life.steps[number].build(life)
        answer = await self._answer(line, lambda opened: opened.post(posted))
        if answer is not None and (answer.status, answer.body) != (200, life.answers[number].body):
            self.problems.append(f"{answer} to a repeat of {life.steps[number]}, and before {life.answers[number]}")
        return answer is not None

    async def _answer(self, line: _Redialled, ask: Callable[[Line], Awaitable[Answer]]) -> Answer | None:
        """None when nobody was there, or whoever was hung up, or asks to be asked later."""
        try:
            answer = await ask(await line.opened())
        except TimeoutError:
            self.problems.append("somebody was left without any answer")
        except (HungUpError, OSError):
            pass
        else:
            if answer.status != 503 or "retry-after" not in answer.headers:
                return answer
            self.refused += 1
        await line.aclose()
        return None


class _Redialled:
    """A connection to any of the ports, opened anew when it was closed."""

    def __init__(self, ports: Ports, chance: random.Random) -> None:
        self._ports = ports
        self._chance = chance
        self._line: Line | None = None

    async def opened(self) -> Line:
        """Raises OSError where nobody listens."""
        if self._line is None:
            self._line = await Line.open(self._chance.choice(self._ports() or [0]))
        return self._line

    async def aclose(self) -> None:
        if self._line is not None:
            line, self._line = self._line, None
            await line.closed()
