"""The drill of `make drill`, as far as it is cheap: two exercises in small, and that the others can begin."""

from __future__ import annotations

from pathlib import Path

from databases import SqliteDatabases
from drill import backing_up, upgrading
from drill.places import Kind, Place, with_a_gap
from drill.promises import Result, table


async def test_a_backup_under_load_is_restored_with_all_that_was_acknowledged(tmp_path: Path) -> None:
    result = await backing_up.exercise(Place(Kind.SQLITE, tmp_path, SqliteDatabases(tmp_path)), 40)
    assert result.broken == []
    assert result.meanwhile > 0
    assert (result.refused, result.check) == (0, "adds up")


def test_the_gap_that_is_put_right_fits_the_code(tmp_path: Path) -> None:
    code = with_a_gap(tmp_path)
    assert (code / "src" / "dunning_service" / "cli.py").is_file()


async def test_the_next_version_takes_over_from_this_one_under_load(tmp_path: Path) -> None:
    result = await upgrading.exercise(Place(Kind.SQLITE, tmp_path, SqliteDatabases(tmp_path)), 40)
    assert result.broken == []
    assert (result.refused, result.check) == (0, "adds up")


def test_a_promise_that_does_not_hold_is_seen_in_the_table() -> None:
    result = Result("upgrade", "SQLite")
    result.promise(True, "fine")
    result.promise(False, "2 notices were refused")
    assert result.broken == ["2 notices were refused"]
    assert "FAIL; not finished" in table([result]).splitlines()[-1]
