"""`dunning serve` as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DUNNING = Path(sys.executable).with_name("dunning")
_PATIENCE_S = 60


class Served:
    """A service that answers. What it writes is read all the while, for a full pipe would stop it."""

    def __init__(self, process: subprocess.Popen[str], workers: int) -> None:
        self.process = process
        self._lines: list[str] = []
        self._answers = threading.Semaphore(0)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        for _ in range(workers):
            if not self._answers.acquire(timeout=_PATIENCE_S) or process.poll() is not None:
                raise AssertionError(f"the service does not answer: {self.printed}")
        address = re.search(r"^Listening on (\S+)$", self.printed, re.MULTILINE)
        assert address is not None, self.printed
        self.address = address[1]

    @property
    def printed(self) -> str:
        """What it has written so far, to either stream."""
        return "".join(self._lines)

    def stop(self) -> int:
        """Asks it to stop, and answers its exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=_PATIENCE_S)
        self._reader.join(timeout=_PATIENCE_S)
        return self.process.returncode

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.append(line)
            if "Application startup complete" in line:
                self._answers.release()
        self._answers.release(256)  # it has ended: nobody needs to wait any longer


def environment(**settings: object) -> dict[str, str]:
    """This process's environment, with those settings of ours and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DUNNING_")}
    return {**inherited, **{f"DUNNING_{name.upper()}": str(value) for name, value in settings.items()}}


@contextmanager
def served(folder: Path, *arguments: str, **settings: str) -> Iterator[Served]:
    """`dunning serve` on a free port, once every one of its processes answers; killed at the end if it still runs."""
    process = subprocess.Popen(
        [DUNNING, "serve", "--port", "0", *arguments],
        cwd=folder,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield Served(process, _workers(arguments))
    finally:
        _kill(process)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def refused(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """`dunning serve` that is expected to give up."""
    return typed(folder, "serve", *arguments, **settings)


def typed(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, once it has ended."""
    return subprocess.run(
        [DUNNING, *arguments],
        cwd=folder,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )


def _workers(arguments: tuple[str, ...]) -> int:
    return int(arguments[arguments.index("--workers") + 1]) if "--workers" in arguments else 1


def _kill(process: subprocess.Popen[str]) -> None:
    """It and its workers, which are a process group of their own; it has not been waited for, so it is still there."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
