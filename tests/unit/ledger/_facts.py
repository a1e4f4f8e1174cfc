"""Facts of one payment, and what they fold to in every order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from building import NOON, a_failure
from dunning_service.events import AttemptReported, Outcome
from dunning_service.ledger.facts import Action, Attempt, Receipt, attempt_of
from dunning_service.ledger.fold import FoldedPayment, fold_payment
from dunning_service.ledger.status import ActionKind

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def attempts(*events: AttemptReported, received_at: datetime = NOON) -> list[Attempt]:
    return [attempt_of(event, delivery_digest=None, received_at=received_at) for event in events]


def an_action(verb: ActionKind, decided_at: datetime = NOON, number: int = 1) -> Action:
    return Action(number=number, verb=verb, actor="test", reason=None, decided_at=decided_at)


def a_receipt(amount_minor: int | None = 1999, currency: str | None = "NOK") -> Receipt:
    return Receipt(
        provider_receipt_id="txn_1",
        digest=b"\x01",
        payer_key="7:cus_7",
        amount_minor=amount_minor,
        currency=currency,
        received_at=NOON,
    )


def folded(
    *events: AttemptReported,
    actions: Sequence[Action] = (),
    receipt: Receipt | None = None,
    time_zone: str = "UTC",
    received_at: datetime = NOON,
) -> FoldedPayment:
    """What the facts come to; the same in whatever order they are taken."""
    revisions = attempts(*events, received_at=received_at)
    results = [
        fold_payment(list(order), list(decisions), receipt, time_zone)
        for order in itertools.permutations(revisions)
        for decisions in itertools.permutations(actions)
    ]
    assert all(result == results[0] for result in results)
    return results[0]


def canceled(attempt: str = "1", **fields: Any) -> AttemptReported:
    return a_failure(attempt=attempt, outcome=Outcome.CANCELED, **fields)


def pending(attempt: str = "1", **fields: Any) -> AttemptReported:
    return a_failure(attempt=attempt, outcome=Outcome.PENDING, **fields)
