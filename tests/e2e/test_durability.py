"""What counts as a database that keeps its word."""

from __future__ import annotations

import pytest

from dunning_service.database.durability import require_durable, unsafe_settings
from dunning_service.database.engines import create_write_engine
from dunning_service.database.engines import database_url as _parsed
from dunning_service.errors import ConfigurationError


def test_the_writers_own_connection_is_durable(database_url: str) -> None:
    engine = create_write_engine(_parsed(database_url))
    with engine.begin() as connection:
        assert unsafe_settings(connection) == []
        assert require_durable(connection) == []
    engine.dispose()


@pytest.mark.parametrize("level", ["OFF", "NORMAL"])
def test_sqlite_below_full_is_refused(sqlite_url: str, level: str) -> None:
    engine = create_write_engine(_parsed(sqlite_url))
    with engine.connect() as connection:
        connection.connection.driver_connection.execute(f"PRAGMA synchronous={level}")
        with pytest.raises(ConfigurationError, match=f"synchronous = {level}"):
            require_durable(connection)
        assert require_durable(connection, is_waived=True) == [f"synchronous = {level}"]
    engine.dispose()


def test_sqlite_without_a_journal_is_refused(sqlite_url: str) -> None:
    engine = create_write_engine(_parsed(sqlite_url))
    with engine.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA journal_mode=MEMORY")
        with pytest.raises(ConfigurationError, match="journal_mode = MEMORY"):
            require_durable(connection)
    engine.dispose()


def test_postgresql_that_commits_asynchronously_is_refused(postgres_url: str) -> None:
    engine = create_write_engine(_parsed(postgres_url))
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
        with pytest.raises(ConfigurationError, match="synchronous_commit = off"):
            require_durable(connection)
        connection.exec_driver_sql("SET LOCAL synchronous_commit = local")
        assert require_durable(connection) == []
    engine.dispose()
