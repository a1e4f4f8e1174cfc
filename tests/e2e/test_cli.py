"""The command line on both databases: what it prints, what it refuses, and how."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from command_line import CommandLine
from dunning_service.database.engines import create_write_engine, database_url
from dunning_service.database.migrating import head_revision

UNSET = {"gateway": None, "gateway_url": None, "retry_ladder": None, "cash_discount_percent": None}
"""Of a merchant about whom nothing has been said."""


@pytest.fixture
def settings(settings: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    settings.setenv("DUNNING_PUBLIC_URL", "https://dunning.example.com")
    return settings


@pytest.fixture
def dunning_on_nothing(
    empty_database_url: str, settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """On a database without a schema."""
    settings.setenv("DUNNING_DATABASE_URL", empty_database_url)
    return CommandLine(capsys)


# --- merchants


def test_a_merchant_is_added_and_listed(dunning: CommandLine) -> None:
    added = dunning.json("merchant", "add", "Sweden & Co", "--currency", "nok", "--timezone", "Europe/Oslo")
    assert added == {
        "id": added["id"],
        "name": "Sweden & Co",
        "default_currency": "NOK",
        "time_zone": "Europe/Oslo",
        **UNSET,
    }
    dunning.json("merchant", "add", "Plain")
    assert dunning.json("merchant", "list")[1] == {
        "id": added["id"] + 1,
        "name": "Plain",
        "default_currency": None,
        "time_zone": "UTC",
        **UNSET,
    }
    assert dunning.table("merchant", "list")[1:] == [
        f"{added['id']}   Sweden & Co  NOK       Europe/Oslo  -        default  -",
        f"{added['id'] + 1}   Plain        -         UTC          -        default  -",
    ]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("Sweden",), "there is a merchant 'Sweden' already"),
        ((" Sweden ",), "there is a merchant 'Sweden' already"),
        (("",), "must have a name"),
        (("x", "--currency", "KRONER"), "'KRONER' is not an ISO 4217 currency code; write one such as NOK"),
        (("x", "--currency", "XAU"), "no minor unit"),
        (("x", "--timezone", "Oslo"), "there is no time zone 'Oslo'; write one such as Europe/Oslo"),
        (("x", "--timezone", "../etc/passwd"), "write one such as Europe/Oslo"),
        (("x", "--timezone", "Nowhere/At all"), "write one such as Europe/Oslo"),
    ],
)
def test_a_merchant_that_cannot_be_is_refused(dunning: CommandLine, arguments: tuple[str, ...], complaint: str) -> None:
    dunning.json("merchant", "add", "Sweden")
    assert complaint in dunning("merchant", "add", *arguments).refusal
    assert len(dunning.json("merchant", "list")) == 1


def test_a_merchant_that_does_not_exist_is_answered_with_those_that_do(dunning: CommandLine) -> None:
    assert "make it with `dunning merchant add NAME`" in dunning("token", "list", "--merchant", "Denmark").refusal
    dunning("merchant", "add", "Sweden")
    dunning("merchant", "add", "Norway")
    for command in (
        ("token", "add", "--scope", "read"),
        ("token", "list"),
        ("source", "add", "--provider", "maple"),
        ("source", "list"),
        ("events", "list"),
        ("events", "prune", "--older-than", "1d"),
        ("ledger", "check"),
    ):
        refusal = dunning(*command, "--merchant", "Denmark").refusal
        assert "there is no merchant 'Denmark'; there is 'Sweden', 'Norway'" in refusal


# --- tokens


def test_a_token_is_printed_once(dunning: CommandLine) -> None:
    dunning("merchant", "add", "Sweden")
    added = dunning.json(
        "token", "add", "--merchant", "Sweden", "--scope", "write", "--scope", "ingest", "--name", "till",
        "--expires", "90d",
    )  # fmt: skip
    assert re.fullmatch(r"dun_[\w-]{43}", added["token"])
    assert added["scopes"] == ["ingest", "write"]
    listed = dunning("token", "list", "--json")
    assert added["token"] not in listed.out
    assert "digest" not in listed.out
    (token,) = listed.json
    assert (token["id"], token["name"], token["merchant"], token["state"]) == (added["id"], "till", "Sweden", "valid")
    assert token["expires_at"] == added["expires_at"]


def test_a_token_is_revoked_by_its_id(dunning: CommandLine) -> None:
    dunning("merchant", "add", "Sweden")
    added = dunning.json("token", "add", "--merchant", "Sweden", "--scope", "read")
    assert dunning("token", "revoke", added["id"]).out == f"token {added['id']} (token, of Sweden) is revoked\n"
    assert "is revoked already, at 20" in dunning("token", "revoke", added["id"]).out
    assert dunning.json("token", "list")[0]["state"] == "revoked"
    assert dunning.table("token", "list")[1].endswith("revoked")
    assert "see `dunning token list`" in dunning("token", "revoke", "tok_nothing").refusal


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--scope", "read"), "Missing option '--merchant'"),
        (("--merchant", "Sweden"), "Missing option '--scope'"),
        (("--merchant", "Sweden", "--scope", "admin"), "'admin' is not one of 'ingest', 'read', 'write'"),
        (("--merchant", "Sweden", "--scope", "read", "--expires", "soon"), "write days, hours or minutes: 90d"),
        (("--merchant", "Sweden", "--scope", "read", "--what"), "--what"),
    ],
)
def test_a_command_that_is_typed_wrongly_says_how_it_would_be_right(
    dunning: CommandLine, arguments: tuple[str, ...], complaint: str
) -> None:
    typed = dunning("token", "add", *arguments)
    assert typed.code == 2
    assert complaint in typed.err
    assert typed.err.endswith("See `dunning token add --help`.\n")
    assert typed.err.count("\n") == 1


def test_a_token_cannot_expire_at_once(dunning: CommandLine) -> None:
    dunning("merchant", "add", "Sweden")
    assert "such as 90d" in dunning(
        "token", "add", "--merchant", "Sweden", "--scope", "read", "--expires", "0"
    ).refusal  # fmt: skip


# --- sources


def test_a_source_is_added_with_its_address_and_a_secret(dunning: CommandLine) -> None:
    dunning("merchant", "add", "Sweden")
    added = dunning.json(
        "source", "add", "--merchant", "Sweden", "--provider", "maple", "--default-currency", "usd",
        "--option", "tolerance_seconds=600",
    )  # fmt: skip
    assert added["path"] == f"/webhooks/{added['id']}"
    assert added["url"] == f"https://dunning.example.com{added['path']}"
    assert added["provider"] == "maple"
    assert len(added["secret"]) >= 43
    listed = dunning("source", "list", "--json")
    assert added["secret"] not in listed.out
    assert listed.json[0]["options"] == {"default_currency": "USD", "tolerance_seconds": 600}
    assert listed.json[0]["path"] == added["path"]
    assert (added["number"], listed.json[0]["number"]) == (1, 1)
    assert dunning.table("source", "list")[1].split()[:3] == [added["id"], "1", "Sweden"]
    assert dunning.json("source", "rotate", added["id"])["number"] == 1
    assert "number    2" in dunning("source", "add", "--merchant", "Sweden", "--provider", "maple").out


def test_a_source_is_rotated_and_disabled_by_the_number_that_the_log_gives(dunning: CommandLine) -> None:
    dunning("merchant", "add", "Sweden")
    first, second = (dunning.json("source", "add", "--merchant", "Sweden", "--provider", "maple") for _ in range(2))
    assert dunning.json("source", "rotate", "2")["id"] == second["id"]
    assert dunning.json("source", "disable", "1")["id"] == first["id"]
    assert [one["disabled_at"] is None for one in dunning.json("source", "list")] == [False, True]


def test_a_source_takes_the_secret_it_is_given(dunning: CommandLine) -> None:
    dunning("merchant", "add", "Sweden")
    added = dunning.json("source", "add", "--merchant", "Sweden", "--provider", "maple", "--secret", "whsec_given")
    assert added["secret"] == "whsec_given"


def test_rotating_keeps_the_old_secret_for_a_day(dunning: CommandLine) -> None:
    dunning("merchant", "add", "Sweden")
    added = dunning.json("source", "add", "--merchant", "Sweden", "--provider", "maple")
    rotated = dunning.json("source", "rotate", added["id"])
    assert rotated["secret"] != added["secret"]
    assert rotated["old_valid_until"] is not None
    assert dunning.json("source", "list")[0]["valid_secrets"] == 2
    assert dunning.json("source", "rotate", added["id"], "--keep-old", "0")["old_valid_until"] is None
    assert dunning.json("source", "list")[0]["valid_secrets"] == 1


def test_a_source_is_disabled_by_its_id(dunning: CommandLine) -> None:
    dunning("merchant", "add", "Sweden")
    added = dunning.json("source", "add", "--merchant", "Sweden", "--provider", "maple")
    assert dunning("source", "disable", added["id"]).out.endswith("(maple, of Sweden) is disabled\n")
    assert "is disabled already, since 20" in dunning("source", "disable", added["id"]).out
    assert dunning.json("source", "list")[0]["disabled_at"] is not None
    assert "its address answers 404" in dunning("source", "rotate", added["id"]).err
    assert "see `dunning source list`" in dunning("source", "disable", "nothing").refusal
    assert "there is no source '9'; see `dunning source list`" in dunning("source", "disable", "9").refusal
    assert "see `dunning source list`" in dunning("source", "rotate", "nothing").refusal


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--provider", "no-such-provider"), "the known ones are"),
        (("--provider", "goodparty"), "dunning token add"),
        (("--provider", "maple", "--default-currency", "dollars"), "write one such as NOK"),
        (("--provider", "maple", "--option", "colour=red"), "Maple"),
        (("--provider", "maple", "--option", "tolerance_seconds=x"), "'tolerance_seconds'"),
        (("--provider", "maple", "--secret", ""), "empty secret"),
    ],
)
def test_a_source_that_cannot_be_is_refused(dunning: CommandLine, arguments: tuple[str, ...], complaint: str) -> None:
    dunning("merchant", "add", "Sweden")
    assert complaint in dunning("source", "add", "--merchant", "Sweden", *arguments).refusal
    assert dunning.json("source", "list") == []


def test_postgresql_without_a_key_says_which_command_makes_one(
    dunning: CommandLine, settings: pytest.MonkeyPatch, database_url: str
) -> None:
    settings.delenv("DUNNING_SECRET_KEY")
    dunning("merchant", "add", "Sweden")
    typed = dunning("source", "add", "--merchant", "Sweden", "--provider", "maple")
    if database_url.startswith("sqlite"):
        assert typed.code == 0
    else:
        assert "`dunning secret-key`" in typed.refusal


# --- the schema


def test_migrating_makes_the_schema_and_says_what_it_did(dunning_on_nothing: CommandLine) -> None:
    head = head_revision()
    assert dunning_on_nothing("migrate").out == f"the schema went from nothing to revision {head}\n"
    assert dunning_on_nothing("migrate").out == f"the schema is at revision {head} already\n"
    assert dunning_on_nothing.json("migrate") == {"from": head, "to": head, "head": head}
    assert dunning_on_nothing.json("merchant", "list") == []


def test_migrating_can_print_its_sql_instead(dunning_on_nothing: CommandLine) -> None:
    typed = dunning_on_nothing("migrate", "--sql")
    assert "CREATE TABLE payments" in typed.out
    assert typed.err == ""
    assert dunning_on_nothing("merchant", "list").code == 1
    assert dunning_on_nothing("migrate").code == 0
    assert "CREATE TABLE payments" not in dunning_on_nothing("migrate", "--sql").out
    assert "CREATE TABLE payments" in dunning_on_nothing("migrate", "--sql", "--to", "base:head").out


def test_migrating_does_not_go_back_and_says_so(dunning: CommandLine) -> None:
    assert "this command does not go back" in dunning("migrate", "--to", "base").out


@pytest.mark.parametrize("to", ["9999", "gibberish", "0300:0301"])
def test_migrating_to_a_revision_that_is_not_there_names_those_that_are(
    dunning_on_nothing: CommandLine, to: str
) -> None:
    assert "the revisions are 0200" in dunning_on_nothing("migrate", "--to", to).refusal


@pytest.mark.parametrize(
    "command",
    [
        ("merchant", "list"),
        ("merchant", "set", "Sweden"),
        ("worker", "--once"),
        ("token", "list"),
        ("source", "list"),
        ("events", "list"),
        ("events", "show", "0123456789"),
        ("events", "replay", "--outcome", "failed"),
        ("events", "prune", "--older-than", "1d"),
        ("ledger", "check"),
    ],
)
def test_a_missing_schema_names_the_command_that_makes_it(
    dunning_on_nothing: CommandLine, empty_database_url: str, command: tuple[str, ...]
) -> None:
    assert "`dunning migrate`" in dunning_on_nothing(*command).refusal
    if empty_database_url.startswith("sqlite"):
        assert not Path(empty_database_url.removeprefix("sqlite:///")).exists()


def test_a_schema_from_the_future_is_left_alone(dunning: CommandLine, database_url: str) -> None:
    _set_revision(database_url, "9999")
    assert dunning("merchant", "list").code == 0  # each migration works with the code before it
    assert "run that one" in dunning("migrate").refusal


@pytest.mark.parametrize(
    "command",
    [
        ("migrate",),
        ("migrate", "--sql"),
        ("worker", "--once"),
        ("merchant", "list"),
        ("events", "list"),
        ("ledger", "check", "--repair"),
    ],
)
@pytest.mark.parametrize("revision", ["0001", "0010"])
def test_a_database_of_version_0_1_is_refused_with_the_way_out(
    dunning: CommandLine, database_url: str, revision: str, command: tuple[str, ...]
) -> None:
    _set_revision(database_url, revision)
    refusal = dunning(*command).refusal
    assert f"of version 0.1 (revision {revision})" in refusal
    assert "`python -m from_0_1`" in refusal
    assert "docs/upgrading.md" in refusal


def test_somebody_elses_database_is_not_migrated(dunning_on_nothing: CommandLine, empty_database_url: str) -> None:
    _execute(empty_database_url, "CREATE TABLE wp_posts (id INTEGER)")
    assert "it has a table 'wp_posts'" in dunning_on_nothing("migrate").refusal


# --- everything else


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hunter2@127.0.0.1:1/ledger",
        "postgresql://user:hunter2@no-such-host.invalid/ledger",
        "sqlite:////no/such/folder/dunning.db",
        "sqlite:///gibberish.db",
    ],
)
def test_a_database_out_of_reach_is_one_line(
    url: str, settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("gibberish.db").write_text("this is not a database, whatever its name says\n" * 100)
    settings.setenv("DUNNING_DATABASE_URL", url)
    dunning = CommandLine(capsys)
    for command in (("migrate",), ("merchant", "list"), ("ledger", "check")):
        refusal = dunning(*command).refusal
        assert "DUNNING_DATABASE_URL" in refusal
        assert "hunter2" not in refusal


def test_a_wrong_setting_is_named(settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    settings.setenv("DUNNING_PORT", "eighty")
    assert "DUNNING_PORT" in CommandLine(capsys)("merchant", "list").refusal


def test_a_secret_key_can_be_made_without_a_database(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dunning = CommandLine(capsys)
    key = dunning("secret-key").out.strip()
    assert re.fullmatch(r"[\w-]{43}=", key)
    assert dunning.json("secret-key")["secret_key"] != key


@pytest.mark.parametrize("noun", [(), ("merchant",), ("token",), ("source",), ("events",), ("ledger",)])
def test_a_noun_without_a_verb_shows_what_there_is(noun: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    dunning = CommandLine(capsys)
    typed = dunning(*noun)
    assert typed.code == 2
    assert typed.err.startswith(f"Usage: dunning {' '.join(noun)}".rstrip())
    assert dunning(*noun, "--help").code == 0


def test_the_version_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert CommandLine(capsys)("--version").out.startswith("dunning-service ")


def _set_revision(url: str, revision: str) -> None:
    _execute(url, f"UPDATE alembic_version SET version_num = '{revision}'")


def _execute(url: str, statement: str) -> None:
    engine = create_write_engine(database_url(url))
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
