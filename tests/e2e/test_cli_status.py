"""`dunning status` on both databases: where the ledger is, what was chosen, and what waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from building import NOON, a_failure, a_notice
from command_line import CommandLine
from dunning_service.database.engines import create_write_engine, database_url
from dunning_service.database.migrating import head_revision
from ledgers import Ledger
from running import SECRET_KEY


def test_it_counts_what_is_there_and_what_waits(dunning: CommandLine, database_url: str) -> None:
    merchant_id = dunning.json("merchant", "add", "Sweden")["id"]
    ledger = Ledger(database_url)
    ledger.committer.commit(
        [
            a_notice(a_failure("in_1"), merchant_id=merchant_id),
            a_notice(a_failure("in_2"), merchant_id=merchant_id),
            a_notice(merchant_id=merchant_id, outcome="failed", reason="not understood"),
        ],
        NOON,
    )
    ledger.database.write_engine.dispose()

    found = dunning.json("status")
    assert (found["state"], found["revision"], found["problem"]) == ("current", head_revision(), None)
    assert found["ledger"] == {
        "merchants": 1,
        "failed_payments": {"failed": 2},
        "deliveries_failed": 1,
        "due": 0,
        "due_since": None,
        "stuck": 0,
    }
    lines = dunning.table("status")
    assert f"revision         {head_revision()} (the newest)" in lines
    assert "failed payments  2 failed" in lines
    assert "deliveries       1 failed; see `dunning events list --outcome failed`" in lines


def test_settings_are_those_that_differ_and_secrets_are_never_printed(
    dunning: CommandLine, settings: pytest.MonkeyPatch
) -> None:
    settings.setenv("DUNNING_PORT", "9000")
    settings.setenv("DUNNING_LOG_LEVEL", "info")  # which is the default
    settings.setenv("DUNNING_PUBLIC_URL", "https://ada:hunter2@dunning.example.com")
    settings.setenv("DUNNING_GATEWAY_HOSTS", "a.example.com,b.example.com")
    settings.setenv("DUNNING_GATEWAY_ALLOW_HTTP", "true")
    found = dunning.json("status")["settings"]
    assert found.pop("DUNNING_DATABASE_URL") == dunning.json("status")["database"]
    assert found == {
        "DUNNING_PORT": 9000,
        "DUNNING_SECRET_KEY": "***",
        "DUNNING_PUBLIC_URL": "https://***@dunning.example.com",
        "DUNNING_GATEWAY_HOSTS": ["a.example.com", "b.example.com"],
        "DUNNING_GATEWAY_ALLOW_HTTP": True,
    }
    for typed in (dunning("status"), dunning("status", "--json")):
        assert SECRET_KEY not in typed.out
        assert "hunter2" not in typed.out
    assert "DUNNING_GATEWAY_HOSTS       a.example.com, b.example.com" in dunning.table("status")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_database_that_cannot_be_used_says_what_to_do_and_ends_with_1(
    dunning: CommandLine, settings: pytest.MonkeyPatch, database_url: str, empty_database_url: str, as_json: bool
) -> None:
    _execute(database_url, "UPDATE alembic_version SET version_num = '0005'")
    for url, state, advice in (
        (database_url, "too_old", "run `python -m from_0_1`"),
        (empty_database_url, "missing", "`dunning migrate`"),
        ("postgresql://u:hunter2@127.0.0.1:1/x?password=hunter2", "unreachable", "cannot reach the database at"),
    ):
        settings.setenv("DUNNING_DATABASE_URL", url)
        typed = dunning("status", *(("--json",) if as_json else ()))
        assert typed.code == 1
        assert typed.err == ""
        assert advice in typed.out
        assert "hunter2" not in typed.out
        assert state in typed.out or not as_json
    assert not empty_database_url.startswith("sqlite") or not Path(empty_database_url[10:]).exists()


def test_a_secret_key_that_cannot_be_used_is_a_problem(
    dunning: CommandLine, settings: pytest.MonkeyPatch, database_url: str
) -> None:
    settings.setenv("DUNNING_SECRET_KEY", "hunter2")
    typed = dunning("status")
    assert typed.code == 1
    assert "DUNNING_SECRET_KEY is not a key: it must be urlsafe base64 of 32 bytes" in typed.out
    assert "failed payments  none" in typed.out
    assert "hunter2" not in typed.out

    settings.delenv("DUNNING_SECRET_KEY")
    typed = dunning("status")
    is_missed = database_url.startswith("postgresql")
    assert typed.code == is_missed
    assert ("DUNNING_SECRET_KEY is not set, and PostgreSQL needs it" in typed.out) == is_missed
    if not is_missed:
        assert not Path(f"{database_url.removeprefix('sqlite:///')}.key").exists()


def test_nothing_is_made_where_nothing_is_configured(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    settings.delenv("DUNNING_SECRET_KEY")
    typed = CommandLine(capsys)("status")
    assert typed.code == 1
    assert f"there is no database at {tmp_path / 'dunning.db'}" in typed.out
    assert "Every setting has its default." in typed.out
    assert list(tmp_path.iterdir()) == []


def _execute(url: str, statement: str) -> None:
    engine = create_write_engine(database_url(url))
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
