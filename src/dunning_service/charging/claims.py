"""Which attempts are due, and whose they are: each is claimed by one worker, and then by another if that one died."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_service.db import Base
from dunning_service.gateways import ChargeRequest, TransactionType
from dunning_service.gateways.models import GatewayRow
from dunning_service.ledger.bulk import bulk_for
from dunning_service.ledger.models import PaymentRow
from dunning_service.ledger.status import Status
from dunning_service.merchants.models import Merchant
from dunning_service.money import Money
from dunning_service.subscriptions import PROVIDER, states
from dunning_service.subscriptions.models import BlockedMethodRow, ScheduledPaymentRow, SubscriptionRow
from dunning_service.subscriptions.outcomes import LOOK_AGAIN_LAST, reason_to_leave
from dunning_service.subscriptions.schedule import charge_key

log = structlog.get_logger("dunning_service.charging")

_LATER = timedelta(hours=1)
"""When a row that belongs to nothing is looked at again."""

_DECIDED = {
    Status.INVOICED.value: "invoiced",
    Status.DEBT_COLLECTION.value: "sent to collection",
    Status.PAID.value: "marked as paid",
    Status.CANCELLED.value: "cancelled",
}

_TABLE: Any = ScheduledPaymentRow.__table__
_PAYMENTS = _TABLE.c


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt at one payment, to be made by whoever holds this."""

    payment: Mapping[str, Any]
    """Rows as they are with the claim."""
    subscription: Mapping[str, Any]
    time_zone: str
    ladder: str | None
    """The merchant's own; None: the operator's."""
    number: int
    """Of the attempt, counted from what is stored."""
    has_begun: bool
    """True when it may have been charged: it is looked up first."""
    gateway_id: int | None
    """Where it is charged: where it was begun, or where the merchant charges now; None for a merchant that charges
    nobody."""
    is_blocked: bool = False
    """True when an earlier decline forbids the payment method for ever."""
    decided: str | None = None
    """What a person has made of the failed payment; None where it stands as failed, or has not failed yet."""

    @property
    def objection(self) -> str | None:
        """Why nothing may be charged any more, unless that has happened already."""
        ended = reason_to_leave(self.subscription, self.payment)
        if ended is not None:
            return ended
        return None if self.decided is None else f"the planned attempt was not made: it was {_DECIDED[self.decided]}"

    @property
    def key(self) -> str:
        """Under which the gateway charges it, and never twice."""
        return charge_key(self.payment["id"], self.number)

    @property
    def request(self) -> ChargeRequest:
        """What the gateway is asked for: the same under the same key, whoever asks."""
        payment, subscription = self.payment, self.subscription
        return ChargeRequest(
            payment_id=payment["id"],
            attempt_number=self.number,
            money=Money(payment["amount_minor"], payment["currency"]),
            payment_method_id=UUID(subscription["payment_method_id"]),
            transaction_type=TransactionType[states.TransactionType(subscription["transaction_type"]).name],
            is_faster_processing=subscription["is_faster_processing"],
            subscription_id=subscription["id"],
            customer_id=UUID(subscription["customer_id"]),
            payment_processor_id=UUID(subscription["payment_processor_id"]),
            due_on=payment["due_at"].astimezone(ZoneInfo(self.time_zone)).date(),
        )


@dataclass(frozen=True, slots=True)
class Share:
    """How many attempts of one merchant may be under way at once, so that one whose gateway hangs leaves room for the
    others."""

    most: int
    under_way: Mapping[int, int] = field(default_factory=dict)
    """How many are, by the merchant's id."""


def claim_due(
    connection: Connection, now: datetime, *, limit: int, lease: timedelta, share: Share | None = None
) -> Sequence[Claim]:
    """Claims up to `limit` attempts that are due at `now`, the longest waiting first, for `lease`; of each merchant no
    more than its `share` has room for.

    The transaction of `connection` has to be committed before anything is charged. Two that ask at once get different
    ones. What was claimed before and has no outcome comes again when its lease is over.
    """
    under_way = Counter(None if share is None else share.under_way)
    most = limit if share is None else share.most
    claims: list[Claim] = []
    while len(claims) < limit:
        full = [merchant_id for merchant_id, count in under_way.items() if share is not None and count >= most]
        payments = _due(connection, now, limit - len(claims), full)
        if not payments:
            break
        within = []
        for payment in payments:
            if share is None or under_way[payment["merchant_id"]] < most:
                under_way[payment["merchant_id"]] += 1
                within.append(payment)
        claims += _claim(connection, within, now, lease)
        if len(within) == len(payments):
            break
    return claims


def _due(connection: Connection, now: datetime, limit: int, full: Sequence[int]) -> list[Mapping[str, Any]]:
    """Rows that are due and that nobody else is claiming, but for those of merchants that have their share."""
    due = sa.select(_TABLE).where(_PAYMENTS.wake_at <= now).order_by(_PAYMENTS.wake_at).limit(limit)
    if full:
        due = due.where(_PAYMENTS.merchant_id.not_in(full))
    if connection.dialect.name == "postgresql":
        due = due.with_for_update(skip_locked=True)
    return [dict(row) for row in connection.execute(due).mappings()]


def _claim(
    connection: Connection, payments: Sequence[Mapping[str, Any]], now: datetime, lease: timedelta
) -> Sequence[Claim]:
    """Writes down who has them; what belongs to nothing is put off."""
    claims = [_claimed(claim, now, lease) for claim in _claims(connection, payments)]
    whole = {claim.payment["id"] for claim in claims}
    orphans = [payment for payment in payments if payment["id"] not in whole]
    bulk_for(connection).update(
        connection,
        _TABLE,
        [{"merchant_id": one["merchant_id"], "id": one["id"], "wake_at": now + _LATER} for one in orphans],
    )
    changed = [
        {
            name: claim.payment[name]
            for name in (
                "merchant_id",
                "id",
                "status",
                "attempt_in_flight",
                "gateway_id",
                "next_attempt_at",
                "wake_at",
                "updated_at",
            )
        }
        for claim in claims
    ]
    bulk_for(connection).update(connection, _TABLE, changed)
    return claims


async def claim_of_first(connection: AsyncConnection, merchant_id: int, subscription_id: str) -> Claim | None:
    """The attempt that was begun with a subscription, for whoever has just created it: nobody has charged it yet.

    None when it took so long to get here that somebody else has found out its outcome.
    """
    this = (_PAYMENTS.merchant_id == merchant_id) & (_PAYMENTS.subscription_id == subscription_id)
    row = dict((await connection.execute(sa.select(_TABLE).where(this, _PAYMENTS.number == 1))).mappings().one())
    if row["attempt_in_flight"] != 1:
        return None
    (claim,) = await connection.run_sync(_claims, [row])
    return replace(claim, has_begun=False)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is due and has not been run."""

    attempts: int
    oldest: datetime | None
    stuck: int
    """Attempts that came to nothing when they were last tried: the gateway could not be asked, or could not tell what
    became of them. They are tried again."""


def backlog(connection: Connection, now: datetime) -> Backlog:
    """How much is due at `now`, and since when the longest of it has been."""
    count, oldest = connection.execute(
        sa.select(sa.func.count(), sa.func.min(_PAYMENTS.wake_at)).where(_PAYMENTS.wake_at <= now)
    ).one()
    stuck = connection.execute(
        sa.select(sa.func.count()).where(
            # within the index of what is due: none of them waits longer than this
            _PAYMENTS.wake_at <= now + LOOK_AGAIN_LAST,
            _PAYMENTS.lookups > 0,
        )
    ).scalar_one()
    return Backlog(count, oldest, stuck)


def _claims(connection: Connection, payments: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """Claims of these rows, in their order, with all that they hold beside them.

    It is read table by table and by key. One statement with joins would do, but PostgreSQL plans it without knowing the
    tables while they are new, and then goes through all of a merchant's rows for each that is due.
    """

    def found(model: type[Base], by: Sequence[str], keys: Iterable[tuple[Any, ...]]) -> dict[Any, Mapping[str, Any]]:
        table: Any = model.__table__
        rows = bulk_for(connection).select(connection, table, by, set(keys))
        return {tuple(row[name] for name in by): row for row in rows}

    def is_whole(payment: Mapping[str, Any]) -> bool:
        return (payment["merchant_id"],) in merchants and (
            payment["merchant_id"],
            payment["subscription_id"],
        ) in subscriptions

    def agreed(payment: Mapping[str, Any]) -> Mapping[str, Any]:
        return subscriptions[payment["merchant_id"], payment["subscription_id"]]

    def method(payment: Mapping[str, Any]) -> tuple[int, str]:
        return payment["merchant_id"], agreed(payment)["payment_method_id"]

    def ledger_key(payment: Mapping[str, Any]) -> tuple[int, str, str]:
        return payment["merchant_id"], PROVIDER, payment["id"]

    merchants = found(Merchant, ("id",), ((one["merchant_id"],) for one in payments))
    subscriptions = found(
        SubscriptionRow, ("merchant_id", "id"), ((one["merchant_id"], one["subscription_id"]) for one in payments)
    )
    for payment in payments:
        if not is_whole(payment):  # nothing can be charged for it, and nobody else is to wait for it
            log.error("claim.orphaned", payment_id=payment["id"])
    payments = [payment for payment in payments if is_whole(payment)]
    blocked = found(BlockedMethodRow, ("merchant_id", "payment_method_id"), map(method, payments))
    chosen = found(GatewayRow, ("merchant_id", "is_current"), ((one["merchant_id"], True) for one in payments))
    ledger = found(PaymentRow, ("merchant_id", "provider", "provider_payment_id"), map(ledger_key, payments))
    claims = []
    for payment in payments:
        merchant, held = merchants[(payment["merchant_id"],)], ledger.get(ledger_key(payment))
        # where there was no gateway, nobody can have been asked
        has_begun = payment["attempt_in_flight"] is not None and payment["gateway_id"] is not None
        gateway = None if has_begun else chosen.get((payment["merchant_id"], True))
        claims.append(
            Claim(
                payment=payment,
                subscription=agreed(payment),
                time_zone=merchant["time_zone"],
                ladder=merchant["retry_ladder"],
                number=payment["attempt_in_flight"] or payment["attempt_count"] + 1,
                has_begun=has_begun,
                gateway_id=payment["gateway_id"] if gateway is None else gateway["id"],
                is_blocked=method(payment) in blocked,
                decided=None if held is None or held["status"] == Status.FAILED.value else held["status"],
            )
        )
    return claims


def _claimed(claim: Claim, now: datetime, lease: timedelta) -> Claim:
    """The claim with its row as it is while it holds."""
    changes = {
        "status": states.PaymentState.PROCESSING,
        "attempt_in_flight": claim.number,
        "gateway_id": claim.gateway_id,
        "next_attempt_at": None,
        "wake_at": now + lease,
        "updated_at": now,
    }
    return replace(claim, payment={**claim.payment, **changes})
