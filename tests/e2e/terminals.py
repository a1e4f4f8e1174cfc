"""`dunning ...` on a pseudo-terminal: what is typed there, and what its screen and its exit code say."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import pytest

from dunning_service.cli import run
from serving import DUNNING

_PATIENCE_S = 60


@dataclass(frozen=True)
class Shown:
    """What came of one command."""

    code: int
    screen: str
    output: str
    """Standard output, where it was piped."""


def typed_on_terminal(*arguments: str, answer: str = "", is_piped: bool = False) -> Shown:
    """`dunning ...` in this process, with the streams of a pseudo-terminal; with `is_piped` standard output goes
    elsewhere. The answer is typed ahead."""
    ours, theirs = pty.openpty()
    screen: list[bytes] = []
    reader = threading.Thread(target=_read_all, args=(ours, screen))
    os.write(ours, answer.encode())
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("TERM", "xterm")
        patch.setenv("COLUMNS", "200")
        read, write = os.pipe()
        output = stack.enter_context(open(read, encoding="utf-8"))  # noqa: PTH123  (a descriptor)
        with (
            open(theirs, encoding="utf-8", closefd=False) as stdin,
            open(theirs, "w", encoding="utf-8", closefd=False) as stderr,
            open(write, "w", encoding="utf-8") as pipe,  # noqa: PTH123
        ):
            patch.setattr("sys.stdin", stdin)
            patch.setattr("sys.stderr", stderr)
            patch.setattr("sys.stdout", pipe if is_piped else stderr)
            reader.start()
            code = run(arguments)
        os.close(theirs)
        reader.join(timeout=_PATIENCE_S)
        os.close(ours)
        return Shown(code, b"".join(screen).decode().replace("\r\n", "\n"), output.read())


def _read_all(descriptor: int, into: list[bytes]) -> None:
    with suppress(OSError):  # Linux says so when nobody has the other end open any more
        while found := os.read(descriptor, 65_536):
            into.append(found)


_TAKE_THE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
"""Makes standard input the controlling terminal, so that Ctrl-C typed there is a signal."""


class Terminal:
    """A pseudo-terminal with a process of its own on it."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self._process = process
        self._descriptor = descriptor
        self._seen = 0
        self.screen = ""
        """All that was written to it so far."""

    def expect(self, text: str) -> None:
        """Reads until the text is there, after what was expected before."""
        until = time.monotonic() + _PATIENCE_S
        while (found := self.screen.find(text, self._seen)) < 0:
            assert time.monotonic() < until, f"no {text!r} on the screen: {self.screen!r}"
            assert self._read(), f"the command has ended without {text!r}: {self.screen!r}"
        self._seen = found + len(text)

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def code(self) -> int:
        """Reads to the end, and answers the exit code."""
        while self._read():
            pass
        return self._process.wait(timeout=_PATIENCE_S)

    def _read(self) -> bool:
        """False when the command has ended, or says nothing any more."""
        ready, _, _ = select.select([self._descriptor], [], [], _PATIENCE_S)
        try:
            found = os.read(self._descriptor, 65_536) if ready else b""
        except OSError:
            return False
        self.screen += found.decode(errors="replace").replace("\r\n", "\n")
        return bool(found)


@contextmanager
def process_on_terminal(*arguments: str) -> Iterator[Terminal]:
    """`dunning ...` as a process that a Ctrl-C typed on its terminal reaches, with this process's environment."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _TAKE_THE_TERMINAL, DUNNING, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
        os.close(ours)
