"""Operator settings: what is wrong with them is said by the variable's name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dunning_service.errors import ConfigurationError
from dunning_service.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("DUNNING_"):
            monkeypatch.delenv(name)


def warnings_of() -> list[str]:
    warnings: list[str] = []
    load_settings(warnings.append)
    return warnings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DUNNING_PORT", "abc"),
        ("DUNNING_PORT", "70000"),
        ("DUNNING_LOG_LEVEL", "loud"),
        ("DUNNING_PUBLIC_URL", "dunning.example.com"),
        ("DUNNING_DATABASE_URL", "mysql://localhost/x"),
        ("DUNNING_DATABASE_URL", "dunning.db"),
        ("DUNNING_DATABASE_URL", "sqlite://"),
        ("DUNNING_CORS_ORIGINS", "dashboard.example.com"),
        ("DUNNING_CORS_ORIGINS", "https://a.example.com,https://b.example.com/"),
        ("DUNNING_CORS_ORIGINS", "https://*.example.com"),
        ("DUNNING_RETRY_LADDER", "tomorrow"),
        ("DUNNING_RETRY_LADDER", "3d 1d"),
        ("DUNNING_CLAIM_SECONDS", "0"),
        ("DUNNING_CLAIM_SECONDS", "60"),
        ("DUNNING_GATEWAY_TIMEOUT_SECONDS", "60"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        load_settings()


def test_hosts_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUNNING_GATEWAY_HOSTS", "billing.example.com, localhost:9000,")
    assert load_settings().gateway_hosts == ("billing.example.com", "localhost:9000")


def test_a_ladder_is_kept_as_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUNNING_RETRY_LADDER", "10S, 20s")
    assert load_settings().retry_ladder == "10s 20s"


def test_a_secret_that_is_wrong_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUNNING_DATABASE_URL", "postgres//user:hunter2@host/name")
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert "hunter2" not in refused.value.message


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUNNING_SECRET_KEY", "")
    monkeypatch.setenv("DUNNING_PUBLIC_URL", "")
    settings = load_settings()
    assert settings.secret_key is None
    assert settings.public_url is None


def test_a_dot_env_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DUNNING_PORT=9000\nPOSTGRES_PASSWORD=x\n")
    assert load_settings().port == 9000


def test_a_dot_env_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"\.env"):
        load_settings()


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"host": "0.0.0.0", "port": 80}, "http://127.0.0.1:80"),
        ({"host": "::"}, "http://[::1]:8000"),
        ({"public_url": "https://dunning.example.com/base/"}, "https://dunning.example.com/base"),
    ],
)
def test_printed_addresses_can_be_called(given: dict[str, object], address: str) -> None:
    assert Settings(**given).address == address


# --- names and lines that are mistakes

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("DUNNING_DATABSE_URL=postgresql://u:hunter2@host/x", "did you mean DUNNING_DATABASE_URL?"),
        ("DUNNING_DB_URL=postgresql://u:hunter2@host/x", "did you mean DUNNING_DATABASE_URL?"),
        ("DUNNING_DATABASE=postgresql://u:hunter2@host/x", "did you mean DUNNING_DATABASE_URL?"),
        ("DUNNNING_DATABASE_URL=postgresql://u:hunter2@host/x", "did you mean DUNNING_DATABASE_URL?"),
        ("DUNNING-DATABASE-URL=postgresql://u:hunter2@host/x", "did you mean DUNNING_DATABASE_URL?"),
        ("DUNNINGDATABASE_URL=postgresql://u:hunter2@host/x", "did you mean DUNNING_DATABASE_URL?"),
        ("export DUNNING_LOGLEVEL=debug", "did you mean DUNNING_LOG_LEVEL?"),
        ("dunning_prot=9000", "did you mean DUNNING_PORT?"),
        ("DUNNING_COLOUR=hunter2", "DUNNING_COLOUR is not a setting of this service"),
        ("DUNNING_SERVICE_HOST=hunter2", "DUNNING_SERVICE_HOST is not a setting"),
        ("DUNNING_DATABASE_URL=", "DUNNING_DATABASE_URL is empty in .env"),
        ("DUNNING_DATABASE_URL=''", "DUNNING_DATABASE_URL is empty in .env"),
        ("DUNNING_DATABASE_URL=${NO_SUCH_VARIABLE}", "DUNNING_DATABASE_URL is empty in .env"),
        ("DUNNING_DATABASE_URL", "line 3 of .env gives DUNNING_DATABASE_URL no value"),
        ("DUNNING_DATABASE_URL: postgresql://u:hunter2@host/x", "line 3 of .env cannot be read: write NAME=value"),
        ("DUNNING_DATABASE_URL postgresql://u:hunter2@host/x", "line 3 of .env cannot be read: write NAME=value"),
        ("DUNNING_DATABASE_URL='postgresql://u:hunter2@host/x", "line 3 of .env cannot be read: write NAME=value"),
        ("=hunter2", "line 3 of .env cannot be read"),
        ("\u200bDUNNING_DATABASE_URL=postgresql://u:hunter2@host/x", "'\\u200bDUNNING_DATABASE_URL' is not a setting"),
        ("$env:DUNNING_DATABASE_URL='postgresql://u:hunter2@host/x'", "did you mean DUNNING_DATABASE_URL?"),
    ],
)
def test_a_mistake_in_dot_env_is_named_with_its_line(
    line: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_VARIABLE", raising=False)
    text = f"# a comment\nDUNNING_HOST=127.0.0.1\n{line}\nPOSTGRES_PASSWORD={SECRET}\n"
    (tmp_path / ".env").write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert complaint in refused.value.message
    assert "line 3 of .env" in refused.value.message or "is empty in .env" in refused.value.message
    assert SECRET not in refused.value.message


def test_every_mistake_in_dot_env_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DUNNING_PROT=1\nnonsense here\nDUNNING_HOSTS=x\n")
    with pytest.raises(ConfigurationError, match=r"line 1.*line 2.*line 3"):
        load_settings()


@pytest.mark.parametrize("kind", ["folder", "link to nothing"])
def test_a_dot_env_that_is_no_file_is_an_error(kind: str, tmp_path: Path) -> None:
    if kind == "folder":
        (tmp_path / ".env").mkdir()
    else:
        (tmp_path / ".env").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match=r"\.env"):
        load_settings()


def test_a_dot_env_in_utf_16_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("DUNNING_DATABASE_URL=sqlite:///own.db\n".encode("utf-16-le"))
    with pytest.raises(ConfigurationError, match=r"\.env in this folder is not UTF-8.*save it as UTF-8"):
        load_settings()


def test_dot_env_may_hold_what_others_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "\ufeffDUNNING_PORT=9000\nPOSTGRES_PASSWORD=x\nDATABASE_URL=y\nDUNNING_TEST_DATABASE_URL=z\n"
        "DUNNING_PUBLISH=127.0.0.1:80\nDUNNING_WORKERS=2\nRUNNING_PORT=1\nDUNNING_SECRET_KEY=\n",
        encoding="utf-8",
    )
    assert load_settings().port == 9000
    assert load_settings().secret_key is None
    assert warnings_of() == []


def test_the_example_of_dot_env_is_free_of_mistakes(tmp_path: Path) -> None:
    example = (Path(__file__).parents[2] / ".env.example").read_text()
    settings = [line.removeprefix("#") if line.startswith("#DUNNING_") else line for line in example.splitlines()]
    (tmp_path / ".env").write_text("\n".join(settings))
    assert load_settings().public_url == "https://dunning.example.com"
    assert warnings_of() == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DUNNING_DATABSE_URL", "DUNNING_DATABASE_URL"),
        ("DUNNING_DATABASE", "DUNNING_DATABASE_URL"),
        ("DUNNING_POSTGRES_DSN", "DUNNING_DATABASE_URL"),
        ("DUNING_DATABASE_URL", "DUNNING_DATABASE_URL"),
        ("dunning_datbase_url", "DUNNING_DATABASE_URL"),
        ("DUNNING_SECRETKEY", "DUNNING_SECRET_KEY"),
    ],
)
def test_a_variable_that_is_nearly_a_known_one_is_an_error(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, SECRET)
    with pytest.raises(ConfigurationError, match=rf"{name} is not a setting .*did you mean {meant}\?") as refused:
        load_settings()
    assert SECRET not in refused.value.message


def test_any_other_unknown_variable_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUNNING_COLOUR", SECRET)
    assert warnings_of() == ["DUNNING_COLOUR is not a setting of this service, so it changes nothing"]


def test_a_name_about_a_database_is_no_error_beside_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUNNING_DATABASE_URL", "postgresql://u@host/x")
    monkeypatch.setenv("DUNNING_DB_PASSWORD", SECRET)
    (warning,) = warnings_of()
    assert "DUNNING_DB_PASSWORD" in warning
    assert SECRET not in warning


@pytest.mark.parametrize("text", ["", "DUNNING_PORT=9000\n"])
def test_an_empty_database_url_in_the_environment_is_an_error_unless_dot_env_has_one(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(text)
    monkeypatch.setenv("DUNNING_DATABASE_URL", "")
    with pytest.raises(ConfigurationError, match="DUNNING_DATABASE_URL is set and empty"):
        load_settings()
    (tmp_path / ".env").write_text("DUNNING_DATABASE_URL=sqlite:///ledger.db\n")
    assert load_settings().database_url == "sqlite:///ledger.db"


INJECTED = {
    "DUNNING_SERVICE_HOST": "10.0.0.11",
    "DUNNING_SERVICE_PORT": "8000",
    "DUNNING_SERVICE_PORT_HTTP": "8000",
    "DUNNING_PORT_8000_TCP": "tcp://10.0.0.11:8000",
    "DUNNING_PORT_8000_TCP_PROTO": "tcp",
    "DUNNING_PORT_8000_TCP_PORT": "8000",
    "DUNNING_PORT_8000_TCP_ADDR": "10.0.0.11",
    "DUNNING_POSTGRES_SERVICE_HOST": "10.0.0.12",
    "DUNNING_POSTGRES_PORT": "tcp://10.0.0.12:5432",
    "DUNNING_POSTGRES_PORT_5432_TCP_ADDR": "10.0.0.12",
    "DUNNING_NAME": "/web/dunning",
    "DUNNING_ENV_DUNNING_DATABASE_URL": "sqlite:///other.db",
    "DUNNING_TEST_DATABASE_URL": "postgresql://u@host/x",
}


def test_what_an_orchestrator_adds_for_a_service_of_that_name_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in INJECTED.items():
        monkeypatch.setenv(name, value)
    assert warnings_of() == []
    assert not load_settings().has_database_url


def test_a_port_that_an_orchestrator_sets_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUNNING_PORT", "tcp://10.0.0.11:8000")
    with pytest.raises(ConfigurationError, match=r"a service called dunning: set DUNNING_PORT .*enableServiceLinks"):
        load_settings()


def test_a_dot_env_in_a_folder_above_is_named_where_it_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "one" / "two"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    (tmp_path / ".env").write_text("OTHER=1\n")
    assert warnings_of() == []
    (tmp_path / ".env").write_text("DUNNING_PORT=9000\n")
    (warning,) = warnings_of()
    assert str(tmp_path / ".env") in warning
    assert load_settings().port == 8000
    (inner / ".env").write_text("DUNNING_PORT=9001\n")
    assert warnings_of() == []


def test_the_environment_comes_before_dot_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text(
        "dunning_port=9000\nDUNNING_HOST=0.0.0.0\nDUNNING_CORS_ORIGINS=https://a, https://b\n"
    )
    monkeypatch.setenv("DUNNING_PORT", "9001")
    monkeypatch.setenv("DUNNING_HOST", "")
    settings = load_settings()
    assert (settings.port, settings.host) == (9001, "0.0.0.0")
    assert settings.cors_origins == ("https://a", "https://b")
