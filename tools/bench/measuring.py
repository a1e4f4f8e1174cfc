"""What is measured, and whether it happened as it was said to."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import load, noop, notices, processes, wrk
from bench.load import Outcome
from bench.processes import Cores, Server, Service
from bench.revision import HERE, Installation
from databases import Databases, SqliteDatabases, postgres_databases

NOOP = "FastAPI no-op"
EACH = "commit per request"
GROUP = "group commit"
AGAINST = "other revision"
GROUP_FAR = "group, 1 ms away"
AGAINST_FAR = "other, 1 ms away"
FAR_S = 0.001
"""Each way between the service and PostgreSQL, where it is measured as on two machines."""
NOTICES = ("goodparty", "maple")

_MADE_PER_SECOND = 5_000
"""Requests made beforehand; if more are needed they are made while measuring."""


@dataclass(frozen=True)
class Plan:
    """How to measure."""

    cores: Cores
    connections: int
    seconds: float
    warm_up: float
    with_wrk: bool


@dataclass
class Measurement:
    """One line of the table."""

    database: str
    notice: str
    what: str
    body_bytes: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    server_busy: float
    generator_busy: float
    acknowledged: int
    listed: int | None = None
    problems: list[str] = field(default_factory=list)
    to_noop: float | None = None
    to_noop_by_processor: float | None = None
    to_commit_per_request: float | None = None
    to_against: float | None = None
    """Times as many as the other revision takes in, in the same run."""

    @property
    def p99_to_p50(self) -> float:
        """How much longer the slowest hundredth waits than the one in the middle."""
        return self.p99_ms / self.p50_ms if self.p50_ms else float("nan")

    @property
    def processor_us(self) -> float:
        """Processor time of the whole server for one notice, in microseconds; NaN where it cannot be read."""
        return self.server_busy / self.requests_per_s * 1e6 if self.requests_per_s else float("nan")

    @property
    def requests_per_processor_s(self) -> float:
        """What it would be if the server had its core to itself and never waited; NaN when that is not known."""
        return self.requests_per_s / self.server_busy if self.server_busy else float("nan")


@dataclass
class Memory:
    """Resident memory of one server, in MB, after some notices and after many."""

    database: str
    few: int
    many: int
    mb_at_start: float
    mb_after_few: float
    mb_after_many: float
    problems: list[str] = field(default_factory=list)

    @property
    def grown_mb(self) -> float:
        return self.mb_after_many - self.mb_after_few


def compared(
    name: str, databases: Databases, notice: str, plan: Plan, against: Installation | None
) -> Iterator[Measurement]:
    """The no-op route, a commit for each request, another revision and the group commit, one after the other."""
    base = _of_noop(name, notice, plan)
    yield base
    each = _of_service(name, databases, notice, plan, EACH, max_batch=1)
    _compare_with_noop(each, base)
    yield each
    other = _of_service(name, databases, notice, plan, AGAINST, installation=against) if against else None
    if other is not None:
        _compare_with_noop(other, base)
        yield other
    group = _of_service(name, databases, notice, plan, GROUP)
    _compare_with_noop(group, base)
    group.to_commit_per_request = _ratio(group.requests_per_s, each.requests_per_s)
    if other is not None:
        group.to_against = _ratio(group.requests_per_s, other.requests_per_s)
    yield group


def compared_far(
    name: str, databases: Databases, notice: str, plan: Plan, against: Installation | None
) -> Iterator[Measurement]:
    """The other revision and the group commit with a database that is a network away."""
    other = None
    if against is not None:
        other = _of_service(name, databases, notice, plan, AGAINST_FAR, installation=against, delay_s=FAR_S)
        yield other
    group = _of_service(name, databases, notice, plan, GROUP_FAR, delay_s=FAR_S)
    if other is not None:
        group.to_against = _ratio(group.requests_per_s, other.requests_per_s)
    yield group


def memory(name: str, databases: Databases, few: int, many: int, plan: Plan) -> Memory:
    """Whether a server that has taken in many notices holds on to more than one that has taken in a few."""
    at_most_s = max(120.0, many / 250)
    with temporary_folder() as folder, processes.service(databases, folder, plan.cores) as service:
        request_of = request_of_payment("goodparty", service)
        result = Memory(name, few, many, service.server.resident_mb(), 0.0, 0.0)
        sent = 0
        for total in (few, many):
            found = load.this_many(
                service.server.port,
                map(request_of, range(sent, total)),
                connections=plan.connections,
                at_most_s=at_most_s,
            )
            result.problems += _problems_of(found)
            sent = total
            if total == few:
                result.mb_after_few = service.server.resident_mb()
        result.mb_after_many = service.server.resident_mb()
        listed = service.listed()
        if listed != many:
            result.problems.append(f"{many} notices were sent and the list has {listed}")
    return result


def under_profile(databases: Databases, notice: str, plan: Plan, into: Path, begin: Callable[[Server], None]) -> int:
    """Sends notices to a service whose profile, once warm, `begin` starts. How many were taken in since."""
    with (
        temporary_folder() as folder,
        processes.service(databases, folder, plan.cores, profile_into=into) as service,
    ):
        begin(service.server)
        requests = notices.made_beforehand(request_of_payment(notice, service), 1)
        found = load.for_seconds(
            service.server.port, requests, connections=plan.connections, warm_up=0, seconds=plan.seconds
        )
        if problems := _problems_of(found):
            raise RuntimeError(f"{'; '.join(problems)}\n{service.server.said()}")
    return found.acknowledged


def request_of_payment(notice: str, service: Service) -> notices.RequestOf:
    """Maker of the requests that report failed payments to that service."""
    if notice == "maple":
        return notices.maple(service.source_path, service.source_secret)
    return notices.goodparty(service.token)


@contextmanager
def databases_of(name: str) -> Iterator[Databases]:
    """`sqlite`'s or `postgresql`'s."""
    if name == "sqlite":
        with temporary_folder() as folder:
            yield SqliteDatabases(folder)
    else:
        with postgres_databases() as databases:
            yield databases


@contextmanager
def temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dunning-bench-") as name:
        yield Path(name)


def _of_noop(name: str, notice: str, plan: Plan) -> Measurement:
    token = "dun_" + "0" * 43
    request_of = notices.maple(noop.PATH, "whsec_0") if notice == "maple" else notices.goodparty(token, path=noop.PATH)
    with temporary_folder() as folder, processes.noop(folder, plan.cores) as server:
        found, busy = _load(server, request_of, folder, plan)
    return _measurement(name, notice, NOOP, request_of, found, busy)


def _of_service(
    name: str,
    databases: Databases,
    notice: str,
    plan: Plan,
    what: str,
    *,
    installation: Installation = HERE,
    max_batch: int | None = None,
    delay_s: float = 0.0,
) -> Measurement:
    with (
        temporary_folder() as folder,
        processes.service(
            databases, folder, plan.cores, installation=installation, max_batch=max_batch, delay_s=delay_s
        ) as service,
    ):
        request_of = request_of_payment(notice, service)
        found, busy = _load(service.server, request_of, folder, plan)
        result = _measurement(name, notice, what, request_of, found, busy)
        result.listed = service.listed()
        # wrk hangs up on what is under way when its time is over, and does not say what became of it
        at_most = result.acknowledged + (2 * plan.connections if plan.with_wrk else 0)
        if not result.acknowledged <= result.listed <= at_most:
            result.problems.append(f"{result.acknowledged} were acknowledged and the list has {result.listed}")
        if result.problems and (said := service.server.said()):
            result.problems.append(f"the server said: {said}")
    return result


def _load(server: Server, request_of: notices.RequestOf, folder: Path, plan: Plan) -> tuple[Outcome, float]:
    """What came back, and the share of its core that the server was busy."""
    used: list[float] = []

    def probe() -> None:
        used.append(server.processor_s())

    made = int((plan.warm_up + plan.seconds) * _MADE_PER_SECOND)
    found: Outcome
    if plan.with_wrk:
        found = wrk.for_seconds(
            server.port,
            map(request_of, iter(range(10**9))),
            folder,
            connections=plan.connections,
            warm_up=plan.warm_up,
            seconds=plan.seconds,
            probe=probe,
        )
    else:
        found = load.for_seconds(
            server.port,
            notices.made_beforehand(request_of, made),
            connections=plan.connections,
            warm_up=plan.warm_up,
            seconds=plan.seconds,
            probe=probe,
        )
    busy = (used[1] - used[0]) / found.measured_s if len(used) == 2 and found.measured_s else float("nan")
    return found, busy


def _measurement(
    name: str, notice: str, what: str, request_of: notices.RequestOf, found: Outcome, busy: float
) -> Measurement:
    return Measurement(
        database="" if what == NOOP else name,
        notice=notice,
        what=what,
        body_bytes=notices.body_size(request_of(0)),
        requests_per_s=found.rate,
        p50_ms=found.percentile_ms(0.5),
        p99_ms=found.percentile_ms(0.99),
        server_busy=busy,
        generator_busy=found.generator_busy,
        acknowledged=found.acknowledged,
        problems=_problems_of(found),
    )


def _problems_of(found: Outcome) -> list[str]:
    refused = {status: count for status, count in sorted(found.statuses.items()) if not 200 <= status < 300}
    said = [f"answers that were not 2xx: {', '.join(f'{count} of {status}' for status, count in refused.items())}"]
    return (said if refused else []) + found.problems


def _compare_with_noop(one: Measurement, base: Measurement) -> None:
    one.to_noop = _ratio(one.requests_per_s, base.requests_per_s)
    one.to_noop_by_processor = _ratio(one.requests_per_processor_s, base.requests_per_processor_s)


def _ratio(one: float, other: float) -> float | None:
    return one / other if other else None
