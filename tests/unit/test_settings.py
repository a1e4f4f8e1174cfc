"""Operator settings: what is wrong with them is said by the variable's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from dunning_service.errors import ConfigurationError
from dunning_service.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"DUNNING_{name.upper()}", raising=False)


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
