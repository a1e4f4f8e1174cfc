"""`dunning payments` on both databases: what the API lists, as it lists it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from building import NOON, a_decision, a_failure, a_notice, a_receipt, a_success
from command_line import CommandLine
from dunning_service.ledger.status import ActionKind, ReceiptDue
from ledgers import Ledger
from running import run_service


@pytest.fixture
def ledger(database_url: str, dunning: CommandLine) -> Iterator[Ledger]:
    """A merchant, Sweden, with three failed payments, one of them invoiced and one without a currency."""
    merchant_id = dunning.json("merchant", "add", "Sweden")["id"]
    opened = Ledger(database_url)
    events = [
        a_failure("in_1", customer_name="Ada\x1b[31m Example", provider_customer_id="cus_1", message="Insufficient"),
        a_failure("in_2", occurred_at=NOON - timedelta(days=1), amount_minor=249_900, customer_email="g@example.com"),
        a_failure("in_3", occurred_at=NOON - timedelta(days=2), currency=None),
        a_success("in_4", "1"),
    ]
    for event in events:
        opened.committer.commit([a_notice(event, merchant_id=merchant_id)], NOON)
    opened.committer.commit(
        [
            a_decision(
                opened.payment_ids(merchant_id)["in_2"], ActionKind.INVOICE, merchant_id=merchant_id, reason="asked"
            )
        ],
        NOON,
    )
    yield opened
    opened.database.write_engine.dispose()


def test_the_list_is_a_table_with_amounts_as_people_write_them(dunning: CommandLine, ledger: Ledger) -> None:
    heading, *rows = dunning.table("payments", "list")
    assert heading.split("  ")[0] == "NUMBER"
    assert [[cell.strip() for cell in row.split("  ") if cell.strip()][1:] for row in rows] == [
        ["failed", "2026-11-21", "19.99 NOK", "maple", "Ada [31m Example", "-"],
        ["invoiced", "2026-11-20", "2499.00 NOK", "maple", "g@example.com", "-"],
        ["failed", "2026-11-19", "1999 (currency unknown)", "maple", "-", "-"],
    ]


FILTERED: list[tuple[tuple[str, ...], list[str]]] = [
    (("--status", "invoiced"), ["in_2"]),
    (("--status", "failed", "--status", "invoiced", "--sort", "order_date"), ["in_3", "in_2", "in_1"]),
    (("--provider", "goodparty"), []),
    (("--customer", "cus_1"), ["in_1"]),
    (("--email", "G@EXAMPLE.COM"), ["in_2"]),
    (("--q", "ada"), ["in_1"]),
    (("--amount-min", "2000", "--amount-max", "249900"), ["in_2"]),
    (("--currency", "unknown"), ["in_3"]),
    (("--order-from", "2026-11-20"), ["in_1", "in_2"]),
    (("--order-to", "2026-11-19"), ["in_3"]),
    (("--updated-since", "2026-11-22T00:00:00Z"), []),
    (("--next-attempt", "none", "--category", "unknown", "--limit", "1"), ["in_1"]),
]


def test_filters_are_those_of_the_api(dunning: CommandLine, ledger: Ledger) -> None:
    for arguments, found in FILTERED:
        page = dunning.json("payments", "list", *arguments)
        assert [payment["provider_payment_id"] for payment in page["data"]] == found, arguments


async def test_pages_and_payments_are_those_that_the_api_answers(
    dunning: CommandLine, ledger: Ledger, database_url: str
) -> None:
    async def asked(client: httpx.AsyncClient, path: str, **query: object) -> object:
        return (await client.get(f"/api/v1/failed-payments{path}", params=query, headers=headers)).json()

    token = dunning.json("token", "add", "--merchant", "Sweden", "--scope", "read")["token"]
    headers = {"Authorization": f"Bearer {token}"}
    # a command has an event loop of its own, so it is typed in another thread
    typed = asyncio.to_thread
    async with run_service(database_url) as service:
        first = await typed(dunning.json, "payments", "list", "--merchant", "Sweden", "--limit", "2")
        assert first == await asked(service.client, "", limit=2)
        rest = await typed(
            dunning.json, "payments", "list", "--merchant", "Sweden", "--limit", "2", "--cursor", first["next"]
        )
        assert rest == await asked(service.client, "", limit=2, cursor=first["next"])
        for payment in (*first["data"], *rest["data"]):
            shown = await typed(dunning.json, "payments", "show", payment["id"])
            assert shown.pop("merchant") == "Sweden"
            assert shown == await asked(service.client, f"/{payment['id']}")
    assert (len(first["data"]), len(rest["data"]), rest["next"]) == (2, 1, None)


def test_a_page_says_how_to_get_the_next(dunning: CommandLine, ledger: Ledger) -> None:
    line = dunning.table("payments", "list", "--limit", "2")[-1]
    assert line.startswith("(2 of 3; for the next page the same with --cursor ")
    cursor = line.removesuffix(")").rpartition(" ")[2]
    assert dunning.table("payments", "list", "--limit", "2", "--cursor", cursor)[-1] == "(the last of 3)"
    assert dunning.table("payments", "list", "--q", "nobody") == ["no failed payment matches"]


def test_one_is_shown_with_its_time_line(dunning: CommandLine, ledger: Ledger) -> None:
    number = dunning.json("payments", "list", "--status", "invoiced")["data"][0]["id"]
    lines = dunning.table("payments", "show", number.lower())
    assert f"number        {number}" in lines
    assert "amount        2499.00 NOK" in lines
    assert [line.split()[2] for line in lines[-2:]] == ["attempt", "action"]
    assert lines[-1].endswith("asked")
    assert "\x1b" not in dunning("payments", "show", dunning.json("payments", "list")["data"][0]["id"]).out


def test_a_time_line_says_which_receipt_is_expected_and_which_was_moved_where(
    dunning: CommandLine, ledger: Ledger
) -> None:
    merchant_id = dunning.json("merchant", "list")[0]["id"]
    months = [a_failure(name, occurred_at=NOON - timedelta(days=9), payer_key="ann") for name in ("in_8", "in_9")]
    ledger.committer.commit([a_notice(*months, a_receipt("T-1", "ann"), merchant_id=merchant_id)], NOON)
    first, second = (ledger.payment_ids(merchant_id)[name] for name in ("in_8", "in_9"))
    moved = a_decision(first, ActionKind.MOVE_RECEIPT, merchant_id=merchant_id, to_payment_id=second)
    marked = a_decision(
        first, ActionKind.MARK_PAID, merchant_id=merchant_id, receipt=ReceiptDue.EXPECTED, reason="on its way"
    )
    ledger.committer.commit([moved], NOON)
    ledger.committer.commit([marked], NOON + timedelta(minutes=1))
    lines = dunning.table("payments", "show", f"ODR{first}")
    assert [line.rpartition("  ")[2] for line in lines if "  action  " in line] == [
        f"receipt T-1 to ODR{second}; by test",
        "receipt expected; on its way",
    ]


WRONG: list[tuple[tuple[str, ...], str]] = [
    (("--status", "lost"), "--status Input should be 'failed', 'invoiced'"),
    (("--limit", "1000"), "--limit "),
    (("--order-from", "yesterday"), "--order-from must be a date such as 2026-11-21"),
    (("--amount-min", "2", "--amount-max", "1"), "--amount-max must not be less than amount_min"),
    (("--cursor", "gibberish"), "--cursor this is not a cursor that this list gave out"),
]


def test_a_filter_that_is_wrong_is_named(dunning: CommandLine, ledger: Ledger) -> None:
    for arguments, complaint in WRONG:
        typed = dunning("payments", "list", *arguments)
        assert typed.code == 2
        assert complaint in typed.err
        assert typed.err.count("\n") == 1


def test_whose_payments_is_asked_where_it_is_not_plain(dunning: CommandLine) -> None:
    assert "`dunning merchant add NAME`" in dunning("payments", "list").refusal
    dunning.json("merchant", "add", "Sweden")
    dunning.json("merchant", "add", "Norway")
    assert "--merchant NAME: 'Sweden', 'Norway'" in dunning("payments", "list").refusal
    assert dunning.json("payments", "list", "--merchant", "Norway") == {"data": [], "total": 0, "next": None}


def test_a_number_of_another_merchant_is_found_without_a_name_and_not_under_another(
    dunning: CommandLine, ledger: Ledger
) -> None:
    dunning.json("merchant", "add", "Norway")
    number = dunning.json("payments", "list", "--merchant", "Sweden")["data"][0]["id"]
    assert dunning.json("payments", "show", number)["merchant"] == "Sweden"
    for arguments in ((number, "--merchant", "Norway"), ("ODR1",), ("17",)):
        assert "`dunning payments list` shows the numbers" in dunning("payments", "show", *arguments).refusal
