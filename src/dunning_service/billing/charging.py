"""One attempt, from its lease to its result in the ledger: looked up if it may have begun, charged, recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

import orjson
import structlog

from dunning_service.billing import commands, outcomes
from dunning_service.billing.attempts import AttemptContext, AttemptResult
from dunning_service.billing.due_payments import DuePayment, first_payment_of
from dunning_service.billing.states import AttemptState
from dunning_service.database.engines import Database
from dunning_service.errors import ConfigurationError
from dunning_service.events import Category, Delivery
from dunning_service.gateways import (
    Charged,
    ChargeOutcome,
    Gateway,
    NotCharged,
    NotSent,
    OutcomeUnknown,
)
from dunning_service.gateways.registry import Chosen
from dunning_service.ledger.work import CommandDone, Effect, Recorder
from dunning_service.recovery.declines import read_decline
from dunning_service.recovery.ladder import Ladder, parse_ladder
from dunning_service.values.clock import Clock

log = structlog.get_logger("dunning_service.billing")

EffectOf = Callable[[AttemptContext, datetime], Effect]

_BLOCKED: Final = "not asked: an earlier decline forbids this payment method"


class Gateways(Protocol):
    """The gateways of all merchants."""

    async def gateway(self, merchant_id: int, gateway_id: int) -> Gateway:
        """One of the merchant's. Raises ConfigurationError for one that cannot be used."""
        ...

    async def chosen(self, merchant_id: int) -> Chosen | None:
        """The gateway at which the merchant's payments are charged now; None without one."""
        ...


class ChargeMetrics(Protocol):
    """The counter of attempts by their outcome."""

    def charge(self, outcome: str, category: str | None) -> None:
        """Counts an attempt."""
        ...


class Charging:
    """Makes attempts, never inside a transaction, and records each result once, however often it is reported."""

    def __init__(
        self,
        database: Database,
        recorder: Recorder,
        gateways: Gateways,
        clock: Clock,
        metrics: ChargeMetrics,
        default_ladder: Ladder,
        lease: timedelta,
    ) -> None:
        self.database = database
        self.recorder = recorder
        self.gateways = gateways
        self.clock = clock
        self.lease = lease
        """How long an attempt may take before a worker looks it up."""
        self._metrics = metrics
        self._default_ladder = default_ladder

    async def attempt_first(self, merchant_id: int, subscription_id: str) -> None:
        """Makes the first attempt of a subscription, in the request that created both.

        Raises what `attempt` does, and SQLAlchemyError when the database cannot be read.
        """
        async with self.database.read() as connection:
            due = await first_payment_of(connection, merchant_id, subscription_id)
        if due is not None:
            await self.attempt(due)

    async def attempt(self, due: DuePayment) -> None:
        """Makes the attempt and records its outcome; returns after the commit.

        An outcome that cannot be found out now is looked for again later. Raises Unavailable when it could not be
        recorded: the lease expires then, and the next worker looks it up.
        """
        if not due.has_begun and _is_forbidden(due):
            await self._withhold(due)
            return
        try:
            if due.gateway_id is None:
                raise NotSent("the merchant has no gateway: choose one with `dunning merchant set --gateway`")
            gateway = await self.gateways.gateway(due.payment["merchant_id"], due.gateway_id)
            charged = await self._charged(gateway, due)
        except OutcomeUnknown as unknown:
            await self._record_unknown(due, unknown.message)
        except (NotSent, ConfigurationError) as unsent:
            if due.has_begun:
                # an earlier request may have charged it, whether or not this one was sent
                await self._record_unknown(due, unsent.message)
            else:
                await self._postpone(due, unsent.message)
        except NotCharged as refused:
            # what had begun was looked up before it was asked for again, so this is certain
            await self._record(due, _not_charged(refused.message), AttemptState.ERROR)
        except LeaseExpired:
            log.warning("claim.over", payment_id=due.payment["id"], attempt=due.number)
        else:
            if charged is None:
                await self._withhold(due)
            else:
                await self._record(due, charged, AttemptState.DECLINED, origin=f"gateway/{gateway.name}")

    def _ladder_of(self, due: DuePayment) -> Ladder:
        """The merchant's own ladder; the operator's where there is none, or none that can be read."""
        if due.ladder is None:
            return self._default_ladder
        try:
            return parse_ladder(due.ladder)
        except ConfigurationError as error:
            log.error("ladder.unreadable", merchant_id=due.payment["merchant_id"], error=error.message)
            return self._default_ladder

    async def _charged(self, gateway: Gateway, due: DuePayment) -> Charged | None:
        """The result of the charge: looked up first if it has begun, and made under the same key if the gateway has
        none. None where nothing was charged and nothing may be any more."""
        if due.has_begun:
            earlier = await gateway.lookup(due.key)
            if earlier is not None or _is_forbidden(due):
                return earlier
        if self.clock() >= due.payment["wake_at"]:
            raise LeaseExpired
        return await gateway.charge(due.key, due.request)

    async def _withhold(self, due: DuePayment) -> None:
        """Records why nothing was charged."""
        why = due.objection
        if why is None:
            await self._record(due, _blocked(due), AttemptState.ERROR)
        else:
            await self._execute(due, lambda context, now: outcomes.withheld(context, why, now, due.decided))

    async def _record(
        self, due: DuePayment, charged: Charged, if_declined: AttemptState, *, origin: str | None = None
    ) -> None:
        state, effect = {
            ChargeOutcome.SUCCEEDED: (AttemptState.SUCCEEDED, outcomes.succeeded),
            ChargeOutcome.PENDING: (AttemptState.PENDING, outcomes.pending),
            ChargeOutcome.DECLINED: (if_declined, outcomes.failed),
        }[charged.outcome]
        result = AttemptResult(due.number, charged, state)
        delivery = None
        if origin is not None:
            body = orjson.dumps({"key": due.key, **charged.as_record()}, option=orjson.OPT_SORT_KEYS)
            delivery = Delivery(body, [(b"content-type", b"application/json")], self.clock())
        is_paid = state is AttemptState.SUCCEEDED
        done = await self._execute(
            due, lambda context, now: effect(context, result, now), delivery, origin or "", is_paid
        )
        if done.answer.get("is_recorded") is False:
            log.info("attempt.known", payment_id=due.payment["id"], attempt=due.number)
            return
        if state is AttemptState.PENDING and due.payment["lookups"]:
            return  # as it was at the last lookup
        category = None
        if charged.outcome is ChargeOutcome.DECLINED:
            reading = read_decline(charged.decline)
            category = reading.category.value
            if reading.unmapped:
                log.warning("decline.unmapped", codes=reading.unmapped, category=category)
        log.info("attempt.recorded", payment_id=due.payment["id"], attempt=due.number, outcome=state, category=category)
        self._metrics.charge(state, category)

    async def _postpone(self, due: DuePayment, why: str) -> None:
        log.error("attempt.postponed", payment_id=due.payment["id"], attempt=due.number, error=why)
        await self._execute(due, lambda context, now: outcomes.postponed(context, why, now))
        if not due.payment["lookups"]:  # counted once; how many are stuck is a gauge
            self._metrics.charge(AttemptState.ERROR.value, None)

    async def _record_unknown(self, due: DuePayment, why: str) -> None:
        lookups = due.payment["lookups"]
        log.warning("charge.unknown", payment_id=due.payment["id"], attempt=due.number, lookups=lookups, error=why)
        await self._execute(due, lambda context, now: outcomes.unknown_outcome(context, why, now))
        if not lookups:  # counted once; how many are unknown still is a gauge
            self._metrics.charge(AttemptState.UNKNOWN.value, None)

    async def _execute(
        self,
        due: DuePayment,
        effect_of: EffectOf,
        delivery: Delivery | None = None,
        origin: str = "",
        money_came_in: bool = False,
    ) -> CommandDone:
        command = commands.record(
            due.payment,
            due.subscription,
            number=due.number,
            time_zone=due.time_zone,
            ladder=self._ladder_of(due),
            effect_of=effect_of,
            money_came_in=money_came_in,
            delivery=delivery,
            origin=origin,
        )
        return await self.recorder.execute(command)


class LeaseExpired(Exception):
    """The lease expired; another worker may own this attempt."""


def _is_forbidden(due: DuePayment) -> bool:
    """True when nothing may be charged any more."""
    return due.is_blocked or due.objection is not None


def _blocked(due: DuePayment) -> Charged:
    return Charged(outcome=ChargeOutcome.DECLINED, code=Category.RETRY_BLOCKED.value, message=_BLOCKED)


def _not_charged(message: str) -> Charged:
    return Charged(outcome=ChargeOutcome.DECLINED, code=Category.MERCHANT_CONFIG.value, message=message)
