"""Small builders: a test says what matters to it, and the rest is filled in."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from dunning_service.billing.models import SubscriptionRow
from dunning_service.database.engines import UtcDateTime
from dunning_service.events import AttemptReported, Delivery, Event, Outcome, ReceiptReported
from dunning_service.ledger.status import ActionKind
from dunning_service.ledger.work import ActionRequest, Notice

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_serial = itertools.count()


def a_failure(payment: str = "in_1", attempt: str = "1", **fields: Any) -> AttemptReported:
    """One failed attempt at 19.99 NOK."""
    known: dict[str, Any] = {
        "provider_payment_id": payment,
        "provider_attempt_id": attempt,
        "outcome": Outcome.FAILED,
        "occurred_at": NOON,
        "amount_minor": 1999,
        "currency": "NOK",
    }
    return AttemptReported(**(known | fields))


def a_success(payment: str = "in_1", attempt: str = "2", **fields: Any) -> AttemptReported:
    return a_failure(payment, attempt, **({"outcome": Outcome.SUCCEEDED} | fields))


def a_receipt(receipt: str = "txn_1", payer: str = "7:cus_7", **fields: Any) -> ReceiptReported:
    known: dict[str, Any] = {
        "provider_receipt_id": receipt,
        "payer_key": payer,
        "amount_minor": 1999,
        "currency": "NOK",
    }
    return ReceiptReported(**(known | fields))


def a_notice(*events: Event, merchant_id: int = 1, body: bytes | None = None, **fields: Any) -> Notice:
    """A recorded notice of these events; its body is one that no other notice has, unless it is given."""
    known: dict[str, Any] = {
        "merchant_id": merchant_id,
        "time_zone": "UTC",
        "provider": "maple",
        "origin": "source",
        "delivery": Delivery(body if body is not None else f"notice {next(_serial)}".encode(), (), NOON),
        "outcome": "recorded",
        "events": events,
    }
    return Notice(**(known | fields))


def a_decision(payment_id: int, verb: ActionKind, *, merchant_id: int = 1, **fields: Any) -> ActionRequest:
    known: dict[str, Any] = {
        "merchant_id": merchant_id,
        "time_zone": "UTC",
        "payment_id": payment_id,
        "verb": verb,
        "actor": "test",
        "reason": None,
        "decided_at": NOON,
    }
    return ActionRequest(**(known | fields))


def a_subscription_row(merchant_id: int, **fields: Any) -> dict[str, Any]:
    """A row of `subscriptions` as it is inserted, with something in every column that may not be null."""
    row: dict[str, Any] = {"merchant_id": merchant_id, "id": "s1", "status": "completed", "currency": "NOK"} | fields
    for column in SubscriptionRow.__table__.columns:
        if not column.nullable and column.name not in row:
            row[column.name] = NOON if isinstance(column.type, UtcDateTime) else column.type.python_type(1)
    return row


def in_batches(works: Sequence[Any], sizes: Sequence[int]) -> list[list[Any]]:
    """`works` cut into batches of these sizes, the last size again and again."""
    batches, at = [], 0
    wanted = iter(sizes)
    size = 1
    while at < len(works):
        size = next(wanted, size)
        batches.append(list(works[at : at + size]))
        at += size
    return batches
