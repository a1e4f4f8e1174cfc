"""Runs `dunning` under cProfile, every thread with a profile of its own: `profiled.py FOLDER serve ...`.

Times are of the thread's own processor time, so that waiting, for the disk or for another thread, is nobody's. The main
thread's profile begins with SIGUSR1, those of others when they begin. At the end there is a file in FOLDER for each.
"""

from __future__ import annotations

import cProfile
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from dunning_service.cli import main

_profiles: list[tuple[str, cProfile.Profile]] = []


def _begin(*_event: Any) -> None:
    profile = cProfile.Profile(time.thread_time)
    _profiles.append((threading.current_thread().name, profile))
    profile.enable(builtins=True)


def _write(folder: Path) -> None:
    for number, (thread, profile) in enumerate(_profiles):
        profile.disable()
        profile.dump_stats(folder / f"{number}-{thread}.prof")


if __name__ == "__main__":
    into = Path(sys.argv.pop(1))
    signal.signal(signal.SIGUSR1, _begin)
    threading.setprofile(_begin)
    try:
        main()
    finally:
        _write(into)
