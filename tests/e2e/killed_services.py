"""Notices from many connections while what takes them in is killed: API processes, their PostgreSQL, or both at once.

Whoever heard nothing, or 503, sends again, as a provider would; afterwards the senders' book and the ledger must agree.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from sqlalchemy.engine import make_url

from databases import PostgresDatabases, SqliteDatabases
from dunning_service.database.engines import create_write_engine, database_url
from e2e.comparing_ledger import compared, lost_so_far
from e2e.private_postgres import PrivatePostgres, private_postgres
from e2e.processes import ServerProcess
from e2e.repeating_senders import Senders
from e2e.sender_book import Life
from e2e.senders import complaints, listed, open_account

_ROUNDS_OF_A_MERCHANT = 10
_KILLED_TWICE = 0.25
"""In so many rounds something is killed once more, while everybody sends again."""


class Killed(StrEnum):
    API = "API"
    POSTGRESQL = "PostgreSQL"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Setting:
    """What is killed."""

    database: str
    processes: int

    @property
    def kinds(self) -> Sequence[Killed]:
        return tuple(Killed) if self.database == "postgresql" else (Killed.API,)


SETTINGS = (Setting("postgresql", 1), Setting("postgresql", 2), Setting("sqlite", 1))


@dataclass(slots=True)
class Findings:
    """What happened in one setting."""

    setting: Setting
    rounds: int = 0
    payments: int = 0
    notices: int = 0
    """Notices, reports and decisions: each counts once, however often it was sent."""
    acknowledged: int = 0
    """Of them, those that were acknowledged when they were first sent."""
    repeated: int = 0
    """How often one was sent again, because it had not been acknowledged or because providers do."""
    refused: int = 0
    """How often 503 was the answer."""
    kills: Counter[Killed] = field(default_factory=Counter)
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of it, and how long it may take."""

    rounds: int
    seed: int
    seconds: float
    """No round begins after so long."""
    connections: int = 16
    moments_s: tuple[float, float] = (0.0, 0.8)
    """When in a round somebody is killed, once a few notices have been acknowledged."""
    is_careless: bool = False
    """The database acknowledges before the disk has it, so that there is something to find."""

    def rounds_of(self, setting: Setting) -> int:
        """A fifth of all on SQLite, the rest shared out between one process and two on PostgreSQL."""
        of_sqlite = self.rounds // 5
        of_one = (self.rounds - of_sqlite) // 2
        return {SETTINGS[0]: of_one, SETTINGS[1]: self.rounds - of_sqlite - of_one, SETTINGS[2]: of_sqlite}[setting]


def run(plan: Plan, say: Callable[[str], None] = lambda _: None) -> list[Findings]:
    """All of it, setting by setting."""
    until = time.monotonic() + plan.seconds
    found = []
    with tempfile.TemporaryDirectory(prefix="dunning-killed-") as folder, private_postgres() as postgres:
        databases = {"postgresql": PostgresDatabases(postgres.url), "sqlite": SqliteDatabases(Path(folder))}
        for number, setting in enumerate(SETTINGS):
            if plan.rounds_of(setting):
                url = databases[setting.database].create()
                settings = _carelessly(url) if plan.is_careless and setting.database == "postgresql" else {}
                with Services(setting, url, postgres, **settings).started() as services:
                    found.append(_Rounds(plan, services, number, say).run(until))
    return found


def _carelessly(url: str) -> dict[str, object]:
    engine = create_write_engine(database_url(url))
    with engine.begin() as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{make_url(url).database}" SET synchronous_commit = off')
    engine.dispose()
    return {"allow_unsafe_durability": "true"}


class Services:
    """The API processes of one setting and their database, each of which can be killed and started again."""

    def __init__(self, setting: Setting, url: str, postgres: PrivatePostgres, **settings: object) -> None:
        self.setting = setting
        self.url = url
        self._postgres = postgres
        self._settings = settings
        self._servers: list[ServerProcess | None] = [None] * setting.processes
        self._folders = ExitStack()

    @contextmanager
    def started(self) -> Iterator[Services]:
        with self._folders:
            try:
                self.start()
                yield self
            finally:
                for server in self._running:
                    server.kill()

    @property
    def _running(self) -> list[ServerProcess]:
        return [server for server in self._servers if server is not None and server.is_running]

    @property
    def ports(self) -> list[int]:
        return [server.port for server in self._running]

    @property
    def address(self) -> str:
        return self._running[0].base_url

    def kill(self, what: Killed, chance: random.Random) -> list[str]:
        """Answers what the killed processes had said of crashes."""
        victims = self._running if what is Killed.BOTH else [chance.choice(self._running)]
        acts: list[Callable[[], None]] = [server.kill for server in victims if what is not Killed.POSTGRESQL]
        if what is not Killed.API:
            acts.append(self._postgres.kill)
        chance.shuffle(acts)
        for act in acts:
            act()
        return _told_by(victims) if what is not Killed.POSTGRESQL else []

    def start(self, what: Killed = Killed.BOTH) -> None:
        """Starts again what was killed. Returns when all of it can do its work."""
        if what is not Killed.API and self.setting.database == "postgresql":
            self._postgres.start()
        for number, server in enumerate(self._servers):
            if server is None or not server.is_running:
                folder = Path(self._folders.enter_context(tempfile.TemporaryDirectory(prefix="dunning-serve-")))
                self._servers[number] = ServerProcess(self.url, folder, **self._settings)
        for server in self._running:
            server.wait_until_ready()

    def crashes(self) -> list[str]:
        return _told_by(self._running)


def _told_by(servers: Sequence[ServerProcess]) -> list[str]:
    return [f"a service said: {line}" for server in servers for line in server.crashes]


class _Rounds:
    """The rounds of one setting."""

    def __init__(self, plan: Plan, services: Services, number: int, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._services = services
        self._number = number
        self._say = say
        self._found = Findings(services.setting)
        self._account = open_account(services.url)
        self._lives: list[Life] = []
        """The merchant's."""
        self._said: set[tuple[str, str]] = set()

    def run(self, until: float) -> Findings:
        began = time.monotonic()
        rounds = self._plan.rounds_of(self._services.setting)
        for number in range(rounds):
            if time.monotonic() > until:
                self._found.problems.append(
                    f"only {number} of {rounds} rounds were begun in {self._plan.seconds:.0f} s"
                )
                break
            self._round(number)
            if (number + 1) % _ROUNDS_OF_A_MERCHANT == 0 or number + 1 == rounds:
                self._settle()
        self._found.problems += self._services.crashes()
        self._found.seconds = time.monotonic() - began
        return self._found

    def _round(self, number: int) -> None:
        chance = random.Random(f"{self._plan.seed} {self._number} {number}")
        kinds = self._services.setting.kinds
        what = kinds[(number + self._number) % len(kinds)]
        senders = Senders(
            self._account, lambda: self._services.ports, f"{number}", chance.random(), self._plan.connections
        )
        asyncio.run(self._under_load(senders, what, chance))
        self._lives += senders.lives
        lost = lost_so_far(self._services.url, self._account, self._lives)
        again = kinds[chance.randrange(len(kinds))] if chance.random() < _KILLED_TWICE else None
        asyncio.run(self._sent_again(senders, again, chance))
        found = compared(self._services.url, self._account, self._lives)
        self._found.rounds += 1
        self._found.payments += len(senders.lives)
        self._found.notices += sum(len(life.steps) for life in senders.lives)
        self._found.acknowledged += senders.acknowledged
        self._found.repeated += senders.repeated
        self._found.refused += senders.refused
        found.lost |= lost
        self._found.lost += self._counted("lost", found.lost, number, what)
        self._found.doubled += self._counted("doubled", found.doubled, number, what)
        self._found.wrong += self._counted("wrong", found.wrong, number, what)
        self._found.problems += [f"round {number + 1}, {what} killed: {problem}" for problem in senders.problems]
        setting = self._services.setting
        self._say(
            f"{setting.database}, {setting.processes} API: round {number + 1}, {what} killed"
            f"{f' and {again} once more' if again else ''}: {len(senders.lives)} payments, "
            f"{senders.acknowledged} acknowledged, {senders.repeated} sent again"
        )

    def _counted(self, kind: str, told: dict[str, str], number: int, what: Killed) -> int:
        """How many payments there are of which that was not said in an earlier round."""
        new = {name: sentence for name, sentence in told.items() if (kind, name) not in self._said}
        self._said |= {(kind, name) for name in new}
        self._found.problems += [f"round {number + 1}, {what} killed: {kind}: {one}" for one in new.values()]
        return len(new)

    async def _under_load(self, senders: Senders, what: Killed, chance: random.Random) -> None:
        """New payments are told of until a while after the kill."""
        load = asyncio.create_task(senders.tell_of_new_ones())
        await senders.some_acknowledged()
        await asyncio.sleep(chance.uniform(*self._plan.moments_s))
        await self._kill(what, chance)
        if what is Killed.POSTGRESQL:  # who goes on sending is refused, and taken in again without a restart
            await asyncio.to_thread(self._services.start, what)
        await asyncio.sleep(chance.uniform(0, 0.2))
        senders.stop()
        await load
        await asyncio.to_thread(self._services.start, what)

    async def _sent_again(self, senders: Senders, what: Killed | None, chance: random.Random) -> None:
        telling = asyncio.create_task(senders.tell_again())
        if what is not None:
            await asyncio.sleep(chance.uniform(0, 0.3))
            await self._kill(what, chance)
            await asyncio.to_thread(self._services.start, what)
        await telling

    async def _kill(self, what: Killed, chance: random.Random) -> None:
        self._found.problems += await asyncio.to_thread(self._services.kill, what, chance)
        self._found.kills[what] += 1

    def _settle(self) -> None:
        """`dunning ledger check`, and the list that a dashboard sees; the next rounds are another merchant's."""
        wrong = [f"ledger check: {complaint}" for complaint in complaints(self._services.url)]
        shown = sorted(item["provider_payment_id"] for item in listed(self._services.address, self._account))
        if shown != sorted(life.payment or "" for life in self._lives):
            wrong.append(f"the list has {len(shown)} payments and the book {len(self._lives)}")
        self._found.wrong += len(wrong)
        self._found.problems += wrong
        self._account = open_account(self._services.url)
        self._lives = []
