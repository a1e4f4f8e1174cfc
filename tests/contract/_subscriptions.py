"""Subscriptions for the tests of their API: created over HTTP, charged in the sandbox, worked off by a real worker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import httpx
import sqlalchemy as sa

from dunning_service.charging.attempts import Charging
from dunning_service.exact_json import read_json
from dunning_service.gateways import Charged, ChargeOutcome, ChargeRequest, Gateway
from dunning_service.gateways.models import SandboxChargeRow
from dunning_service.gateways.registry import Chosen
from dunning_service.gateways.service import choose_sandbox
from dunning_service.merchants.directory import MerchantView
from dunning_service.merchants.models import Merchant
from dunning_service.recovery.ladder import DEFAULT_LADDER
from dunning_service.running import worker_of
from running import NOON, RunningService

PATH = "/sub-api/v1/subscriptions"
PROCESSOR = "a7699db0-1e16-4616-b2cf-4e8d4a5320cb"
CUSTOMER = "87d8e330-2878-4742-a86f-dbbb3bf522ac"
METHOD = "b6df8625-cd25-4123-b345-638aa7b5d011"

TOMORROW = NOON + timedelta(days=1)
FIRST_RETRY = datetime(2026, 11, 22, 8, tzinfo=UTC)
"""09:00 in Oslo on the day after noon."""


def a_request(**changes: Any) -> dict[str, Any]:
    """A monthly card payment of 250 NOK, twelve times, the first of them now, but for what is said otherwise."""
    asked: dict[str, Any] = {
        "paymentProcessorId": PROCESSOR,
        "transactionType": 2,
        "amount": 250,
        "currencyId": 578,
        "paymentFrequencyUnit": 3,
        "paymentFrequency": 1,
        "paymentStartDateTime": None,
        "numberOfPayments": 12,
        "customerId": CUSTOMER,
        "paymentMethodId": METHOD,
        "customer": {"customerName": "Nafees Rahman", "emailAddress": "nafees@example.com"},
    }
    for name, value in changes.items():
        if isinstance(value, datetime):
            value = value.isoformat()
        asked[name] = str(value) if name.endswith("Id") and name != "currencyId" else value
    return asked


async def send(
    service: RunningService,
    method: str,
    path: str = "",
    *,
    token: str | None = None,
    key: str | None = None,
    **how: Any,
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token or service.token}", **how.pop("headers", {})}
    if key is not None:
        headers["Idempotency-Key"] = key
    return await service.client.request(method, f"{PATH}{path}", headers=headers, **how)


async def post(
    service: RunningService, body: Mapping[str, Any], *, token: str | None = None, key: str | None = None
) -> httpx.Response:
    return await send(service, "POST", json=dict(body), token=token, key=key)


async def created(service: RunningService, *, token: str | None = None, **changes: Any) -> Any:
    """What the creation of a subscription was answered."""
    return told(await post(service, a_request(**changes), token=token))


async def get(service: RunningService, path: str = "", *, token: str | None = None) -> Any:
    return told(await send(service, "GET", path, token=token))


def told(response: httpx.Response) -> Any:
    """The body of a success, its numbers exact."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return read_json(response.content)


async def work(service: RunningService, at: datetime | None = None) -> int:
    """Moves the clock there, and has a worker do what is due; answers how many attempts that were."""
    if at is not None:
        service.clock.now = at
    return await worker_of(service.app.state.services).run_once()


async def failed_payments(service: RunningService, query: str = "", *, token: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token or service.token}"}
    response = await service.client.get(f"/api/v1/failed-payments{query}", headers=headers)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def failed_orders(service: RunningService, path: str = "", *, token: str | None = None) -> Any:
    """Front Payment's list."""
    headers = {"Authorization": f"Bearer {token or service.token}"}
    response = await service.client.get(f"/api/v1/connect/subscriptions/failed/list{path}", headers=headers)
    assert response.status_code == 200, response.text
    return response.json()["data"]


def use_sandbox(service: RunningService, merchant: MerchantView | None = None) -> None:
    with service.database.write() as connection:
        choose_sandbox(connection, merchant or service.merchant, now=service.clock())


def set_cash_discount(service: RunningService, units: int) -> None:
    """Gives the merchant dual pricing."""
    with service.database.write() as connection:
        connection.execute(
            sa.update(Merchant).where(Merchant.id == service.merchant.id).values(cash_discount_units=units)
        )


async def charges(service: RunningService) -> int:
    """How many charges the sandbox has made."""
    async with service.database.read() as connection:
        counted = sa.select(sa.func.count()).select_from(SandboxChargeRow)
        return int((await connection.execute(counted)).scalar_one())


class OneGateway:
    """The same gateway for everybody."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def chosen(self, merchant_id: int) -> Chosen:
        return Chosen(1, self._gateway)

    async def gateway(self, merchant_id: int, gateway_id: int) -> Gateway:
        return self._gateway


def use_gateway(service: RunningService, gateway: Gateway) -> None:
    """Has everything charged through `gateway`, whatever the merchant has chosen."""
    use_sandbox(service)
    found = service.app.state.services
    gateways = OneGateway(gateway)
    charging = Charging(found.database, found.writer, gateways, found.clock, found.metrics, DEFAULT_LADDER)
    service.app.state.services = replace(found, gateways=gateways, charging=charging)


class Reluctant:
    """A gateway that answers when it is told to, and never finds a charge again."""

    name: ClassVar[str] = "reluctant"

    def __init__(self, outcome: ChargeOutcome = ChargeOutcome.SUCCEEDED) -> None:
        self._outcome = outcome
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.charged = 0

    async def charge(self, key: str, request: ChargeRequest) -> Charged:
        self.is_asked.set()
        await self.may_answer.wait()
        self.charged += 1
        if self._outcome is ChargeOutcome.DECLINED:
            return Charged(outcome=self._outcome, provider="stripe", code="insufficient_funds")
        return Charged(outcome=self._outcome, provider_transaction_id=METHOD)

    async def lookup(self, key: str) -> Charged | None:
        return None

    def method_problem(self, payment_method_id: UUID) -> str | None:
        return None

    async def close(self) -> None:
        return
