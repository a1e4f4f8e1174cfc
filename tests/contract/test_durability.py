"""A commit is on the disk before anybody hears of it: asked on the connection that the ledger's writer itself uses."""

from __future__ import annotations

from dunning_service.durability import require_durable
from running import RunningService


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


async def test_a_writer_that_waits_for_nobodys_disk_is_not_started_with(service: RunningService) -> None:
    """Every connection of the pool is set up, also one that takes the place of another."""
    service.database.write_engine.dispose()
    with service.database.write() as connection:
        assert require_durable(connection) == []
