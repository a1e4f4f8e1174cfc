"""A subscription is created, and where it is to be paid at once, the request that creates it is the worker."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.exc import SQLAlchemyError

from dunning_service.billing import commands, queries
from dunning_service.billing.charging import Charging
from dunning_service.billing.schedule import Begun, payment_id
from dunning_service.billing.service import PostedRequest
from dunning_service.billing.terms import MerchantTerms, NewSubscriptionReader
from dunning_service.billing.views import PayNowView
from dunning_service.database.engines import Database
from dunning_service.database.outages import why
from dunning_service.errors import ConfigurationError, DunningError, NoUsableGateway
from dunning_service.gateways.registry import Chosen, MerchantGateways
from dunning_service.ledger.answers import find_answer
from dunning_service.ledger.work import Recorder
from dunning_service.merchants.directory import MerchantView, Principal
from dunning_service.values.clock import Clock
from dunning_service.values.rates import rate_from_units

log = structlog.get_logger("dunning_service.billing")

PATIENCE_S: Final = 5.0
"""How long a request that is repeated waits for what became of the first payment."""

_ASKED_EVERY_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Created:
    """A subscription that is there."""

    id: UUID
    paid: PayNowView | None
    """The first payment, as it stands, of one that was to be paid at once."""
    is_replay: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """What creating a subscription and charging its first payment take."""

    database: Database
    recorder: Recorder
    gateways: MerchantGateways
    charging: Charging
    clock: Clock
    lease: timedelta
    """How long the first attempt may take before a worker looks it up."""


async def create_subscription(
    billing: Billing, principal: Principal, posted: PostedRequest, read: NewSubscriptionReader
) -> Created:
    """Creates a subscription; without a start, its first payment is charged before this returns.

    A request that was answered before is answered with what has become of that subscription, and nothing of it is
    looked at again. A charge whose outcome nobody knows yet is looked for later, by a worker.

    Raises InvalidInput naming all that is wrong, NoUsableGateway, or IdempotencyKeyReused.
    """
    merchant = principal.merchant
    key = posted.idempotency_key
    if key is not None:
        async with billing.database.read() as connection:
            earlier = await find_answer(connection, merchant.id, key, billing.clock())
        if earlier is not None:
            return await _told_again(billing, merchant, str(earlier.response["id"]))
    chosen = await _gateway_of(billing, merchant)
    units = merchant.cash_discount_units
    terms = MerchantTerms(ZoneInfo(merchant.time_zone), None if units is None else rate_from_units(units))
    new = read(terms, billing.clock(), chosen.gateway.method_problem)
    begun = Begun(chosen.id, billing.lease)
    command = commands.create(
        principal, new, begun, path=posted.path, delivery=posted.delivery(billing.clock()), idempotency_key=key
    )
    done = await billing.recorder.execute(command)
    subscription_id = str(done.answer["id"])
    if done.answered_before is not None:
        return await _told_again(billing, merchant, subscription_id)
    paid = None if new.start_at is not None else await _paid_now(billing, merchant, subscription_id)
    return Created(UUID(subscription_id), paid, is_replay=False)


async def _gateway_of(billing: Billing, merchant: MerchantView) -> Chosen:
    try:
        chosen = await billing.gateways.chosen(merchant.id)
    except ConfigurationError as error:
        log.error("gateway.unusable", merchant_id=merchant.id, error=error.message)
        raise NoUsableGateway(
            "the merchant's gateway cannot be used as it is set up: the service's log says why, and the operator "
            "changes it with `dunning merchant set`"
        ) from None
    if chosen is None:
        raise NoUsableGateway(
            "the merchant has no gateway to charge through: the operator chooses one with `dunning merchant set`"
        )
    return chosen


async def _paid_now(billing: Billing, merchant: MerchantView, subscription_id: str) -> PayNowView | None:
    """None when it cannot be told: the subscription is there, so to be asked for it again would make a second one. A
    worker finds out what became of its charge."""
    try:
        await billing.charging.attempt_first(merchant.id, subscription_id)
    except (DunningError, SQLAlchemyError) as error:
        log.warning("attempt.unrecorded", payment_id=payment_id(subscription_id, 1), attempt=1, error=_in_words(error))
    try:
        async with billing.database.read() as connection:
            first = await queries.first_attempt(connection, merchant.id, subscription_id)
    except SQLAlchemyError as error:
        log.warning("attempt.unrecorded", payment_id=payment_id(subscription_id, 1), attempt=1, error=_in_words(error))
        return None
    return None if first is None else first.view


def _in_words(error: Exception) -> str:
    return error.message if isinstance(error, DunningError) else str(why(error)["reason"])


async def _told_again(billing: Billing, merchant: MerchantView, subscription_id: str) -> Created:
    """What the same request is answered now. The first may still be waiting for the gateway, or have died of it."""
    until = time.monotonic() + PATIENCE_S
    while True:
        async with billing.database.read() as connection:
            first = await queries.first_attempt(connection, merchant.id, subscription_id)
        if first is None or not first.may_be_told_soon or time.monotonic() >= until:
            return Created(UUID(subscription_id), None if first is None else first.view, is_replay=True)
        await asyncio.sleep(_ASKED_EVERY_S)
