"""What a service takes of the machine while something is done to it."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_EVERY_S = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")


class Watched:
    """A process and its children, looked at ten times a second."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.peak_mb = 0.0
        """Most resident memory that any one of its processes had."""

    def look(self) -> None:
        self.peak_mb = max([self.peak_mb, *(_resident_mb(pid) for pid in self._processes())])

    def processor_s(self) -> float:
        """Processor time that all of them have used so far."""
        return sum(_processor_s(pid) for pid in self._processes())

    def files(self) -> int:
        """Most files that any one of them has open."""
        return max(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self._processes())

    def _processes(self) -> list[int]:
        children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()
        return [self._pid, *map(int, children)]


@contextmanager
def watching(pid: int) -> Iterator[Watched]:
    """Looks while the block runs, from a thread of its own."""
    watched, is_over = Watched(pid), threading.Event()

    def keep_looking() -> None:
        while not is_over.wait(_EVERY_S):
            watched.look()

    watched.look()
    thread = threading.Thread(target=keep_looking, daemon=True)
    thread.start()
    try:
        yield watched
    finally:
        is_over.set()
        thread.join()


def _resident_mb(pid: int) -> float:
    try:
        found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:  # it has ended
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def _processor_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS
