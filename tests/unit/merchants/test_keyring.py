"""Keys for source secrets: their form, their rotation, and the file an embedded database gets."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from dunning_service.errors import ConfigurationError
from dunning_service.merchants.keyring import Keyring, key_file, keyring_of, new_key
from dunning_service.settings import Settings


def settings(url: str, secret_key: str | None = None) -> Settings:
    return Settings(_env_file=None, database_url=url, secret_key=secret_key)


def test_a_secret_comes_back_as_it_was() -> None:
    keyring = Keyring(new_key())
    assert keyring.decrypt(keyring.encrypt("whsec_\u00e6".encode())) == "whsec_\u00e6".encode()


def test_a_ciphertext_does_not_hold_the_secret() -> None:
    assert b"whsec" not in Keyring(new_key()).encrypt(b"whsec_0123456789")


def test_the_first_key_encrypts_and_the_others_still_decrypt() -> None:
    old, new = new_key(), new_key()
    rotating = Keyring(f"{new}, {old}")
    assert rotating.decrypt(Keyring(old).encrypt(b"before")) == b"before"
    assert Keyring(new).decrypt(rotating.encrypt(b"after")) == b"after"


def test_a_key_that_is_gone_is_told_with_the_way_out() -> None:
    ciphertext = Keyring(new_key()).encrypt(b"secret")
    with pytest.raises(ConfigurationError, match="dunning source rotate"):
        Keyring(new_key()).decrypt(ciphertext)


@pytest.mark.parametrize("text", ["", " , ", "short", "not base64 at all!", "a" * 44, "A" * 43 + "=,x"])
def test_a_key_of_another_form_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigurationError, match="dunning secret-key") as refused:
        Keyring(text)
    assert "short" not in refused.value.message
    assert "not base64" not in refused.value.message


def test_sqlite_gets_a_key_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    database = tmp_path / "dunning.db"
    ciphertext = keyring_of(settings(f"sqlite:///{database}")).encrypt(b"secret")
    made = key_file(database)
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert keyring_of(settings(f"sqlite:///{database}")).decrypt(ciphertext) == b"secret"
    assert list(tmp_path.iterdir()) == [made]


def test_a_key_in_the_environment_comes_before_the_file_and_loses_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'dunning.db'}"
    before = keyring_of(settings(url)).encrypt(b"secret")
    key = new_key()
    both = keyring_of(settings(url, key))
    assert both.decrypt(before) == b"secret"
    assert Keyring(key).decrypt(both.encrypt(b"later")) == b"later"


def test_no_key_file_is_made_when_a_key_is_given(tmp_path: Path) -> None:
    keyring_of(settings(f"sqlite:///{tmp_path / 'dunning.db'}", new_key()))
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_key_file_is_named(tmp_path: Path) -> None:
    key_file(tmp_path / "dunning.db").write_text("gibberish")
    with pytest.raises(ConfigurationError, match=r"dunning\.db\.key does not hold a key"):
        keyring_of(settings(f"sqlite:///{tmp_path / 'dunning.db'}"))


def test_a_folder_that_does_not_exist_is_a_clear_refusal(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be made: No such file or directory"):
        keyring_of(settings(f"sqlite:///{tmp_path / 'nowhere' / 'dunning.db'}"))


def test_postgresql_without_a_key_is_refused_naming_the_command() -> None:
    with pytest.raises(ConfigurationError, match="dunning secret-key"):
        keyring_of(settings("postgresql://localhost/ledger"))
