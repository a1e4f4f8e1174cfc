"""`dunning customer erase` as it is typed, beside a service that goes on taking notices."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from command_line import CommandLine
from dunning_service.commands.opening import opened_database
from dunning_service.merchants.service import list_merchants
from e2e.processes import serving
from e2e.senders import Account, a_goodparty_notice, complaints, lines, listed, open_account


def merchant_name() -> str:
    with opened_database() as (_, database), database.read_blocking() as connection:
        return list_merchants(connection)[0].name


def of_kari(account: Account, number: int, **fields: Any) -> Any:
    told = {"StripeCustomerId": "cus_kari", "CustomerEmail": "kari@example.com", "UserId": 1, "AmountDue": number}
    return a_goodparty_notice(account, f"in_{number}", **(told | fields))


async def test_a_customer_is_erased_while_notices_come_in(database_url: str, dunning: CommandLine) -> None:
    account = open_account(database_url)
    with serving(database_url) as server:
        async with lines(server.port, 2) as (mine, others):
            for number in range(20):
                assert (await mine.post(of_kari(account, number))).status == 200
            is_over = asyncio.Event()

            async def keep_sending() -> None:
                number = 0
                while not is_over.is_set():
                    number += 1
                    assert (await others.post(a_goodparty_notice(account, f"other_{number}"))).status == 200

            sending = asyncio.create_task(keep_sending())
            command = ("customer", "erase", "--merchant", merchant_name(), "--customer", "cus_kari")
            would_be = await asyncio.to_thread(dunning.json, *command, "--dry-run")
            erased = await asyncio.to_thread(dunning.json, *command, "--yes")
            is_over.set()
            await sending
            assert (await mine.post(of_kari(account, 3))).status == 200
        shown = {one["provider_payment_id"]: one for one in listed(server.base_url, account)}
    assert would_be["dry_run"] is True
    assert would_be["payments"] == erased["payments"] == 20
    assert would_be["named_beside"] == ["kari@example.com"]
    assert erased["deliveries"] == {"recorded": 20, "ignored": 0, "failed": 0}
    for number in range(20):
        one = shown[f"in_{number}"]
        assert (one["amount_minor"], one["status"]) == (number, "failed")
        assert one["customer"]["id"] is None
        assert one["customer"]["email"] is None
    assert complaints(database_url) == []


def test_it_says_what_was_erased_and_what_to_know(database_url: str, dunning: CommandLine) -> None:
    account = open_account(database_url)
    with serving(database_url) as server:

        async def send() -> None:
            async with lines(server.port, 1) as (line,):
                assert (await line.post(of_kari(account, 1))).status == 200

        asyncio.run(send())
        command = ("customer", "erase", "--merchant", merchant_name(), "--email", "KARI@example.com")
        assert "add --yes to do it, or --dry-run to see" in dunning(*command).refusal
        foretold, told = dunning(*command, "--dry-run"), dunning(*command, "--yes")
        found = dunning.json("events", "list")[0]["id"]
        assert "(erased)" in dunning("events", "show", found).out
        assert dunning(*command, "--yes").out.startswith("nothing about a customer")
        assert dunning("events", "replay", found).code == 1
    assert (foretold.code, told.code) == (0, 0)
    assert foretold.out.startswith(f"Would be erased about a customer of {merchant_name()}:\n")
    assert told.out.startswith(f"Erased about a customer of {merchant_name()}:\n")
    assert "payments" in told.out
    assert "still open" in told.out
    assert "perhaps the same person: cus_kari" in told.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "say who"),
        (("--email", "cus_1"), "not an e-mail address"),
        (("--customer", " "), "1 to 255 characters"),
    ],
)
def test_it_wants_to_know_who(dunning: CommandLine, arguments: tuple[str, ...], complaint: str) -> None:
    assert complaint in dunning("customer", "erase", "--merchant", "Nobody", *arguments).refusal


def test_an_unknown_merchant_is_refused(dunning: CommandLine) -> None:
    assert "there is no merchant" in dunning("customer", "erase", "--merchant", "X", "--customer", "cus_1").refusal
