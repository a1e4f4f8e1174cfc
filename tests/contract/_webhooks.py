"""Maple's side of its webhooks, for tests: bodies, and signatures made without the code under test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import httpx
import sqlalchemy as sa

from dunning_service.ledger.models import AttemptRow, DeliveryRow, PaymentRow
from running import RegisteredSource, RunningService


def a_payment(**fields: Any) -> dict[str, Any]:
    """A payment as Maple describes it, as far as tests care."""
    known = {
        "id": "txn_1",
        "company_id": "cmp_1",
        "invoice_uuid": "inv-1",
        "invoice_number": "1042",
        "total_amount": {"currency": "USD", "value_in_cents": 1250},
        "customer": {"id": "cus_1", "name": "Kari Nordmann", "email": "kari@example.com", "org_name": "Nordmann AS"},
        "customer_id": "cus_1",
        "status": "failed",
        "created_at": "2026-11-21T11:30:00Z",
        "updated_at": "2026-11-21T11:30:01Z",
    }
    return known | fields


def an_event(event_type: str = "payment.failed", **fields: Any) -> bytes:
    event = {"event_type": event_type, "created_at": "2026-11-21T11:30:02Z", "data_type": "payment"}
    return json.dumps(event | {"data": a_payment(**fields)}).encode()


def signature(secret: str, body: bytes, at: int | None, *, hashing: str = "sha256", encoding: str = "hex") -> str:
    """The bare hash; `at` None is the form without a time."""
    prefix = b"" if at is None else f"{at},".encode()
    mac = hmac.new(secret.encode(), prefix + body, getattr(hashlib, hashing))
    return mac.hexdigest() if encoding == "hex" else base64.b64encode(mac.digest()).decode()


def signed(service: RunningService, source: RegisteredSource, body: bytes, *, age: int = 0) -> dict[str, str]:
    """Headers with a good signature, `age` seconds old."""
    at = int(service.clock.now.timestamp()) - age
    return {
        "X-Maple-Signature": f"t={at},v1={signature(source.secret, body, at)}",
        "Content-Type": "application/json",
        "User-Agent": "Convoy/v26",
    }


async def post(service: RunningService, source: RegisteredSource, body: bytes) -> httpx.Response:
    """Posts `body` with a good signature."""
    return await service.client.post(source.path, content=body, headers=signed(service, source, body))


async def rows_of(service: RunningService, model: type[DeliveryRow | PaymentRow | AttemptRow]) -> list[Any]:
    """All rows of the service's merchant."""
    statement = sa.select(model.__table__).where(model.merchant_id == service.merchant.id)
    async with service.database.read() as connection:
        return list((await connection.execute(statement)).all())


async def the_delivery(service: RunningService) -> Any:
    """The only delivery there is."""
    deliveries = await rows_of(service, DeliveryRow)
    assert len(deliveries) == 1
    return deliveries[0]
