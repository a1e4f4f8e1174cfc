"""What tests of payment records and of subscriptions ask for.

Payment records: one application on each kind of database, and a merchant for each test.

Hardly any of these tests needs a database of its own: what is another merchant's does not exist for them.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from contract._gateways import use_sandbox
from contract._payment_records import Records
from databases import PostgresDatabases, SqliteDatabases
from dunning_service.app import create_app
from dunning_service.settings import Settings
from running import NOON, RunningService, run_service

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=["sqlite", "postgresql"])
async def shared_service(request: pytest.FixtureRequest) -> AsyncIterator[RunningService]:
    """One running application for all tests of this session."""
    name = "sqlite_databases" if request.param == "sqlite" else "postgres_databases"
    databases: SqliteDatabases | PostgresDatabases = request.getfixturevalue(name)
    url = databases.create()
    async with run_service(url) as running:
        yield running
    databases.drop(url)


@pytest_asyncio.fixture(loop_scope="session")
async def records(shared_service: RunningService) -> Records:
    """A client of a merchant of its own, at noon; see `Records` for what becomes of every answer."""
    shared_service.clock.now = NOON
    own = RunningService(shared_service.app, shared_service.client, shared_service.clock, shared_service.settings)
    own.merchant = await own.add_merchant(f"Sweden & Co {next(_numbers)}", "NOK", "Europe/Oslo")
    own.token = await own.add_token(own.merchant)
    return Records(own)


@pytest.fixture
def seller(service: RunningService) -> RunningService:
    """The application, with a merchant that charges through the sandbox."""
    use_sandbox(service)
    return service


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    """The OpenAPI document. Nobody may change it."""
    document: dict[str, Any] = create_app(Settings(_env_file=None, database_url="sqlite:///unused.db")).openapi()
    return document
