"""The upgrade of databases that version 0.1 filled: `tests/fixtures/from_0_1` has two of each kind, as SQL.

Those of revision 0005 are of the last commit before the schema changed again, those of 0010 of the last commit before
version 0.2. Beside each is what its service answered, with tokens and secrets made for it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
import sqlalchemy as sa

from contract.test_migrations import disagreements, schema
from databases import ROOT
from dunning_service.app import create_app
from dunning_service.database.engines import create_write_engine, database_url
from dunning_service.database.migrating import head_revision
from dunning_service.errors import ConfigurationError
from dunning_service.gateways.models import GatewayRow
from dunning_service.gateways.service import signing_secrets, unreadable_gateways
from dunning_service.merchants.keyring import Keyring
from dunning_service.settings import Settings
from from_0_1 import upgrade as upgrading
from running import SECRET_KEY, FrozenClock
from serving import DUNNING, environment

FIXTURES = ROOT / "tests" / "fixtures" / "from_0_1"
LATER = datetime(2026, 12, 1, 12, tzinfo=UTC)
FACTS = ("deliveries", "attempts", "actions", "receipts", "refunds", "idempotency_keys")
KEPT = (
    *("merchants", "tokens", "sources", "source_secrets", "gateways", "number_blocks"),
    *("subscriptions", "scheduled_payments", "blocked_methods", "sandbox_charges"),
)
DERIVED = {"names_folded"}

parsed = database_url


@dataclass(frozen=True)
class Ledger01:
    """A database of version 0.1, and what its service answered."""

    url: str
    known: dict[str, Any]

    @property
    def engine(self) -> sa.Engine:
        return create_write_engine(parsed(self.url))

    def rows(self, *tables: str) -> dict[str, list[dict[str, Any]]]:
        engine = self.engine
        with engine.begin() as connection:
            found = {
                table: [dict(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}").mappings()]
                for table in tables
            }
        engine.dispose()
        return found

    def revision(self) -> str:
        (row,) = self.rows("alembic_version")["alembic_version"]
        return str(row["version_num"])


@pytest.fixture(params=["0005", "0010"])
def old(request: pytest.FixtureRequest, empty_database_url: str) -> Ledger01:
    kind = "sqlite" if empty_database_url.startswith("sqlite") else "postgresql"
    name = f"{kind}_{request.param}"
    text = (FIXTURES / f"{name}.sql").read_text("utf-8")
    if kind == "sqlite":
        with closing(sqlite3.connect(empty_database_url.removeprefix("sqlite:///"))) as connection:
            connection.executescript(text)
    else:
        with psycopg.connect(empty_database_url) as server:
            server.execute(text.encode())
    return Ledger01(empty_database_url, json.loads((FIXTURES / f"{name}.json").read_text("utf-8")))


@pytest.fixture
def upgraded(old: Ledger01) -> Ledger01:
    upgrading.upgrade(parsed(old.url), LATER, print)
    return old


def dunning(ledger: Ledger01, *arguments: str) -> str:
    done = subprocess.run(
        [DUNNING, *arguments],
        env=environment(database_url=ledger.url, secret_key=SECRET_KEY),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@asynccontextmanager
async def service(ledger: Ledger01) -> AsyncIterator[httpx.AsyncClient]:
    """This version's, on that database."""
    settings = Settings(_env_file=None, database_url=ledger.url, secret_key=SECRET_KEY)
    app = create_app(settings, FrozenClock(LATER))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client,
    ):
        yield client


def missing(told: Any, now: Any, at: str = "") -> Iterator[str]:
    """What an answer of version 0.1 said that is not in this one's."""
    if isinstance(told, dict) and isinstance(now, dict):
        for name, value in told.items():
            if name == "PackageExpiryDate":  # written in another form since
                continue
            yield from missing(value, now.get(name, "nothing"), f"{at}.{name}")
    elif isinstance(told, list) and isinstance(now, list) and len(told) == len(now):
        for number, (one, other) in enumerate(zip(told, now, strict=True)):
            yield from missing(one, other, f"{at}[{number}]")
    elif told != now:
        yield f"{at}: {told!r} is now {now!r}"


def auth(account: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {account['token']}"}


async def answers_that_differ(ledger: Ledger01) -> list[str]:
    found = []
    async with service(ledger) as client:
        for merchant, answers in ledger.known["said"].items():
            headers = auth(ledger.known["accounts"][merchant])
            for asked, told in answers.items():
                if asked.startswith("POST "):
                    reply = await client.post(asked.removeprefix("POST "), headers=headers, json={})
                else:
                    reply = await client.get(asked, headers=headers)
                assert reply.status_code == 200, (asked, reply.text)
                found += [f"{asked}{line}" for line in missing(told, reply.json())]
    return found


async def test_lists_and_totals_answer_as_before(upgraded: Ledger01) -> None:
    assert await answers_that_differ(upgraded) == []


def test_every_fact_is_there_and_the_ledger_adds_up(old: Ledger01) -> None:
    before = old.rows(*FACTS, *KEPT)

    upgrading.upgrade(parsed(old.url), LATER, print)

    after = old.rows(*FACTS, *KEPT)
    for table, rows in before.items():
        columns = (rows[0].keys() & after[table][0].keys() if rows else set()) - DERIVED
        assert as_set(after[table], columns) == as_set(rows, columns), table
        assert len(after[table]) == len(rows)
    assert len(before["deliveries"]) > 10
    assert {row["receipt"] for row in after["actions"] if row["verb"] == "mark_paid"} == {"none"}
    assert sorted(row["number"] for row in after["sources"]) == [1, 2]
    assert any(row["erased_at"] for row in after["attempts"])
    assert "adds up" in dunning(old, "ledger", "check")


def as_set(rows: list[dict[str, Any]], columns: set[str]) -> set[str]:
    return {str(sorted((name, str(row[name])) for name in columns)) for row in rows}


def test_the_schema_is_that_of_a_fresh_database(upgraded: Ledger01, database_url: str) -> None:
    assert schema(upgraded.url) == schema(database_url)
    assert disagreements(upgraded.url) == []
    assert rest_of_schema(upgraded.url) == rest_of_schema(database_url)
    assert upgraded.revision() == head_revision()


def rest_of_schema(url: str) -> list[Any]:
    """Triggers, functions, schemas and sequences: what is in no table."""
    engine = create_write_engine(parsed(url))
    if engine.dialect.name == "sqlite":
        statement = (
            "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'payment_names_%' OR type = 'trigger'"
        )
    else:
        statement = (
            "SELECT 'trigger', tgname::text FROM pg_trigger WHERE NOT tgisinternal "
            "UNION SELECT 'function', proname::text FROM pg_proc WHERE prolang = "
            "(SELECT oid FROM pg_language WHERE lanname = 'plpgsql') "
            "UNION SELECT 'schema', nspname::text FROM pg_namespace WHERE nspname NOT LIKE 'pg_%%' "
            "UNION SELECT 'relation', relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        )
    with engine.connect() as connection:
        found = sorted(map(str, connection.exec_driver_sql(statement)))
    engine.dispose()
    return found


async def test_tokens_secrets_and_gateways_go_on_with_the_key(upgraded: Ledger01) -> None:
    keyring = Keyring(SECRET_KEY)
    engine = upgraded.engine
    with engine.begin() as connection:
        assert unreadable_gateways(connection, keyring) == []
        ciphertext = connection.execute(sa.select(GatewayRow.secrets).where(GatewayRow.kind == "http")).scalar_one()
        assert list(signing_secrets(keyring, "Bakery", ciphertext)) == [upgraded.known["gateway_secret"]]
    engine.dispose()
    account = upgraded.known["accounts"]["Sweden & Co"]
    body = json.dumps(
        {
            "event_type": "payment.failed",
            "data": {
                "id": "txn_of_0_2",
                "company_id": "cmp_1",
                "total_amount": {"currency": "NOK", "value_in_cents": 4900},
                "created_at": "2026-12-01T11:00:00Z",
                "status_message": "insufficient_funds",
            },
        }
    ).encode()
    moment = str(int(LATER.timestamp()))
    signature = hmac.new(account["secret"].encode(), moment.encode() + b"," + body, hashlib.sha256).hexdigest()
    async with service(upgraded) as client:
        path = f"/webhooks/{account['source_id']}"
        signed = await client.post(path, content=body, headers={"X-Maple-Signature": f"t={moment},v1={signature}"})
        assert signed.status_code == 200
        listed = await client.get("/api/v1/failed-payments?provider=maple", headers=auth(account))
        (new,) = [one for one in listed.json()["data"] if one["provider_payment_id"] == "cmp_1/txn_of_0_2"]
        taken = {payment["id"] for payment in upgraded.known["said"]["Sweden & Co"]["/api/v1/failed-payments"]["data"]}
        assert new["id"] not in taken
    assert "adds up" in dunning(upgraded, "ledger", "check")


async def test_deliveries_can_be_replayed(upgraded: Ledger01) -> None:
    dunning(upgraded, "events", "replay", "--outcome", "recorded")
    assert "adds up" in dunning(upgraded, "ledger", "check")
    # a replay does not look as if nothing had been written
    assert [line for line in await answers_that_differ(upgraded) if "updated_at" not in line] == []


def test_interrupted_it_changes_nothing_and_is_run_again(old: Ledger01, monkeypatch: pytest.MonkeyPatch) -> None:
    revision, facts, tables = old.revision(), old.rows(*FACTS), schema(old.url)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(upgrading, "_derive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            upgrading.upgrade(parsed(old.url), LATER, print)
    assert (old.revision(), old.rows(*FACTS), schema(old.url)) == (revision, facts, tables)

    upgrading.upgrade(parsed(old.url), LATER, print)
    assert "adds up" in dunning(old, "ledger", "check")


def test_the_program_says_what_it_did_and_what_comes_next(old: Ledger01) -> None:
    revision = old.revision()
    done = run(old.url)
    assert done.returncode == 0, done.stderr
    assert f"of version 0.1, revision {revision}" in done.stdout
    assert "attempts: " in done.stdout
    assert "Next: start version 0.2" in done.stdout

    again = run(old.url)
    assert (again.returncode, again.stdout) == (1, "")
    assert "no database of version 0.1" in again.stderr


def run(url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "from_0_1", url],
        cwd=ROOT / "tools",
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_database_that_is_not_of_version_0_1_is_left_alone(empty_database_url: str) -> None:
    with pytest.raises(ConfigurationError, match="no schema"):
        upgrading.upgrade(parsed(empty_database_url), LATER, print)
