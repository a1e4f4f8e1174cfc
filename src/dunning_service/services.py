"""The services of a process: settings, database, writer, gateways, metrics; opened and closed in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import HTTPConnection

from dunning_service.billing.charging import Charging
from dunning_service.database.durability import require_durable
from dunning_service.database.engines import Database, database_url, is_outage
from dunning_service.database.outages import why
from dunning_service.due.worker import Worker
from dunning_service.gateways.registry import MerchantGateways
from dunning_service.gateways.service import network_rules_of
from dunning_service.ledger.writer import LedgerWriter
from dunning_service.merchants.directory import Directory
from dunning_service.merchants.keyring import keyring_of
from dunning_service.operation.metrics import Metrics
from dunning_service.recovery.ladder import parse_ladder
from dunning_service.server.bodies import Bodies
from dunning_service.settings import Settings
from dunning_service.values.clock import Clock

log = structlog.get_logger(__name__)

_PATIENCE = timedelta(seconds=30)
"""How long a service that is stopped waits for the attempts of its worker: as long as for its requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a process works with; made when it starts and closed when it stops."""

    settings: Settings
    clock: Clock
    database: Database
    directory: Directory
    writer: LedgerWriter
    gateways: MerchantGateways
    charging: Charging
    metrics: Metrics
    bodies: Bodies


def services(request: HTTPConnection) -> Services:
    """The services of the application that answers a request."""
    return cast(Services, request.scope["app"].state.services)


@asynccontextmanager
async def opened_services(settings: Settings, clock: Clock, *, with_worker: bool = False) -> AsyncIterator[Services]:
    """The services, open for as long as the block runs. At its end what the writer has accepted is committed.

    Raises ConfigurationError on a database that acknowledges commits before the disk has them. `with_worker` adds a
    second connection for writing, so that leases do not wait for commits.
    """
    keyring = keyring_of(settings)
    rules = network_rules_of(settings)
    database = Database(
        database_url(settings.database_url),
        read_connections=settings.read_connections,
        write_connections=2 if with_worker else 1,
    )
    metrics = Metrics()
    writer = LedgerWriter(
        database,
        clock,
        metrics,
        max_batch=settings.max_batch,
        max_pending=settings.max_pending,
        max_pending_bytes=settings.max_pending_bytes,
    )
    gateways = MerchantGateways(database, keyring, writer, clock, rules)
    try:
        await asyncio.to_thread(_require_durable, database, settings)
        writer.start()
        yield Services(
            settings=settings,
            clock=clock,
            database=database,
            directory=Directory(database, keyring, clock),
            writer=writer,
            gateways=gateways,
            charging=Charging(
                database=database,
                recorder=writer,
                gateways=gateways,
                clock=clock,
                count=metrics.charge,
                default_ladder=parse_ladder(settings.retry_ladder),
                lease=timedelta(seconds=settings.claim_seconds),
            ),
            metrics=metrics,
            bodies=Bodies(
                max_bytes=settings.max_body_bytes,
                timeout_s=settings.receive_timeout_seconds,
                max_arriving_bytes=settings.max_pending_bytes,
            ),
        )
    finally:
        await gateways.close()
        await writer.close()
        await database.close()
        metrics.close()


def worker_of(found: Services) -> Worker:
    """A worker with the concurrency of the settings."""
    return Worker(
        found.database,
        [found.charging],
        found.clock,
        concurrency=found.settings.charge_concurrency,
        lease=found.charging.lease,
    )


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[None]:
    """Runs the worker while the block runs; at its end, attempts under way finish."""
    task = asyncio.create_task(worker.keep_running(), name="worker")
    try:
        yield
    finally:
        worker.stop(within=_PATIENCE)
        await task


def _require_durable(database: Database, settings: Settings) -> None:
    """Checks the connection that will write; raises ConfigurationError where commits are not durable."""
    try:
        with database.read_blocking() as connection:
            unsafe = require_durable(connection, is_waived=settings.allow_unsafe_durability)
    except SQLAlchemyError as error:
        if not is_outage(error):
            raise
        # a process that starts during an outage comes back with the database, like those that run already
        log.warning("durability.unknown", **why(error))
        return
    if unsafe:
        log.warning("durability.waived", unsafe=unsafe)
