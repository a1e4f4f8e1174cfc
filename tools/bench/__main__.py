"""`make bench`: how many notices a second are taken in, beside what FastAPI itself can do and what a commit for each
request would cost; and how many due payments a second are worked off, beside a plain loop.

Everything is measured in one run on the same core with the same load, so the ratios hold where the figures do not.
`--against REV` measures another revision beside it, and a PostgreSQL that is a network away.
Exits with 1 when a notice that was acknowledged is not in the list, one was refused, or a figure misses its floor.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import machine
from bench import due, floors, measuring, profile_report, report, revision, wrk
from bench.due import DueMeasurement
from bench.measuring import NOTICES, Measurement, Memory, Plan
from bench.processes import Server, choose_cores, on_core
from bench.revision import Installation
from databases import ROOT, Databases, PostgresDatabases
from machine import say

_DATABASES = ("sqlite", "postgresql")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools/bench", description="Measures how fast notices are taken in.")
    parser.add_argument("--seconds", type=float, default=6.0, help="for each measurement (%(default)s)")
    parser.add_argument("--warm-up", type=float, default=2.0, help="seconds before each of them (%(default)s)")
    parser.add_argument("--connections", type=int, default=64, help="that are kept alive (%(default)s)")
    parser.add_argument("--database", action="append", choices=_DATABASES, help="both unless given")
    parser.add_argument("--notice", action="append", choices=NOTICES, help="both unless given")
    parser.add_argument("--generator", choices=("own", "wrk"), default="own", help="of the load (%(default)s)")
    parser.add_argument("--against", metavar="REV", help="another revision to measure in the same run, such as a tag")
    parser.add_argument("--no-speed", action="store_true", help="leave out the table")
    parser.add_argument("--no-memory", action="store_true", help="leave out what the server holds after many notices")
    parser.add_argument(
        "--memory-notices",
        nargs=2,
        type=int,
        default=(20_000, 200_000),
        metavar=("FEW", "MANY"),
        help="after which its memory is compared (20000 200000)",
    )
    parser.add_argument("--no-due", action="store_true", help="leave out how fast due payments are worked off")
    parser.add_argument("--due-payments", type=int, default=3_000, help="that are worked off (%(default)s)")
    parser.add_argument("--profile", action="store_true", help="only show where the service spends its time")
    parser.add_argument("--top", type=int, default=25, help="functions that --profile shows (%(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="of the JSON; in bench-results/ unless given")
    chosen = parser.parse_args()
    if chosen.seconds <= 0 or chosen.warm_up < 0 or chosen.connections < 1:
        parser.error("--seconds and --connections must be above 0, --warm-up not below it")
    if not 0 < chosen.memory_notices[0] < chosen.memory_notices[1]:
        parser.error("--memory-notices: FEW must be above 0 and below MANY")
    if chosen.generator == "wrk" and not wrk.is_installed():
        parser.error("wrk is not installed; leave out --generator wrk")
    if chosen.profile and not profile_report.is_possible():
        parser.error("--profile needs Python 3.11: the cProfile of later ones cannot tell threads apart")
    return chosen


def main() -> int:
    # a stop that is asked for must stop the servers too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = _arguments()
    plan = Plan(choose_cores(), chosen.connections, chosen.seconds, chosen.warm_up, chosen.generator == "wrk")
    try:
        against = revision.installed(chosen.against) if chosen.against else None
    except ValueError as error:
        say(str(error))
        return 2
    folder = machine.use_a_disk()
    about = machine.describe() | {"pinned": plan.cores.describe()}
    with ExitStack() as opened:
        opened.enter_context(on_core(plan.cores.others))  # with all that is started here, the database included
        about |= {"file_system": machine.file_system(folder), "fsyncs_per_s": round(machine.fsyncs_per_second(folder))}
        found = {name: opened.enter_context(measuring.databases_of(name)) for name in chosen.database or _DATABASES}
        if isinstance(postgres := found.get("postgresql"), PostgresDatabases):
            about["postgresql"] = postgres.version()
        _say_where(about, folder)
        wanted = chosen.notice or NOTICES
        if chosen.profile:
            _profile(found, wanted, plan, chosen.top)
            return 0
        measured = [] if chosen.no_speed else list(_compare(found, wanted, plan, against))
        worked_off = [] if chosen.no_due else list(_due(found, chosen.due_payments, against))
        memories = [] if chosen.no_memory else list(_memory(found, plan, *chosen.memory_notices))
    path: Path = chosen.out or ROOT / "bench-results" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    verdicts = list(floors.judged(measured, worked_off, memories))
    report.write(path, about, measured, memories, worked_off, verdicts)
    say("")
    for verdict in verdicts:
        say(verdict.line())
    say(f"\nWritten to {path}")
    return _verdict([*measured, *memories, *worked_off], sum(not verdict.is_met for verdict in verdicts))


def _compare(
    found: dict[str, Databases], wanted: Sequence[str], plan: Plan, against: Installation | None
) -> Iterator[Measurement]:
    say(f"\n{report.head()}")
    for name, databases in found.items():
        for notice in wanted:
            ways = [measuring.compared(name, databases, notice, plan, against)]
            if name == "postgresql":
                ways.append(measuring.compared_far(name, databases, notice, plan, against))
            for measured in chain.from_iterable(ways):
                say(report.line(measured))
                for problem in measured.problems:
                    say(f"  FAIL: {problem}")
                yield measured
    say(report.LEGEND)


def _due(found: dict[str, Databases], payments: int, against: Installation | None) -> Iterator[DueMeasurement]:
    say(f"\n{report.due_head()}")
    for name, databases in found.items():
        for measured in due.compared(name, databases, payments, against):
            say(report.due_line(measured))
            for problem in measured.problems:
                say(f"  FAIL: {problem}")
            yield measured


def _memory(found: dict[str, Databases], plan: Plan, few: int, many: int) -> Iterator[Memory]:
    say("\nResident memory of the server")
    for name, databases in found.items():
        measured = measuring.memory(name, databases, few, many, plan)
        say(report.memory_line(measured))
        for problem in measured.problems:
            say(f"  FAIL: {problem}")
        yield measured


def _profile(found: dict[str, Databases], wanted: Sequence[str], plan: Plan, count: int) -> None:
    def begin(server: Server) -> None:
        os.kill(server.process.pid, signal.SIGUSR1)

    for name, databases in found.items():
        for notice in wanted:
            with measuring.temporary_folder() as into:
                taken = measuring.under_profile(databases, notice, plan, into, begin)
                say(f"\n{name}, {notice}: {profile_report.by_thread(into, taken)}")
                say(profile_report.top_functions(into, taken, count))
                say(profile_report.top_modules(into, taken, count))


def _say_where(about: dict[str, object], folder: Path) -> None:
    say(machine.sentence(about))
    say(str(about["pinned"]))
    say(f"{about['fsyncs_per_s']} fsyncs of 4 KiB a second in {folder}")
    if machine.is_in_memory(folder):
        say("NOTE: that is memory, where an fsync costs nothing; name a folder on a disk in TMPDIR")
    if float(str(about["load_average_before"])) > machine.BUSY:
        say(f"NOTE: the machine was busy before (load {about['load_average_before']}): only ratios mean something")


def _verdict(measured: Sequence[Measurement | Memory | DueMeasurement], missed: int) -> int:
    problems = sum(len(one.problems) for one in measured)
    if problems:
        say(f"FAIL: {problems} things went wrong, see above")
        return 1
    say("Every notice that was acknowledged is in the list, and none was refused.")
    if missed:
        say(f"MISSED: {missed} figures are below their floors, see above")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
