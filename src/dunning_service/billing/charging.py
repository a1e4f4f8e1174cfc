"""One attempt, from its lease to its result in the ledger: looked up if it may have begun, charged, recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final

import orjson
import sqlalchemy as sa
import structlog

from dunning_service.billing import commands, outcomes
from dunning_service.billing.attempts import AttemptResult
from dunning_service.billing.due_payments import TABLE, DuePayment, lease_payments
from dunning_service.billing.states import AttemptState
from dunning_service.database.engines import Database
from dunning_service.errors import ConfigurationError, DunningError
from dunning_service.events import Category, Delivery
from dunning_service.gateways import Charged, ChargeOutcome, Gateway, NotCharged, NotSent, OutcomeUnknown
from dunning_service.gateways.registry import MerchantGateways
from dunning_service.ledger.work import CommandDone, Recorder
from dunning_service.recovery.declines import read_decline
from dunning_service.recovery.ladder import Ladder, parse_ladder
from dunning_service.values.clock import Clock

log = structlog.get_logger("dunning_service.billing")

_BLOCKED: Final = "not asked: an earlier decline forbids this payment method"


@dataclass(frozen=True, kw_only=True)
class Charging:
    """Makes attempts, never inside a transaction, and records each result once, however often it is reported.

    To workers it is a kind of due work: the scheduled payments, for charges, retries and lookups.
    """

    table: ClassVar[sa.Table] = TABLE
    leased = staticmethod(lease_payments)

    database: Database
    recorder: Recorder
    gateways: MerchantGateways
    clock: Clock
    count: Callable[[str, str | None], None]
    """Counts an attempt by its state and its category."""
    default_ladder: Ladder
    lease: timedelta
    """How long an attempt may take before a worker looks it up."""

    def merchant_of(self, item: DuePayment) -> int:
        """The merchant, for whom a fair share is kept."""
        merchant_id: int = item.payment["merchant_id"]
        return merchant_id

    async def run(self, item: DuePayment) -> None:
        """Makes the attempt. One whose outcome could not be recorded stays in flight: it is looked up when its lease
        expires."""
        try:
            await self.attempt(item)
        except DunningError as error:
            log.warning("attempt.unrecorded", payment_id=item.payment["id"], attempt=item.number, error=error.message)
        except Exception as error:
            log.error("attempt.crashed", payment_id=item.payment["id"], attempt=item.number, exc_info=error)

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
            await self._record(due, _declined(Category.MERCHANT_CONFIG, refused.message), AttemptState.ERROR)
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
            return self.default_ladder
        try:
            return parse_ladder(due.ladder)
        except ConfigurationError as error:
            log.error("ladder.unreadable", merchant_id=due.payment["merchant_id"], error=error.message)
            return self.default_ladder

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
            await self._record(due, _declined(Category.RETRY_BLOCKED, _BLOCKED), AttemptState.ERROR)
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
        self.count(state, category)

    async def _postpone(self, due: DuePayment, why: str) -> None:
        log.error("attempt.postponed", payment_id=due.payment["id"], attempt=due.number, error=why)
        await self._execute(due, lambda context, now: outcomes.postponed(context, why, now))
        if not due.payment["lookups"]:  # counted once; how many are stuck is a gauge
            self.count(AttemptState.ERROR.value, None)

    async def _record_unknown(self, due: DuePayment, why: str) -> None:
        lookups = due.payment["lookups"]
        log.warning("charge.unknown", payment_id=due.payment["id"], attempt=due.number, lookups=lookups, error=why)
        await self._execute(due, lambda context, now: outcomes.unknown_outcome(context, why, now))
        if not lookups:  # counted once; how many are unknown still is a gauge
            self.count(AttemptState.UNKNOWN.value, None)

    async def _execute(
        self,
        due: DuePayment,
        effect_of: commands.EffectOf,
        delivery: Delivery | None = None,
        origin: str = "",
        money_came_in: bool = False,
    ) -> CommandDone:
        command = commands.record(
            due, self._ladder_of(due), effect_of, money_came_in=money_came_in, delivery=delivery, origin=origin
        )
        return await self.recorder.execute(command)


class LeaseExpired(Exception):
    """The lease expired; another worker may own this attempt."""


def _is_forbidden(due: DuePayment) -> bool:
    """True when nothing may be charged any more."""
    return due.is_blocked or due.objection is not None


def _declined(category: Category, message: str) -> Charged:
    """The record of an attempt for which no gateway charged anything."""
    return Charged(outcome=ChargeOutcome.DECLINED, code=category.value, message=message)
