"""Whether the database tells the truth when it says that something is committed."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from dunning_service.errors import ConfigurationError

_SQLITE_FULL = 2
_SQLITE_LEVELS = {0: "OFF", 1: "NORMAL"}
_POSTGRES_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes")


def unsafe_settings(connection: Connection) -> list[str]:
    """What lets the database acknowledge a commit that a power cut would undo, as `setting = value`.

    To be asked of the connection that writes: most of it can differ between connections.
    """
    if connection.dialect.name == "sqlite":
        level = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
        journal = str(connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()).upper()
        found = [] if level >= _SQLITE_FULL else [f"synchronous = {_SQLITE_LEVELS.get(level, level)}"]
        return found + ([f"journal_mode = {journal}"] if journal in ("OFF", "MEMORY") else [])
    values = {name: connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in _POSTGRES_SETTINGS}
    return [f"{name} = {value}" for name, value in values.items() if value == "off"]


def require_durable(connection: Connection, *, is_waived: bool = False) -> list[str]:
    """Raises ConfigurationError when a notice could be acknowledged before the disk has it.

    With `is_waived` (DUNNING_ALLOW_UNSAFE_DURABILITY) it only answers what is unsafe.
    """
    unsafe = unsafe_settings(connection)
    if unsafe and not is_waived:
        raise ConfigurationError(
            f"the database would acknowledge notices before they are safe on disk ({', '.join(unsafe)}); change that, "
            "or accept the loss with DUNNING_ALLOW_UNSAFE_DURABILITY=true"
        )
    return unsafe
