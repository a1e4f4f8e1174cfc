"""What is attacked, and where it is counted."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from databases import PostgresDatabases, SqliteDatabases
from fuzz.tally import Tally
from fuzz.target import Target, target

BOTH = os.environ.get("FUZZ_DATABASES", "one") == "both"
"""In `make fuzz`, where chance decides what is sent; `make test` sends the same each time."""
"""`make fuzz` attacks on both kinds of database, half of the examples on each; `make test` on one of them."""

KINDS = ["sqlite", "postgresql"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `fuzzed_url` runs on the kind of database that its module is for, or on both."""
    if "fuzzed_url" in metafunc.fixturenames:
        chosen = KINDS if BOTH else [metafunc.module.DATABASE]
        metafunc.parametrize("fuzzed_url", chosen, indirect=True, scope="module")


@pytest.fixture(scope="module")
def fuzzed_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh, migrated database."""
    name = "sqlite_databases" if request.param == "sqlite" else "postgres_databases"
    databases: SqliteDatabases | PostgresDatabases = request.getfixturevalue(name)
    url = databases.create()
    yield url
    databases.drop(url)


@pytest.fixture(scope="module")
def tally() -> Iterator[Tally]:
    tally = Tally()
    yield tally
    tally.close()


@pytest.fixture(scope="module")
def attacked(fuzzed_url: str, tally: Tally) -> Iterator[Target]:
    with target(fuzzed_url, tally) as found:
        yield found
