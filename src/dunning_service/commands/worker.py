"""`dunning worker`: the process that charges scheduled payments and retries when they are due."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from datetime import timedelta
from typing import Annotated

import typer
import uvicorn

from dunning_service.commands.arguments import AsJson
from dunning_service.commands.printing import print_json, say, warn
from dunning_service.commands.starting import checked_database
from dunning_service.database.engines import database_url
from dunning_service.database.migrating import require_current
from dunning_service.due.worker import Worker
from dunning_service.operation.logs import configure_logs
from dunning_service.server.listening import bound, server_options, start_listening
from dunning_service.services import Services, opened_services, worker_of
from dunning_service.settings import Settings, load_settings
from dunning_service.values.clock import utc_now

_ADDRESS = "--metrics-port"


def worker(
    once: Annotated[bool, typer.Option("--once", help="Work off what is due now, and end.")] = False,
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=1_000, help="Attempts under way at once; DUNNING_CHARGE_CONCURRENCY, or 64."),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Port for /metrics, /healthz and /readyz; none of them without it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Charge what is due: scheduled payments and retries. Any number of workers may run on one PostgreSQL."""
    settings = load_settings(warn)
    if concurrency is not None:
        settings = settings.model_copy(update={"charge_concurrency": concurrency})
    url = database_url(settings.database_url)
    require_current(url)
    with nullcontext() if metrics_port is None else bound(settings.host, metrics_port, _ADDRESS) as listening:
        with checked_database(settings, url):
            pass  # checked before anything is charged
        if listening is not None:
            start_listening(listening, _ADDRESS)
            host, port = listening.getsockname()[:2]
            say(f"Metrics on http://{f'[{host}]' if ':' in host else host}:{port}/metrics")
            sys.stdout.flush()
        if not once:
            configure_logs(settings.log_level)
        with asyncio.Runner(loop_factory=uvicorn.Config("", log_config=None).get_loop_factory()) as runner:
            worked_off = runner.run(_work(settings, once, listening))
    if once and as_json:
        print_json({"due_payments": worked_off})
    elif once:
        say(f"worked off {worked_off} due {'payment' if worked_off == 1 else 'payments'}")


async def _work(settings: Settings, once: bool, listening: socket.socket | None) -> int:
    """Works until it is stopped, or once until nothing is due; returns the number of payments worked off once."""
    async with opened_services(settings, utc_now, with_worker=True) as found:
        working = worker_of(found)
        patience = timedelta(seconds=settings.claim_seconds)  # after that, other workers look the attempts up
        with _stopped_by_signals(working, patience):
            async with _metrics(found, listening):
                if once:
                    return await working.run_once()
                await working.run()
                return 0


@contextmanager
def _stopped_by_signals(working: Worker, patience: timedelta) -> Iterator[None]:
    """Stops the worker on a signal: the first lets attempts under way finish, a second does not."""
    signals_taken = 0

    def stop() -> None:
        nonlocal signals_taken
        signals_taken += 1
        if signals_taken == 1:
            working.stop(within=patience)
        else:
            working.give_up()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


class _MetricsServer(uvicorn.Server):
    """A server beside a worker, which handles the signals of the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def _metrics(found: Services, listening: socket.socket | None) -> AsyncIterator[None]:
    """Health and metrics over HTTP, where a port was given."""
    if listening is None:
        yield
        return
    from dunning_service.app import create_operation_app  # here, because it takes long to import

    server = _MetricsServer(
        uvicorn.Config(create_operation_app(found), lifespan="off", **server_options(found.settings, warn))
    )
    task = asyncio.create_task(server.serve(sockets=[listening]), name="metrics")
    try:
        yield
    finally:
        server.should_exit = True
        await task
