"""The schema: where the migrations are, which revision a database has, and how it gets the newest."""

from __future__ import annotations

import io
from contextlib import suppress
from enum import StrEnum
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection

from dunning_service.database.engines import create_write_engine, is_sqlite, sqlite_file
from dunning_service.errors import ConfigurationError
from dunning_service.values.progress import Progress

ON_VERSION_APPLY = "on_version_apply"
"""The attribute of Alembic's configuration that holds what is called after each revision; see `migrations/env.py`."""

REVISIONS_OF_0_1 = frozenset(f"{number:04}" for number in range(1, 11))


class SchemaState(StrEnum):
    """How a database's schema compares with what this version of the service was written for."""

    MISSING = "missing"
    TOO_OLD = "too_old"
    """A revision of version 0.1, which is upgraded by a program of its own."""
    BEHIND = "behind"
    CURRENT = "current"
    AHEAD = "ahead"
    """A revision this version does not know. Each migration works with the code before it, so that is no obstacle."""


def migrations_folder() -> Path:
    """The migrations: inside the installed package, or beside `src` in a checkout."""
    here = Path(__file__).resolve().parents[1]
    for folder in (here / "migrations", here.parents[1] / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise ConfigurationError("the migrations are missing from this installation; install dunning-service again")


def alembic_config(url: URL | None = None) -> Config:
    """What Alembic needs to know, without an alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    if url is not None:
        text = url.render_as_string(hide_password=False)
        config.set_main_option("sqlalchemy.url", text.replace("%", "%%"))  # the option goes through configparser
    return config


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(alembic_config())


def head_revision() -> str:
    """The newest revision this version of the service knows."""
    head = _scripts().get_current_head()
    assert head is not None
    return head


def revision_on(connection: Connection) -> str | None:
    """The revision of the database behind `connection`; None when it has no schema of ours."""
    return MigrationContext.configure(connection).get_current_revision()


def current_revision(url: URL) -> str | None:
    """The revision of a database; None when it has no schema of ours. Never makes an SQLite file."""
    if is_sqlite(url) and not sqlite_file(url).exists():
        return None
    engine = create_write_engine(url)
    try:
        with engine.connect() as connection:
            return revision_on(connection)
    finally:
        engine.dispose()


def schema_state(current: str | None) -> SchemaState:
    """What to make of a database's revision."""
    if current is None:
        return SchemaState.MISSING
    if current == head_revision():
        return SchemaState.CURRENT
    if current in REVISIONS_OF_0_1:
        return SchemaState.TOO_OLD
    known = {script.revision for script in _scripts().walk_revisions()}
    return SchemaState.BEHIND if current in known else SchemaState.AHEAD


def require_current(url: URL) -> None:
    """Raises ConfigurationError, naming the way out, when the schema is missing, behind or of version 0.1."""
    if is_sqlite(url) and not sqlite_file(url).exists():
        raise ConfigurationError(
            f"there is no database at {sqlite_file(url).resolve()}: `dunning migrate` makes it, and "
            "DUNNING_DATABASE_URL names another"
        )
    require_current_revision(current_revision(url))


def require_current_revision(current: str | None) -> None:
    """Raises ConfigurationError, naming the way out, unless this version can work with that revision."""
    state = _not_too_old(current)
    if state is SchemaState.MISSING:
        raise ConfigurationError("the database has no schema yet; run `dunning migrate`")
    if state is SchemaState.BEHIND:
        raise ConfigurationError(
            f"the database's schema is at revision {current} and this version needs {head_revision()}; "
            "run `dunning migrate`"
        )


def _not_too_old(current: str | None) -> SchemaState:
    """The state of a revision; raises ConfigurationError for one of version 0.1."""
    state = schema_state(current)
    if state is SchemaState.TOO_OLD:
        raise ConfigurationError(
            f"the database is of version 0.1 (revision {current}), which this version does not use: stop the service, "
            "back up, and run `python -m from_0_1` in the folder tools of the source; docs/upgrading.md says how"
        )
    return state


def upgrade(url: URL, to: str = "head", progress: Progress | None = None) -> None:
    """Brings a database to a revision, by default the newest; one that is there already stays as it is.

    All in one transaction: interrupted, it leaves the schema as it was. Raises ConfigurationError when the way there
    is not known.
    """
    if is_sqlite(url):
        # names, addresses and numbers of customers are nobody else's on this machine; its companions inherit the mode
        with suppress(OSError):  # where it cannot be made, opening it says so
            sqlite_file(url).touch(mode=0o600)
    current = current_revision(url)
    if _not_too_old(current) is SchemaState.AHEAD:
        raise ConfigurationError(
            f"the database is at revision {current}, which this version does not know (its newest is "
            f"{head_revision()}): a newer version migrated it; run that one"
        )
    if current is None and (strange := _tables(url)):
        raise ConfigurationError(
            f"the database is not empty and is not this service's: it has a table {strange!r} and no schema revision; "
            "name an empty database in DUNNING_DATABASE_URL"
        )
    config = alembic_config(url)
    try:
        if progress is not None:
            progress.begin("revisions", _steps(current, to))
            config.attributes[ON_VERSION_APPLY] = lambda **_: progress.advance()
        command.upgrade(config, to)
    except CommandError as error:
        raise _refusal(error, to) from None


def _steps(current: str | None, to: str) -> int | None:
    """How many revisions lie between; None where the way is not known, or goes back."""
    try:
        return sum(1 for _ in _scripts().iterate_revisions(to, current or "base"))
    except RevisionError:
        return None


def upgrade_sql(url: URL, to: str = "head") -> str:
    """The statements that `upgrade` would run from nothing, or from A for a `to` of the form `A:B`."""
    _not_too_old(to.partition(":")[0])
    config = alembic_config(url)
    config.output_buffer = io.StringIO()
    try:
        command.upgrade(config, to, sql=True)
    except CommandError as error:
        raise _refusal(error, to) from None
    return config.output_buffer.getvalue()


def _refusal(error: CommandError, to: str) -> ConfigurationError:
    known = ", ".join(script.revision for script in reversed(list(_scripts().walk_revisions())))
    return ConfigurationError(f"cannot migrate to {to!r}: {error}; the revisions are {known}")


def _tables(url: URL) -> str | None:
    """The name of a table in a database, if it has one."""
    engine = create_write_engine(url)
    try:
        with engine.connect() as connection:
            names = sorted(set(sa.inspect(connection).get_table_names()) - {"alembic_version"})
    finally:
        engine.dispose()
    return names[0] if names else None
