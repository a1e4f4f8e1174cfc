"""What is done to a service, what it must not do then, and what was measured meanwhile."""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from databases import PostgresDatabases, SqliteDatabases
from dialects import wrong_with
from e2e.processes import ServerProcess, serving
from e2e.senders import LOG_FAILURE, Account, complaints, open_account, payments_of
from overload import lingering
from overload.answers import Answer
from overload.bystanders import Bystander, bystander
from overload.pressure import Book, Pressure, Requests, number_of, percentile_ms
from overload.watching import Watched, watching

MOST_MB = 320.0
"""Resident memory that no process of the service may exceed, whatever is done to it here."""
USUAL = 2.0
"""Times the latency before: what still counts as usual."""
_IDLE_SHARE = 0.25
"""Of a core: what a service may take while its callers say nothing."""


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    at_ease_connections: int = 64
    connections: int = 400
    depth: int = 16
    seconds: float = 12.0
    slow_bodies: int = 400
    lingering: int = 2_000
    receive_timeout_s: float = 10.0
    burst: int = 50_000
    burst_connections: int = 1_000
    max_connections: int = 100
    quiet_notices: int = 60
    most_mb: float = MOST_MB
    back_within_s: float = 5.0
    noise_ms: float = 10.0
    """Added to what is usual, as a few milliseconds more or less mean nothing."""


@dataclass(frozen=True)
class Setup:
    """A database, and how many processes work on it."""

    name: str
    databases: SqliteDatabases | PostgresDatabases
    processes: int = 1

    def __str__(self) -> str:
        return f"{self.name}, {self.processes} process{'' if self.processes == 1 else 'es'}"


def _too_small_for(connections: int, setup: Setup, share: int) -> int:
    """A queue in each process that so many connections, of which it has its part, fill `share` times."""
    return max(2, connections // (share * setup.processes))


@dataclass
class Finding:
    """One line of the table; a promise that did not hold is among `problems`."""

    drill: str
    setup: str
    load: str
    acknowledged: int = 0
    refused: int = 0
    per_second: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    usual_ms: float | None = None
    """A bystander's median before."""
    meanwhile_ms: float | None = None
    back_after_s: float | None = None
    peak_mb: float = 0.0
    problems: list[str] = field(default_factory=list)

    def require(self, is_so: bool, otherwise: str) -> None:
        if not is_so:
            self.problems.append(otherwise)


@dataclass
class _Scene:
    plan: Plan
    server: ServerProcess
    account: Account
    watched: Watched
    bystander: Bystander
    finding: Finding
    acknowledged: set[int] = field(default_factory=set)


@asynccontextmanager
async def _scene(setup: Setup, plan: Plan, drill: str, load: str, **settings: object) -> AsyncIterator[_Scene]:
    """A service on a fresh database, with a bystander; stopped at the end, and its ledger compared with the book."""
    url = setup.databases.create()
    account = open_account(url)
    workers = () if setup.processes == 1 else ("--workers", str(setup.processes))
    finding = Finding(drill, str(setup), load)
    try:
        with serving(url, *workers, **settings) as server:
            try:
                with watching(server.pid) as watched:
                    async with bystander(server.port, account) as somebody:
                        finding.usual_ms = await somebody.median_ms(plan.quiet_notices)
                        scene = _Scene(plan, server, account, watched, somebody, finding)
                        yield scene
                    finding.peak_mb = watched.peak_mb
                finding.require(
                    watched.peak_mb <= plan.most_mb, f"{watched.peak_mb:.0f} MB, more than {plan.most_mb:.0f}"
                )
            finally:
                server.terminate()  # and not killed, for its processes would be left
                ended_with = await asyncio.to_thread(server.wait)
            finding.require(ended_with == 0, f"the service ended with {ended_with}: {server.output[-1_000:]}")
            finding.require("request.crashed" not in server.output, "the log has a request that crashed")
        _compare(url, account, scene)
    finally:
        setup.databases.drop(url)


def _compare(url: str, account: Account, scene: _Scene) -> None:
    """The ledger with the book: nothing lost, nothing twice, nothing that was not acknowledged."""
    require = scene.finding.require
    found = payments_of(url, account)
    numbers = {number for number in map(number_of, found) if number is not None}
    others = {payment for payment in found if number_of(payment) is None}
    require(len(found) == len(set(found)), f"{len(found) - len(set(found))} payments are there twice")
    lost = len(scene.acknowledged - numbers) + len(set(scene.bystander.acknowledged) - others)
    require(not lost, f"{lost} notices were acknowledged and are not in the ledger")
    unsaid = len(numbers - scene.acknowledged)
    require(not unsaid, f"{unsaid} notices are in the ledger and were not acknowledged")
    for complaint in complaints(url)[:5]:
        require(False, f"ledger check: {complaint}")


def _usual(scene: _Scene) -> float:
    """The most milliseconds that are still as usual."""
    assert scene.finding.usual_ms is not None
    return scene.finding.usual_ms * USUAL + scene.plan.noise_ms


async def _under(scene: _Scene, pressure: Pressure) -> Book:
    """Applies it, with the bystander looking on, and waits for things to be as they were before."""
    finding = scene.finding
    applied = asyncio.create_task(pressure.apply(scene.server.port))
    finding.meanwhile_ms = await scene.bystander.median_while_ms(applied)
    book = await applied
    finding.back_after_s = await scene.bystander.back_to(_usual(scene), within_s=scene.plan.back_within_s)
    finding.require(
        finding.back_after_s <= scene.plan.back_within_s, f"not back to normal after {scene.plan.back_within_s} s"
    )
    finding.acknowledged, finding.refused = len(book.acknowledged), book.refused.total()
    finding.per_second = book.per_second
    finding.p50_ms, finding.p99_ms = percentile_ms(book.latencies, 0.5), percentile_ms(book.latencies, 0.99)
    finding.problems += _counted(book.problems)
    finding.require(bool(book.acknowledged), "nothing was taken in")
    scene.acknowledged |= book.acknowledged
    return book


def _counted(problems: Counter[str]) -> list[str]:
    return [text if times == 1 else f"{text} ({times} times)" for text, times in problems.most_common(10)]


async def at_ease(setup: Setup, plan: Plan) -> Finding:
    """As much as can be served: what the others are compared with."""
    load = f"{plan.at_ease_connections} connections, one notice under way on each"
    async with _scene(setup, plan, "At ease", load) as scene:
        pressure = Pressure(
            Requests(scene.account), connections=plan.at_ease_connections, depth=1, seconds=plan.seconds / 2
        )
        await _under(scene, pressure)
        scene.finding.require(not scene.finding.refused, "notices were refused that could have been taken in")
    return scene.finding


async def overload(setup: Setup, plan: Plan) -> Finding:
    """Many connections that pipeline for a while, as fast as they can. As set up, the service lets them wait."""
    load = f"{plan.connections:,} connections, {plan.depth} notices under way on each"
    async with _scene(setup, plan, "More than can be served", load) as scene:
        await _under(scene, _overload(scene, plan))
    return scene.finding


async def overload_of_a_small_queue(setup: Setup, plan: Plan) -> Finding:
    """The same, with room for so few that most of them have to be refused."""
    room = _too_small_for(plan.connections, setup, 8)
    load = f"the same, but with room for {room:,} notices"
    async with _scene(setup, plan, "More than can be served", load, max_pending=room) as scene:
        await _under(scene, _overload(scene, plan))
        scene.finding.require(scene.finding.refused > 0, "nothing was refused, so this has shown nothing")
    return scene.finding


def _overload(scene: _Scene, plan: Plan) -> Pressure:
    return Pressure(Requests(scene.account), connections=plan.connections, depth=plan.depth, seconds=plan.seconds)


async def burst(setup: Setup, plan: Plan) -> Finding:
    """A fixed number of notices at once, sent again as long as they are refused."""
    depth = -(-plan.burst // plan.burst_connections)
    room = _too_small_for(plan.burst_connections, setup, 3)
    load = f"{plan.burst:,} notices at once on {plan.burst_connections:,} connections, room for {room:,}"
    async with _scene(setup, plan, "A burst", load, max_pending=room) as scene:
        pressure = Pressure(Requests(scene.account), connections=plan.burst_connections, depth=depth, total=plan.burst)
        book = await _under(scene, pressure)
        missing = plan.burst - len(book.acknowledged)
        scene.finding.require(not missing, f"{missing} notices were never taken in")
    return scene.finding


async def slow_bodies(setup: Setup, plan: Plan) -> Finding:
    """Bodies of a byte a second, half of them of nearly a megabyte that arrived at once."""
    load = f"{plan.slow_bodies:,} bodies of a byte a second, half of them of 1 MB"
    limit_s = plan.receive_timeout_s
    async with _scene(setup, plan, "Slow bodies", load, receive_timeout_seconds=limit_s) as scene:
        finding, sizes = scene.finding, (10, 1_000_000)
        sending = asyncio.create_task(
            lingering.slow_bodies(scene.server.port, scene.account, plan.slow_bodies, sizes, at_most_s=limit_s * 2 + 10)
        )
        finding.meanwhile_ms = await scene.bystander.median_while_ms(sending)
        finding.require(finding.meanwhile_ms <= _usual(scene), "the bystander waited longer than usual")
        finding.require(not scene.bystander.refused, "the bystander was refused")
        finding.refused = sum(one.answer is not None for one in await sending)
        finding.problems += _counted(_wrong_with_slow(await sending, limit_s))
    return finding


def _wrong_with_slow(found: Sequence[lingering.Lingering], limit_s: float) -> Counter[str]:
    """Each is told 408, in its own dialect and in time; or 503, when there was no room for what had arrived."""
    problems: Counter[str] = Counter()
    for one in found:
        if one.answer is None:
            problems[f"{one.path}: {'reset' if one.was_reset else 'no answer'}"] += 1
            continue
        if (wrong := wrong_with(one.path, one.answer, 408, 503)) is not None:
            problems[wrong] += 1
        elif one.answer.status == 408 and not limit_s <= (one.ended_after_s or 0) <= limit_s * 1.5 + 3:
            problems[f"{one.path}: ended after {one.ended_after_s} s"] += 1
    if not any(one.answer is not None and one.answer.status == 408 for one in found):
        problems["nobody was told 408"] += 1
    return problems


async def idle_connections(setup: Setup, plan: Plan) -> Finding:
    """Connections that say nothing, and as many that have sent half a request line."""
    load = f"{plan.lingering:,} idle connections, {plan.lingering:,} with half a request line"
    limit_s = plan.receive_timeout_s
    async with _scene(setup, plan, "Idle connections", load, receive_timeout_seconds=limit_s) as scene:
        finding, port = scene.finding, scene.server.port
        async with (
            lingering.connections(port, plan.lingering) as idle,
            lingering.connections(port, plan.lingering, lingering.HALF_A_REQUEST_LINE) as halves,
        ):
            waiting = asyncio.create_task(_until_ended(halves, limit_s * 1.5 + 5))
            finding.meanwhile_ms = await scene.bystander.median_while_ms(waiting)
            finding.require(finding.meanwhile_ms <= _usual(scene), "the bystander waited longer than usual")
            finding.require(not scene.bystander.refused, "the bystander was refused")
            finding.refused = sum(one.answer is not None and one.answer.status == 408 for one in halves)
            left = sum(one.ended_after_s is None for one in halves)
            finding.require(
                not left, f"{left} connections with half a request line are open after {limit_s * 1.5 + 5} s"
            )
            finding.require(finding.refused == plan.lingering, f"only {finding.refused} of them were told 408")
            early = sum(one.ended_after_s is not None for one in idle)
            finding.require(not early, f"{early} idle connections were ended, sooner than a load balancer expects")
            used, began = scene.watched.processor_s(), asyncio.get_running_loop().time()
            await asyncio.sleep(2)
            share = (scene.watched.processor_s() - used) / (asyncio.get_running_loop().time() - began)
            finding.require(share <= _IDLE_SHARE, f"{share:.0%} of a core for connections that say nothing")
    return finding


async def _until_ended(found: Sequence[lingering.Lingering], at_most_s: float) -> None:
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + at_most_s
    while loop.time() < give_up_at and any(one.ended_after_s is None for one in found):  # noqa: ASYNC110
        await asyncio.sleep(0.1)


async def too_many_connections(setup: Setup, plan: Plan) -> Finding:
    """More connections than are served; and then no more files to open."""
    load = f"{plan.max_connections:,} connections allowed, then no open file left"
    async with _scene(setup, plan, "No more connections", load, max_connections=plan.max_connections) as scene:
        finding, port = scene.finding, scene.server.port
        async with lingering.connections(port, plan.max_connections * 2 * setup.processes):
            await _surplus_is_told(scene)
            finding.meanwhile_ms = await scene.bystander.median_ms(plan.quiet_notices)
        await _is_served_again(scene)
        if setup.processes == 1:
            await _without_files(scene)
            await _is_served_again(scene)
        finding.require(finding.meanwhile_ms <= _usual(scene), "the bystander waited longer than usual")
        finding.require(not scene.bystander.refused, "the bystander was refused")
    return finding


async def _surplus_is_told(scene: _Scene) -> None:
    """503 in the caller's dialect, or at the worst no connection; and whoever watches is answered."""
    async with _caller(scene) as client:
        give_up_at = asyncio.get_running_loop().time() + scene.plan.back_within_s
        for path in lingering.ways_in(scene.account):
            answer = await _posted(client, path)
            while answer is None and asyncio.get_running_loop().time() < give_up_at:
                await asyncio.sleep(0.1)  # those that were one too many before it have a second
                answer = await _posted(client, path)
            wrong = f"{path} found no connection" if answer is None else wrong_with(path, answer, 503)
            scene.finding.require(wrong is None, wrong or "")
            scene.finding.refused += 1
        scene.finding.require((await client.get("/healthz")).status_code == 200, "/healthz is refused")
        scene.finding.require((await client.get("/metrics")).status_code == 200, "/metrics is refused")


async def _is_served_again(scene: _Scene) -> None:
    """Once there is room."""
    give_up_at = asyncio.get_running_loop().time() + scene.plan.back_within_s
    async with _caller(scene) as client:
        while asyncio.get_running_loop().time() < give_up_at:
            answer = await _posted(client, LOG_FAILURE)
            if answer is not None and answer.status == 400:  # it was read: an empty notice cannot be understood
                return
            await asyncio.sleep(0.1)
    scene.finding.problems.append(f"no new connection is served, {scene.plan.back_within_s} s after there was room")


async def _without_files(scene: _Scene) -> None:
    """The service can open no file more: whom it serves is served, and it does not go round in circles."""
    pid, finding = scene.server.pid, scene.finding
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (scene.watched.files() + 20, before[1]))
    try:
        async with lingering.connections(scene.server.port, 60):
            used, began = scene.watched.processor_s(), asyncio.get_running_loop().time()
            median = await scene.bystander.median_ms(40)
            await asyncio.sleep(1)
            share = (scene.watched.processor_s() - used) / (asyncio.get_running_loop().time() - began)
            finding.require(median <= _usual(scene), f"without files, the bystander waited {median:.0f} ms")
            finding.require(share <= 2 * _IDLE_SHARE, f"without files, it took {share:.0%} of a core")
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@asynccontextmanager
async def _caller(scene: _Scene) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who opens a connection for each request."""
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(
        base_url=scene.server.base_url, headers=scene.account.auth, trust_env=False, timeout=10, limits=limits
    ) as client:
        yield client


async def _posted(client: httpx.AsyncClient, path: str) -> Answer | None:
    """None when there was no connection to be had."""
    try:
        response = await client.post(path, json={})
    except httpx.TransportError:
        return None
    return Answer(response.status_code, dict(response.headers), response.content)
