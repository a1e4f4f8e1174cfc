"""The migrations go with the package, and every dependency is pinned."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from dunning_service.database.migrating import (
    SchemaState,
    alembic_config,
    head_revision,
    migrations_folder,
    schema_state,
)

ROOT = Path(__file__).parents[2]


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def name_of(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def test_the_wheel_takes_the_migrations_along() -> None:
    included = project()["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {"migrations": "dunning_service/migrations"}


def test_the_table_of_decline_codes_and_the_examples_are_in_the_package() -> None:
    package = ROOT / "src" / "dunning_service"
    assert (package / "recovery" / "decline_codes.csv").is_file()
    assert list(package.glob("apis/*/examples/*.json"))
    assert project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["src/dunning_service"]
    ignored = [line for line in (ROOT / ".gitignore").read_text().splitlines() if re.search(r"\*.(csv|json|xml)", line)]
    assert ignored == []  # what git ignores, hatchling leaves out


def test_the_migrations_are_found_from_any_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = migrations_folder()
    assert folder == ROOT / "migrations"
    assert len(list((folder / "versions").glob(f"{head_revision()}_*.py"))) == 1


def test_the_command_is_installed_by_name() -> None:
    assert project()["project"]["scripts"] == {"dunning": "dunning_service.cli:main"}


def test_a_revision_is_judged_by_what_this_version_knows() -> None:
    assert schema_state(None) is SchemaState.MISSING
    assert schema_state(head_revision()) is SchemaState.CURRENT
    assert schema_state("9999") is SchemaState.AHEAD


def test_a_percent_sign_in_a_password_survives_alembic() -> None:
    from dunning_service.database.engines import database_url

    url = database_url("postgresql://user:p%25%40ss@localhost/ledger")
    assert alembic_config(url).get_main_option("sqlalchemy.url") == (
        "postgresql+psycopg://user:p%25%40ss@localhost/ledger"
    )


@pytest.mark.parametrize("file", ["constraints.txt", "tests/e2e/client-generator.txt"])
def test_every_constraint_is_one_exact_version(file: str) -> None:
    lines = [line for line in (ROOT / file).read_text().splitlines() if not line.startswith("# ")]
    assert lines
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!-]+", line) for line in lines)


def test_every_dependency_is_constrained() -> None:
    pinned = {name_of(line) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    declared = project()["project"]["dependencies"] + project()["project"]["optional-dependencies"]["dev"]
    assert {name_of(requirement) for requirement in declared} <= pinned
