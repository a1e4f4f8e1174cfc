"""What keeping the counts costs whoever takes notices in.

As a script it is one writing process. For slices of a second in turn it keeps the counts and does not; by the
clock, so that all processes do so at the same time, and whatever else the machine does slows both.
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.listing_rows import MERCHANT
from bench.processes import environment
from building import a_failure, a_notice, a_success
from dunning_service.database.engines import Database, database_url
from dunning_service.ledger import batch
from dunning_service.ledger.commit import Committer
from dunning_service.ledger.work import NoticeRecorded, Work

_BATCH = 64
"""As many notices as 64 connections have under way."""
_SLICE_S = 1.0
_STARTING_S = 5.0
_PATIENCE_S = 60.0


@dataclass
class Intake:
    """One line of the table: notices a second."""

    database: str
    processes: int
    slices: list[tuple[float, float]]
    """With the counts and without them, one after the other."""

    @property
    def with_counts(self) -> float:
        return statistics.median(kept for kept, _ in self.slices)

    @property
    def without_counts(self) -> float:
        return statistics.median(not_kept for _, not_kept in self.slices)

    @property
    def slower(self) -> float:
        """By which share it is slower with the counts: the median over neighbouring slices."""
        return statistics.median(1 - kept / not_kept for kept, not_kept in self.slices)


def compared(name: str, url: str, processes: int, seconds: float) -> Intake:
    """Some processes write for so long; the last thing that a database is good for, because counts are missing then."""
    begins_at = time.time() + _STARTING_S
    command = [sys.executable, "-m", "bench.listing_intake", url, str(begins_at), str(seconds)]
    started = [
        subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    try:
        printed = [process.communicate(timeout=seconds + _PATIENCE_S)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    if any(process.returncode for process in started):
        raise RuntimeError("a writing process failed; what it said is above")
    rates = [sum(each) for each in zip(*(json.loads(one) for one in printed), strict=True)]
    # pairs of the same two slices, the first of which is now the one, now the other
    pairs = [(rates[at], rates[at + 1]) for at in range(0, len(rates) - 1, 2)]
    in_order = [pair if at % 2 == 0 else pair[::-1] for at, pair in enumerate(pairs)]
    return Intake(name, processes, [pair for pair in in_order if all(pair)])


def as_json(found: Intake) -> dict[str, object]:
    return {
        "database": found.database,
        "processes": found.processes,
        "with_counts": round(found.with_counts),
        "without_counts": round(found.without_counts),
        "slower": round(found.slower, 4),
        "slices": [[round(rate) for rate in pair] for pair in found.slices],
    }


def _keeps_counts(number: int) -> bool:
    """In this slice: with, without, without, with, and so on."""
    return number % 4 in (0, 3)


def _rates(url: str, begins_at: float, seconds: float) -> list[float]:
    """Notices for each second of committing, slice by slice."""
    count_changes = batch.count_changes
    database = Database(database_url(url))
    committer = Committer(database)
    slices = int(seconds / _SLICE_S)
    notices, took = [0] * slices, [0.0] * slices
    try:
        run = f"{time.time_ns():x}"
        _require_recorded(committer, _works(run, 0))
        time.sleep(max(0.0, begins_at - time.time()))
        for number in itertools.count(1):
            works = _works(run, number)
            now = int((time.time() - begins_at) / _SLICE_S)
            if now >= slices:
                break
            batch.count_changes = count_changes if _keeps_counts(now) else _no_changes
            began = time.perf_counter()
            _require_recorded(committer, works)
            took[now] += time.perf_counter() - began
            notices[now] += len(works)
    finally:
        database.write_engine.dispose()
    return [count / spent if spent else 0.0 for count, spent in zip(notices, took, strict=True)]


def _no_changes(*_: object) -> Iterator[Any]:
    return iter(())


def _works(run: str, number: int) -> list[Work]:
    """Three in four are failures of new payments, the fourth is the success of one of the batch before."""
    works: list[Work] = []
    now = datetime.now(UTC)
    for at in range(_BATCH):
        succeeds = number > 0 and at % 4 == 3
        payment = f"{run}_{number - 1}_{at - 1}" if succeeds else f"{run}_{number}_{at}"
        event = (a_success if succeeds else a_failure)(
            payment,
            occurred_at=now - timedelta(hours=at),
            customer_name=f"Customer {at}",
            customer_email=f"{run}.{at}@example.com",
            provider_customer_id=f"cus_{run}_{at}",
            provider_subscription_id=f"sub_{run}_{at}",
        )
        works.append(a_notice(event, merchant_id=MERCHANT, body=f"{run} {number} {at} ".encode() + b"x" * 600))
    return works


def _require_recorded(committer: Committer, works: Sequence[Work]) -> None:
    for result in committer.commit(works, datetime.now(UTC)):
        if not isinstance(result, NoticeRecorded):
            raise result if isinstance(result, Exception) else RuntimeError(str(result))


if __name__ == "__main__":
    _, to_url, starts_at, lasts_s = sys.argv
    sys.stdout.write(json.dumps(_rates(to_url, float(starts_at), float(lasts_s))) + "\n")
