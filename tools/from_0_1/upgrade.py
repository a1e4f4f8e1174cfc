"""The upgrade of a database of version 0.1 in place: the facts are copied into new tables, and the rest is derived."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL, Connection

import dunning_service.gateways.models  # noqa: F401  (fills Base.metadata, as the other models do)
from dunning_service.billing.names import fold_again, misfolded
from dunning_service.database.engines import Base, create_write_engine, is_sqlite
from dunning_service.database.long_work import lift_limits
from dunning_service.database.migrating import REVISIONS_OF_0_1, alembic_config, current_revision, head_revision
from dunning_service.errors import ConfigurationError
from dunning_service.ledger.check import differences, payments_after
from dunning_service.ledger.counting import chunks_of, counted_days, recount
from dunning_service.ledger.models import PaymentRow
from dunning_service.ledger.texts import FoldedTexts
from dunning_service.merchants.directory import MerchantView
from dunning_service.merchants.service import list_merchants
from dunning_service.values.chunks import in_chunks
from from_0_1.statements import COUNTS, ERASED, ERASED_AT, OF_SUBJECTS, ROWS, SUBJECTS, VALUES

_SCHEMA = "dunning_0_1"
_SUFFIX = "_of_0_1"
_PASSES = 5
_NAMES_AT_ONCE = 500

Say = Callable[[str], None]


def upgrade(url: URL, now: datetime, say: Say) -> None:
    """Upgrades a database in one transaction: interrupted, or refused, it leaves the database as it was.

    Raises ConfigurationError for a database that is not of version 0.1.
    """
    revision = current_revision(url)
    if revision not in REVISIONS_OF_0_1:
        raise ConfigurationError(
            "this is no database of version 0.1: it has "
            + ("no schema" if revision is None else f"revision {revision}")
            + ", and nothing was changed; see `dunning status`"
        )
    engine = create_write_engine(url)
    if is_sqlite(url):
        sa.event.listen(engine, "connect", _without_foreign_keys)
    try:
        with engine.begin() as connection:
            lift_limits(connection, may_scan=True)
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on"))
            say(f"The database is of version 0.1, revision {revision}.")
            _Upgrade(connection, say).run()
            _derive(connection, now, say)
            for line in differences(connection):
                say(f"Not as its facts say, and not put right: {line}")
    finally:
        engine.dispose()
    say(f"The database is of version 0.2 now, revision {head_revision()}.")


def _without_foreign_keys(connection: Any, _record: Any) -> None:
    # tables that others refer to are dropped
    connection.execute("PRAGMA foreign_keys=OFF")


class _Upgrade:
    """The new tables, with the rows of the old ones."""

    def __init__(self, connection: Connection, say: Say) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name
        self._say = say
        inspector = sa.inspect(connection)
        there = set(inspector.get_table_names())
        self._columns = {
            table.name: [column["name"] for column in inspector.get_columns(table.name)]
            for table in Base.metadata.sorted_tables  # those that others refer to come first
            if table.name in there
        }

    def run(self) -> None:
        if self._dialect == "sqlite":
            self._rename()
        else:
            self._move()
        self._create()
        for table in self._columns:
            if table not in COUNTS:
                self._copy(table)
        self._complete()
        self._drop()
        self._execute(f"UPDATE alembic_version SET version_num = '{head_revision()}'")

    def _old(self, table: str) -> str:
        return f"{table}{_SUFFIX}" if self._dialect == "sqlite" else f"{_SCHEMA}.{table}"

    def _rename(self) -> None:
        triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        for trigger in self._connection.execute(sa.text(triggers)).scalars().all():
            self._execute(f"DROP TRIGGER {trigger}")
        self._execute("DROP TABLE IF EXISTS payment_names")
        indexes = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        for index in self._connection.execute(sa.text(indexes)).scalars().all():
            self._execute(f"DROP INDEX {index}")
        for table in self._columns:
            self._execute(f"ALTER TABLE {table} RENAME TO {self._old(table)}")

    def _move(self) -> None:
        self._execute(f"CREATE SCHEMA {_SCHEMA}")
        for table in self._columns:
            self._execute(f"ALTER TABLE {table} SET SCHEMA {_SCHEMA}")

    def _create(self) -> None:
        context = MigrationContext.configure(self._connection, opts={"target_metadata": Base.metadata})
        scripts = ScriptDirectory.from_config(alembic_config())
        with Operations.context(context):
            for script in reversed(list(scripts.walk_revisions())):
                script.module.upgrade()

    def _copy(self, table: str) -> None:
        old = self._columns[table]
        new = [column["name"] for column in sa.inspect(self._connection).get_columns(table)]
        rows = self._old(table)
        values = {name: name for name in new if name in old}
        for name in new:
            if (value := VALUES.get((table, name))) is not None:
                values[name] = f"coalesce({name}, {value})" if name in old else value
        if table in ROWS and "number" not in old:
            rows = f"({ROWS[table].format(table=rows)})"
            values |= {name: name for name in ("number", "is_superseded") if name in new}
        self._execute(f"DELETE FROM {table}")  # what the migration has put there
        copied = self._execute(
            f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {rows} AS of_0_1"
        )
        self._say(f"  {table}: {copied:,}")

    def _complete(self) -> None:
        """The columns whose values come from other tables, and the numbers that are given from now on."""
        if "subjects" not in self._columns["deliveries"]:
            self._execute(SUBJECTS.format(**OF_SUBJECTS[self._dialect]))
        if "erased_at" not in self._columns["attempts"]:
            self._execute(ERASED.format(erased_at=ERASED_AT[self._dialect]))
        if self._dialect == "postgresql":
            self._execute(
                "SELECT setval(pg_get_serial_sequence('merchants', 'id'), max(id)) FROM merchants HAVING max(id) > 0"
            )

    def _drop(self) -> None:
        if self._dialect == "postgresql":
            self._execute(f"DROP SCHEMA {_SCHEMA} CASCADE")
            for function in ("mark_as_counted_by_day", "mark_texts_as_not_folded"):
                self._execute(f"DROP FUNCTION IF EXISTS {function}()")
            return
        for table in reversed(self._columns):
            self._execute(f"DROP TABLE {self._old(table)}")
        broken = self._connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise ConfigurationError(
                f"a row of {broken[0]} refers to no row of {broken[2]}, and nothing was changed: restore a backup"
            )

    def _execute(self, statement: str) -> int:
        return self._connection.execute(sa.text(statement.replace(":", r"\:"))).rowcount


def _derive(connection: Connection, now: datetime, say: Say) -> None:
    """Computes from the facts what `dunning ledger check --repair` does."""
    payments = days = subscriptions = 0
    for merchant in list_merchants(connection):
        payments += _fold(connection, merchant, now)
        for chunk in chunks_of(counted_days(connection, merchant.id)):
            recount(connection, merchant.id, chunk)
            days += len(chunk)
        for ids in in_chunks(list(misfolded(connection, merchant.id)), _NAMES_AT_ONCE):
            subscriptions += fold_again(connection, merchant.id, ids)
    say(f"Derived: {payments:,} payments, the counts of {days:,} days, the names of {subscriptions:,} subscriptions.")


def _fold(connection: Connection, merchant: MerchantView, now: datetime) -> int:
    """Writes the derived columns of a merchant's payments; returns how many were written.

    Which of a payer's failures a receipt pays depends on what the others' rows say, so passes are made until one
    changes nothing.
    """
    written = 0
    for _ in range(_PASSES):
        before, last = written, 0
        while page := payments_after(connection, merchant.id, merchant.time_zone, last):
            last = page[-1][1].id
            for row, payment in page:
                values = payment.differing(row)
                if not values:
                    continue
                if not values.keys() <= set(FoldedTexts._fields):
                    values["updated_at"] = now  # what is shown has changed
                this = (PaymentRow.merchant_id == merchant.id, PaymentRow.id == payment.id)
                connection.execute(sa.update(PaymentRow).where(*this).values(values))
                written += 1
        if written == before:
            break
    return written
