"""Which failure a receipt pays when it names only a payer."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from building import NOON, a_failure, a_success
from dunning_service.ledger.book import attempt_of
from dunning_service.ledger.fold import Action, Receipt, fold_payment
from dunning_service.ledger.receipts import OpenFailure, apply_receipts, current_receipts
from dunning_service.ledger.status import Verb
from dunning_service.providers import AttemptReported


def a_receipt(
    name: str, amount_minor: int | None = 100, currency: str | None = "NOK", digest: bytes = b"\x01", **row: Any
) -> Receipt:
    return Receipt(name, digest, "7:", amount_minor, currency, **row)


def a_payment(name: str, *events: AttemptReported, verb: Verb | None = None) -> OpenFailure:
    revisions = [attempt_of(event, delivery_digest=None, received_at=NOON) for event in events]
    actions = [Action(1, verb, "test", None, NOON)] if verb else []
    return OpenFailure(name, fold_payment(revisions, actions, None, "UTC"))


def failed(name: str, hours: int = 0, amount_minor: int | None = 100, currency: str | None = "NOK") -> OpenFailure:
    occurred_at = NOON + timedelta(hours=hours)
    return a_payment(name, a_failure(name, occurred_at=occurred_at, amount_minor=amount_minor, currency=currency))


def paying(receipts: list[Receipt], failures: list[OpenFailure]) -> dict[str, str]:
    """{payment: receipt}, the same in whatever order they are told."""
    results = [
        {payment: receipt.provider_receipt_id for payment, receipt in apply_receipts(some, others).items()}
        for some in itertools.permutations(receipts)
        for others in itertools.permutations(failures)
    ]
    assert all(result == results[0] for result in results)
    return results[0]


def test_it_pays_the_oldest_open_failure_of_its_amount() -> None:
    failures = [failed("new", 2), failed("old", 1), failed("older, but of another amount", 0, 90)]
    assert paying([a_receipt("txn_1")], failures) == {"old": "txn_1"}


def test_each_receipt_pays_one_and_each_failure_is_paid_once() -> None:
    failures = [failed("a", 1), failed("b", 2), failed("c", 3)]
    receipts = [a_receipt("txn_1"), a_receipt("txn_2")]
    assert paying(receipts, failures) == {"a": "txn_1", "b": "txn_2"}
    assert paying([*receipts, a_receipt("txn_3"), a_receipt("txn_4")], failures) == {
        "a": "txn_1",
        "b": "txn_2",
        "c": "txn_3",
    }


def test_failures_of_the_same_moment_are_told_apart_by_their_ids() -> None:
    assert paying([a_receipt("txn_1")], [failed("b"), failed("a")]) == {"a": "txn_1"}


@pytest.mark.parametrize(
    ("receipt", "failure"),
    [
        (a_receipt("r", 100), failed("p", amount_minor=99)),
        (a_receipt("r", 100), failed("p", amount_minor=None)),
        (a_receipt("r", None), failed("p", amount_minor=100)),
        (a_receipt("r", None), failed("p", amount_minor=None)),
        (a_receipt("r", 100, "SEK"), failed("p")),
    ],
)
def test_what_does_not_match_is_not_paid(receipt: Receipt, failure: OpenFailure) -> None:
    assert paying([receipt], [failure]) == {}


@pytest.mark.parametrize(("one", "other"), [(None, "NOK"), ("NOK", None), (None, None)])
def test_an_unknown_currency_matches_any(one: str | None, other: str | None) -> None:
    assert paying([a_receipt("r", 100, one)], [failed("p", currency=other)]) == {"p": "r"}


@pytest.mark.parametrize(
    ("payment", "is_open"),
    [
        (a_payment("p", a_failure(amount_minor=100), verb=Verb.INVOICE), True),
        (a_payment("p", a_failure(amount_minor=100), verb=Verb.SEND_TO_COLLECTION), True),
        (a_payment("p", a_failure(amount_minor=100), verb=Verb.CANCEL), False),
        (a_payment("p", a_failure(amount_minor=100), verb=Verb.MARK_PAID), False),
        (a_payment("p", a_failure(amount_minor=100), a_success(amount_minor=100)), False),
        (a_payment("p", a_success(amount_minor=100)), False),
    ],
)
def test_only_what_is_open_is_paid(payment: OpenFailure, is_open: bool) -> None:
    assert paying([a_receipt("r")], [payment]) == ({"p": "r"} if is_open else {})


def test_of_statements_about_one_receipt_the_first_heard_of_those_still_made_holds() -> None:
    statements = [
        a_receipt("r", 80, digest=b"\x03", received_at=NOON, is_superseded=True),
        a_receipt("r", 100, digest=b"\x02", received_at=NOON + timedelta(hours=1)),
        a_receipt("r", 90, digest=b"\x01", received_at=NOON + timedelta(hours=2)),
        a_receipt("r", 70, digest=b"\x04", received_at=NOON + timedelta(hours=1)),  # the digest breaks a tie
        a_receipt("s", received_at=NOON + timedelta(hours=9)),
    ]
    for order in itertools.permutations(statements):
        held = sorted(current_receipts(order), key=lambda receipt: receipt.provider_receipt_id)
        assert held == [statements[1], statements[4]]
