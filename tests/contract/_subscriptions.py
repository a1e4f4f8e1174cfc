"""Subscriptions for the tests of their API: created over HTTP, charged in the sandbox, worked off by a real worker."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import sqlalchemy as sa

from dunning_service.merchants.models import Merchant
from dunning_service.services import worker_of
from dunning_service.values.exact_json import read_json
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


def set_cash_discount(service: RunningService, units: int) -> None:
    """Gives the merchant dual pricing."""
    with service.database.write() as connection:
        connection.execute(
            sa.update(Merchant).where(Merchant.id == service.merchant.id).values(cash_discount_units=units)
        )
