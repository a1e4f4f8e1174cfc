"""A commit is on the disk before anybody hears of it: asked on the connection that the ledger's writer itself uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from dunning_service.database.durability import require_durable
from dunning_service.database.engines import database_url as parsed
from dunning_service.database.engines import is_sqlite
from dunning_service.errors import ConfigurationError
from running import RunningService, run_service


async def test_the_running_service_commits_to_the_disk(service: RunningService) -> None:
    with service.database.write() as connection:
        assert require_durable(connection) == []
        if service.database.is_sqlite:
            # 2 is FULL: an fsync of the write-ahead log for every commit
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
        else:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                assert connection.exec_driver_sql(f"SHOW {setting}").scalar_one() == "on"


async def test_a_connection_that_takes_the_place_of_another_commits_to_the_disk_too(service: RunningService) -> None:
    service.database.write_engine.dispose()
    with service.database.write() as connection:
        assert require_durable(connection) == []


@pytest.fixture
def unsafe(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a database whose connections do not wait for the disk, and how its setting is called."""
    if not is_sqlite(parsed(database_url)):
        admin = sa.create_engine(parsed(database_url), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with admin.connect() as connection:
            name = parsed(database_url).database
            connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
        yield database_url
        return

    def loosen(connection: Any, *_: Any) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")

    # the service makes each new connection safe: only later can one be made unsafe
    sa.event.listen(sa.pool.Pool, "checkout", loosen)
    yield database_url
    sa.event.remove(sa.pool.Pool, "checkout", loosen)


async def test_the_service_does_not_start_where_commits_do_not_wait_for_the_disk(unsafe: str) -> None:
    """However it is started: this is what any server runs first."""
    with pytest.raises(ConfigurationError, match=r"synchronous(_commit)? = (off|NORMAL)"):
        async with run_service(unsafe):
            pytest.fail("it has started")


async def test_the_service_starts_there_when_the_loss_is_accepted(unsafe: str) -> None:
    async with run_service(unsafe, allow_unsafe_durability=True) as service:
        assert (await service.client.get("/readyz")).status_code == 200
