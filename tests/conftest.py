"""What every test can ask for: a fresh database of each kind, and the real application on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from databases import Databases, PostgresDatabases, SqliteDatabases
from databases import postgres_databases as databases_on_postgres
from ledgers import Ledger
from machine import use_memory
from running import RunningService, run_service

# how long it takes to make up an example says something of the machine's load, and nothing of what is tested
settings.register_profile("dunning", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dunning")


def pytest_configure() -> None:
    use_memory()


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> SqliteDatabases:
    return SqliteDatabases(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[PostgresDatabases]:
    with databases_on_postgres() as databases:
        yield databases


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> Databases:
    """One kind of database after the other."""
    name = "sqlite_databases" if request.param == "sqlite" else "postgres_databases"
    found: Databases = request.getfixturevalue(name)
    return found


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A fresh, migrated database."""
    url = databases.create()
    yield url
    databases.drop(url)


@pytest.fixture
def sqlite_url(sqlite_databases: SqliteDatabases) -> Iterator[str]:
    """A fresh, migrated database on SQLite: for what is no matter of the database, or of this one alone."""
    url = sqlite_databases.create()
    yield url
    sqlite_databases.drop(url)


@pytest.fixture
def postgres_url(postgres_databases: PostgresDatabases) -> Iterator[str]:
    """A fresh, migrated database on PostgreSQL."""
    url = postgres_databases.create()
    yield url
    postgres_databases.drop(url)


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """A fresh database without a schema."""
    url = databases.create_empty()
    yield url
    databases.drop(url)


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    """A ledger that nobody serves."""
    opened = Ledger(database_url)
    yield opened
    opened.database.write_engine.dispose()


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[RunningService]:
    """The application in this process, with a merchant that has a token."""
    async with run_service(database_url) as running:
        yield running
