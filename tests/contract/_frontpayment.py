"""Front Payment's failed payments as its clients ask for them."""

from __future__ import annotations

from typing import Any

from dunning_service.apis.frontpayment.wire import ErrorEnvelope
from running import RunningService

PATH = "/api/v1/connect/subscriptions/failed"


async def refused(service: RunningService, path: str, status: int = 417) -> dict[str, Any]:
    response = await service.client.get(f"{PATH}{path}", headers=service.auth)
    assert response.status_code == status, response.text
    ErrorEnvelope.model_validate_json(response.content)
    body: dict[str, Any] = response.json()
    assert body["status_code"] == status
    return body
