"""Long commands: counts in a log, bars and questions on a terminal, and what Ctrl-C leaves."""

from __future__ import annotations

import itertools
import json
import signal
from datetime import timedelta
from pkgutil import resolve_name
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from command_line import CommandLine
from dunning_service.database.migrating import alembic_config
from dunning_service.ledger.models import DeliveryRow
from e2e.stored_deliveries import Stored, maple_failure
from e2e.terminals import process_on_terminal, typed_on_terminal

REVISIONS = list(ScriptDirectory.from_config(alembic_config()).walk_revisions())


@pytest.mark.parametrize("logged_every_s", [0.0, 3600.0])
def test_long_work_says_in_a_log_how_far_it_is(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, logged_every_s: float
) -> None:
    monkeypatch.setattr("dunning_service.commands.progress._LOGGED_EVERY_S", logged_every_s)
    monkeypatch.setattr("dunning_service.commands.events._READ_AT_ONCE", 2)
    monkeypatch.setattr("dunning_service.commands.events._PRUNED_AT_ONCE", 2)
    for number in range(3):
        stored.add(maple_failure(id=f"txn_{number}"), age=timedelta(days=2))
    commands = [
        (
            ("events", "replay", "--outcome", "failed"),
            [(2, 3, "deliveries read again"), (3, 3, "deliveries read again")],
        ),
        (("ledger", "check"), [(1, 1, "payments checked")]),
        (
            ("ledger", "check", "--repair"),
            [(1, 1, "payments folded again"), (1, None, "days counted again"), (1, 1, "payments checked")],
        ),
        (
            ("events", "prune", "--older-than", "1d", "--yes"),
            [(2, 3, "deliveries pruned"), (3, 3, "deliveries pruned")],
        ),
        (
            ("customer", "erase", "--merchant", "Sweden", "--customer", "inv_none", "--yes"),
            [(0, 0, "raw notices looked through")],
        ),
    ]
    for command, expected in commands:
        typed = stored.dunning(*command)
        assert typed.code == 0
        lines = [json.loads(line) for line in typed.err.splitlines()]
        if logged_every_s:
            assert lines == []
            continue
        assert [(line["done"], line["total"], line["step"]) for line in lines] == expected, command
        assert {(line["event"], line["command"]) for line in lines} == {
            ("progress", f"dunning {' '.join(command[:2])}")
        }


def test_an_erasure_looks_through_no_more_than_there_is(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dunning_service.commands.progress._LOGGED_EVERY_S", 0.0)
    for number in range(3):  # they have just come, so they are looked through again for what came meanwhile
        stored.add(maple_failure(customer_id=f"cust_{number}", id=f"txn_{number}"))
    typed = stored.dunning("customer", "erase", "--merchant", "Sweden", "--customer", "cust_1", "--yes")
    assert typed.code == 0
    lines = [json.loads(line) for line in typed.err.splitlines()]
    assert [(line["done"], line["total"]) for line in lines if line["step"] == "raw notices looked through"] == [(3, 3)]
    assert [line["total"] for line in lines if line["step"] == "newest raw notices looked through again"] == [None]


INTERRUPTED = [
    (
        ("events", "replay", "--outcome", "failed"),
        "dunning_service.commands.events.Committer.commit",
        "dunning: interrupted after 2 of 5 deliveries read again; run the same command again",
    ),
    (
        ("events", "prune", "--older-than", "1d", "--yes", "--also-failed"),
        "dunning_service.commands.events.prune_once",
        "dunning: interrupted after 2 of 5 deliveries pruned; run the same command again for the rest",
    ),
    (
        ("customer", "erase", "--merchant", "Sweden", "--customer", "cust_1", "--yes"),
        "dunning_service.erasure.service.Committer.commit",
        "dunning: interrupted after 5 of 5 raw notices looked through, 2 raw notices erased; run the same command",
    ),
    (
        ("ledger", "check"),
        "dunning_service.ledger.check.book_of",
        "dunning: interrupted after 2 of 5 payments checked; nothing was changed: run `dunning ledger check` again",
    ),
    (
        ("ledger", "check", "--repair"),
        "dunning_service.ledger.check.book_of",
        "dunning: interrupted after 2 of 5 payments folded again; what is repaired stays: run `dunning ledger check",
    ),
]


@pytest.mark.parametrize(("command", "step", "message"), INTERRUPTED, ids=[" ".join(one[0][:3]) for one in INTERRUPTED])
def test_work_that_is_interrupted_says_what_was_done_and_goes_on_when_it_is_typed_again(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], step: str, message: str
) -> None:
    for chunk in ("commands.events._READ_AT_ONCE", "commands.events._PRUNED_AT_ONCE", "ledger.check._PAGE"):
        monkeypatch.setattr(f"dunning_service.{chunk}", 2)
    monkeypatch.setattr("dunning_service.erasure.service._DELIVERIES_AT_ONCE", 2)
    for number in range(5):
        customer = {"customer_id": "cust_1", "invoice_uuid": f"inv_{number}", "id": f"txn_{number}"}
        stored.add(maple_failure(**customer), age=timedelta(days=2))
    if command[0] == "ledger":
        assert stored.dunning("events", "replay", "--outcome", "failed").code == 0
    real, calls = resolve_name(step), itertools.count(1)

    def interrupted(*arguments: Any, **options: Any) -> Any:
        if next(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(step, interrupted)
        typed = stored.dunning(*command)
    assert (typed.code, typed.out) == (130, "")
    assert typed.err.startswith(message)
    assert typed.err.count("\n") == 1
    again = stored.dunning(*command)
    assert (again.code, again.err) == (0, "")
    assert stored.dunning("ledger", "check").code == 0


def test_a_migration_that_is_interrupted_leaves_the_schema_as_it_was(
    empty_database_url: str, settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All revisions are one transaction, also where the last one is applied already."""
    settings.setenv("DUNNING_DATABASE_URL", empty_database_url)
    dunning = CommandLine(capsys)

    def advance(progress: Any, count: int = 1) -> None:
        signal.raise_signal(signal.SIGINT)

    with settings.context() as patch:
        patch.setattr("dunning_service.commands.progress.ShownProgress.advance", advance)
        typed = dunning("migrate")
    assert (typed.code, typed.out) == (130, "")
    assert "all was undone and the schema is still missing: run `dunning migrate` again" in typed.err
    again = dunning("migrate")
    assert again.code == 0
    assert again.out.startswith("the schema went from nothing to revision ")


# --- on a terminal


def test_it_asks_on_a_terminal_before_bytes_are_dropped(stored: Stored) -> None:
    stored.add(b"old", age=timedelta(days=2), outcome="ignored")
    stored.add(b"never understood", age=timedelta(days=2))
    prune = ("events", "prune", "--older-than", "1d")
    for answer, code, said in (
        ("n\n", 1, "nothing was dropped"),
        ("\n", 1, "nothing was dropped"),
        ("\x04", 130, "interrupted; nothing was dropped"),
        ("y\n", 0, "dropped the raw bytes of 1 delivery (1 ignored)"),
    ):
        shown = typed_on_terminal(*prune, answer=answer)
        assert shown.code == code
        assert "Drop the raw bytes of 1 delivery (1 ignored) that arrived before " in shown.screen
        assert "for good? [y/N]: " in shown.screen
        assert said in shown.screen
        assert stored.dunning.json(*prune, "--dry-run")["pruned"] == (0 if code == 0 else 1)
    shown = typed_on_terminal(*prune, "--also-failed", "--yes")
    assert "dropped the raw bytes of 1 delivery (1 failed)" in shown.screen
    assert "[y/N]" not in shown.screen
    assert "[y/N]" not in typed_on_terminal(*prune, "--dry-run").screen


def test_it_asks_on_a_terminal_before_a_customer_is_erased(stored: Stored) -> None:
    body = maple_failure(customer_id="cust_1").decode()
    found = stored.add(body.encode())
    assert stored.dunning("events", "replay", found).code == 0
    erase = ("customer", "erase", "--merchant", "Sweden", "--customer", "cust_1")
    for answer, code, said, left in (
        ("n\n", 1, "nothing was erased", body),
        ("y\n", 0, "Erased about a customer of Sweden:", None),
    ):
        shown = typed_on_terminal(*erase, answer=answer)
        assert shown.code == code
        assert "Would be erased about a customer of Sweden:" in shown.screen
        assert "Erase what is kept about this customer of Sweden, for good? [y/N]: " in shown.screen
        assert said in shown.screen
        assert stored.dunning.json("events", "show", found)["body"] == left
    shown = typed_on_terminal(*erase)  # nothing to ask about
    assert shown.code == 0
    assert "nothing about a customer of Sweden was found" in shown.screen
    stored.change(sa.update(DeliveryRow).values(body=body.encode()))
    checked = stored.dunning("ledger", "check")
    assert checked.code == 1
    assert f"delivery {found[:12]} was erased, but its bytes are there; run `dunning customer erase`" in checked.out


def test_a_terminal_shows_a_bar_and_standard_output_the_result_alone(stored: Stored) -> None:
    for number in range(3):
        stored.add(maple_failure(id=f"txn_{number}"), age=timedelta(days=2))
    commands = {
        ("events", "replay", "--outcome", "failed"): ("deliveries read again", "0/3"),
        ("ledger", "check"): ("payments checked", "0/1"),
        ("customer", "erase", "--merchant", "Sweden", "--customer", "nobody", "--dry-run"): ("looked through", "0/3"),
        ("events", "prune", "--older-than", "1h", "--yes"): ("deliveries pruned", "0/3"),
    }
    for command, bar in commands.items():
        shown = typed_on_terminal(*command, "--json", is_piped=True)
        assert shown.code == 0, shown.screen
        json.loads(shown.output)
        assert [text for text in bar if text not in shown.screen] == [], shown.screen


def test_a_bar_is_shown_while_a_schema_is_made(
    empty_database_url: str, settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.setenv("DUNNING_DATABASE_URL", empty_database_url)
    shown = typed_on_terminal("migrate", "--json", is_piped=True)
    assert (shown.code, json.loads(shown.output)["from"]) == (0, None)
    assert f"0/{len(REVISIONS)}" in shown.screen


def test_ctrl_c_typed_on_a_terminal_ends_a_question_and_work_that_waits_for_the_database(
    postgres_url: str, settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.setenv("DUNNING_DATABASE_URL", postgres_url)
    stored = Stored(postgres_url, CommandLine(capsys))
    for number in range(3):
        stored.add(maple_failure(id=f"txn_{number}"), age=timedelta(days=2))
    with process_on_terminal("events", "prune", "--older-than", "1d", "--also-failed") as terminal:
        terminal.expect("for good? [y/N]: ")
        terminal.type("\x03")
        terminal.expect("^C")
        terminal.type("\n")  # where the signal came just before it began to read
        terminal.expect("interrupted; nothing was dropped")
        assert terminal.code() == 130
    with stored.database.write() as connection:
        connection.exec_driver_sql("LOCK TABLE deliveries IN EXCLUSIVE MODE")
        with process_on_terminal("events", "replay", "--outcome", "failed") as terminal:
            terminal.expect("0/3")
            terminal.type("\x03")
            terminal.expect("interrupted after 0 of 3 deliveries read again; run the same command again")
            assert terminal.code() == 130
    assert len(stored.dunning.json("events", "replay", "--outcome", "failed")["replayed"]) == 3
    stored.database.write_engine.dispose()
