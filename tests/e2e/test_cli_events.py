"""`dunning events` and `dunning ledger`: stored notices found, shown, read again and pruned; the ledger checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from building import a_failure, a_notice
from dunning_service.db import Database
from dunning_service.db import database_url as parsed
from dunning_service.errors import UnreadableNotice
from dunning_service.ledger.commit import Committer
from dunning_service.ledger.models import AttemptRow, DeliveryRow, PaymentRow
from dunning_service.providers import Delivery
from typing_commands import CommandLine

NOW = datetime.now(UTC)


def maple_failure(**changes: Any) -> bytes:
    """A notice that Maple's adapter understands."""
    payment = {
        "id": "txn_1",
        "company_id": "cmp_1",
        "invoice_uuid": "inv_1",
        "total_amount": {"currency": "EUR", "value_in_cents": 4900},
        "status": "failed",
        "created_at": "2026-11-20T12:00:00Z",
        "updated_at": "2026-11-20T12:00:00Z",
        **changes,
    }
    return json.dumps({"event_type": "payment.failed", "data_type": "payment", "data": payment}).encode()


class Stored:
    """A database with two merchants, a Maple source, and deliveries put into it as the service would."""

    def __init__(self, url: str, dunning: CommandLine) -> None:
        self.dunning = dunning
        self.database = Database(parsed(url))
        self.sweden = dunning.json("merchant", "add", "Sweden", "--currency", "SEK")["id"]
        self.norway = dunning.json("merchant", "add", "Norway")["id"]
        self.source = dunning.json("source", "add", "--merchant", "Sweden", "--provider", "maple")["id"]

    def add(self, body: bytes, *, age: timedelta = timedelta(0), merchant_id: int | None = None, **fields: Any) -> str:
        """A delivery that arrived `age` ago; answers its id."""
        fields = {"outcome": "failed", "reason": "the mapping was wrong", "origin": self.source, **fields}
        headers = ((b"content-type", b"application/json"),)
        notice = a_notice(
            *fields.pop("events", ()),
            merchant_id=merchant_id or self.sweden,
            delivery=Delivery(body, headers, NOW - age),
            **fields,
        )
        Committer(self.database).commit([notice], NOW - age)
        return notice.digest.hex()

    def count(self, model: Any) -> int:
        with self.database.write() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(model)).scalar_one()

    def change(self, statement: sa.Executable) -> None:
        with self.database.write() as connection:
            connection.execute(statement)


@pytest.fixture
def stored(database_url: str, dunning: CommandLine) -> Iterator[Stored]:
    stored = Stored(database_url, dunning)
    yield stored
    stored.database.write_engine.dispose()


def test_deliveries_are_listed_the_newest_first(stored: Stored) -> None:
    old = stored.add(b"old", age=timedelta(hours=2))
    new = stored.add(b"new", outcome="ignored", reason=None)
    assert [row["id"] for row in stored.dunning.json("events", "list")] == [new, old]
    assert [row["id"] for row in stored.dunning.json("events", "list", "--outcome", "failed")] == [old]
    assert [row["id"] for row in stored.dunning.json("events", "list", "--limit", "1")] == [new]
    assert stored.dunning.json("events", "list", "--merchant", "Norway") == []
    table = stored.dunning.table("events", "list", "--limit", "1")
    assert table[1].startswith(new[:12])
    assert table[-1] == "(the newest 1; --limit shows more)"


def test_a_delivery_is_shown_as_it_arrived(stored: Stored) -> None:
    found = stored.add('{"name":"Bj\u00f8rn \x1b[2J"}'.encode())
    shown = stored.dunning("events", "show", found[:8].upper())
    assert shown.code == 0
    assert f"id              {found}" in shown.out
    assert "outcome         failed" in shown.out
    assert "reason          the mapping was wrong" in shown.out
    assert "content-type: application/json" in shown.out
    assert '{"name":"Bj\u00f8rn \\x1b[2J"}' in shown.out
    as_json = stored.dunning.json("events", "show", found)
    assert as_json["body"] == '{"name":"Bj\u00f8rn \x1b[2J"}'
    assert (as_json["merchant"], as_json["provider"], as_json["times_received"]) == ("Sweden", "maple", 1)


def test_a_delivery_of_two_merchants_needs_the_merchants_name(stored: Stored) -> None:
    found = stored.add(b"same", origin="api")
    assert stored.add(b"same", origin="api", merchant_id=stored.norway) == found
    assert "add --merchant with one of 'Sweden', 'Norway'" in stored.dunning("events", "show", found).refusal
    assert stored.dunning.json("events", "show", found, "--merchant", "Norway")["merchant"] == "Norway"


@pytest.mark.parametrize("given", ["1234567", "not hexadecimal", "", "0" * 65])
def test_what_is_no_id_is_refused(stored: Stored, given: str) -> None:
    assert "at least 8 of its hexadecimal digits" in stored.dunning("events", "show", given).refusal


def test_a_delivery_that_is_not_there_is_refused(stored: Stored) -> None:
    assert "see `dunning events list`" in stored.dunning("events", "show", "0" * 64).refusal
    assert "see `dunning events list`" in stored.dunning("events", "replay", "0" * 64).refusal


def test_a_failed_delivery_is_recorded_when_it_is_read_again(stored: Stored) -> None:
    found = stored.add(maple_failure())
    assert stored.count(PaymentRow) == 0
    (replayed,) = stored.dunning.json("events", "replay", found[:10])["replayed"]
    assert replayed == {"id": found, "merchant": "Sweden", "outcome": "recorded", "reason": None}
    assert stored.count(PaymentRow) == 1
    shown = stored.dunning.json("events", "show", found)
    assert (shown["outcome"], shown["reason"], shown["times_received"]) == ("recorded", None, 1)
    assert shown["reading"] == 2


def test_reading_again_what_is_recorded_changes_nothing(stored: Stored) -> None:
    found = stored.add(maple_failure())
    for _ in range(2):
        stored.dunning.json("events", "replay", found)
    assert (stored.count(PaymentRow), stored.count(AttemptRow)) == (1, 1)
    assert stored.dunning("ledger", "check").code == 0


def test_what_a_replay_does_to_what_was_said_is_told(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be read any more goes on counting; what is ignored now does not, and the line says so."""
    found = stored.add(maple_failure())
    stored.dunning.json("events", "replay", found)
    with monkeypatch.context() as patch:
        patch.setattr("dunning_service.providers.maple.Maple.parse", _unreadable)
        typed = stored.dunning("events", "replay", found, "--json")
    (left,) = json.loads(typed.out)["replayed"]
    assert (typed.code, left["outcome"]) == (1, None)
    assert left["reason"] == "it cannot be read now, so what it said before stays: it makes no sense"
    assert stored.dunning.json("events", "show", found)["outcome"] == "recorded"
    with monkeypatch.context() as patch:
        patch.setattr("dunning_service.providers.maple._OUTCOMES", {})
        (ignored,) = stored.dunning.json("events", "replay", found)["replayed"]
    assert ignored["outcome"] == "ignored"
    assert ignored["reason"].endswith("; what it said before does not count any more")
    assert stored.dunning("ledger", "check").code == 0


def _unreadable(*_: Any) -> list[Any]:
    raise UnreadableNotice("it makes no sense")


def test_all_that_failed_can_be_read_again(stored: Stored) -> None:
    stored.add(maple_failure(), age=timedelta(days=1))
    still = stored.add(b"cut o")
    other = stored.add(maple_failure(id="txn_2"), outcome="ignored")
    typed = stored.dunning("events", "replay", "--outcome", "failed", "--json")
    assert typed.code == 1
    first, second = json.loads(typed.out)["replayed"]
    assert first["outcome"] == "recorded"
    assert (second["id"], second["outcome"]) == (still, "failed")
    assert "not valid JSON" in second["reason"]
    assert [row["id"] for row in stored.dunning.json("events", "list", "--outcome", "ignored")] == [other]


def test_a_merchants_deliveries_are_read_again_without_another_ones(stored: Stored) -> None:
    stored.add(maple_failure())
    assert stored.dunning.json("events", "replay", "--outcome", "failed", "--merchant", "Norway")["replayed"] == []
    assert len(stored.dunning.json("events", "replay", "--outcome", "failed", "--merchant", "Sweden")["replayed"]) == 1


def test_a_delivery_of_a_disabled_source_can_be_read_again(stored: Stored) -> None:
    stored.dunning("source", "disable", stored.source)
    found = stored.add(maple_failure())
    assert stored.dunning("events", "replay", found).code == 0
    assert stored.count(PaymentRow) == 1


@pytest.mark.parametrize("arguments", [(), ("0" * 8, "--outcome", "failed")])
def test_reading_again_wants_to_know_what(stored: Stored, arguments: tuple[str, ...]) -> None:
    typed = stored.dunning("events", "replay", *arguments)
    assert typed.code == 2
    assert "give the ids of deliveries, or --outcome failed" in typed.err


def test_pruning_drops_raw_bytes_and_no_facts(stored: Stored) -> None:
    old = stored.add(b"old", age=timedelta(days=401), outcome="recorded", reason=None, events=(a_failure(),))
    failed = stored.add(b"never understood", age=timedelta(days=500))
    new = stored.add(b"new", age=timedelta(days=399))
    assert stored.dunning.json("events", "prune", "--older-than", "400d", "--merchant", "Norway")["pruned"] == 0
    assert stored.dunning.json("events", "prune", "--older-than", "400d") == {
        "pruned": 2,
        "recorded": 1,
        "ignored": 0,
        "failed": 1,
    }
    assert stored.dunning("events", "prune", "--older-than", "400d").out.startswith("dropped the raw bytes of 0 ")
    assert "would drop everything" in stored.dunning("events", "prune", "--older-than", "0").err
    assert stored.dunning.json("events", "show", old)["body"] is None
    assert "(pruned)" in stored.dunning("events", "show", old).out
    assert stored.dunning.json("events", "show", new)["body"] == "new"
    assert (stored.count(DeliveryRow), stored.count(PaymentRow), stored.count(AttemptRow)) == (3, 1, 1)
    assert stored.dunning("ledger", "check").code == 0

    typed = stored.dunning("events", "replay", failed)
    assert typed.code == 1
    assert "pruned" in typed.out
    bulk = stored.dunning("events", "replay", "--outcome", "failed", "--json")
    assert json.loads(bulk.out)["pruned"] == 1


def test_pruning_says_what_can_never_be_understood_now(stored: Stored) -> None:
    stored.add(b"never understood", age=timedelta(days=500))
    typed = stored.dunning("events", "prune", "--older-than", "400d")
    assert "1 of them had never been understood" in typed.out


def test_more_than_one_portion_is_pruned_and_read_again(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dunning_service.commands.events._PORTION", 2)
    monkeypatch.setattr("dunning_service.commands.events._PRUNED_AT_ONCE", 2)
    for number in range(5):
        stored.add(maple_failure(id=f"txn_{number}", invoice_uuid=f"inv_{number}"), age=timedelta(days=2))
    assert len(stored.dunning.json("events", "replay", "--outcome", "failed")["replayed"]) == 5
    assert stored.count(PaymentRow) == 5
    assert stored.dunning.json("events", "prune", "--older-than", "1d")["pruned"] == 5


def test_a_ledger_that_adds_up_says_so(stored: Stored) -> None:
    stored.add(b"one", outcome="recorded", reason=None, events=(a_failure(),))
    assert stored.dunning("ledger", "check").out == "the ledger of 2 merchants adds up\n"
    assert stored.dunning.json("ledger", "check", "--merchant", "Sweden") == {"differences": []}


def test_a_ledger_that_does_not_add_up_ends_with_1_and_says_where(stored: Stored) -> None:
    stored.add(b"one", outcome="recorded", reason=None, events=(a_failure(),))
    stored.change(sa.update(PaymentRow).values(failed_attempt_count=7))
    typed = stored.dunning("ledger", "check")
    assert typed.code == 1
    assert "failed_attempt_count" in typed.out
    assert typed.out.endswith("1 difference in the ledger of 2 merchants\n")
    assert stored.dunning("ledger", "check", "--merchant", "Norway").code == 0
    assert json.loads(stored.dunning("ledger", "check", "--json").out)["differences"][0]["merchant"] == "Sweden"
