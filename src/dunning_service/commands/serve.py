"""`dunning serve`: the HTTP service in one process or several."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import uvicorn
from sqlalchemy.engine import URL
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from dunning_service.commands.addresses import known_address
from dunning_service.commands.first_run import STARTER_CURRENCY, later, made_on_empty, welcome
from dunning_service.commands.printing import say, warn
from dunning_service.commands.starting import checked_database
from dunning_service.database.engines import database_url, embedded_file
from dunning_service.database.migrating import (
    SchemaState,
    current_revision,
    head_revision,
    require_current,
    require_current_revision,
    schema_state,
    upgrade,
)
from dunning_service.errors import ConfigurationError
from dunning_service.merchants.options import checked_currency
from dunning_service.merchants.service import list_merchants
from dunning_service.merchants.sources import unreadable_sources
from dunning_service.operation.logs import configure_logs
from dunning_service.server.listening import bound, server_options, start_listening
from dunning_service.settings import Settings, load_settings
from dunning_service.values.clock import utc_now

_APP = "dunning_service.app:app_from_environment"
_ADDRESS = "--host and --port"
_SILENT_FOR_S = 60
"""After which a process without a sign of life is replaced. A process that starts gives none for many seconds on a busy
machine."""


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; DUNNING_HOST, or 127.0.0.1.")] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Port to listen on; DUNNING_PORT, or 8000. 0 takes a free one."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes; more than one needs PostgreSQL.")] = 1,
    with_worker: Annotated[
        bool, typer.Option("--with-worker", help="Charge what is due as well, as `dunning worker` does.")
    ] = False,
    currency: Annotated[
        str | None,
        typer.Option(
            help="ISO 4217 code of the merchant that a first start makes, for notices that name none; or "
            f"{STARTER_CURRENCY}."
        ),
    ] = None,
) -> None:
    """Run the service. An SQLite database is migrated on the way, and made where none is configured; PostgreSQL is left
    as it is."""
    if host is not None:
        os.environ["DUNNING_HOST"] = host  # for this process and for the workers
    if port is not None:
        os.environ["DUNNING_PORT"] = str(port)
    if with_worker:
        os.environ["DUNNING_WITH_WORKER"] = "true"
    currency = None if currency is None else checked_currency(currency)
    settings = load_settings(warn)
    url = database_url(settings.database_url)
    file = embedded_file(url)
    if workers > 1 and file is not None:
        raise ConfigurationError(
            "--workers above 1 needs PostgreSQL, because an SQLite database has one writer: leave it out, or name a "
            "PostgreSQL database in DUNNING_DATABASE_URL"
        )
    if workers > 1 and settings.with_worker:
        raise ConfigurationError(
            "--with-worker is for a service of one process: leave it (or DUNNING_WITH_WORKER) out, and run "
            "`dunning worker` beside the service, as often as you like"
        )
    with bound(settings.host, settings.port, _ADDRESS) as listening:
        if settings.port == 0:
            os.environ["DUNNING_PORT"] = str(listening.getsockname()[1])
            settings = load_settings()
        _prepare(settings, url, currency)
        start_listening(listening, _ADDRESS)
        say(f"Listening on {settings.address}")
        if settings.public_url is not None:
            say(f"That address has to lead to {settings.local_address}, where this process listens")
        sys.stdout.flush()
        with nullcontext() if file is None else known_address(file, settings.address):
            _run(settings, listening, workers)


def _prepare(settings: Settings, url: URL, currency: str | None) -> None:
    """Migrates, checks and, on a first start, fills the database, before requests are accepted."""
    file = embedded_file(url)
    if file is not None:
        _migrate_embedded(url, file, may_make=not settings.has_database_url)
    else:
        require_current_revision(current_revision(url))
    with checked_database(settings, url) as (connection, keyring):
        made = None
        if file is not None:
            made = made_on_empty(connection, keyring, currency or STARTER_CURRENCY, utc_now())
        merchants = list_merchants(connection)
        unreadable = unreadable_sources(connection, keyring)
    if unreadable:
        warn(
            f"the key that encrypted the secrets of {', '.join(unreadable)} is not at hand, so notices to them are "
            "answered 503: put the key file back beside the database, add the key to DUNNING_SECRET_KEY, or give each "
            "a new secret with `dunning source rotate ID`"
        )
    if currency is not None and made is None:
        warn(
            "--currency is for the merchant that a first start makes, so it changes nothing here: see "
            f"`dunning merchant set NAME --currency {currency}`"
        )
    if made is not None:
        say(welcome(made, settings.address, utc_now(), with_worker=settings.with_worker))
    elif merchants:
        say(later(merchants[0].name))
    else:
        say("There is no merchant yet. Make one: dunning merchant add NAME")


def _migrate_embedded(url: URL, file: Path, *, may_make: bool) -> None:
    """Brings an SQLite database to the newest revision; makes it only where no database is configured.

    Raises ConfigurationError, naming the way out, for one of version 0.1, and for a configured one that is missing or
    has no schema: its name may be a mistake, and an empty service in place of the real one would take notices.
    """
    before = current_revision(url) if may_make or file.exists() else None
    state = schema_state(before)
    if state is SchemaState.MISSING and not may_make:
        require_current(url)
    if state is SchemaState.MISSING:
        upgrade(url)
        say(f"Made the database {file.resolve()}, because DUNNING_DATABASE_URL does not name one")
    elif state in (SchemaState.BEHIND, SchemaState.TOO_OLD):
        upgrade(url)
        say(f"Migrated the database from revision {before} to {head_revision()}")


def _run(settings: Settings, listening: socket.socket, workers: int) -> None:
    configure_logs(settings.log_level)
    config = uvicorn.Config(
        _APP,
        factory=True,
        lifespan="on",
        workers=workers,
        timeout_worker_healthcheck=_SILENT_FOR_S,
        **server_options(settings, warn),
    )
    if workers == 1:
        _run_here(config, listening)
        return
    with tempfile.TemporaryDirectory(prefix="dunning-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # where the workers add up their counters
        supervisor = Multiprocess(config, sockets=[listening])
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise ConfigurationError("the workers could not start; the log says why")


def _run_here(config: uvicorn.Config, listening: socket.socket) -> None:
    # the server, when it has drained, raises the signal again for the handler that was there before: a stop that was
    # asked for is not a failure, so the exit code is 0
    signal.signal(signal.SIGTERM, _stop)
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        return
    except SystemExit as stopped:
        if stopped.code == STARTUP_FAILURE:
            raise ConfigurationError("the service could not start; the log says why") from None
        raise
    if not server.started:
        raise ConfigurationError("the service could not start; the log says why")


def _stop(_signal: int, _frame: Any) -> NoReturn:
    sys.exit(0)
