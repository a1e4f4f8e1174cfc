"""Our own list of failed payments as a merchant reads it, and failures of what this service charges itself."""

from __future__ import annotations

from typing import Any

import httpx

from contract._gateways import NO_MONEY
from contract._subscriptions import created
from dunning_service.apis.own.wire import ActionAnswer, FailedPaymentDetail, FailedPaymentPage
from running import RunningService

PATH = "/api/v1/failed-payments"


async def listed(service: RunningService, query: str = "", *, token: str | None = None) -> dict[str, Any]:
    response = await service.client.get(f"{PATH}{query}", headers={"Authorization": f"Bearer {token or service.token}"})
    assert response.status_code == 200, response.text
    FailedPaymentPage.model_validate_json(response.content)
    body: dict[str, Any] = response.json()
    return body


async def refused(service: RunningService, query: str, status: int = 422) -> dict[str, Any]:
    """The problem that a query, or what stands behind the path of the list, is answered with."""
    response = await service.client.get(f"{PATH}{query}", headers=service.auth)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    return body


async def read(service: RunningService, number: str) -> dict[str, Any]:
    response = await service.client.get(f"{PATH}/{number}", headers=service.auth)
    assert response.status_code == 200, response.text
    FailedPaymentDetail.model_validate_json(response.content)
    body: dict[str, Any] = response.json()
    return body


async def a_failure_of_ours(service: RunningService, method: Any = NO_MONEY, **changes: Any) -> str:
    """A subscription that fails now; answers the public number of its payment."""
    subscription = (await created(service, paymentMethodId=method, **changes))["id"]
    return await failure_of(service, subscription)


async def failure_of(service: RunningService, subscription: str) -> str:
    """The public number of its only failed payment."""
    (item,) = (await listed(service, f"?subscription={subscription}"))["data"]
    number: str = item["id"]
    return number


async def ask(
    service: RunningService, number: str, *, token: str | None = None, key: str | None = None, **body: Any
) -> httpx.Response:
    """Somebody asks for another try."""
    headers = {"Authorization": f"Bearer {token or service.token}"} | ({} if key is None else {"Idempotency-Key": key})
    return await service.client.post(f"{PATH}/{number}/actions", headers=headers, json={"action": "retry", **body})


async def asked(service: RunningService, number: str, **how: Any) -> dict[str, Any]:
    """What the one who asked for another try was answered, who gets it."""
    response = await ask(service, number, **how)
    assert response.status_code == 200, response.text
    ActionAnswer.model_validate_json(response.content)
    body: dict[str, Any] = response.json()
    return body
