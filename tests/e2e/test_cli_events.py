"""`dunning events` and `dunning ledger`: stored notices found, shown, read again and pruned; the ledger checked."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from building import a_failure
from dunning_service.errors import UnreadableNotice
from dunning_service.ledger.models import AttemptRow, DeliveryRow, PaymentRow
from e2e.stored_deliveries import Stored, maple_failure


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
    assert "give the ids of deliveries, or --outcome failed for all that failed, --outcome recorded" in typed.err


def test_pruning_drops_raw_bytes_and_no_facts(stored: Stored) -> None:
    old = stored.add(b"old", age=timedelta(days=401), outcome="recorded", reason=None, events=(a_failure(),))
    failed = stored.add(b"never understood", age=timedelta(days=500))
    new = stored.add(b"new", age=timedelta(days=399))
    prune = ("events", "prune", "--older-than", "400d", "--yes", "--also-failed")
    assert stored.dunning.json(*prune, "--merchant", "Norway")["pruned"] == 0
    counts = {"pruned": 2, "recorded": 1, "ignored": 0, "failed": 1, "kept_failed": 0}
    assert stored.dunning.json(*prune, "--dry-run") == {"dry_run": True, **counts}
    assert stored.dunning.json("events", "show", old)["body"] == "old"
    assert stored.dunning.json(*prune) == {"dry_run": False, **counts}
    assert stored.dunning(*prune).out.startswith("dropped the raw bytes of 0 ")
    assert "would drop everything" in stored.dunning("events", "prune", "--older-than", "0").err
    assert stored.dunning.json("events", "show", old)["body"] is None
    assert "(pruned)" in stored.dunning("events", "show", old).out
    assert stored.dunning.json("events", "show", new)["body"] == "new"
    assert (stored.count(DeliveryRow), stored.count(PaymentRow), stored.count(AttemptRow)) == (3, 1, 1)
    assert stored.dunning("ledger", "check").code == 0

    typed = stored.dunning("events", "replay", failed)
    assert typed.code == 1
    assert "pruned" in typed.out
    assert typed.out.endswith("read 1 delivery (1 not replayed) again\n")
    bulk = stored.dunning("events", "replay", "--outcome", "failed", "--json")
    assert json.loads(bulk.out)["pruned"] == 1


def test_what_was_never_understood_is_pruned_only_when_asked_for(stored: Stored) -> None:
    failed = stored.add(b"never understood", age=timedelta(days=500))
    stored.add(b"of another kind", age=timedelta(days=500), outcome="ignored", reason=None)
    prune = ("events", "prune", "--older-than", "400d", "--yes")
    assert stored.dunning.json(*prune, "--dry-run")["kept_failed"] == 1
    typed = stored.dunning(*prune)
    assert typed.code == 0
    assert typed.out.startswith("dropped the raw bytes of 1 delivery (1 ignored) that arrived before ")
    assert "1 more were never understood and keep their bytes: `dunning events replay --outcome failed`" in typed.out
    assert stored.dunning.json("events", "show", failed)["body"] == "never understood"
    foretold = stored.dunning(*prune, "--also-failed", "--dry-run")
    assert "1 of them have never been understood, and cannot be replayed afterwards" in foretold.out
    assert "1 of them had never been understood" in stored.dunning(*prune, "--also-failed").out
    assert stored.dunning.json("events", "show", failed)["body"] is None


def test_nothing_is_dropped_where_nobody_can_be_asked(stored: Stored) -> None:
    stored.add(b"old", age=timedelta(days=500), outcome="ignored")
    refusal = stored.dunning("events", "prune", "--older-than", "400d").refusal
    assert "add --yes to do it, or --dry-run to see" in refusal
    assert stored.dunning.json("events", "prune", "--older-than", "400d", "--dry-run")["pruned"] == 1


def test_only_what_still_fails_is_printed_when_many_are_read_again(stored: Stored) -> None:
    for number in range(3):
        stored.add(maple_failure(id=f"txn_{number}"))
    still = stored.add(b"cut o")
    typed = stored.dunning("events", "replay", "--outcome", "failed")
    assert (typed.code, typed.err) == (1, "")
    heading, failure, summary = typed.out.splitlines()
    assert heading.split() == ["ID", "MERCHANT", "OUTCOME", "REASON"]
    assert failure.startswith(f"{still[:12]}  Sweden    failed   ")
    assert summary == "read 4 deliveries (3 recorded, 1 failed) again"
    assert stored.dunning("events", "replay", still, "--json").code == 1
    assert stored.dunning("events", "replay", "--outcome", "ignored").out == "nothing to replay\n"


def test_more_than_one_portion_is_pruned_and_read_again(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dunning_service.commands.events._READ_AT_ONCE", 2)
    monkeypatch.setattr("dunning_service.commands.events._PRUNED_AT_ONCE", 2)
    for number in range(5):
        stored.add(maple_failure(id=f"txn_{number}", invoice_uuid=f"inv_{number}"), age=timedelta(days=2))
    assert len(stored.dunning.json("events", "replay", "--outcome", "failed")["replayed"]) == 5
    assert stored.count(PaymentRow) == 5
    assert stored.dunning.json("events", "prune", "--older-than", "1d", "--yes")["pruned"] == 5


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
