"""`alembic` as an operator types it, on both databases, and what the schema promises."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import dunning_service.ledger.models
import dunning_service.merchants.models  # noqa: F401  (both fill Base.metadata)
from building import NOON, a_decision, a_failure, a_notice, a_receipt, a_subscription_row
from databases import ROOT, migrate, migrate_down
from dunning_service.billing.models import SubscriptionRow
from dunning_service.database.engines import Base, create_write_engine, database_url
from dunning_service.database.migrating import head_revision
from dunning_service.database.name_index import NAMES
from dunning_service.erasure.person import Person
from dunning_service.erasure.service import erase_person
from dunning_service.events import Delivery
from dunning_service.ledger.counting import uncounted_days
from dunning_service.ledger.models import AttemptRow, BlockCountRow, DeliveryRow, IdempotencyRow, PaymentRow
from dunning_service.ledger.status import ActionKind
from dunning_service.ledger.work import Notice
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


def test_a_refusal_kept_under_a_key_does_not_come_back_as_a_success(database_url: str) -> None:
    engine = create_write_engine(parsed(database_url))
    row = {"merchant_id": 1, "request_digest": b"\x01" * 32, "response": {}, "created_at": NOON}
    with engine.begin() as connection:
        kept = sa.insert(IdempotencyRow).values(row | {"key": "k", "refusal": "no", "request_id": "r"})
        connection.execute(kept)

    migrate_down(database_url, "0001")
    migrate(database_url)

    with engine.begin() as connection:
        assert connection.execute(sa.select(IdempotencyRow.key)).all() == []
    engine.dispose()


def test_requests_for_another_try_are_gone_before_subscriptions_were(database_url: str) -> None:
    fill(database_url, ActionKind.RETRY)
    engine = create_write_engine(parsed(database_url))
    counted = sa.text("SELECT verb, count(*) FROM actions GROUP BY verb ORDER BY verb")
    with engine.begin() as connection:
        assert connection.execute(counted).all() == [("invoice", 1), ("retry", 1)]

    migrate_down(database_url, "0002")

    with engine.begin() as connection:
        assert connection.execute(counted).all() == [("invoice", 1)]
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.exec_driver_sql("UPDATE actions SET verb = 'retry'")
    engine.dispose()


def test_moves_of_receipts_are_gone_before_there_were_any_and_all_else_stays(database_url: str) -> None:
    fill(database_url, ActionKind.MARK_PAID, ActionKind.MOVE_RECEIPT)
    engine = create_write_engine(parsed(database_url))
    everything = sa.text("SELECT number, verb, actor, reason, decided_at FROM actions ORDER BY number")
    with engine.begin() as connection:
        invoiced, marked, _ = connection.execute(everything).all()
        for wrong in ("receipt = 'perhaps'", "verb = 'forget'"):
            with pytest.raises(sa.exc.IntegrityError), connection.begin_nested():
                connection.exec_driver_sql(f"UPDATE actions SET {wrong}")

    migrate_down(database_url, "0005")

    with engine.begin() as connection:
        assert connection.execute(everything).all() == [invoiced, marked]
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.exec_driver_sql("UPDATE actions SET verb = 'move_receipt'")
    engine.dispose()

    migrate(database_url)

    ledger = Ledger(database_url)
    with ledger.database.write() as connection:
        assert connection.execute(everything).all() == [invoiced, marked]
        assert connection.execute(sa.text("SELECT count(receipt) FROM actions")).scalar_one() == 0
    assert ledger.complaints() == []
    ledger.database.write_engine.dispose()


def test_rows_of_the_version_before_are_counted_within_the_day_and_by_currency(database_url: str) -> None:
    url = database_url
    fill(url)
    migrate_down(url, "0003")
    ledger = Ledger(url)
    with ledger.database.write() as connection:  # as that version leaves them
        connection.exec_driver_sql("UPDATE daily_counts SET shard = 5")

    migrate(url)

    with ledger.database.write() as connection:
        merchant_id = connection.scalar(sa.select(PaymentRow.merchant_id))
        assert connection.execute(uncounted_days(merchant_id)).all() == []
        (block,) = connection.execute(sa.select(BlockCountRow.status, BlockCountRow.payments)).all()
        assert tuple(block) == ("invoiced", 1)
    assert ledger.complaints() == []
    ledger.database.write_engine.dispose()


def test_texts_of_the_version_before_are_folded_again_and_back(database_url: str) -> None:
    ledger = Ledger(database_url)
    merchant_ids = [ledger.add_merchant().id for _ in range(2)]
    for merchant_id, payments in zip(merchant_ids, (1_002, 2), strict=True):  # more than are written at a time
        failures = [
            a_failure(f"in_{number}", customer_name="Bj\u00f8rn  \u00c5S", customer_phone="(+47) 412 34 567")
            for number in range(payments)
        ]
        paid = [a_failure("in_paid", payer_key="7:cus_7"), a_receipt()]
        ledger.committer.commit([a_notice(*failures, *paid, merchant_id=merchant_id)], NOON)
    with ledger.database.write() as connection:
        row = a_subscription_row(
            merchant_ids[0], customer_name="\u00d8de", company_name="Caf\u00e9", names_folded="ode\ncafe"
        )
        connection.execute(sa.insert(SubscriptionRow).values(row))
    after = {merchant_id: ledger.rows(PaymentRow, merchant_id) for merchant_id in merchant_ids}
    texts = sa.text("SELECT DISTINCT customer_name_folded, customer_phone_key FROM payments WHERE customer_name <> ''")
    names = sa.text("SELECT names_folded FROM subscriptions")

    migrate_down(database_url, "0005")

    with ledger.database.write() as connection:
        assert connection.execute(texts).all() == [("bj\u00f8rn  \u00e5s", "4741234567")]
        assert connection.execute(names).all() == [("\u00f8de\ncaf\u00e9",)]
    migrate(database_url)

    assert {merchant_id: ledger.rows(PaymentRow, merchant_id) for merchant_id in merchant_ids} == after
    with ledger.database.write() as connection:
        assert connection.execute(texts).all() == [("bjorn as", "+4741234567")]
        assert connection.execute(names).all() == [("ode\ncafe",)]
        if ledger.database.is_sqlite:  # what finds names has followed
            found = "SELECT count(*) FROM payment_names WHERE payment_names MATCH 'bjorn'"
            assert connection.exec_driver_sql(found).scalar_one() == 1_004
    assert ledger.complaints() == []
    ledger.database.write_engine.dispose()


def test_attempts_erased_by_the_version_before_are_known_to_be(database_url: str) -> None:
    """Those of a delivery that brought another person's attempt as well are told apart."""
    ledger = Ledger(database_url)
    merchant = ledger.add_merchant("Sweden & Co")
    kari, ola = a_failure("in_1", customer_name="Kari", customer_email="kari@example.com"), a_failure("in_2")
    ola = replace(ola, customer_name="Ola")
    ledger.committer.commit([a_notice(kari, ola, merchant_id=merchant.id)], NOON)
    ledger.committer.commit([a_notice(a_failure("in_3"), merchant_id=merchant.id)], NOON)
    erase_person(ledger.database, merchant, Person.named([], ["kari@example.com"]), lambda: NOON)
    before = erased_at(ledger, merchant.id)
    assert before == {"in_1": NOON, "in_2": None, "in_3": None}
    migrate_down(database_url, "0005")

    migrate(database_url)

    assert erased_at(ledger, merchant.id) == before
    again = a_notice(kari, merchant_id=merchant.id)
    ledger.committer.commit([again], NOON)
    assert {row["body"] for row in ledger.rows(DeliveryRow, merchant.id) if row["digest"] == again.digest} == {None}
    assert ledger.complaints() == []
    ledger.database.write_engine.dispose()


def test_what_deliveries_say_is_carried_over_both_ways(database_url: str) -> None:
    """A delivery read twice, and a statement that two deliveries make, as each version keeps them."""
    ledger = Ledger(database_url)
    merchant_id = ledger.add_merchant().id
    at = [Delivery(f"notice {number}".encode(), (), NOON + timedelta(minutes=number)) for number in range(4)]

    def read(delivery: Delivery, currency: str, *, is_replay: bool = False) -> Notice:
        told = (a_failure(payer_key="7:cus_7", currency=currency), a_receipt(currency=currency))
        return a_notice(*told, merchant_id=merchant_id, delivery=delivery, is_replay=is_replay)

    works = [
        read(at[0], "NOK"),
        read(at[1], "NOK"),
        read(at[0], "EUR", is_replay=True),
        read(at[1], "EUR", is_replay=True),
    ]
    works.append(a_notice(a_failure("in_2"), merchant_id=merchant_id, delivery=at[2]))
    for work in works:
        ledger.committer.commit([work], NOON)
    before = ledger.payment(merchant_id)
    assert (before["status"], before["currency"]) == ("paid", "EUR")
    assert len(ledger.rows(AttemptRow, merchant_id)) == 5
    subjects = {row["digest"]: row["subjects"] for row in ledger.rows(DeliveryRow, merchant_id)}

    migrate_down(database_url, "0005")
    with ledger.database.write() as connection:
        kept = "SELECT provider_attempt_id, currency, reading FROM attempts ORDER BY payment_id, currency"
        assert connection.execute(sa.text(kept)).all() == [("1", "EUR", 2), ("1", "NOK", 1), ("1", "NOK", 1)]
        assert connection.execute(sa.text("SELECT currency FROM receipts")).all() == [("EUR",)]

    migrate(database_url)
    assert ledger.payment(merchant_id) == before
    assert ledger.complaints() == []
    rows = sorted(ledger.rows(AttemptRow, merchant_id), key=lambda row: (row["payment_id"], row["number"]))
    assert [(row["number"], row["currency"], row["is_superseded"]) for row in rows] == [
        (1, "NOK", True),
        (2, "EUR", False),
        (1, "NOK", False),
    ]
    # the second delivery only says what the first does, so it has no rows until it is read again
    del subjects[works[1].digest]
    found = {row["digest"]: row["subjects"] for row in ledger.rows(DeliveryRow, merchant_id)}
    assert {digest: named for digest, named in found.items() if named is not None} == subjects
    ledger.committer.commit([read(at[0], "NOK", is_replay=True)], NOON)
    assert ledger.payment(merchant_id)["currency"] == "NOK"
    assert ledger.complaints() == []
    ledger.database.write_engine.dispose()


def test_texts_of_a_large_ledger_are_left_to_an_operators_word_on_postgresql(postgres_url: str) -> None:
    ledger = Ledger(postgres_url)
    merchant = ledger.add_merchant()
    ledger.committer.commit([a_notice(a_failure(customer_name="Bj\u00f8rn"), merchant_id=merchant.id)], NOON)
    after = ledger.rows(PaymentRow, merchant.id)
    migrate_down(postgres_url, "0005")
    with ledger.database.write() as connection:
        connection.exec_driver_sql("UPDATE daily_counts SET payments = payments + 20000")

    migrate(postgres_url)

    with ledger.database.write() as connection:
        connection.exec_driver_sql("UPDATE daily_counts SET payments = payments - 20000")
    (left,) = ledger.rows(PaymentRow, merchant.id)
    assert (left["customer_name_folded"], left["identifiers_folded"]) == ("bj\u00f8rn", None)
    assert len(ledger.complaints()) == 1
    assert ledger.repaired(merchant.id).payments == 1
    assert ledger.rows(PaymentRow, merchant.id) == after
    ledger.database.write_engine.dispose()


def erased_at(ledger: Ledger, merchant_id: int) -> dict[str, Any]:
    names = {number: name for name, number in ledger.payment_ids(merchant_id).items()}
    return {names[row["payment_id"]]: row["erased_at"] for row in ledger.rows(AttemptRow, merchant_id)}


def test_sources_of_the_version_before_are_numbered_in_their_order_and_its_new_ones_too(database_url: str) -> None:
    url = database_url
    ledger = Ledger(url)
    keyring = Keyring.from_text(SECRET_KEY)
    added = []
    with ledger.database.write() as connection:
        for minutes in (3, 1, 2):
            name, at = f"of minute {minutes}", NOON + timedelta(minutes=minutes)
            merchant = merchants.add_merchant(connection, name=name, default_currency=None, time_zone="UTC", now=NOON)
            options = {"merchant": merchant, "provider": "maple", "secret": None, "options": {}}
            added.append(sources.add_source(connection, keyring, **options, now=at).number)
    assert added == [1, 2, 3]

    migrate_down(url, "0005")
    migrate(url)

    as_before = (
        "INSERT INTO sources (merchant_id, id, provider, options, created_at) "
        "SELECT merchant_id, 'later', provider, options, created_at FROM sources WHERE number = 1"
    )
    with ledger.database.write() as connection:
        connection.exec_driver_sql(as_before)
        listed = {one.id: (one.number, one.merchant) for one in sources.list_sources(connection, now=NOON)}
    assert sorted(listed.values()) == [(1, "of minute 1"), (2, "of minute 2"), (3, "of minute 3"), (4, "of minute 1")]
    assert listed["later"][0] == 4
    ledger.database.write_engine.dispose()


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
                Keyring.from_text(SECRET_KEY),
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
