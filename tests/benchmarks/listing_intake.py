"""What keeping the counts costs whoever takes notices in: the same batches committed with them and without, in turn.

As a script it is one writing process: it commits its batches from a given moment on and prints how long it took.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parent.parent))

from listing_rows import MERCHANT
from processes import environment

from building import a_failure, a_notice, a_success
from dunning_service.db import Database, database_url
from dunning_service.ledger import batch
from dunning_service.ledger.commit import Committer
from dunning_service.ledger.work import NoticeRecorded, Work

_BATCH = 64
"""As many notices as 64 connections have under way."""
_STARTING_S = 4.0
_PATIENCE_S = 300


@dataclass
class Intake:
    """One line of the table: notices a second."""

    database: str
    processes: int
    with_counts: float
    without_counts: float
    rounds: list[tuple[float, float]]

    @property
    def slower(self) -> float:
        """By which share it is slower with the counts: the median over the rounds."""
        return statistics.median(1 - kept / without for kept, without in self.rounds)


def compared(name: str, url: str, processes: int, rounds: int, batches: int) -> Intake:
    """Some rounds, each with the counts and without them; which comes first changes from round to round."""
    found: list[tuple[float, float]] = []
    for number in range(rounds):
        first = number % 2 == 0
        one = _rate(url, processes, batches, keeps_counts=first)
        other = _rate(url, processes, batches, keeps_counts=not first)
        found.append((one, other) if first else (other, one))
    kept, without = (statistics.median(each) for each in zip(*found, strict=True))
    return Intake(name, processes, kept, without, found)


def as_json(found: Intake) -> dict[str, object]:
    return asdict(found) | {"slower": round(found.slower, 4)}


def _rate(url: str, processes: int, batches: int, *, keeps_counts: bool) -> float:
    """Notices a second of all the processes together."""
    begins_at = time.time() + _STARTING_S
    command = [sys.executable, __file__, url, str(batches), "with" if keeps_counts else "without", str(begins_at)]
    started = [
        subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    try:
        printed = [process.communicate(timeout=_PATIENCE_S)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    if any(process.returncode for process in started):
        raise RuntimeError("a writing process failed; what it said is above")
    return sum(batches * _BATCH / float(json.loads(one)["seconds"]) for one in printed)


def _works(run: str, batches: int) -> list[list[Work]]:
    """Three in four are failures of new payments, the fourth is the success of one of the batch before."""
    made: list[list[Work]] = []
    now = datetime.now(UTC)
    for number in range(batches):
        works: list[Work] = []
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
            body = f"{run} {number} {at} ".encode() + b"x" * 600
            works.append(a_notice(event, merchant_id=MERCHANT, body=body))
        made.append(works)
    return made


def _commit(url: str, batches: int, keeps_counts: bool, begins_at: float) -> float:
    if not keeps_counts:
        batch.count_changes = lambda *_: iter(())  # type: ignore[assignment]
    database = Database(database_url(url))
    committer = Committer(database)
    try:
        warm_up, *works = _works(f"{time.time_ns():x}", batches + 1)
        _require_recorded(committer, warm_up)
        time.sleep(max(0.0, begins_at - time.time()))
        began = time.perf_counter()
        for one in works:
            _require_recorded(committer, one)
        return time.perf_counter() - began
    finally:
        database.write_engine.dispose()


def _require_recorded(committer: Committer, works: Sequence[Work]) -> None:
    for result in committer.commit(works, datetime.now(UTC)):
        if not isinstance(result, NoticeRecorded):
            raise result if isinstance(result, Exception) else RuntimeError(str(result))


if __name__ == "__main__":
    _, to_url, how_many, kept, starts_at = sys.argv
    took = _commit(to_url, int(how_many), kept == "with", float(starts_at))
    sys.stdout.write(json.dumps({"seconds": took}) + "\n")
