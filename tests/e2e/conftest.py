"""What tests of a whole service ask for: a command line, and a PostgreSQL of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import CommandLine
from e2e.private_postgres import PrivatePostgres, private_postgres
from e2e.stored_deliveries import Stored
from running import SECRET_KEY


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of what is typed, from an empty folder that is not the checkout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUNNING_SECRET_KEY", SECRET_KEY)
    return monkeypatch


@pytest.fixture
def dunning(database_url: str, settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Typed in this process, on a migrated database."""
    settings.setenv("DUNNING_DATABASE_URL", database_url)
    return CommandLine(capsys)


@pytest.fixture
def stored(database_url: str, dunning: CommandLine) -> Iterator[Stored]:
    stored = Stored(database_url, dunning)
    yield stored
    stored.database.write_engine.dispose()


@pytest.fixture(scope="module")
def postgres() -> Iterator[PrivatePostgres]:
    """One that the tests of a module may crash, kill and freeze."""
    with private_postgres() as server:
        yield server
