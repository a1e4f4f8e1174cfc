"""One attempt, from its lease to its outcome in the ledger: looked up if it may have begun, charged, recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

import orjson
import structlog

from dunning_service.billing import commands, outcomes
from dunning_service.billing.attempts import Known, Told
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
from dunning_service.ledger.work import CommandDone, Effect, Recorder
from dunning_service.recovery.declines import read_decline
from dunning_service.recovery.ladder import Ladder, parse_ladder
from dunning_service.values.clock import Clock

log = structlog.get_logger("dunning_service.billing")

EffectOf = Callable[[Known, datetime], Effect]

_BLOCKED: Final = "not asked: an earlier decline forbids this payment method"


class Gateways(Protocol):
    """Where attempts are made."""

    async def gateway(self, merchant_id: int, gateway_id: int) -> Gateway:
        """One of the merchant's. Raises ConfigurationError for one that cannot be used."""
        ...


class ChargeMetrics(Protocol):
    """Where it is counted what became of attempts."""

    def charge(self, outcome: str, category: str | None) -> None: ...


class Charging:
    """Makes attempts. Never inside a transaction, and each outcome is recorded once, however often it is told."""

    def __init__(
        self,
        database: Database,
        recorder: Recorder,
        gateways: Gateways,
        clock: Clock,
        metrics: ChargeMetrics,
        default_ladder: Ladder,
    ) -> None:
        self._database = database
        self._recorder = recorder
        self._gateways = gateways
        self._clock = clock
        self._metrics = metrics
        self._default_ladder = default_ladder

    async def attempt_first(self, merchant_id: int, subscription_id: str) -> None:
        """Makes the attempt that was begun with a subscription, in the request that created it.

        Raises what `attempt` does, and SQLAlchemyError when the database cannot be read.
        """
        async with self._database.read() as connection:
            due = await first_payment_of(connection, merchant_id, subscription_id)
        if due is not None:
            await self.attempt(due)

    async def attempt(self, due: DuePayment) -> None:
        """Makes the attempt and records its outcome; returns after the commit.

        An outcome that cannot be found out now is looked for again later. Raises Unavailable when it could not be
        recorded: the lease expires then, and the next worker looks it up.
        """
        if not due.has_begun and _is_forbidden(due):
            await self._leave(due)
            return
        try:
            if due.gateway_id is None:
                raise NotSent("the merchant has no gateway: choose one with `dunning merchant set --gateway`")
            gateway = await self._gateways.gateway(due.payment["merchant_id"], due.gateway_id)
            charged = await self._charged(gateway, due)
        except OutcomeUnknown as unknown:
            await self._record_unknown(due, unknown.message)
        except (NotSent, ConfigurationError) as unsent:
            if due.has_begun:
                # that nothing was asked now does not tell what became of what was asked before
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
                await self._leave(due)
            else:
                await self._record(due, charged, AttemptState.DECLINED, origin=f"gateway/{gateway.name}")

    def _ladder_of(self, due: DuePayment) -> Ladder:
        """The merchant's own, or the operator's; an outcome is recorded by that one also where the merchant's cannot be
        read."""
        if due.ladder is None:
            return self._default_ladder
        try:
            return parse_ladder(due.ladder)
        except ConfigurationError as error:
            log.error("ladder.unreadable", merchant_id=due.payment["merchant_id"], error=error.message)
            return self._default_ladder

    async def _charged(self, gateway: Gateway, due: DuePayment) -> Charged | None:
        """Only a gateway that says that there is no such charge is asked to charge again, under the same key; None when
        that may not be any more."""
        if due.has_begun:
            known = await gateway.lookup(due.key)
            if known is not None or _is_forbidden(due):
                return known
        if self._clock() >= due.payment["wake_at"]:
            raise LeaseExpired
        return await gateway.charge(due.key, due.request)

    async def _leave(self, due: DuePayment) -> None:
        """Records that nothing was charged, and why not."""
        why = due.objection
        if why is None:
            await self._record(due, _blocked(due), AttemptState.ERROR)
        else:
            await self._execute(due, lambda known, now: outcomes.withheld(known, why, now, due.decided))

    async def _record(
        self, due: DuePayment, charged: Charged, if_failed: AttemptState, *, origin: str | None = None
    ) -> None:
        told = Told(due.number, charged, if_failed)
        effect_of: EffectOf
        if charged.outcome is ChargeOutcome.SUCCEEDED:
            told = Told(due.number, charged, AttemptState.SUCCEEDED)
            effect_of = _with(outcomes.succeeded, told)
        elif charged.outcome is ChargeOutcome.PENDING:
            told = Told(due.number, charged, AttemptState.PENDING)
            effect_of = _with(outcomes.pending, told)
        else:
            effect_of = _with(outcomes.failed, told)
        delivery = None
        if origin is not None:
            body = orjson.dumps({"key": due.key, **charged.as_record()}, option=orjson.OPT_SORT_KEYS)
            delivery = Delivery(body, [(b"content-type", b"application/json")], self._clock())
        came_in = charged.outcome is ChargeOutcome.SUCCEEDED
        done = await self._execute(due, effect_of, delivery, origin or "", came_in)
        if done.answer.get("is_recorded") is False:
            log.info("attempt.known", payment_id=due.payment["id"], attempt=due.number)
            return
        if told.state is AttemptState.PENDING and due.payment["lookups"]:
            return  # as it was when it was last asked
        outcome, category = told.state.value, None
        if charged.outcome is ChargeOutcome.DECLINED:
            reading = read_decline(charged.decline)
            category = reading.category.value
            if reading.unmapped:
                log.warning("decline.unmapped", codes=reading.unmapped, category=category)
        log.info(
            "attempt.recorded",
            payment_id=due.payment["id"],
            attempt=due.number,
            outcome=outcome,
            category=category,
        )
        self._metrics.charge(outcome, category)

    async def _postpone(self, due: DuePayment, why: str) -> None:
        log.error("attempt.postponed", payment_id=due.payment["id"], attempt=due.number, error=why)
        await self._execute(due, lambda known, now: outcomes.postponed(known, why, now))
        if not due.payment["lookups"]:  # counted once; how many are stuck is a gauge
            self._metrics.charge(AttemptState.ERROR.value, None)

    async def _record_unknown(self, due: DuePayment, why: str) -> None:
        lookups = due.payment["lookups"]
        log.warning("charge.unknown", payment_id=due.payment["id"], attempt=due.number, lookups=lookups, error=why)
        await self._execute(due, lambda known, now: outcomes.unknown_outcome(known, why, now))
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
        return await self._recorder.execute(command)


class LeaseExpired(Exception):
    """The lease expired; another worker may own this attempt."""


def _is_forbidden(due: DuePayment) -> bool:
    """True when nothing may be charged, unless it has been already."""
    return due.is_blocked or due.objection is not None


def _with(effect: Callable[[Known, Told, datetime], Effect], told: Told) -> EffectOf:
    return lambda known, now: effect(known, told, now)


def _blocked(due: DuePayment) -> Charged:
    return Charged(outcome=ChargeOutcome.DECLINED, code=Category.RETRY_BLOCKED.value, message=_BLOCKED)


def _not_charged(message: str) -> Charged:
    return Charged(outcome=ChargeOutcome.DECLINED, code=Category.MERCHANT_CONFIG.value, message=message)
