"""When `dunning serve` starts, when it does not, and how it ends."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import httpx
import pytest

from command_line import CommandLine, run
from dunning_service.commands import serve as serving
from dunning_service.database.engines import create_write_engine, database_url
from dunning_service.database.migrating import head_revision, upgrade
from dunning_service.settings import Settings
from running import SECRET_KEY
from serving import refused, served, typed


def test_more_than_one_worker_is_refused_on_sqlite(tmp_path: Path) -> None:
    done = refused(tmp_path, "--workers", "2")
    assert done.returncode == 1
    assert done.stderr.startswith("dunning: --workers above 1 needs PostgreSQL")
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_one_line_and_nothing_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = refused(tmp_path, "--port", str(port))
    assert done.returncode == 1
    assert done.stderr.startswith(f"dunning: cannot listen on 127.0.0.1 port {port}: ")
    assert list(tmp_path.iterdir()) == []


def test_whoever_calls_as_soon_as_it_listens_is_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def instead_of_a_server(settings: Settings, listening: socket.socket, workers: int) -> None:
        assert "Listening on" in capsys.readouterr().out
        socket.create_connection(listening.getsockname()).close()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUNNING_PORT", "0")
    monkeypatch.setattr(serving, "_run", instead_of_a_server)
    assert run(["serve"]) == 0


def test_an_address_that_is_not_ours_is_one_line(tmp_path: Path) -> None:
    done = refused(tmp_path, "--host", "192.0.2.1", "--port", "0")
    assert done.returncode == 1
    assert done.stderr.startswith("dunning: cannot listen on 192.0.2.1 port 0: ")


def test_an_sqlite_database_of_an_earlier_version_is_migrated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'dunning.db'}"
    upgrade(database_url(url))
    with served(tmp_path) as service:  # migrated by hand, and empty: the first run all the same
        assert "Made the database" not in service.printed
        assert "curl" in service.printed
        assert httpx.get(f"{service.address}/readyz").status_code == 200


def test_an_sqlite_database_of_version_0_1_is_refused_with_the_way_out(tmp_path: Path) -> None:
    url = database_url(f"sqlite:///{tmp_path / 'dunning.db'}")
    upgrade(url)
    engine = create_write_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0005'")
    engine.dispose()
    done = refused(tmp_path, "--port", "0")
    assert (done.returncode, done.stdout) == (1, "")
    assert "of version 0.1 (revision 0005)" in done.stderr
    assert "`python -m from_0_1`" in done.stderr


def test_the_database_is_its_owners_alone(tmp_path: Path) -> None:
    with served(tmp_path):
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes["dunning.db"] == 0o600
    assert set(modes.values()) == {0o600}


def test_a_lost_key_is_told_at_the_start(tmp_path: Path) -> None:
    with served(tmp_path) as service:
        source_id = service.printed.split("/webhooks/")[1].split()[0]
    (tmp_path / "dunning.db.key").unlink()
    with served(tmp_path) as service:
        assert f"the key that encrypted the secrets of {source_id} is not at hand" in service.printed


def test_somebody_elses_sqlite_database_is_left_alone(tmp_path: Path) -> None:
    engine = create_write_engine(database_url(f"sqlite:///{tmp_path / 'dunning.db'}"))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (id INTEGER)")
    engine.dispose()
    done = refused(tmp_path)
    assert done.returncode == 1
    assert "it has a table 'notes'" in done.stderr


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
def test_postgresql_without_a_schema_is_refused_and_not_migrated(empty_database_url: str, tmp_path: Path) -> None:
    done = refused(tmp_path, "--port", "0", database_url=empty_database_url, secret_key=SECRET_KEY)
    assert done.returncode == 1
    assert done.stderr == "dunning: the database has no schema yet; run `dunning migrate`\n"


def test_postgresql_without_a_secret_key_is_refused(postgres_url: str, tmp_path: Path) -> None:
    done = refused(tmp_path, "--port", "0", database_url=postgres_url)
    assert done.returncode == 1
    assert "`dunning secret-key`" in done.stderr


def test_a_postgresql_that_is_down_is_one_line(tmp_path: Path) -> None:
    done = refused(tmp_path, "--port", "0", database_url="postgresql://u:hunter2@127.0.0.1:1/x", secret_key=SECRET_KEY)
    assert done.returncode == 1
    assert done.stderr.startswith("dunning: cannot reach the database at postgresql://u:***@127.0.0.1:1/x: ")
    assert done.stderr.count("\n") == 1


def test_several_workers_answer_on_postgresql_and_stop_when_told(postgres_url: str, tmp_path: Path) -> None:
    with served(tmp_path, "--workers", "2", database_url=postgres_url, secret_key=SECRET_KEY) as service:
        assert "dunning merchant add NAME" in service.printed
        assert httpx.get(f"{service.address}/readyz").status_code == 200
        assert httpx.get(f"{service.address}/metrics").status_code == 200
        assert service.stop() == 0


@pytest.mark.parametrize("setting", ["synchronous_commit"])
def test_a_database_that_acknowledges_before_the_disk_has_it_is_refused(
    postgres_url: str, tmp_path: Path, setting: str
) -> None:
    engine = create_write_engine(database_url(postgres_url))
    with engine.begin() as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{database_url(postgres_url).database}" SET {setting} = off')
    engine.dispose()
    settings = {"database_url": postgres_url, "secret_key": SECRET_KEY}
    done = refused(tmp_path, "--port", "0", **settings)
    assert done.returncode == 1
    assert f"{setting} = off" in done.stderr
    assert "DUNNING_ALLOW_UNSAFE_DURABILITY" in done.stderr
    with served(tmp_path, **settings, allow_unsafe_durability="true") as service:
        assert f"may be lost in a power cut: {setting} = off" in service.printed


def test_a_schema_is_at_the_head_after_a_first_start(tmp_path: Path) -> None:
    with served(tmp_path) as service:
        assert f"Made the database {tmp_path / 'dunning.db'}" in service.printed
    engine = create_write_engine(database_url(f"sqlite:///{tmp_path / 'dunning.db'}"))
    with engine.begin() as connection:
        revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
    engine.dispose()
    assert revision == head_revision()


# --- no wrong setting starts an empty service


@pytest.mark.parametrize("configured_in", ["environment", "file"])
def test_a_configured_sqlite_database_that_is_missing_is_made_by_migrate_only(
    tmp_path: Path, configured_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    settings = {"database_url": url} if configured_in == "environment" else {}
    if configured_in == "file":
        (folder / ".env").write_text(f"DUNNING_DATABASE_URL={url}\n")
    before = sorted(tmp_path.rglob("*"))

    done = refused(folder, "--port", "0", **settings)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(
        f"dunning: there is no database at {tmp_path / 'ledger.db'}: `dunning migrate` makes it"
    )
    assert done.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before

    monkeypatch.chdir(folder)
    monkeypatch.setenv("DUNNING_DATABASE_URL", url)
    assert run(["migrate"]) == 0
    with served(folder, **settings) as service:
        assert "Made the database" not in service.printed
        assert httpx.get(f"{service.address}/readyz").status_code == 200


def test_a_configured_sqlite_file_without_a_schema_is_not_taken_for_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch()
    done = refused(tmp_path, "--port", "0", database_url="sqlite:///ledger.db")
    assert done.returncode == 1
    assert done.stderr == "dunning: the database has no schema yet; run `dunning migrate`\n"


def test_a_mistake_in_dot_env_stops_every_command_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".env").write_text("DUNNING_DATABSE_URL=postgresql://u:hunter2@host/x\n")
    monkeypatch.chdir(tmp_path)
    complaint = (
        "dunning: line 1 of .env: DUNNING_DATABSE_URL is not a setting of this service (did you mean "
        "DUNNING_DATABASE_URL?); correct the name, or take the line out\n"
    )
    assert refused(tmp_path).stderr == complaint
    for command in ("worker", "migrate", "merchant list", "ledger check", "status", "payments list"):
        assert CommandLine(capsys)(*command.split()).refusal == complaint
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_the_first_line_of_a_first_start_says_what_was_made_and_why(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / ".env").write_text("DUNNING_PORT=1\n")
    injected = {"service_host": "10.0.0.1", "port": "tcp://10.0.0.1:8000", "port_8000_tcp": "tcp://10.0.0.1:8000"}
    with served(folder, colour="red", **injected) as service:  # and the option is --port 0
        warnings = [line for line in service.printed.splitlines() if ".env" in line or "DUNNING_COLOUR" in line]
        said = [line for line in service.printed.splitlines() if line not in warnings]
        assert said[0] == (f"Made the database {folder / 'dunning.db'}, because DUNNING_DATABASE_URL does not name one")
        assert len(warnings) == 2
        assert any(str(tmp_path / ".env") in line for line in warnings)
        assert "DUNNING_SERVICE_HOST" not in service.printed


# --- where it listens


def test_commands_print_the_address_of_the_process_that_serves(tmp_path: Path) -> None:
    def printed_url(**settings: str) -> str:
        done = typed(tmp_path, "source", "add", "--merchant", "default", "--provider", "maple", "--json", **settings)
        assert done.returncode == 0, done.stderr
        found: str = json.loads(done.stdout)["url"]
        return found

    with served(tmp_path) as service:
        assert printed_url().startswith(f"{service.address}/webhooks/")
        assert printed_url(port="1").startswith(f"{service.address}/webhooks/")
        assert printed_url(public_url="https://d.example.com").startswith("https://d.example.com/webhooks/")
        assert service.stop() == 0
    assert printed_url().startswith("http://127.0.0.1:8000/webhooks/")
    with served(tmp_path) as service:
        killed = service.address
    assert (tmp_path / "dunning.db.serving").read_text() == killed  # a killed process leaves it, and no lock
    assert printed_url(port="9000").startswith("http://127.0.0.1:9000/webhooks/")


def test_the_port_is_named_behind_a_public_address_too(tmp_path: Path) -> None:
    with served(tmp_path, public_url="https://dunning.example.com") as service:
        behind = re.search(r"^That address has to lead to (http://127\.0\.0\.1:\d+),", service.printed, re.MULTILINE)
        assert behind is not None
        assert httpx.get(f"{behind[1]}/healthz").status_code == 200
