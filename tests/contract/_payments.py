"""Failed payments for the tests of the lists, recorded by the real writer."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dunning_service.events import AttemptReported, Decline, Delivery, Event, Outcome
from dunning_service.ledger.models import PaymentRow
from dunning_service.ledger.work import Notice
from dunning_service.merchants.directory import MerchantView
from running import NOON, RunningService

_numbers = itertools.count(1)


def an_attempt(**stated: Any) -> AttemptReported:
    """A failed attempt at 2500 NOK, but for what is stated otherwise; `category` is one that the sender states."""
    if "category" in stated:
        stated["decline"] = Decline(category=stated.pop("category"))
    defaults: dict[str, Any] = {
        "provider_payment_id": f"in_{next(_numbers)}",
        "provider_attempt_id": "1",
        "outcome": Outcome.FAILED,
        "occurred_at": NOON,
        "amount_minor": 250_000,
        "currency": "NOK",
    }
    return AttemptReported(**{**defaults, **stated})


async def record(
    service: RunningService,
    events: Sequence[Event],
    *,
    merchant: MerchantView | None = None,
    provider: str = "maple",
    received_at: datetime | None = None,
) -> None:
    """One notice with these events."""
    merchant = merchant or service.merchant
    await service.writer.record(
        Notice(
            merchant_id=merchant.id,
            time_zone=merchant.time_zone,
            provider=provider,
            origin="test",
            delivery=Delivery(b"%d" % next(_numbers), (), received_at or service.clock()),
            outcome="recorded",
            events=events,
        )
    )


async def a_failed_payment(
    service: RunningService, *, merchant: MerchantView | None = None, provider: str = "maple", **stated: Any
) -> str:
    """Records one and answers its public number."""
    attempt = an_attempt(**stated)
    await record(service, [attempt], merchant=merchant, provider=provider)
    return await public_number_of(service, attempt.provider_payment_id, merchant=merchant, provider=provider)


async def public_number_of(
    service: RunningService, payment: str, *, merchant: MerchantView | None = None, provider: str = "maple"
) -> str:
    async with service.database.read() as connection:
        found = await connection.execute(
            sa.select(PaymentRow.id).where(
                PaymentRow.merchant_id == (merchant or service.merchant).id,
                PaymentRow.provider == provider,
                PaymentRow.provider_payment_id == payment,
            )
        )
        return f"ODR{found.scalar_one()}"


async def act(service: RunningService, number: str, action: str) -> None:
    """Decides about a payment as a dashboard would."""
    response = await service.client.post(
        f"/api/v1/failed-payments/{number}/actions", headers=service.auth, json={"action": action}
    )
    assert response.status_code == 200, response.text
