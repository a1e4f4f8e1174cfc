"""`dunning merchant set` on both databases: how a merchant charges and retries, and what cannot be."""

from __future__ import annotations

import pytest

from building import NOON, a_failure, a_notice
from command_line import CommandLine
from dunning_service.commands import merchant
from dunning_service.errors import Unavailable
from dunning_service.ledger.models import PaymentRow
from ledgers import Ledger

URL = "https://billing.example.com/charges"
CHOOSE_ENDPOINT = ("merchant", "set", "Sweden", "--gateway", "http", "--gateway-url", URL)


@pytest.fixture
def settings(settings: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    settings.setenv("DUNNING_GATEWAY_HOSTS", "billing.example.com, localhost:9000")
    return settings


@pytest.fixture
def dunning(dunning: CommandLine) -> CommandLine:
    """On a database with a merchant, Sweden."""
    dunning.json("merchant", "add", "Sweden", "--currency", "NOK", "--timezone", "Europe/Oslo")
    return dunning


def test_without_options_it_shows_what_holds(dunning: CommandLine) -> None:
    assert dunning.table("merchant", "set", "Sweden")[1:] == [
        "name           Sweden",
        "currency       NOK",
        "timezone       Europe/Oslo",
        "gateway        none",
        "retries        1d 3d 5d 7d at 09:00 (the default)",
        "cash discount  none",
    ]


def test_another_currency_says_how_it_comes_to_hold_for_what_is_there(dunning: CommandLine) -> None:
    dunning.json("merchant", "set", "Sweden", "--name", "Sweden & Co")
    assert dunning.table("merchant", "set", "Sweden & Co", "--currency", "EUR")[-1] == (
        "It holds for notices from now on. Those that are there already are read with it by "
        "`dunning events replay --outcome recorded --merchant 'Sweden & Co'`."
    )


def test_what_is_set_holds_and_the_rest_stays(dunning: CommandLine) -> None:
    set_ = dunning.json(
        "merchant", "set", "Sweden", "--gateway", "sandbox", "--retry-ladder", "1d, 3D at 9:00",
        "--cash-discount", "2.50 %",
    )  # fmt: skip
    assert set_ == {
        "id": set_["id"],
        "name": "Sweden",
        "default_currency": "NOK",
        "time_zone": "Europe/Oslo",
        "gateway": "sandbox",
        "gateway_url": None,
        "retry_ladder": "1d 3d at 09:00",
        "cash_discount_percent": "2.5",
    }
    assert dunning.json("merchant", "list") == [set_]
    assert dunning.json("merchant", "set", "Sweden", "--currency", "eur") == set_ | {"default_currency": "EUR"}
    assert dunning.table("merchant", "list")[1].endswith("EUR       Europe/Oslo  sandbox  1d 3d at 09:00  2.5 %")


def test_what_was_set_can_be_taken_back(dunning: CommandLine) -> None:
    dunning.json("merchant", "set", "Sweden", "--gateway", "sandbox", "--retry-ladder", "none", "--cash-discount", "1")
    taken_back = dunning.json(
        "merchant", "set", "Sweden", "--gateway", "none", "--retry-ladder", "default", "--cash-discount", "none",
        "--currency", "none",
    )  # fmt: skip
    assert [taken_back[name] for name in ("gateway", "retry_ladder", "cash_discount_percent", "default_currency")] == [
        None
    ] * 4


def test_a_signing_secret_is_shown_once(dunning: CommandLine) -> None:
    chosen = dunning.json(*CHOOSE_ENDPOINT)
    assert chosen["gateway_secret"].startswith("whsec_")
    assert (chosen["gateway"], chosen["gateway_url"]) == ("http", URL)
    for again in (CHOOSE_ENDPOINT, ("merchant", "set", "Sweden", "--gateway", "http"), ("merchant", "set", "Sweden")):
        assert "gateway_secret" not in dunning.json(*again)
    moved = dunning.json("merchant", "set", "Sweden", "--gateway-url", "https://billing.example.com/v2/")
    assert moved["gateway_url"] == "https://billing.example.com/v2"
    assert "gateway_secret" not in moved
    assert "whsec_" not in dunning("merchant", "list").out


def test_a_signing_secret_is_rotated(dunning: CommandLine) -> None:
    first = dunning.json(*CHOOSE_ENDPOINT)["gateway_secret"]
    rotated = dunning("merchant", "set", "Sweden", "--rotate-gateway-secret")
    assert "signing secret  whsec_" in rotated.out
    assert first not in rotated.out
    assert "signed with the old one as well" in rotated.out


def test_an_endpoint_that_is_chosen_again_after_the_sandbox_keeps_its_secret(dunning: CommandLine) -> None:
    assert dunning.json(*CHOOSE_ENDPOINT)["gateway_secret"]
    dunning.json("merchant", "set", "Sweden", "--gateway", "sandbox")
    again = dunning.json(*CHOOSE_ENDPOINT)
    assert again["gateway"] == "http"
    assert "gateway_secret" not in again


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--gateway", "http"), "add --gateway-url URL"),
        (("--gateway-url", URL), "add --gateway http"),
        (("--gateway", "sandbox", "--gateway-url", URL), "--gateway-url goes with --gateway http"),
        (("--gateway", "http", "--gateway-url", "https://other.example.com"), "add it to DUNNING_GATEWAY_HOSTS"),
        (("--gateway", "http", "--gateway-url", "http://localhost:9000"), "set DUNNING_GATEWAY_ALLOW_HTTP=true"),
        (("--gateway", "http", "--gateway-url", "billing"), "is not a URL such as https://"),
        (("--rotate-gateway-secret",), "--gateway http --gateway-url URL"),
        (("--retry-ladder", "tomorrow"), 'write "1d 3d 5d 7d at 09:00"'),
        (("--cash-discount", "much"), "write a percentage such as 2.5"),
        (("--cash-discount", "0"), "more than 0 and less than 100"),
        (("--cash-discount", "100"), "more than 0 and less than 100"),
        (("--cash-discount", "1.00001"), "must not have more than 4 decimals"),
        (("--currency", "KRONER"), "write one such as NOK"),
        (("--timezone", "Oslo"), "there is no time zone 'Oslo'; write one such as Europe/Oslo"),
        (("--name", " "), "a name that is not empty"),
        (("--name", "Norway"), "there is a merchant 'Norway' already; choose another name"),
    ],
)
def test_what_cannot_work_is_refused_and_changes_nothing(
    dunning: CommandLine, arguments: tuple[str, ...], complaint: str
) -> None:
    dunning.json("merchant", "add", "Norway")
    before = dunning.json("merchant", "list")
    assert complaint in dunning("merchant", "set", "Sweden", "--retry-ladder", "1d", *arguments).refusal
    assert dunning.json("merchant", "list") == before


def test_a_merchant_that_does_not_exist_is_answered_with_those_that_do(dunning: CommandLine) -> None:
    assert "there is 'Sweden'" in dunning("merchant", "set", "Denmark", "--gateway", "sandbox").refusal


def test_a_list_of_hosts_with_something_else_in_it_is_named(dunning: CommandLine, settings: pytest.MonkeyPatch) -> None:
    settings.setenv("DUNNING_GATEWAY_HOSTS", "https://billing.example.com")
    assert "DUNNING_GATEWAY_HOSTS" in dunning(*CHOOSE_ENDPOINT).refusal
    assert "DUNNING_GATEWAY_HOSTS" in dunning("worker", "--once").refusal


def test_a_new_name_is_the_one_that_commands_take(dunning: CommandLine) -> None:
    token = dunning.json("token", "add", "--merchant", "Sweden", "--scope", "read")
    renamed = dunning("merchant", "set", "Sweden", "--name", " Sweden & Co ")
    assert "name           Sweden & Co" in renamed.out.splitlines()
    assert "Commands and Front Payment's list call it 'Sweden & Co' from now on" in renamed.out
    assert "there is 'Sweden & Co'" in dunning("token", "list", "--merchant", "Sweden").refusal
    (listed,) = dunning.json("token", "list", "--merchant", "Sweden & Co")
    assert (listed["id"], listed["merchant"], listed["state"]) == (token["id"], "Sweden & Co", "valid")
    assert "from now on" not in dunning("merchant", "set", "Sweden & Co", "--name", "Sweden & Co").out


def test_another_time_zone_moves_the_order_dates(dunning: CommandLine, database_url: str) -> None:
    merchant_id = dunning.json("merchant", "list")[0]["id"]
    ledger = Ledger(database_url)
    failures = [a_failure(f"in_{hour}", occurred_at=NOON.replace(hour=hour)) for hour in (0, 12, 22)]
    notices = [a_notice(one, merchant_id=merchant_id, time_zone="Europe/Oslo") for one in failures]
    assert [getattr(done, "is_new", done) for done in ledger.committer.commit(notices, NOON)] == [True] * 3

    moved = dunning("merchant", "set", "Sweden", "--timezone", "America/Los_Angeles")
    assert moved.code == 0, moved.err
    assert "timezone       America/Los_Angeles" in moved.out
    assert "1 of 3 failed payments have another order date now" in moved.out
    assert {row["order_on"].day for row in ledger.rows(PaymentRow, merchant_id)} == {20, 21}
    assert dunning("ledger", "check").code == 0
    again = dunning.json("merchant", "set", "Sweden", "--timezone", "America/Los_Angeles")
    assert (again["time_zone"], again["order_dates_moved"]) == ("America/Los_Angeles", 0)
    ledger.database.write_engine.dispose()


@pytest.mark.parametrize(
    ("trouble", "code"),
    [(KeyboardInterrupt(), 130), (Unavailable("the database gives no confirmation of a commit"), 1)],
)
def test_a_move_that_is_interrupted_says_how_to_go_on(
    dunning: CommandLine, monkeypatch: pytest.MonkeyPatch, trouble: BaseException, code: int
) -> None:
    def move(*arguments: object) -> None:
        raise trouble

    monkeypatch.setattr(merchant, "move_order_dates", move)
    typed = dunning("merchant", "set", "Sweden", "--timezone", "UTC")
    assert typed.code == code
    assert typed.err.endswith("to go on: dunning merchant set Sweden --timezone UTC\n")
    assert dunning.json("merchant", "list")[0]["time_zone"] == "UTC"
