"""docs/gateways.md says what the code does, and its example endpoint works."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from dunning_service.gateways import ChargeOutcome, OutcomeUnknown, sandbox
from dunning_service.gateways.http import charge_body, read_charge
from dunning_service.outgoing.client import MAX_ANSWER_BYTES
from dunning_service.outgoing.network import NetworkRules
from dunning_service.recovery.declines import read_decline
from unit.gateways._endpoint import SECRET, Answer, Asked, a_gateway, a_request, raw_response, running

PAGE = (Path(__file__).parents[3] / "docs" / "gateways.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_table_of_the_sandbox_is_complete() -> None:
    expected = [f"| `{method}` | {behaviour.words} |" for method, behaviour in sandbox.RESERVED.items()]
    found = PAGE.split("| Payment method | What it does |\n| --- | --- |\n")[1].split("\n\n")[0].splitlines()
    assert found == expected, "docs/gateways.md should say:\n" + "\n".join(expected)


def test_the_charge_that_is_shown_is_the_one_that_is_sent() -> None:
    shown = json.loads(blocks("json")[0])
    request = a_request(
        attempt_number=2,
        subscription_id=shown["subscription_id"],
        customer_id=UUID(shown["customer_id"]),
        payment_processor_id=UUID(shown["payment_processor_id"]),
        due_on=date(2027, 1, 1),
    )
    sent = json.loads(charge_body("7f9c24e5:2", request))
    assert sent == shown
    assert list(sent) == list(shown)


@pytest.mark.parametrize("number", [0, 1], ids=["charge", "answer"])
def test_every_field_that_is_shown_is_explained(number: int) -> None:
    table = PAGE.split("| Field | Meaning |\n| --- | --- |\n")[number + 1].split("\n\n")[0]
    explained = set(re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in table.splitlines())))
    shown = set(json.loads(blocks("json")[number]))
    assert explained | {"key", "outcome"} == shown | {"key", "outcome", *({"category"} if number else ())}


def test_the_answer_that_is_shown_is_understood() -> None:
    charged = read_charge(200, blocks("json")[1].encode(), "7f9c24e5:2", datetime(2027, 1, 1, 9, tzinfo=UTC))
    shown = json.loads(blocks("json")[1])
    kept = {name: value for name, value in shown.items() if name not in ("key", "transaction_id", "occurred_at")}
    assert charged.as_record() == kept | {
        "provider_transaction_id": shown["transaction_id"],
        "occurred_at": datetime.fromisoformat(shown["occurred_at"]).astimezone(UTC).isoformat(),
    }
    assert read_decline(charged.decline).unmapped == ()


def test_the_limits_that_are_named_are_those_that_hold() -> None:
    assert f"{MAX_ANSWER_BYTES // 1024} KiB" in PAGE
    assert f"within {NetworkRules().timeout_seconds:g} seconds" in PAGE


@pytest.fixture
def example() -> Iterator[dict[str, Any]]:
    """The names that the example endpoint defines."""
    (code,) = blocks("python")
    assert SECRET in code
    names: dict[str, Any] = {}
    exec(compile(code, "docs/gateways.md", "exec"), names)
    names["charged"] = []

    def charge_at_your_provider(charge: dict[str, Any]) -> dict[str, Any]:
        names["charged"].append(charge["key"])
        if charge["amount_minor"] == 1:
            return {"outcome": "declined", "provider": "stripe", "code": "insufficient_funds"}
        return {"outcome": "succeeded", "transaction_id": f"ch_{len(names['charged'])}"}

    names["charge_at_your_provider"] = charge_at_your_provider
    yield names
    names["BOOK"].close()


def served(example: dict[str, Any]) -> Answer:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        status, body = example["answer"](asked.method, asked.path, dict(asked.headers), asked.body)
        writer.write(raw_response(status, json.dumps(body).encode()))

    return answer


def now() -> datetime:
    return datetime.now(UTC)


async def test_the_example_endpoint_charges_once(example: dict[str, Any]) -> None:
    async with running(served(example)) as endpoint:
        gateway = a_gateway(endpoint, clock=now)
        assert await gateway.lookup("p:1") is None
        charged = await gateway.charge("p:1", a_request())
        assert charged.outcome is ChargeOutcome.SUCCEEDED
        assert await gateway.charge("p:1", a_request()) == charged
        assert await gateway.lookup("p:1") == charged
        await gateway.close()
    assert example["charged"] == ["p:1"]


async def test_the_example_endpoint_says_pending_while_a_charge_is_under_way(example: dict[str, Any]) -> None:
    example["BOOK"].execute('INSERT INTO charges VALUES (\'p:1\', \'{"key": "p:1", "outcome": "pending"}\')')
    async with running(served(example)) as endpoint:
        gateway = a_gateway(endpoint, clock=now)
        found = await gateway.lookup("p:1")
        assert found is not None
        assert found.outcome is ChargeOutcome.PENDING
        assert (await gateway.charge("p:1", a_request())).outcome is ChargeOutcome.PENDING
        await gateway.close()
    assert example["charged"] == []


async def test_the_example_endpoint_lets_no_stranger_charge(example: dict[str, Any]) -> None:
    async with running(served(example)) as endpoint:
        stranger = a_gateway(endpoint, signing_secrets=[f"whsec_{'A' * 40}"], clock=now)
        for ask in (stranger.charge("p:1", a_request()), stranger.lookup("p:1")):
            with pytest.raises(OutcomeUnknown, match="compare the signing secrets"):
                await ask
        await stranger.close()
    assert example["charged"] == []
