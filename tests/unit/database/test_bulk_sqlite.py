"""The bulk statements on SQLite."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from dunning_service.database.bulk_sqlite import SqliteBulk
from dunning_service.database.engines import create_write_engine, database_url

TABLE = sa.Table("things", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))


def test_a_statement_that_is_interrupted_fails_as_others_do_wherever_it_is(tmp_path: Path) -> None:
    """Also between two rows of what it finds: the committer takes only SQLAlchemy's errors for an outage."""
    engine = create_write_engine(database_url(f"sqlite:///{tmp_path}/things.db"))
    keys = [(number,) for number in range(64)]
    with engine.begin() as connection:
        TABLE.create(connection)
        SqliteBulk(connection).insert(TABLE, ("id", "name"), [(number, "a") for (number,) in keys])
    outcomes = []
    for steps in range(1, 3_000, 50):
        with engine.connect() as connection:
            bulk = SqliteBulk(connection)
            driver: Any = connection.connection.dbapi_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.set_progress_handler(lambda: 1, steps)
            try:
                outcomes.append(len(bulk.select(TABLE, ("id",), keys)))
            except sa.exc.OperationalError:
                outcomes.append(0)
            driver.set_progress_handler(None, 0)
    engine.dispose()
    assert set(outcomes) == {0, 64}
