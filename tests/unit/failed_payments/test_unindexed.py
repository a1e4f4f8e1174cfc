from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from dunning_service.failed_payments.unindexed import unindexed

TABLE = sa.table("payments", sa.column("order_on", sa.Date))


def test_sqlite_is_told_not_to_use_the_index() -> None:
    statement = sa.select(TABLE).order_by(unindexed(TABLE.c.order_on).desc())

    assert str(statement.compile(dialect=sqlite.dialect())).endswith("ORDER BY +payments.order_on DESC")


def test_postgresql_sees_the_column_itself() -> None:
    statement = sa.select(TABLE).where(unindexed(TABLE.c.order_on).is_not(None))

    assert str(statement.compile(dialect=postgresql.dialect())).endswith("WHERE payments.order_on IS NOT NULL")


def test_values_compared_with_it_keep_the_type_of_the_column() -> None:
    assert isinstance((unindexed(TABLE.c.order_on) == date(2026, 11, 21)).right.type, sa.Date)
