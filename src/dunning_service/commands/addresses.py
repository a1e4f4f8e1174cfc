"""The address at which an SQLite database is served: a locked file beside it, for commands in other processes.

Only the process that serves knows which port it listens on: `--port` may have chosen another than the settings, or 0.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dunning_service.database.engines import database_url, embedded_file
from dunning_service.settings import Settings


@contextmanager
def known_address(database: Path, address: str) -> Iterator[None]:
    """Keeps `address` in the file while the block runs. The file is locked, so that one left by a killed process is
    recognised. Where it cannot be written, or another process serves the same database, nothing is kept."""
    path = _address_file(database)
    file = _written(path, address)
    try:
        yield
    finally:
        if file is not None:
            with suppress(OSError):
                path.unlink()
            os.close(file)


def _written(path: Path, address: str) -> int | None:
    """The descriptor that holds the lock; None where nothing could be kept."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(file, 0)
        os.write(file, address.encode())
    except OSError:
        os.close(file)
        return None
    return file


def address_of(settings: Settings) -> str:
    """The beginning of printed addresses: the public URL, the address at which this SQLite database is served, or else
    the settings' own."""
    database = embedded_file(database_url(settings.database_url))
    if settings.public_url is None and database is not None:
        return _kept(_address_file(database)) or settings.address
    return settings.address


def _kept(path: Path) -> str | None:
    """The address in the file; None where no running process holds it."""
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read() or None
    except OSError:
        pass
    return None


def _address_file(database: Path) -> Path:
    return Path(f"{database}.serving")
