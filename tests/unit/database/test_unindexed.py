from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from dunning_service.database.engines import UtcDateTime
from dunning_service.database.unindexed import unindexed, unindexed_anywhere

TABLE = sa.table("payments", sa.column("order_on", sa.Date), sa.column("updated_at", UtcDateTime), sa.column("status"))


def test_sqlite_is_told_not_to_use_the_index() -> None:
    statement = sa.select(TABLE).order_by(unindexed(TABLE.c.order_on).desc())

    assert str(statement.compile(dialect=sqlite.dialect())).endswith("ORDER BY +payments.order_on DESC")


def test_postgresql_sees_the_column_itself() -> None:
    statement = sa.select(TABLE).where(unindexed(TABLE.c.order_on).is_not(None))

    assert str(statement.compile(dialect=postgresql.dialect())).endswith("WHERE payments.order_on IS NOT NULL")


def test_values_compared_with_it_keep_the_type_of_the_column() -> None:
    assert isinstance((unindexed(TABLE.c.order_on) == date(2026, 11, 21)).right.type, sa.Date)


def test_postgresql_can_be_kept_from_it_too() -> None:
    columns = [unindexed_anywhere(column).label(column.name) for column in TABLE.c]

    assert str(sa.select(*columns).compile(dialect=postgresql.dialect())).startswith(
        "SELECT (payments.order_on + 0) AS order_on, (payments.updated_at + interval '0') AS updated_at, payments."
    )
    assert str(sa.select(columns[0]).compile(dialect=sqlite.dialect())).startswith("SELECT +payments.order_on AS")
