"""`alembic` as an operator types it, on both databases, and what the schema promises."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import dunning_service.ledger.models
import dunning_service.merchants.models  # noqa: F401  (both fill Base.metadata)
from building import NOON, a_decision, a_failure, a_notice, a_receipt
from databases import ROOT
from dunning_service.database.engines import Base, create_write_engine, database_url
from dunning_service.database.migrating import head_revision
from dunning_service.database.name_index import NAMES
from dunning_service.ledger.status import ActionKind
from dunning_service.merchants import service as merchants
from dunning_service.merchants import sources
from dunning_service.merchants.directory import Scope
from dunning_service.merchants.keyring import Keyring
from ledgers import Ledger
from running import SECRET_KEY
from serving import environment

TRIGRAMS = "ix_payments_name_trigrams"  # finds names on PostgreSQL, where the server offers it

NOT_BY_MERCHANT = {"merchants", "number_blocks", "alembic_version"}
FOUND_BEFORE_THE_MERCHANT_IS_KNOWN = {
    ("tokens", ("digest",)),
    ("sources", ("id",)),
    ("scheduled_payments", ("wake_at",)),
}

COMPARED = {
    "compare_type": True,
    "compare_server_default": True,
    "autogenerate_plugins": ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
}


def alembic(url: str, *arguments: str) -> str:
    """`alembic ...` in the root of the repository; what it wrote, when all went well."""
    done = subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=ROOT,
        env=environment(database_url=url),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """On a migrated database."""
    opened = create_write_engine(parsed(database_url))
    yield opened
    opened.dispose()


parsed = database_url  # the fixture of the same name hides it below


def test_up_down_and_up_again_with_rows_in_it(empty_database_url: str) -> None:
    url = empty_database_url
    alembic(url, "upgrade", "head")
    first = schema(url)
    fill(url)

    alembic(url, "downgrade", "base")
    assert schema(url).keys() == {"alembic_version"}

    alembic(url, "upgrade", "head")
    assert schema(url) == first
    assert disagreements(url) == []
    fill(url)


def test_the_same_upgrade_again_changes_nothing(database_url: str) -> None:
    before = schema(database_url)
    alembic(database_url, "upgrade", "head")
    assert schema(database_url) == before
    assert head_revision() in alembic(database_url, "current")


def test_models_and_migrations_agree(database_url: str) -> None:
    assert disagreements(database_url) == []


def fill(url: str, *also: ActionKind) -> None:
    """A row in every table, written by the service itself; `also` is decided without having an effect."""
    ledger = Ledger(url)
    try:
        with ledger.database.write() as connection:
            merchant = merchants.add_merchant(
                connection, name="Sweden & Co", default_currency="NOK", time_zone="UTC", now=NOON
            )
            merchants.add_token(
                connection, merchant=merchant, name="t", scopes=frozenset(Scope), expires_at=None, now=NOON
            )
            sources.add_source(
                connection,
                Keyring(SECRET_KEY),
                merchant=merchant,
                provider="maple",
                secret=None,
                options={},
                now=NOON,
            )
        failure = a_notice(a_failure(payer_key="7:cus_7"), merchant_id=merchant.id)
        receipt = a_notice(a_receipt(amount_minor=1), merchant_id=merchant.id)
        ledger.committer.commit([failure, receipt], NOON)
        payment_id = ledger.payment_ids(merchant.id)["in_1"]
        ledger.committer.commit([a_decision(payment_id, ActionKind.INVOICE, merchant_id=merchant.id)], NOON)
        for verb in also:
            ledger.committer.commit([a_decision(payment_id, verb, merchant_id=merchant.id, must_apply=False)], NOON)
        assert ledger.payment(merchant.id)["status"] == ("paid" if ActionKind.MARK_PAID in also else "invoiced")
        assert ledger.complaints() == []
    finally:
        ledger.database.write_engine.dispose()


def schema(url: str) -> dict[str, Any]:
    """Tables with their columns, keys, constraints and indexes, as the database tells them."""
    engine = create_write_engine(parsed(url))
    try:
        with engine.connect() as connection:
            inspector = sa.inspect(connection)
            return {
                name: {
                    "columns": [
                        (column["name"], str(column["type"]), column["nullable"])
                        for column in inspector.get_columns(name)
                    ],
                    "primary key": inspector.get_pk_constraint(name),
                    "unique": _as_text(inspector.get_unique_constraints(name)),
                    "checks": _as_text(inspector.get_check_constraints(name)),
                    "foreign keys": _as_text(inspector.get_foreign_keys(name)),
                    "indexes": _as_text(_indexes(inspector, name)),
                }
                for name in sorted(inspector.get_table_names())
            }
    finally:
        engine.dispose()


def _tables(inspector: sa.Inspector) -> set[str]:
    """Without those that SQLite's FTS5 keeps for itself."""
    return {name for name in inspector.get_table_names() if not name.startswith(NAMES)}


def _indexes(inspector: sa.Inspector, table: str) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sa.exc.SAWarning)  # SQLite does not tell what an index on an expression is
        return [index for index in inspector.get_indexes(table) if index["name"] != TRIGRAMS]


def _as_text(constraints: list[Any]) -> list[str]:
    return sorted(str({name: _told(value) for name, value in dict(one).items()}) for one in constraints)


def _told(value: Any) -> Any:
    """As text where it is an expression, such as the condition of an index: two of those are never equal."""
    return {name: str(option) for name, option in value.items()} if isinstance(value, dict) else value


def disagreements(url: str) -> list[Any]:
    """What a new migration would have to do to make the database what the models say."""

    def is_comparable(thing: Any, name: str | None, kind: str, is_reflected: bool, other: Any) -> bool:
        if str(name).startswith((NAMES, TRIGRAMS)):  # each database has its own way to find names
            return False
        if kind == "index" and not is_reflected and engine.dialect.name == "sqlite":
            return all(isinstance(expression, sa.Column) for expression in thing.expressions)
        return True

    engine = create_write_engine(parsed(url))
    try:
        with engine.connect() as connection, warnings.catch_warnings():
            warnings.simplefilter("ignore", sa.exc.SAWarning)
            context = MigrationContext.configure(connection, opts=COMPARED | {"include_object": is_comparable})
            return compare_metadata(context, Base.metadata)
    finally:
        engine.dispose()


def test_the_comparison_would_notice(engine: sa.Engine, database_url: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX ix_payments_merchant_id_payer_key")
        connection.exec_driver_sql(
            "ALTER TABLE payments ADD COLUMN surplus INTEGER CONSTRAINT ck_strange CHECK (1 = 1)"
        )
    assert len(disagreements(database_url)) == 3


def test_the_merchant_leads_every_key_and_index(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        others = set()
        for table in _tables(inspector) - NOT_BY_MERCHANT:
            keys = [inspector.get_pk_constraint(table)["constrained_columns"]]
            keys += [constraint["column_names"] for constraint in inspector.get_unique_constraints(table)]
            keys += [index["column_names"] for index in _indexes(inspector, table)]
            others |= {(table, tuple(key)) for key in keys if key[0] != "merchant_id"}
        assert others == FOUND_BEFORE_THE_MERCHANT_IS_KNOWN


def test_the_merchant_leads_every_key_and_index_of_the_models() -> None:
    """The same of what SQLite does not tell: indexes on expressions."""
    others = set()
    for table in Base.metadata.tables.values():
        if table.name in NOT_BY_MERCHANT:
            continue
        constraints = [
            one for one in table.constraints if isinstance(one, (sa.PrimaryKeyConstraint, sa.UniqueConstraint))
        ]
        keys = [[column.name for column in constraint.columns] for constraint in constraints]
        keys += [[getattr(expression, "name", "") for expression in index.expressions] for index in table.indexes]
        others |= {(table.name, tuple(key)) for key in keys if key[0] != "merchant_id"}
    assert others == FOUND_BEFORE_THE_MERCHANT_IS_KNOWN


def test_every_constraint_has_a_name_of_ours(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        for table in _tables(inspector) - {"alembic_version"}:
            named = [("pk", inspector.get_pk_constraint(table))]
            named += [("ck", constraint) for constraint in inspector.get_check_constraints(table)]
            named += [("uq", constraint) for constraint in inspector.get_unique_constraints(table)]
            named += [("fk", constraint) for constraint in inspector.get_foreign_keys(table)]
            for prefix, constraint in named:
                assert str(constraint["name"]).startswith(f"{prefix}_{table}"), (table, constraint)
        known = [constraint["name"] for constraint in inspector.get_check_constraints("payments")]
        assert sorted(known) == ["ck_payments_currency_length", "ck_payments_status_known"]


def test_the_database_itself_refuses_what_no_ledger_holds(engine: sa.Engine, database_url: str) -> None:
    fill(database_url)
    for statement in (
        "UPDATE payments SET status = 'lost'",
        "UPDATE payments SET currency = 'NO'",
        "UPDATE attempts SET outcome = 'perhaps'",
        "UPDATE actions SET verb = 'forget'",
        "UPDATE deliveries SET outcome = 'lost'",
        "UPDATE daily_counts SET status = 'lost'",
    ):
        with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
            connection.exec_driver_sql(statement)
