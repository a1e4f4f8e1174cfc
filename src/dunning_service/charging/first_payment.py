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

from dunning_service.errors import ConfigurationError, DunningError, NoUsableGateway
from dunning_service.gateways.registry import Chosen
from dunning_service.ledger.answers import find_answer
from dunning_service.merchants.directory import MerchantView, Principal
from dunning_service.outages import why
from dunning_service.rates import rate_from_units
from dunning_service.services import Services
from dunning_service.subscriptions import commands, queries
from dunning_service.subscriptions.answers import PayNowView
from dunning_service.subscriptions.parameters import MerchantTerms, read_new_subscription
from dunning_service.subscriptions.schedule import Begun, payment_id
from dunning_service.subscriptions.service import PostedRequest

log = structlog.get_logger("dunning_service.subscriptions")

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


async def create_subscription(services: Services, principal: Principal, posted: PostedRequest) -> Created:
    """Creates a subscription; without a start, its first payment is charged before this returns.

    A request that was answered before is answered with what has become of that subscription, and nothing of it is
    looked at again. A charge whose outcome nobody knows yet is looked for later, by a worker.

    Raises InvalidInput naming all that is wrong, NoUsableGateway, or IdempotencyKeyReused.
    """
    merchant = principal.merchant
    key = posted.idempotency_key
    if key is not None:
        async with services.database.read() as connection:
            earlier = await find_answer(connection, merchant.id, key, services.clock())
        if earlier is not None:
            return await _told_again(services, merchant, str(earlier.response["id"]))
    chosen = await _gateway_of(services, merchant)
    units = merchant.cash_discount_units
    terms = MerchantTerms(ZoneInfo(merchant.time_zone), None if units is None else rate_from_units(units))
    new = read_new_subscription(posted.body, terms, services.clock(), chosen.gateway.method_problem)
    begun = Begun(chosen.id, timedelta(seconds=services.settings.claim_seconds))
    command = commands.create(
        principal, new, begun, path=posted.path, delivery=posted.delivery(services.clock()), idempotency_key=key
    )
    done = await services.writer.execute(command)
    subscription_id = str(done.answer["id"])
    if done.answered_before is not None:
        return await _told_again(services, merchant, subscription_id)
    paid = None if new.start_at is not None else await _paid_now(services, merchant, subscription_id)
    return Created(UUID(subscription_id), paid, is_replay=False)


async def _gateway_of(services: Services, merchant: MerchantView) -> Chosen:
    try:
        chosen = await services.gateways.chosen(merchant.id)
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


async def _paid_now(services: Services, merchant: MerchantView, subscription_id: str) -> PayNowView | None:
    """None when it cannot be told: the subscription is there, so to be asked for it again would make a second one. A
    worker finds out what became of its charge."""
    try:
        await services.charging.attempt_first(merchant.id, subscription_id)
    except (DunningError, SQLAlchemyError) as error:
        log.warning("attempt.unrecorded", payment_id=payment_id(subscription_id, 1), attempt=1, error=_in_words(error))
    try:
        async with services.database.read() as connection:
            first = await queries.first_attempt(connection, merchant.id, subscription_id)
    except SQLAlchemyError as error:
        log.warning("attempt.unrecorded", payment_id=payment_id(subscription_id, 1), attempt=1, error=_in_words(error))
        return None
    return None if first is None else first.view


def _in_words(error: Exception) -> str:
    return error.message if isinstance(error, DunningError) else str(why(error)["reason"])


async def _told_again(services: Services, merchant: MerchantView, subscription_id: str) -> Created:
    """What the same request is answered now. The first may still be waiting for the gateway, or have died of it."""
    until = time.monotonic() + PATIENCE_S
    while True:
        async with services.database.read() as connection:
            first = await queries.first_attempt(connection, merchant.id, subscription_id)
        if first is None or not first.may_be_told_soon or time.monotonic() >= until:
            return Created(UUID(subscription_id), None if first is None else first.view, is_replay=True)
        await asyncio.sleep(_ASKED_EVERY_S)
