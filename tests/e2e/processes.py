"""A real `dunning serve` or `dunning worker`, in a process of its own: started, asked, stopped or killed by its own
process id."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import httpx

from running import SECRET_KEY
from serving import DUNNING, environment

_LISTENING = re.compile(r"^(?:Listening|Metrics) on http://127\.0\.0\.1:(\d+)(?:/metrics)?$", re.MULTILINE)
_PATIENCE_S = 60.0
_POLL_S = 0.02

HOST = "127.0.0.1"


class RunningProcess:
    """`dunning` with these arguments, in an empty folder, with no settings but those given here."""

    def __init__(self, database_url: str, folder: Path, arguments: Sequence[str], **settings: object) -> None:
        self._log = folder / "output.log"
        chosen = {"database_url": database_url, "secret_key": SECRET_KEY, "log_level": "warning", **settings}
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [DUNNING, *arguments],
                cwd=folder,
                env=environment(**chosen),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.port = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def output(self) -> str:
        """All that it has written so far, to both of its streams."""
        return self._log.read_text("utf-8")

    @property
    def crashes(self) -> list[str]:
        """What it has written of that nobody expected."""
        return [line[:2_000] for line in self.output.splitlines() if '"exception"' in line or "Traceback" in line]

    def wait_until_ready(self) -> None:
        """Returns when it can do its work; fails when it ends instead, or takes too long."""
        deadline = time.monotonic() + _PATIENCE_S
        while not (self._has_address() and self._answers("/readyz")):
            if self._process.poll() is not None:
                raise AssertionError(f"it ended with {self._process.returncode} before it was ready:\n{self.output}")
            if time.monotonic() > deadline:
                raise AssertionError(f"it was not ready after {_PATIENCE_S} s:\n{self.output}")
            time.sleep(_POLL_S)

    def _has_address(self) -> bool:
        found = _LISTENING.search(self.output)
        if found is not None:
            self.port = int(found[1])
        return found is not None

    def _answers(self, path: str) -> bool:
        try:
            return httpx.get(self.base_url + path, timeout=5, trust_env=False, verify=False).status_code == 200
        except httpx.TransportError:
            return False

    def terminate(self) -> None:
        """SIGTERM: asks it to stop, and returns at once."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: it does nothing more. Returns when it is gone."""
        self._process.kill()
        self._process.wait(_PATIENCE_S)

    def wait(self) -> int:
        """Its exit code, once it has ended by itself."""
        return self._process.wait(_PATIENCE_S)

    @property
    def is_listening(self) -> bool:
        """False once it lets nobody in any more."""
        try:
            socket.create_connection((HOST, self.port), timeout=5).close()
        except OSError:
            return False
        return True

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None


class ServerProcess(RunningProcess):
    """`dunning serve` on a free port. Made by `serving`, which also puts an end to it."""

    def __init__(self, database_url: str, folder: Path, arguments: tuple[str, ...] = (), **settings: object) -> None:
        super().__init__(database_url, folder, ("serve", "--host", HOST, "--port", "0", *arguments), **settings)


class WorkerProcess(RunningProcess):
    """`dunning worker` with its metrics on a free port. Made by `working`, which also puts an end to it."""

    def __init__(self, database_url: str, folder: Path, arguments: tuple[str, ...] = (), **settings: object) -> None:
        super().__init__(database_url, folder, ("worker", "--metrics-port", "0", *arguments), **settings)


@contextmanager
def serving(database_url: str, *arguments: str, **settings: object) -> Iterator[ServerProcess]:
    """A service that is ready, on this database; gone at the end, if not before.

    `settings` are named as in `Settings`: `serving(url, max_pending=1)`.
    """
    with _ready(ServerProcess, database_url, arguments, settings) as server:
        yield server


@contextmanager
def working(database_url: str, *arguments: str, **settings: object) -> Iterator[WorkerProcess]:
    """A worker that is ready, on this database; gone at the end, if not before."""
    with _ready(WorkerProcess, database_url, arguments, settings) as worker:
        yield worker


_Process = TypeVar("_Process", ServerProcess, WorkerProcess)


@contextmanager
def _ready(
    kind: type[_Process], database_url: str, arguments: tuple[str, ...], settings: dict[str, object]
) -> Iterator[_Process]:
    with tempfile.TemporaryDirectory(prefix="dunning-") as folder:
        process = kind(database_url, Path(folder), arguments, **settings)
        try:
            process.wait_until_ready()
            yield process
        finally:
            if process.is_running:
                process.kill()
