"""Our own list of failed payments as a merchant reads it, and failures of what this service charges itself."""

from __future__ import annotations

from typing import Any

from contract._gateways import NO_MONEY
from contract._subscriptions import created
from dunning_service.failed_payments.schemas import FailedPaymentDetail, FailedPaymentPage
from running import RunningService

PATH = "/api/v1/failed-payments"


async def listed(service: RunningService, query: str = "", *, token: str | None = None) -> dict[str, Any]:
    response = await service.client.get(f"{PATH}{query}", headers={"Authorization": f"Bearer {token or service.token}"})
    assert response.status_code == 200, response.text
    FailedPaymentPage.model_validate_json(response.content)
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
