"""One attempt, from its claim to its outcome in the ledger: looked up if it may have begun, charged, recorded."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final, Protocol

import orjson
import structlog

from dunning_service.charging.claims import Claim, claim_of_first
from dunning_service.clock import Clock
from dunning_service.db import Database
from dunning_service.errors import ConfigurationError
from dunning_service.gateways import (
    Charged,
    ChargeOutcome,
    Gateway,
    NotCharged,
    NotSent,
    OutcomeUnknown,
)
from dunning_service.ledger.work import Command, CommandDone, Effect, Recorder
from dunning_service.providers import Category, Delivery
from dunning_service.recovery.declines import read_decline
from dunning_service.recovery.ladder import Ladder, parse_ladder
from dunning_service.subscriptions import commands, outcomes
from dunning_service.subscriptions.attempts import Known, Told
from dunning_service.subscriptions.service import execute_naming_failures
from dunning_service.subscriptions.states import AttemptStatus

log = structlog.get_logger("dunning_service.charging")

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
        """Makes the attempt that was begun with a subscription, for whoever has just created it.

        Raises what `attempt` does, and SQLAlchemyError when the database cannot be read.
        """
        async with self._database.read() as connection:
            claim = await claim_of_first(connection, merchant_id, subscription_id)
        if claim is not None:
            await self.attempt(claim)

    async def attempt(self, claim: Claim) -> None:
        """Makes the claimed attempt and records its outcome; returns after the commit.

        An outcome that cannot be found out now is looked for again later. Raises Unavailable when it could not be
        recorded: the claim runs out then, and whoever comes next looks it up.
        """
        if not claim.has_begun and _is_forbidden(claim):
            await self._leave(claim)
            return
        try:
            if claim.gateway_id is None:
                raise NotSent("the merchant has no gateway: choose one with `dunning merchant set --gateway`")
            gateway = await self._gateways.gateway(claim.payment["merchant_id"], claim.gateway_id)
            charged = await self._charged(gateway, claim)
        except OutcomeUnknown as unknown:
            await self._record_unknown(claim, unknown.message)
        except (NotSent, ConfigurationError) as unsent:
            if claim.has_begun:
                # that nothing was asked now does not tell what became of what was asked before
                await self._record_unknown(claim, unsent.message)
            else:
                await self._postpone(claim, unsent.message)
        except NotCharged as refused:
            # what had begun was looked up before it was asked for again, so this is certain
            await self._record(claim, _not_charged(refused.message), AttemptStatus.ERROR)
        except ClaimIsOver:
            log.warning("claim.over", payment_id=claim.payment["id"], attempt=claim.number)
        else:
            if charged is None:
                await self._leave(claim)
            else:
                await self._record(claim, charged, AttemptStatus.DECLINED, origin=f"gateway/{gateway.name}")

    def _ladder_of(self, claim: Claim) -> Ladder:
        """The merchant's own, or the operator's; an outcome is recorded by that one also where the merchant's cannot be
        read."""
        if claim.ladder is None:
            return self._default_ladder
        try:
            return parse_ladder(claim.ladder)
        except ConfigurationError as error:
            log.error("ladder.unreadable", merchant_id=claim.payment["merchant_id"], error=error.message)
            return self._default_ladder

    async def _charged(self, gateway: Gateway, claim: Claim) -> Charged | None:
        """Only a gateway that says that there is no such charge is asked to charge again, under the same key; None when
        that may not be any more."""
        if claim.has_begun:
            known = await gateway.lookup(claim.key)
            if known is not None or _is_forbidden(claim):
                return known
        if self._clock() >= claim.payment["wake_at"]:
            raise ClaimIsOver
        return await gateway.charge(claim.key, claim.request)

    async def _leave(self, claim: Claim) -> None:
        """Records that nothing was charged, and why not."""
        why = claim.objection
        if why is None:
            await self._record(claim, _blocked(claim), AttemptStatus.ERROR)
        else:
            await self._execute(claim, lambda known, now: outcomes.withheld(known, why, now, claim.decided))

    async def _record(
        self, claim: Claim, charged: Charged, if_failed: AttemptStatus, *, origin: str | None = None
    ) -> None:
        told = Told(claim.number, charged, if_failed)
        effect_of: EffectOf
        if charged.outcome is ChargeOutcome.SUCCEEDED:
            told = Told(claim.number, charged, AttemptStatus.SUCCEEDED)
            effect_of = _with(outcomes.succeeded, told)
        elif charged.outcome is ChargeOutcome.PENDING:
            told = Told(claim.number, charged, AttemptStatus.PENDING)
            effect_of = _with(outcomes.pending, told)
        else:
            effect_of = _with(outcomes.failed, told)
        delivery = None
        if origin is not None:
            body = orjson.dumps({"key": claim.key, **charged.as_record()}, option=orjson.OPT_SORT_KEYS)
            delivery = Delivery(body, [(b"content-type", b"application/json")], self._clock())
        came_in = charged.outcome is ChargeOutcome.SUCCEEDED
        done = await self._execute(claim, effect_of, delivery, origin or "", came_in)
        if done.answer.get("is_recorded") is False:
            log.info("attempt.known", payment_id=claim.payment["id"], attempt=claim.number)
            return
        if told.status is AttemptStatus.PENDING and claim.payment["lookups"]:
            return  # as it was when it was last asked
        outcome, category = told.status.text.lower(), None
        if charged.outcome is ChargeOutcome.DECLINED:
            reading = read_decline(charged.decline)
            category = reading.category.value
            if reading.unmapped:
                log.warning("decline.unmapped", codes=reading.unmapped, category=category)
        log.info(
            "attempt.recorded",
            payment_id=claim.payment["id"],
            attempt=claim.number,
            outcome=outcome,
            category=category,
        )
        self._metrics.charge(outcome, category)

    async def _postpone(self, claim: Claim, why: str) -> None:
        log.error("attempt.postponed", payment_id=claim.payment["id"], attempt=claim.number, error=why)
        await self._execute(claim, lambda known, now: outcomes.postponed(known, why, now))
        if not claim.payment["lookups"]:  # counted once; how many are stuck is a gauge
            self._metrics.charge(AttemptStatus.ERROR.text.lower(), None)

    async def _record_unknown(self, claim: Claim, why: str) -> None:
        lookups = claim.payment["lookups"]
        log.warning("charge.unknown", payment_id=claim.payment["id"], attempt=claim.number, lookups=lookups, error=why)
        await self._execute(claim, lambda known, now: outcomes.unknown_outcome(known, why, now))
        if not lookups:  # counted once; how many are unknown still is a gauge
            self._metrics.charge(AttemptStatus.UNKNOWN.text.lower(), None)

    async def _execute(
        self,
        claim: Claim,
        effect_of: EffectOf,
        delivery: Delivery | None = None,
        origin: str = "",
        money_came_in: bool = False,
    ) -> CommandDone:
        def command_of(also_failed: Collection[str]) -> Command:
            return commands.record(
                claim.payment,
                claim.subscription,
                number=claim.number,
                time_zone=claim.time_zone,
                ladder=ladder,
                effect_of=effect_of,
                money_came_in=money_came_in,
                delivery=delivery,
                origin=origin,
                also_failed=also_failed,
            )

        merchant_id, subscription_id = claim.payment["merchant_id"], claim.subscription["id"]
        ladder = self._ladder_of(claim)
        return await execute_naming_failures(self._database, self._recorder, merchant_id, subscription_id, command_of)


class ClaimIsOver(Exception):
    """It took so long to get here that somebody else may be making the attempt."""


def _is_forbidden(claim: Claim) -> bool:
    """True when nothing may be charged, unless it has been already."""
    return claim.is_blocked or claim.objection is not None


def _with(effect: Callable[[Known, Told, datetime], Effect], told: Told) -> EffectOf:
    return lambda known, now: effect(known, told, now)


def _blocked(claim: Claim) -> Charged:
    return Charged(outcome=ChargeOutcome.DECLINED, code=Category.RETRY_BLOCKED.value, message=_BLOCKED)


def _not_charged(message: str) -> Charged:
    return Charged(outcome=ChargeOutcome.DECLINED, code=Category.MERCHANT_CONFIG.value, message=message)
