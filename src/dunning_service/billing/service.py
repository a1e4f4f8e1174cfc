"""Creating a subscription, with the charge of a first payment that is due at once, and retrying a payment of one."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.exc import SQLAlchemyError

from dunning_service.billing import commands, queries
from dunning_service.billing.charging import Charging
from dunning_service.billing.due_payments import first_payment_of
from dunning_service.billing.schedule import FirstLease, payment_id
from dunning_service.billing.terms import MerchantTerms, NewSubscriptionReader
from dunning_service.billing.views import PayNowView
from dunning_service.database.engines import Database
from dunning_service.database.outages import why
from dunning_service.errors import ConfigurationError, DunningError, NoUsableGateway
from dunning_service.gateways.registry import Chosen
from dunning_service.ledger.actions import as_recorded
from dunning_service.ledger.answers import find_answer
from dunning_service.ledger.work import ActionRecorded, IdempotencyKey, Recorder
from dunning_service.merchants.directory import MerchantView, Principal
from dunning_service.values.rates import rate_from_units

log = structlog.get_logger("dunning_service.billing")

PATIENCE_S: Final = 5
"""How long a repeated request waits for the outcome of the first payment."""

_READS_PER_SECOND: Final = 20


@dataclass(frozen=True, slots=True)
class Created:
    """The answer to a request for a new subscription."""

    id: UUID
    paid: PayNowView | None
    """The first payment, of one that pays now."""
    is_replay: bool


async def create_subscription(
    charging: Charging, principal: Principal, posted: commands.PostedRequest, read: NewSubscriptionReader
) -> Created:
    """Creates a subscription; without a start, its first payment is charged before this returns.

    A request that was answered before is answered with the present state of that subscription, and is not read again.
    A charge whose outcome is unknown is looked up later, by a worker.

    Raises InvalidInput naming all that is wrong, NoUsableGateway, or IdempotencyKeyReused.
    """
    merchant = principal.merchant
    key = posted.idempotency_key
    if key is not None:
        async with charging.database.read() as connection:
            earlier = await find_answer(connection, merchant.id, key, charging.clock())
        if earlier is not None:
            return await _answer_again(charging, merchant, str(earlier.response["id"]))
    chosen = await _gateway_of(charging, merchant)
    units = merchant.cash_discount_units
    terms = MerchantTerms(ZoneInfo(merchant.time_zone), None if units is None else rate_from_units(units))
    new = read(terms, charging.clock(), chosen.gateway.method_problem)
    first = FirstLease(chosen.id, charging.lease)
    done = await charging.recorder.execute(commands.create(principal, new, first, posted))
    subscription_id = str(done.answer["id"])
    if done.answered_before is not None:
        return await _answer_again(charging, merchant, subscription_id)
    paid = None if new.start_at is not None else await _paid_now(charging, merchant, subscription_id)
    return Created(UUID(subscription_id), paid, is_replay=False)


async def _gateway_of(charging: Charging, merchant: MerchantView) -> Chosen:
    try:
        chosen = await charging.gateways.chosen(merchant.id)
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


async def _paid_now(charging: Charging, merchant: MerchantView, subscription_id: str) -> PayNowView | None:
    """The first payment after its attempt; None while the database cannot be read. An error would not do: the
    subscription exists, and the same request without a key would make a second one. A worker looks up its charge."""
    try:
        async with charging.database.read() as connection:
            due = await first_payment_of(connection, merchant.id, subscription_id)
        if due is not None:
            await charging.attempt(due)
    except (DunningError, SQLAlchemyError) as error:
        log.warning("attempt.unrecorded", payment_id=payment_id(subscription_id, 1), attempt=1, error=_in_words(error))
    try:
        async with charging.database.read() as connection:
            return await queries.first_attempt(connection, merchant.id, subscription_id)
    except SQLAlchemyError as error:
        log.warning("attempt.unrecorded", payment_id=payment_id(subscription_id, 1), attempt=1, error=_in_words(error))
        return None


def _in_words(error: Exception) -> str:
    return error.message if isinstance(error, DunningError) else str(why(error)["reason"])


async def _answer_again(charging: Charging, merchant: MerchantView, subscription_id: str) -> Created:
    """The answer to a repeated request. It waits a while for the first, which may still be waiting for the gateway."""
    until = time.monotonic() + PATIENCE_S
    while True:
        async with charging.database.read() as connection:
            first = await queries.first_attempt(connection, merchant.id, subscription_id)
        if first is None or not first.is_under_way or time.monotonic() >= until:
            return Created(UUID(subscription_id), first, is_replay=True)
        await asyncio.sleep(1 / _READS_PER_SECOND)


async def retry_payment(
    database: Database,
    recorder: Recorder,
    principal: Principal,
    *,
    payment_id: str,
    subscription_id: str,
    reason: str | None,
    idempotency_key: IdempotencyKey | None,
) -> ActionRecorded:
    """Has a payment that has failed tried again at once, by a worker.

    Raises NotFound, ActionDoesNotApply, or IdempotencyKeyReused.
    """
    async with database.read() as connection:
        method = await queries.payment_method_of(connection, principal.merchant.id, subscription_id)
    command = commands.retry(
        principal,
        payment_id=payment_id,
        subscription_id=subscription_id,
        payment_method_id=method,
        reason=reason,
        idempotency_key=idempotency_key,
    )
    done = await recorder.execute(command)
    return replace(as_recorded(dict(done.answer)), is_replay=done.answered_before is not None)
