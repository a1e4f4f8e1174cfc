"""What is charged through in tests: the sandbox and what it declines, and gateways that do as they are told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa

from contract._subscriptions import METHOD
from dunning_service.billing.due_payments import DuePayment
from dunning_service.due.leases import Share, lease_due
from dunning_service.events import Category
from dunning_service.gateways import Charged, ChargeOutcome, ChargeRequest, Gateway, NotSent
from dunning_service.gateways.models import SandboxChargeRow
from dunning_service.gateways.registry import Chosen
from dunning_service.gateways.sandbox import DECLINED
from dunning_service.gateways.service import choose_sandbox
from dunning_service.merchants.directory import MerchantView
from dunning_service.recovery.ladder import DEFAULT_LADDER
from running import RunningService

NO_MONEY = DECLINED[Category.INSUFFICIENT_FUNDS]
STOLEN = DECLINED[Category.LOST_STOLEN]
EXPIRED = DECLINED[Category.EXPIRED_CARD]
"""Payment methods that the sandbox declines, each for its reason."""

LEASE = timedelta(minutes=2)

PAID = Charged(outcome=ChargeOutcome.SUCCEEDED, provider_transaction_id="t1")


def declined(code: str, **fields: Any) -> Charged:
    return Charged(outcome=ChargeOutcome.DECLINED, provider="stripe", code=code, **fields)


def use_sandbox(service: RunningService, merchant: MerchantView | None = None) -> None:
    with service.database.write() as connection:
        choose_sandbox(connection, merchant or service.merchant, now=service.clock())


def leased(
    service: RunningService, at: datetime, *, limit: int = 9, lease: timedelta = LEASE, share: Share | None = None
) -> list[DuePayment]:
    """Leases what is due at a moment, as a worker does, and commits."""
    work = service.app.state.services.charging
    with service.database.write() as connection:
        return lease_due(connection, work, at, limit=limit, lease=lease, share=share)


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
    charging = replace(found.charging, gateways=gateways, default_ladder=DEFAULT_LADDER)
    service.app.state.services = replace(found, gateways=gateways, charging=charging)


class _Forgetful:
    """It takes every payment method, and never finds a charge again."""

    async def lookup(self, key: str) -> Charged | None:
        return None

    def method_problem(self, payment_method_id: UUID) -> str | None:
        return None

    async def close(self) -> None:
        return


class Reluctant(_Forgetful):
    """A gateway that answers when it is told to."""

    name: ClassVar[str] = "reluctant"

    def __init__(self, outcome: ChargeOutcome = ChargeOutcome.SUCCEEDED) -> None:
        self._outcome = outcome
        self._is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.charged = 0

    async def once_asked(self) -> None:
        """Returns when somebody has something charged."""
        async with asyncio.timeout(20):
            await self._is_asked.wait()

    async def charge(self, key: str, request: ChargeRequest) -> Charged:
        self._is_asked.set()
        await self.may_answer.wait()
        self.charged += 1
        if self._outcome is ChargeOutcome.DECLINED:
            return declined("insufficient_funds")
        return Charged(outcome=self._outcome, provider_transaction_id=METHOD)


class Scripted(_Forgetful):
    """A gateway that answers one thing after the other and then is out of reach. It keeps a book of what it charged."""

    name: ClassVar[str] = "scripted"

    def __init__(self, *answers: Charged | Exception) -> None:
        self.answers = list(answers)
        self.charged: list[str] = []

    async def charge(self, key: str, request: ChargeRequest) -> Charged:
        if not self.answers:
            raise NotSent("the gateway is out of reach")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self.charged.append(key)
        return answer
