"""What the tests of Stripe's payment records share: a client whose every answer is held against the contract."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx

from contract._stripe_contract import AMOUNTS, require_contract
from running import NOON, RunningService

RECORDS = "/v1/payment_records"
ATTEMPTS = "/v1/payment_attempt_records"
REPORT = f"{RECORDS}/report_payment"

NOW = int(NOON.timestamp())
LONG_AGO = NOW - 86_400

FAILED: dict[str, Any] = {"outcome": "failed", "failed": {"failed_at": LONG_AGO + 5}}
GUARANTEED: dict[str, Any] = {"outcome": "guaranteed", "guaranteed": {"guaranteed_at": LONG_AGO + 5}}
CANCELED: dict[str, Any] = {"outcome": "canceled", "canceled": {"canceled_at": LONG_AGO + 5}}
OUTCOMES: dict[str, dict[str, Any]] = {"failed": FAILED, "guaranteed": GUARANTEED, "canceled": CANCELED}

Form = Mapping[str, Any] | Iterable[tuple[str, str]] | str | bytes
"""Nested, in pairs, or as it is to be sent."""

_numbers = itertools.count(1)


def a_payment(**stated: Any) -> dict[str, Any]:
    """A payment of 19.99 US dollars whose attempt is open, but for what is stated otherwise; None leaves it out."""
    known: dict[str, Any] = {
        "amount_requested": {"currency": "usd", "value": 1999},
        "initiated_at": LONG_AGO,
        "payment_method_details": {"type": "custom", "custom": {"display_name": "Vipps", "type": "cpmt_1"}},
    }
    return {name: value for name, value in (known | stated).items() if value is not None}


def an_attempt(**stated: Any) -> dict[str, Any]:
    """Another try of a payment, open unless it is stated otherwise."""
    return {"initiated_at": LONG_AGO + 60, **stated}


def a_refund(reference: str | None = None, **stated: Any) -> dict[str, Any]:
    """A refund of all that is left, under a reference of its own."""
    custom = {"refund_reference": reference or f"re_{next(_numbers)}"}
    return {"outcome": "refunded", "processor_details": {"type": "custom", "custom": custom}, **stated}


def pairs(form: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """A nested form as Stripe's clients write it: `a[b][0]=`."""
    for name, value in form.items():
        key = f"{prefix}[{name}]" if prefix else name
        if isinstance(value, Mapping):
            yield from pairs(value, key)
        elif isinstance(value, list):
            yield from pairs({str(place): one for place, one in enumerate(value)}, key)
        else:
            yield key, str(value)


def encoded(form: Mapping[str, Any] | Iterable[tuple[str, str]]) -> str:
    """A form or a query, with its brackets as they are."""
    listed = pairs(form) if isinstance(form, Mapping) else form
    return urlencode(list(listed)).replace("%5B", "[").replace("%5D", "]")


async def hold_against_contract(response: httpx.Response) -> None:
    """An event hook for clients: looks at every answer under /v1 before the test does."""
    if response.request.url.path.startswith("/v1"):
        await response.aread()
        require_contract(response.request.method, response.request.url.path, response)


class Records:
    """A merchant's own program that reports payments, and asks for them.

    From its making on, whatever the service's client is answered under /v1 is held against the contract.
    """

    def __init__(self, service: RunningService, token: str | None = None) -> None:
        self.service = service
        self.client = service.client
        hooks = service.client.event_hooks["response"]
        if hold_against_contract not in hooks:
            hooks.append(hold_against_contract)
        self.auth = {"Authorization": f"Bearer {token}"} if token else service.auth

    async def post(
        self, path: str, form: Form = "", *, key: str | None = "", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """With an Idempotency-Key of its own, as Stripe's clients do; None sends none."""
        sent = {**self.auth, "Content-Type": "application/x-www-form-urlencoded"}
        if key is not None:
            sent["Idempotency-Key"] = key or str(uuid.uuid4())
        body = form if isinstance(form, (str, bytes)) else encoded(form)
        return await self.client.post(path, content=body, headers=sent | dict(headers or {}))

    async def get(
        self, path: str, query: Mapping[str, Any] | str = "", *, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        asked = query if isinstance(query, str) else encoded(query)
        return await self.client.get(f"{path}?{asked}" if asked else path, headers=self.auth | dict(headers or {}))

    async def of_another_merchant(self) -> Records:
        """The client of a merchant who has nothing yet."""
        merchant = await self.service.add_merchant(f"Other {next(_numbers)}")
        return Records(self.service, await self.service.add_token(merchant))

    async def report(self, **stated: Any) -> dict[str, Any]:
        """A new record."""
        return answer(await self.post(REPORT, a_payment(**stated)))

    async def attempt(self, record: str, **stated: Any) -> dict[str, Any]:
        """The record after another attempt."""
        return answer(await self.post(f"{RECORDS}/{record}/report_payment_attempt", an_attempt(**stated)))

    async def settle(self, record: str, outcome: str, **stated: Any) -> dict[str, Any]:
        """The record after its open attempt has failed, been guaranteed or been canceled."""
        path = f"{RECORDS}/{record}/report_payment_attempt_{outcome}"
        return answer(await self.post(path, {f"{outcome}_at": LONG_AGO + 90, **stated}))

    async def inform(self, record: str, **stated: Any) -> dict[str, Any]:
        """The record after it was told something about its latest attempt."""
        return answer(await self.post(f"{RECORDS}/{record}/report_payment_attempt_informational", stated))

    async def refund(self, record: str, **stated: Any) -> dict[str, Any]:
        return answer(await self.post(f"{RECORDS}/{record}/report_refund", a_refund(**stated)))

    async def retrieve(self, identifier: str) -> dict[str, Any]:
        """A record or an attempt."""
        kind = ATTEMPTS if identifier.startswith("par_") else RECORDS
        return answer(await self.get(f"{kind}/{identifier}"))

    async def listed(self, **query: Any) -> dict[str, Any]:
        """A page of records."""
        return answer(await self.get(RECORDS, query))

    async def attempts(self, record: str, **query: Any) -> dict[str, Any]:
        """A page of a record's attempts."""
        return answer(await self.get(ATTEMPTS, {"payment_record": record, **query}))


def answer(response: httpx.Response) -> dict[str, Any]:
    """What it says, when it is no refusal."""
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def refusal(response: httpx.Response, status: int = 400) -> dict[str, Any]:
    """The error, when it is one of this status."""
    assert response.status_code == status, response.text
    found: dict[str, Any] = response.json()["error"]
    return found


def amounts(shown: Mapping[str, Any]) -> dict[str, int]:
    """The amounts that are not 0, but for those that repeat what was requested."""
    values = {name: shown[f"amount_{name}"]["value"] for name in AMOUNTS if name != "requested"}
    return {name: value for name, value in values.items() if value}


def ids(page: Mapping[str, Any]) -> list[str]:
    return [shown["id"] for shown in page["data"]]
