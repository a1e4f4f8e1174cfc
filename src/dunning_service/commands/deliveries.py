"""Stored deliveries for the command line: listed, found by id, pruned, and their bodies shown."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from dunning_service.database.long_work import lift_limits
from dunning_service.errors import ConfigurationError
from dunning_service.ledger.models import DeliveryRow
from dunning_service.ledger.work import DeliveryOutcome
from dunning_service.merchants.directory import MerchantView
from dunning_service.merchants.models import Merchant
from dunning_service.merchants.service import list_merchants
from dunning_service.providers import all_providers

_PREFIX = re.compile(r"[0-9a-f]{8,64}", re.ASCII)

Key = tuple[int, bytes]
"""The merchant's id and the digest: what a delivery is known by."""

_SUMMARIES = sa.select(
    DeliveryRow.merchant_id,
    DeliveryRow.digest,
    Merchant.name.label("merchant"),
    DeliveryRow.provider,
    DeliveryRow.origin,
    DeliveryRow.outcome,
    DeliveryRow.reason,
    DeliveryRow.received_at,
    DeliveryRow.last_received_at,
    DeliveryRow.times_received,
    DeliveryRow.reading,
).join(Merchant, Merchant.id == DeliveryRow.merchant_id)


def newest_deliveries(
    connection: Connection, merchant: MerchantView | None, outcome: DeliveryOutcome | None, limit: int
) -> Sequence[Any]:
    """The `limit` newest deliveries, without their bodies."""
    statement = (
        _SUMMARIES.where(*_conditions(merchant, outcome))
        .order_by(DeliveryRow.received_at.desc(), DeliveryRow.digest)
        .limit(limit)
    )
    return connection.execute(statement).all()


def delivery_keys(
    connection: Connection, merchant: MerchantView | None, outcome: DeliveryOutcome
) -> tuple[list[Key], int]:
    """The deliveries of that outcome whose bytes are still there, oldest first, and how many have been pruned."""
    # commands were decided by the state of their payment, and are not read again
    conditions = [*_conditions(merchant, outcome), DeliveryRow.provider.in_(sorted(all_providers()))]
    rows = connection.execute(
        sa.select(DeliveryRow.merchant_id, DeliveryRow.digest)
        .where(*conditions, DeliveryRow.body.is_not(None))
        .order_by(DeliveryRow.received_at, DeliveryRow.digest)
    )
    keys = [(row.merchant_id, row.digest) for row in rows]
    pruned = connection.execute(
        sa.select(sa.func.count()).select_from(DeliveryRow).where(*conditions, DeliveryRow.body.is_(None))
    ).scalar_one()
    return keys, pruned


def found_delivery(connection: Connection, given: str, merchant: MerchantView | None) -> Any:
    """The one delivery whose id begins with `given`, with its headers and body.

    Raises ConfigurationError when it is no id, when there is none, and when there are several.
    """
    prefix = given.strip().lower()
    if _PREFIX.fullmatch(prefix) is None:
        raise ConfigurationError(
            f"{given!r} is not the id of a delivery: at least 8 of its hexadecimal digits, as `dunning events list` "
            "shows them"
        )
    first, last = (bytes.fromhex(prefix.ljust(64, filler)) for filler in "0f")
    statement = (
        _SUMMARIES.add_columns(DeliveryRow.headers, DeliveryRow.body)
        .where(DeliveryRow.merchant_id == sa.bindparam("merchant_id"), DeliveryRow.digest.between(first, last))
        .order_by(DeliveryRow.digest)
        .limit(5)
    )
    # one merchant after the other, as only so the primary key finds them
    of = list_merchants(connection) if merchant is None else [merchant]
    rows = [row for one in of for row in connection.execute(statement, {"merchant_id": one.id})]
    rows = sorted(rows, key=lambda row: (row.digest, row.merchant_id))[:5]
    if not rows:
        where = "" if merchant is None else f" of {merchant.name!r}"
        raise ConfigurationError(f"there is no delivery {given}{where}; see `dunning events list`")
    if len(rows) > 1:
        if len({row.digest for row in rows}) == 1:
            names = ", ".join(repr(row.merchant) for row in rows)
            raise ConfigurationError(f"{given} is a delivery of several merchants: add --merchant with one of {names}")
        ids = ", ".join(row.digest.hex()[:16] for row in rows)
        raise ConfigurationError(f"several deliveries begin with {given}: {ids}; give more digits")
    return rows[0]


def stored_delivery(connection: Connection, key: Key) -> DeliveryRow | None:
    """One delivery as it is stored, apart from any session."""
    with Session(connection) as session:
        return session.get(DeliveryRow, key)


def prunable(connection: Connection, merchant: MerchantView, before: datetime) -> dict[str, int]:
    """The number of a merchant's deliveries that arrived before a moment and have their raw bytes, by outcome."""
    lift_limits(connection, may_scan=True)
    counted = (
        sa.select(DeliveryRow.outcome, sa.func.count().label("deliveries"))
        .where(DeliveryRow.merchant_id == merchant.id, DeliveryRow.received_at < before, DeliveryRow.body.is_not(None))
        .group_by(DeliveryRow.outcome)
    )
    return {row.outcome: row.deliveries for row in connection.execute(counted)}


def prune_once(
    connection: Connection,
    merchant: MerchantView,
    since: datetime | None,
    before: datetime,
    limit: int,
    *,
    also_failed: bool = False,
) -> Sequence[Any]:
    """Drops the raw bytes of up to `limit` of a merchant's deliveries that arrived before a moment, the oldest first;
    those that were never understood keep theirs unless `also_failed`.

    Answers their outcomes and arrivals; nothing once none is left. The last arrival is the next chunk's `since`, so
    that what has been pruned is not read again. Digest, headers and bookkeeping stay, so a repeat is still
    recognised; facts are not touched.
    """
    conditions = [
        DeliveryRow.merchant_id == merchant.id,
        DeliveryRow.received_at < before,
        DeliveryRow.body.is_not(None),
    ]
    if not also_failed:
        conditions.append(DeliveryRow.outcome != "failed")
    if since is not None:
        conditions.append(DeliveryRow.received_at >= since)
    oldest = connection.execute(
        sa.select(DeliveryRow.digest, DeliveryRow.outcome, DeliveryRow.received_at)
        .where(*conditions)
        .order_by(DeliveryRow.received_at)
        .limit(limit)
    ).all()
    if oldest:
        connection.execute(
            sa.update(DeliveryRow)
            .where(DeliveryRow.merchant_id == merchant.id, DeliveryRow.digest.in_([row.digest for row in oldest]))
            .values(body=None)
        )
    return oldest


def body_for_people(body: bytes | None) -> str:
    """A body for people: as text, with control characters escaped, or as base64 where it is no text."""
    if body is None:
        return "(pruned)"
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return f"(not UTF-8; base64) {base64.b64encode(body).decode('ascii')}"
    return "".join(char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text)


def body_for_programs(body: bytes | None) -> dict[str, str | None]:
    """A body for JSON: as `body`, or as `body_base64` when it is not UTF-8."""
    if body is None:
        return {"body": None}
    try:
        return {"body": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"body": None, "body_base64": base64.b64encode(body).decode("ascii")}


def _conditions(merchant: MerchantView | None, outcome: DeliveryOutcome | None) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if merchant is not None:
        conditions.append(DeliveryRow.merchant_id == merchant.id)
    if outcome is not None:
        conditions.append(DeliveryRow.outcome == outcome)
        if outcome != "recorded":
            conditions.append(DeliveryRow.outcome != "recorded")  # as the partial index says it
    return conditions
