"""How many due payments a second a worker charges through the sandbox and records, beside a plain loop that claims one,
charges it, records it and only then looks for the next."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from bench.measuring import Databases, temporary_folder
from bench.revision import Installation, due_payments_per_s
from dunning_service.due.worker import Worker
from dunning_service.operation.logs import configure_logs
from dunning_service.services import opened_services
from dunning_service.settings import Settings
from dunning_service.values.clock import utc_now
from e2e.due_payments import DuePayments, a_subscription
from running import SECRET_KEY

WORKER = "worker"
LOOP = "one at a time"
LOOP_OF_OTHER = "other's loop"


@dataclass
class DueMeasurement:
    """One line of the table."""

    database: str
    what: str
    payments: int
    payments_per_s: float
    to_loop: float | None = None
    problems: list[str] = field(default_factory=list)


def compared(name: str, databases: Databases, payments: int, against: Installation | None) -> list[DueMeasurement]:
    """The plain loop, and the worker as it is set up; the loop is the other revision's where there is one."""
    configure_logs("warning")
    if against is None:
        loop = _measured(name, databases, LOOP, max(payments // 10, 1), max_batch=1, concurrency=1)
    else:
        with temporary_folder() as folder:
            rate = due_payments_per_s(against, name, payments, folder)
        loop = DueMeasurement(name, LOOP_OF_OTHER, payments // 10, rate)
    worker = _measured(name, databases, WORKER, payments)
    worker.to_loop = worker.payments_per_s / loop.payments_per_s
    return [loop, worker]


def _measured(
    name: str, databases: Databases, what: str, payments: int, *, concurrency: int | None = None, **chosen: int
) -> DueMeasurement:
    url = databases.create()
    due = DuePayments(url)
    for first in range(0, payments, 500):
        due.subscribe(*(a_subscription() for _ in range(min(500, payments - first))))
    settings = Settings(_env_file=None, database_url=url, secret_key=SECRET_KEY, **chosen)
    made, seconds = asyncio.run(_worked_off(settings, concurrency or settings.charge_concurrency))
    found = DueMeasurement(name, what, payments, made / seconds)
    statuses = Counter(due.statuses())
    if statuses != {"paid": payments}:
        found.problems.append(f"{payments} payments were due, and now they are {dict(statuses)}")
    databases.drop(url)
    return found


async def _worked_off(settings: Settings, concurrency: int) -> tuple[int, float]:
    """How many attempts were made, in how many seconds."""
    async with opened_services(settings, utc_now, with_worker=True) as services:
        worker = Worker(
            services.database,
            [services.charging],
            services.clock,
            concurrency=concurrency,
            lease=timedelta(seconds=settings.claim_seconds),
        )
        began = time.perf_counter()
        made = await worker.run_once()
        return made, time.perf_counter() - began
