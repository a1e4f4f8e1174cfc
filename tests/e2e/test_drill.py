"""The drill of `make drill`, as far as it is cheap: one exercise in small, and that the others can begin."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from databases import SqliteDatabases
from drill import backing_up, places
from drill.load import PromiseBroken
from drill.places import Kind, Place, previous_version, with_a_gap
from drill.promises import Result, table


async def test_a_backup_under_load_is_restored_with_all_that_was_acknowledged(tmp_path: Path) -> None:
    result = await backing_up.exercise(Place(Kind.SQLITE, tmp_path, SqliteDatabases(tmp_path)), 40)
    assert result.broken == []
    assert result.meanwhile > 0
    assert (result.refused, result.check) == (0, "adds up")


def test_the_gap_that_is_put_right_fits_the_code(tmp_path: Path) -> None:
    code = with_a_gap(tmp_path)
    assert (code / "src" / "dunning_service" / "cli.py").is_file()


def test_the_version_before_the_newest_migration_is_in_the_history(tmp_path: Path) -> None:
    try:
        previous = previous_version(tmp_path)
    except PromiseBroken as error:
        pytest.skip(str(error))  # a shallow clone, or none: the drill itself fails there
    revisions = [path.name for path in (previous.code / "migrations" / "versions").glob("[0-9]*.py")]
    assert sorted(revisions)[-1].startswith(previous.revision)
    assert (previous.code / "src" / "dunning_service" / "cli.py").is_file()


def test_without_a_history_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "ROOT", tmp_path)
    with pytest.raises(PromiseBroken, match="in a git clone"):
        previous_version(tmp_path)
    for command in (
        ["init", "--quiet"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--allow-empty", "-qm", "a"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    with pytest.raises(PromiseBroken, match="git fetch --unshallow"):
        previous_version(tmp_path)


def test_a_promise_that_does_not_hold_is_seen_in_the_table() -> None:
    result = Result("upgrade", "SQLite")
    result.promise(True, "fine")
    result.promise(False, "2 notices were refused")
    assert result.broken == ["2 notices were refused"]
    assert "FAIL; not finished" in table([result]).splitlines()[-1]
