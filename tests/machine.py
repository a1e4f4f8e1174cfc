"""Where it was measured: figures without that mean nothing."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

_PACKAGES = ("fastapi", "uvicorn", "uvloop", "httptools", "pydantic", "sqlalchemy", "psycopg")
_IN_MEMORY = ("tmpfs", "ramfs")
_ENOUGH_BYTES = 6 * 1024**3
"""Several servers of PostgreSQL, each with a gigabyte of its log at the most, and what is tested beside them."""
BUSY = 0.5
"""A load average above it: somebody else uses the machine, and the figures will be too low."""


def describe() -> dict[str, object]:
    """The machine and the versions, as they go into the result."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(_memory_bytes() / 1024**3, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "packages": {name: version(name) for name in _PACKAGES},
        "load_average_before": round(os.getloadavg()[0], 2),
    }


def sentence(about: Mapping[str, object]) -> str:
    """What `describe` found, and more if it is there: stands above a table of figures."""
    versions = [f"Python {about['python']}", f"SQLite {about['sqlite']}"]
    if "postgresql" in about:
        versions.append(f"PostgreSQL {about['postgresql']}")
    if "file_system" in about:
        versions.append(str(about["file_system"] or "an unknown file system"))
    return (
        f"Measured {about['measured_at']} on {about['cores']} cores ({about['processor']}), {about['memory_gb']} GiB, "
        f"{', '.join(versions)}; load before {about['load_average_before']}."
    )


def say(text: str) -> None:
    """A line of the report, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def use_a_disk() -> Path:
    """Makes temporary files go where an fsync reaches a disk, if there is such a place, and answers where."""
    for folder in (Path(tempfile.gettempdir()), Path("/var/tmp"), Path.cwd()):
        if folder.is_dir() and os.access(folder, os.W_OK) and not is_in_memory(folder):
            tempfile.tempdir = str(folder)
            break
    return Path(tempfile.gettempdir())


def use_memory() -> None:
    """Makes temporary files go where an fsync costs nothing, if that place is large enough and TMPDIR names no other.

    For tests: nearly all of what they wait for is a disk, and none of them cuts the power.
    """
    folder = Path("/dev/shm")
    if os.environ.get("TMPDIR") or not (is_in_memory(folder) and os.access(folder, os.W_OK)):
        return
    there = os.statvfs(folder)
    room = min(there.f_bavail * there.f_frsize, psutil.virtual_memory().available)
    if room >= _ENOUGH_BYTES and not there.f_flag & os.ST_NOEXEC:
        tempfile.tempdir = str(folder)


def is_in_memory(folder: Path) -> bool:
    """An fsync there costs nothing and protects nothing."""
    return file_system(folder) in _IN_MEMORY


def file_system(folder: Path) -> str:
    """Its kind, such as ext4; empty where that cannot be read."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return ""
    where = folder.resolve()
    holding = [(len(Path(at).parts), kind) for _, at, kind, *_ in mounts if where.is_relative_to(at)]
    return max(holding)[1] if holding else ""


def fsyncs_per_second(folder: Path, seconds: float = 2.0) -> float:
    """How often 4 KiB can be written and made safe: what bounds a commit for each request."""
    page, count = os.urandom(4096), 0
    with tempfile.TemporaryFile(dir=folder) as file:
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
            count += 1
        return count / (time.perf_counter() - began)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
