"""`make bench-list`: whether the lists are as quick for very many failed payments as for 10,000, and what that costs
those who take notices in.

Everything is measured in one run: a request to a real server, the query code alone, and COUNT(*) plus OFFSET on the
same table, the database with few rows and the one with all in turn. The answers are compared as well: exits with 1 when
a page or a total is not what counting and skipping gives, and says which of the wanted ratios were missed.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

import machine
from bench import listing_intake, listing_report
from bench.listing_cases import (
    Line,
    NotAnswered,
    Subject,
    measured_cursors,
    measured_pages,
    measured_sums,
    numbered_cases,
)
from bench.listing_loading import load
from bench.listing_report import Listing
from bench.measuring import databases_of, temporary_folder
from bench.processes import running
from databases import ROOT, Databases, PostgresDatabases
from dunning_service.database.engines import Database, database_url
from dunning_service.merchants.keyring import new_key
from machine import say
from serving import DUNNING

_ROWS = {"sqlite": 1_000_000, "postgresql": 10_000_000}
_LABELS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-list", description="Measures the lists of failed payments.")
    parser.add_argument("--rows", type=int, help="of the large merchant (1000000 on SQLite, 10000000 on PostgreSQL)")
    parser.add_argument("--few", type=int, default=10_000, help="rows it is compared with (%(default)s)")
    parser.add_argument("--database", action="append", choices=tuple(_ROWS), help="both unless given")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each figure, about (%(default)s)")
    parser.add_argument("--intake-seconds", type=float, default=60.0, help="of taking notices in (%(default)s)")
    parser.add_argument("--no-lists", action="store_true", help="leave out how quick the lists are")
    parser.add_argument("--no-intake", action="store_true", help="leave out what the counts cost")
    parser.add_argument("--out", type=Path, metavar="FILE", help="of the JSON; in bench-results/ unless given")
    chosen = parser.parse_args()
    if chosen.few < 100 or (chosen.rows is not None and chosen.rows < chosen.few):
        parser.error("--few must be 100 or more, and --rows not below it")
    if chosen.seconds <= 0 or chosen.intake_seconds < 2:
        parser.error("--seconds must be above 0, and --intake-seconds not below 2")
    return chosen


def main() -> int:
    # a stop that is asked for must stop the servers and take the files away too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = _arguments()
    folder = machine.use_a_disk()
    about = machine.describe() | {"file_system": machine.file_system(folder)}
    measured = []
    for name in chosen.database or _ROWS:
        with databases_of(name) as databases:
            if isinstance(databases, PostgresDatabases):
                about["postgresql"] = databases.version()
            say(f"{_LABELS[name]} in {folder} ({about['file_system'] or 'unknown'})")
            measured.append(_measure(name, databases, chosen))
    path: Path = chosen.out or ROOT / "bench-results" / f"list-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    listing_report.write(path, about, measured)
    say(f"\n{machine.sentence(about)}\n")
    for one in measured:
        if one.lines:
            say(f"{listing_report.table(one)}\n")
    if any(one.intakes for one in measured):
        say(listing_report.intake_table(measured))
    say(f"\nWritten to {path}")
    return _verdict(measured)


def _measure(name: str, databases: Databases, chosen: argparse.Namespace) -> Listing:
    rows = chosen.rows or _ROWS[name]
    found = Listing(_LABELS[name], chosen.few, rows)
    urls = [databases.create(), databases.create()]
    try:
        tokens = [load(url, size, say) for url, size in zip(urls, (chosen.few, rows), strict=True)]
        if not chosen.no_lists:
            asyncio.run(_lists(found, urls, tokens, chosen.seconds))
        if not chosen.no_intake:
            # the last thing of all: without its counts a database is of no more use
            for processes in (1,) if name == "sqlite" else (1, 2):
                found.intakes.append(listing_intake.compared(found.database, urls[1], processes, chosen.intake_seconds))
                say(f"  {processes} writing: {found.intakes[-1].slower:.1%} slower with the counts")
    finally:
        for url in urls:
            databases.drop(url)
    return found


async def _lists(found: Listing, urls: list[str], tokens: list[str], seconds: float) -> None:
    async with AsyncExitStack() as opened:
        subjects = []
        for url, token, rows in zip(urls, tokens, (found.few, found.rows), strict=True):
            database = Database(database_url(url))
            opened.push_async_callback(database.close)
            into = opened.enter_context(temporary_folder())
            settings = {"database_url": url, "secret_key": new_key(), "port": "0"}
            server = opened.enter_context(running([DUNNING, "serve"], into, None, settings))
            subjects.append(Subject(database, rows, token, server.port))
        small, full = subjects
        for case in numbered_cases():
            try:
                _add(found, await measured_pages(small, full, case, seconds))
            except (NotAnswered, sa.exc.DBAPIError) as error:  # a scan that takes longer than a request may
                found.gave_up.append(f"{case.name}: {str(error).splitlines()[0]}")
                say(f"  GAVE UP: {found.gave_up[-1]}")
        _add(found, await measured_cursors(small, full, seconds))
        _add(found, await measured_sums(small, full, seconds))


def _add(found: Listing, lines: list[Line]) -> None:
    for line in lines:
        found.lines.append(line)
        grown = "" if line.query_growth is None else f", query code {line.query_growth:.2f} times"
        plain = "" if line.times_plain is None else f", COUNT + OFFSET {line.times_plain:,.0f} times as long"
        say(f"  {line.case} {line.page}: {line.request_ms[1]:.1f} ms, {line.growth:.2f} times{grown}{plain}")
        for problem in line.problems:
            say(f"  FAIL: {problem}")


def _verdict(measured: list[Listing]) -> int:
    misses = [miss for one in measured for miss in one.misses()]
    for miss in misses:
        say(f"MISSED: {miss}")
    if not misses:
        say("Everything that is wanted was reached.")
    problems = sum(len(one.problems()) for one in measured)
    if problems:
        say(f"FAIL: {problems} answers are not what counting and skipping gives, see above")
        return 1
    say("Every page and every total is what counting and skipping gives.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
