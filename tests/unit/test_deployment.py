"""What docker-compose.yml, the Dockerfile and the Makefile promise an operator."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dunning_service.database.engines import database_url
from dunning_service.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.fixture
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


def test_compose_has_a_database_a_migration_the_service_and_a_worker(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"postgres", "migrate", "api", "worker"}


def test_the_database_and_the_service_say_how_they_are(compose: dict[str, Any]) -> None:
    assert "pg_isready" in " ".join(compose["services"]["postgres"]["healthcheck"]["test"])
    assert "/readyz" in " ".join(compose["services"]["api"]["healthcheck"]["test"])


def test_the_migration_waits_for_the_database_and_runs_once(compose: dict[str, Any]) -> None:
    migrate = compose["services"]["migrate"]
    assert migrate["command"] == ["migrate"]
    assert migrate["restart"] == "no"
    assert migrate["depends_on"]["postgres"]["condition"] == "service_healthy"


@pytest.mark.parametrize("name", ["api", "worker"])
def test_the_service_and_the_worker_wait_for_the_migration(compose: dict[str, Any], name: str) -> None:
    needs = compose["services"][name]["depends_on"]
    assert needs["migrate"]["condition"] == "service_completed_successfully"
    assert needs["postgres"]["condition"] == "service_healthy"


def test_what_should_run_is_started_again(compose: dict[str, Any]) -> None:
    assert compose["services"]["postgres"]["restart"] == "unless-stopped"
    assert compose["services"]["api"]["restart"] == "unless-stopped"
    assert compose["services"]["worker"]["restart"] == "unless-stopped"


def test_the_service_is_given_time_to_drain(compose: dict[str, Any]) -> None:
    assert int(compose["services"]["api"]["stop_grace_period"].removesuffix("s")) > 30


def test_the_worker_is_given_as_long_as_a_claim_lasts(compose: dict[str, Any]) -> None:
    claim: int = Settings.model_fields["claim_seconds"].default
    assert int(compose["services"]["worker"]["stop_grace_period"].removesuffix("s")) > claim


def test_the_worker_is_asked_how_it_is_where_it_answers(compose: dict[str, Any]) -> None:
    worker = compose["services"]["worker"]
    assert worker["command"] == ["worker", "--metrics-port", worker["environment"]["DUNNING_PORT"]]


def test_nothing_of_ours_runs_as_root(compose: dict[str, Any], dockerfile: str) -> None:
    for name in ("migrate", "api", "worker"):
        assert compose["services"][name]["user"].split(":")[0] not in ("0", "root")
    users = re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE)
    assert users
    assert users[-1].split(":")[0] not in ("0", "root")


def test_the_data_outlives_the_container(compose: dict[str, Any]) -> None:
    volume = compose["services"]["postgres"]["volumes"][0].split(":")[0]
    assert volume in compose["volumes"]


def test_no_secret_stands_in_the_file(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service["environment"].items():
            if re.search("PASSWORD|KEY|SECRET", name):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), f"{name} is not taken from .env"
    assert database_url(compose["services"]["api"]["environment"]["DUNNING_DATABASE_URL"]).password is None


def test_every_secret_is_asked_for_in_the_example_and_given_nowhere() -> None:
    wanted = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert wanted
    assert {line for line in lines if line and not line.startswith("#")} == {f"{name}=" for name in wanted}


def test_every_setting_of_ours_is_one_the_service_knows(compose: dict[str, Any]) -> None:
    known = {f"DUNNING_{name.upper()}" for name in Settings.model_fields}
    for name in ("migrate", "api", "worker"):
        given = {key for key in compose["services"][name]["environment"] if key.startswith("DUNNING_")}
        assert given <= known


def test_the_image_is_built_in_two_stages_from_pinned_wheels(dockerfile: str) -> None:
    assert len(re.findall(r"^FROM ", dockerfile, re.MULTILINE)) == 2
    assert "pip wheel" in dockerfile
    assert "--no-index" in dockerfile
    assert dockerfile.count("--constraint") == 2
    assert "HEALTHCHECK" in dockerfile


def test_the_makefile_has_every_target_and_each_installs_by_itself() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in ("serve", "test", "check", "bench", "fuzz", "install"):
        assert re.search(rf"^{target}: \$\(STAMP\)$", makefile, re.MULTILINE), target
    assert re.search(r"^\$\(STAMP\): pyproject.toml constraints.txt \$\(GENERATOR_PINS\)$", makefile, re.MULTILINE)
    assert "constraints.txt --editable" in makefile


def test_the_check_of_a_change_runs_everything() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    text = script.read_text()
    assert "set -euo pipefail" in text
    assert "make check" in text
    assert "make test" in text
