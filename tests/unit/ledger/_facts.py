"""Facts of one payment, and what they fold to in every order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from building import NOON, a_failure
from dunning_service.events import AttemptReported, Outcome
from dunning_service.ledger.fold import (
    Action,
    Attempt,
    FoldedPayment,
    Receipt,
    fold_payment,
)
from dunning_service.ledger.status import Verb
from dunning_service.ledger.working_set import attempt_of

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def attempts(*events: AttemptReported, received_at: datetime = NOON) -> list[Attempt]:
    return [attempt_of(event, delivery_digest=None, received_at=received_at) for event in events]


def an_action(verb: Verb, decided_at: datetime = NOON, number: int = 1) -> Action:
    return Action(number, verb, "test", None, decided_at)


def a_receipt(amount_minor: int | None = 1999, currency: str | None = "NOK") -> Receipt:
    return Receipt("txn_1", b"\x01", "7:cus_7", amount_minor, currency, NOON)


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
