"""Routes for operators: liveness, readiness and metrics."""

from __future__ import annotations

import asyncio
from datetime import datetime

import sqlalchemy as sa
import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from dunning_service.billing.charging import Charging
from dunning_service.billing.due_payments import stuck_attempts
from dunning_service.database.migrating import require_current_revision, revision_on
from dunning_service.database.outages import why
from dunning_service.due.leases import Backlog, backlog
from dunning_service.errors import ConfigurationError, Unavailable
from dunning_service.http.problems import problem_responses
from dunning_service.operation.metrics import MEDIA_TYPE, DatabaseInUse, Due
from dunning_service.services import Services, services

log = structlog.get_logger(__name__)

_RETRY_AFTER_S = 10
_PATIENCE_S = 3.0
"""How long the database may take to say what is due: less than Prometheus waits for everything."""

router = APIRouter(tags=["operation"], responses=problem_responses({"default": "A problem (RFC 9457)"}))


@router.get("/healthz", summary="The process is alive")
async def healthz() -> dict[str, str]:
    """Touches nothing else: a database that is down is no reason to restart the process."""
    return {"status": "alive"}


@router.get(
    "/readyz",
    summary="The service can do its work",
    responses=problem_responses({503: "The database cannot be reached, or its schema is behind"}),
)
async def readyz(request: Request) -> dict[str, str]:
    """The database answers, and its schema is one that this version of the service can work with."""
    found = services(request)
    if not found.writer.is_running:
        raise Unavailable("the ledger's writer has stopped; restart this process", _RETRY_AFTER_S)
    async with found.database.read() as connection:
        revision = await connection.run_sync(revision_on)
    try:
        require_current_revision(revision)
    except ConfigurationError as error:
        raise Unavailable(error.message, _RETRY_AFTER_S) from None
    return {"status": "ready"}


@router.get(
    "/metrics",
    summary="Counters for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """Requests by route and status, notices by provider and outcome, latencies, batch sizes and the queue, charges by
    outcome; of all processes together. Which version runs on what, and what is due, if the database can be asked."""
    found = services(request)
    due = await _due(found)
    kind, release = found.database.kind_and_version()
    return Response(found.metrics.render(due, DatabaseInUse(kind, release)), headers={"content-type": MEDIA_TYPE})


async def _due(found: Services) -> Due | None:
    """The due work; None when the database does not answer in time, so that the counters are shown anyway."""
    # not cancelled when it takes too long: that would wait for the database to agree
    asked = asyncio.create_task(_asked_what_is_due(found))
    await asyncio.wait({asked}, timeout=_PATIENCE_S)
    return asked.result() if asked.done() else None


async def _asked_what_is_due(found: Services) -> Due | None:
    now = found.clock()
    try:
        async with found.database.read() as connection:
            waiting, stuck = await connection.run_sync(_backlog, now)
    except sa.exc.SQLAlchemyError as error:
        log.warning("database.unavailable", **why(error))
        return None
    since = 0.0 if waiting.oldest is None else (now - waiting.oldest).total_seconds()
    return Due(waiting.items, since, stuck)


def _backlog(connection: sa.Connection, now: datetime) -> tuple[Backlog, int]:
    return backlog(connection, Charging.table, now), stuck_attempts(connection, now)
