"""The drill of `make drill`, as far as it is cheap: one exercise in small, and that the others can begin."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from databases import ROOT, SqliteDatabases
from drill import backing_up, places
from drill.load import PromiseBroken
from drill.places import Kind, Place, previous_version, with_a_gap
from drill.promises import Result, table


async def test_a_backup_under_load_is_restored_with_all_that_was_acknowledged(tmp_path: Path) -> None:
    result = await backing_up.exercise(Place(Kind.SQLITE, tmp_path, SqliteDatabases(tmp_path)), 40)
    assert result.broken == []
    assert result.meanwhile > 0
    assert (result.refused, result.check) == (0, "adds up")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, which the drill takes for this one."""
    folder = tmp_path / "repository"
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    monkeypatch.setattr(places, "ROOT", folder)
    return folder


def commit(repository: Path) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["add", "--all"], [*who, "commit", "--quiet", "--message", "a"]):
        subprocess.run(["git", *command], cwd=repository, check=True)


def test_the_gap_that_is_put_right_fits_the_code(tmp_path: Path) -> None:
    code = with_a_gap(tmp_path)
    assert (code / "src" / "dunning_service" / "cli.py").is_file()


def test_the_version_before_the_newest_migration_comes_from_the_history(repository: Path, tmp_path: Path) -> None:
    *_, before, newest = sorted(path.name for path in (ROOT / "migrations" / "versions").glob("[0-9]*.py"))
    for folder in ("src", "migrations"):
        shutil.copytree(ROOT / folder, repository / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (repository / "migrations" / "versions" / newest).unlink()
    commit(repository)
    shutil.copy(ROOT / "migrations" / "versions" / newest, repository / "migrations" / "versions")
    commit(repository)

    previous = previous_version(tmp_path)

    assert (previous.code / "migrations" / "versions" / before).is_file()
    assert not (previous.code / "migrations" / "versions" / newest).exists()
    assert before.startswith(previous.revision)
    assert (previous.code / "src" / "dunning_service" / "cli.py").is_file()


def test_a_history_that_does_not_go_back_so_far_has_to_be_fetched(repository: Path, tmp_path: Path) -> None:
    (repository / "README.md").write_text("what came first is not here")
    commit(repository)
    with pytest.raises(PromiseBroken, match="git fetch --unshallow"):
        previous_version(tmp_path)


def test_without_a_history_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "ROOT", tmp_path)
    with pytest.raises(PromiseBroken, match="in a git clone"):
        previous_version(tmp_path)


def test_a_promise_that_does_not_hold_is_seen_in_the_table() -> None:
    result = Result("upgrade", "SQLite")
    result.promise(True, "fine")
    result.promise(False, "2 notices were refused")
    assert result.broken == ["2 notices were refused"]
    assert "FAIL; not finished" in table([result]).splitlines()[-1]
