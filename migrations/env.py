"""Alembic's entry: which database, which models. Used by `alembic` and by `dunning migrate` alike."""

from __future__ import annotations

from logging.config import fileConfig
from typing import Any

import sqlalchemy as sa
from alembic import context
from sqlalchemy import event
from sqlalchemy.engine import Connection

from dunning_service.database.engines import Base, create_write_engine, database_url, is_sqlite
from dunning_service.database.migrating import ON_VERSION_APPLY
from dunning_service.settings import load_settings

_LOCK = 0x64756E6E  # "dunn": one migration at a time on one PostgreSQL

config = context.config
url = database_url(config.get_main_option("sqlalchemy.url") or load_settings().database_url)

if config.cmd_opts is not None and config.config_file_name is not None:  # typed as `alembic ...`: say what happens
    fileConfig(config.config_file_name, disable_existing_loggers=False)


def migrate_offline() -> None:
    """Prints the SQL instead of running it."""
    context.configure(
        url=url,
        target_metadata=Base.metadata,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        render_as_batch=is_sqlite(url),
    )
    with context.begin_transaction():
        context.run_migrations()


def migrate_online() -> None:
    """All revisions in one transaction: a migration that fails leaves the schema as it was."""
    engine = create_write_engine(url)
    if is_sqlite(url):
        event.listen(engine, "connect", _without_foreign_keys)
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("SET LOCAL lock_timeout = '10s'"))
                connection.execute(sa.text("SET LOCAL statement_timeout = '15min'"))
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            context.configure(
                connection=connection,
                target_metadata=Base.metadata,
                render_as_batch=connection.dialect.name == "sqlite",
                compare_type=True,
                on_version_apply=config.attributes.get(ON_VERSION_APPLY, ()),
            )
            with context.begin_transaction():
                context.run_migrations()
            if connection.dialect.name == "sqlite":
                _require_foreign_keys(connection)
    finally:
        engine.dispose()


def _without_foreign_keys(connection: Any, _record: Any) -> None:
    # SQLite changes a table by copying it and dropping the old one, and dropping one that is referred to would delete
    # the rows that refer to it. It can only be said before the transaction begins.
    connection.execute("PRAGMA foreign_keys=OFF")


def _require_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise RuntimeError(f"the migration would leave a row of {broken[0]} that refers to no row of {broken[2]}")


if context.is_offline_mode():
    migrate_offline()
else:
    migrate_online()
