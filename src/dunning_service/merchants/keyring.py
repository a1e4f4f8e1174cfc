"""Encryption of source secrets at rest, and where its key comes from."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from dunning_service.database.engines import database_url, embedded_file
from dunning_service.errors import ConfigurationError
from dunning_service.settings import Settings

_WANTED = "urlsafe base64 of 32 bytes, such as `dunning secret-key` prints"


def new_key() -> str:
    """A fresh key, as DUNNING_SECRET_KEY wants it."""
    return Fernet.generate_key().decode("ascii")


class Keyring:
    """Encryption keys: the first encrypts, any of them decrypts."""

    def __init__(self, text: str) -> None:
        """The keys of a DUNNING_SECRET_KEY, separated by commas.

        Raises ConfigurationError for a key of another form, without repeating it.
        """
        keys = [part.strip() for part in text.split(",") if part.strip()]
        fernets = []
        for number, key in enumerate(keys, start=1):
            try:
                fernets.append(Fernet(key))
            except ValueError:
                which = f"key {number} of {len(keys)} in DUNNING_SECRET_KEY" if len(keys) > 1 else "DUNNING_SECRET_KEY"
                raise ConfigurationError(f"{which} is not a key: it must be {_WANTED}") from None
        if not fernets:
            raise ConfigurationError(f"DUNNING_SECRET_KEY holds no key: it must be {_WANTED}")
        self._fernet = MultiFernet(fernets)

    def encrypt(self, secret: bytes) -> bytes:
        return self._fernet.encrypt(secret)

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Raises ConfigurationError when none of the keys is the one it was encrypted with."""
        try:
            return self._fernet.decrypt(ciphertext)
        except InvalidToken:
            raise ConfigurationError(
                "a source's secret was encrypted with a key that is not at hand: add that key to DUNNING_SECRET_KEY "
                "(after a comma), put its key file back beside the SQLite database, or give the source a new secret "
                "with `dunning source rotate ID`"
            ) from None

    def can_read(self, ciphertext: bytes) -> bool:
        """True when one of the keys decrypts it."""
        try:
            self._fernet.decrypt(ciphertext)
        except InvalidToken:
            return False
        return True


def key_file(database: Path) -> Path:
    """The path of the key file of an SQLite database, used while DUNNING_SECRET_KEY is not set."""
    return database.with_name(database.name + ".key")


def keyring_of(settings: Settings) -> Keyring:
    """The keyring an operator's settings ask for.

    Without DUNNING_SECRET_KEY, SQLite gets a key file of its own beside the database, made here when it is missing;
    PostgreSQL, which several machines may share, raises ConfigurationError. When both exist, the file's key still
    decrypts, so that setting DUNNING_SECRET_KEY later loses nothing.
    """
    file = embedded_file(database_url(settings.database_url))
    keys = [] if settings.secret_key is None else [settings.secret_key]
    if file is not None and key_file(file).exists():
        keys.append(_read(key_file(file)))
    elif file is not None and not keys:
        keys.append(_make(key_file(file)))
    if not keys:
        raise ConfigurationError(
            "DUNNING_SECRET_KEY is not set, and PostgreSQL needs it to keep source secrets encrypted: "
            "make one with `dunning secret-key` and give every process the same"
        )
    return Keyring(",".join(keys))


def require_keys(settings: Settings) -> None:
    """Raises ConfigurationError where `keyring_of` would, and makes no key file."""
    file = embedded_file(database_url(settings.database_url))
    if settings.secret_key is None and file is not None and not key_file(file).exists():
        return
    keyring_of(settings)


def _read(path: Path) -> str:
    try:
        key = path.read_text("ascii").strip()
        Fernet(key)
    except OSError as error:
        raise ConfigurationError(f"the key file {path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigurationError(f"the key file {path} does not hold a key: it must be {_WANTED}") from None
    return key


def _make(path: Path) -> str:
    """Makes the key file atomically: never half a file, and never a second key when two processes start at once."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(new_key() + "\n")
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
        _keep_name(path.parent)
    except OSError as error:
        raise ConfigurationError(
            f"the key file {path} cannot be made: {error.strerror}; set DUNNING_SECRET_KEY (see `dunning secret-key`)"
        ) from None
    return _read(path)


def _keep_name(folder: Path) -> None:
    """Syncs the folder of a new file: only then is its name safe on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
