"""The identity of a statement: what is stored under it once must be found under it for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from building import NOON, a_failure, a_receipt
from dunning_service.ledger.facts import attempt_of, statement_digest

DIGESTS = (
    "883fdbf1e8a0272fda02e0dc5b9438070b30cbab5d907c6f6679f7e4fc79123f",
    "2df1099efce33053507d5ae105a68f7fde2a3b4b5c88ac2025f8c8333eeed0e8",
)


def test_it_is_the_same_for_ever() -> None:
    assert statement_digest(a_failure()).hex() == DIGESTS[0]
    assert statement_digest(a_receipt()).hex() == DIGESTS[1]


def test_it_differs_with_anything_that_is_stated() -> None:
    told = [
        a_failure(),
        a_failure(amount_minor=2000),
        a_failure(message="insufficient funds"),
        a_failure(stated_at=NOON + timedelta(hours=1)),
        a_failure(details={"StatusId": 2}),
    ]
    assert len({statement_digest(event) for event in told}) == len(told)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        attempt_of(a_failure(occurred_at=NOON.replace(tzinfo=None)), delivery_digest=None, received_at=NOON)
