"""`make overload`: more load than can be served, slow bodies, idle connections and a burst, on SQLite with one process
and on PostgreSQL with one and with two; prints what was measured as the table that stands in docs/evidence.md.

Everything stays on loopback and ends by itself. Exits with 1 when a promise did not hold: a notice lost or recorded
twice, an answer that is no 2xx, 408 or 503 with `Retry-After` in the caller's dialect, a connection that ended with
requests unanswered, too much memory, a bystander who had to wait, or no way back to normal.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import uvloop

import machine
from databases import ROOT, SqliteDatabases, postgres_databases
from machine import say
from overload import drills, report
from overload.drills import Finding, Plan, Setup

_SETUPS = ("sqlite", "postgresql", "postgresql-2")
_DRILLS: dict[str, Callable[[Setup, Plan], Awaitable[Finding]]] = {
    "ease": drills.at_ease,
    "overload": drills.overload,
    "full-queue": drills.overload_of_a_small_queue,
    "burst": drills.burst,
    "slow": drills.slow_bodies,
    "idle": drills.idle_connections,
    "connections": drills.too_many_connections,
}


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # a stop that is asked for must stop the services too
    chosen = _arguments()
    plan = _plan(chosen.scale)
    _allow_files(plan)
    folder = machine.use_a_disk()
    about = machine.describe() | {"file_system": machine.file_system(folder)}
    say(machine.sentence(about))
    say("The load generator, the service and the database share the cores.\n")
    say(report.head())
    findings = []
    with ExitStack() as opened:
        for setup in _setups(opened, chosen.setup or _SETUPS):
            for name in chosen.drill or _DRILLS:
                found = uvloop.run(_DRILLS[name](setup, plan))
                say(report.line(found))
                findings.append(found)
    path: Path = chosen.out or ROOT / "bench-results" / f"overload-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    report.write(path, about, findings)
    return _verdict(findings, path)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools/overload", description="Asks more of the service than it can do.")
    parser.add_argument("--setup", action="append", choices=_SETUPS, help="all unless given")
    parser.add_argument("--drill", action="append", choices=tuple(_DRILLS), help="all unless given")
    parser.add_argument("--scale", type=float, default=1.0, help="of everything; 0.1 takes a few seconds for each")
    parser.add_argument("--out", type=Path, metavar="FILE", help="of the JSON; in bench-results/ unless given")
    chosen = parser.parse_args()
    if not 0.02 <= chosen.scale <= 2:
        parser.error("--scale must be from 0.02 to 2")
    return chosen


def _plan(scale: float) -> Plan:
    full = Plan()
    if scale == 1:
        return full
    return replace(
        full,
        connections=max(32, int(full.connections * scale)),
        seconds=max(2.0, full.seconds * scale),
        slow_bodies=max(40, int(full.slow_bodies * scale)),
        lingering=int(full.lingering * scale),
        receive_timeout_s=max(2.0, full.receive_timeout_s * scale),
        burst=int(full.burst * scale),
        burst_connections=max(50, int(full.burst_connections * scale)),
    )


def _allow_files(plan: Plan) -> None:
    """As many connections as the largest drill opens, and what else is open."""
    needed = max(2 * plan.lingering, plan.burst_connections, plan.connections) + 500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            sys.exit(f"{needed:,} open files are needed and {hard:,} are allowed: `ulimit -Hn`, or a smaller --scale")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _setups(opened: ExitStack, wanted: list[str]) -> Iterator[Setup]:
    if "sqlite" in wanted:
        with tempfile.TemporaryDirectory(prefix="dunning-overload-") as folder:
            yield Setup("SQLite", SqliteDatabases(Path(folder)))
    if {"postgresql", "postgresql-2"} & set(wanted):
        databases = opened.enter_context(postgres_databases())
        if "postgresql" in wanted:
            yield Setup("PostgreSQL", databases)
        if "postgresql-2" in wanted:
            yield Setup("PostgreSQL", databases, processes=2)


def _verdict(findings: list[Finding], path: Path) -> int:
    for found in findings:
        for problem in found.problems:
            say(f"FAIL: {found.drill}, {found.setup}: {problem}")
    say(f"\nWritten to {path}")
    if any(found.problems for found in findings):
        return 1
    say("Every notice that was acknowledged is in the ledger, once; whoever was refused was told when to come back.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
