"""What decisions and money come to."""

from __future__ import annotations

import itertools

import pytest

from dunning_service.ledger.status import APPLIES_TO, ActionKind, Status, decided_status, folded_status

INVOICE, COLLECT, MARK_PAID, CANCEL, REOPEN, RETRY, MOVE_RECEIPT = (
    ActionKind.INVOICE,
    ActionKind.SEND_TO_COLLECTION,
    ActionKind.MARK_PAID,
    ActionKind.CANCEL,
    ActionKind.REOPEN,
    ActionKind.RETRY,
    ActionKind.MOVE_RECEIPT,
)


@pytest.mark.parametrize(
    ("verbs", "status"),
    [
        ((), None),
        ((INVOICE,), Status.INVOICED),
        ((COLLECT,), Status.DEBT_COLLECTION),
        ((MARK_PAID,), Status.PAID),
        ((CANCEL,), Status.CANCELLED),
        # the newest that applies decides
        ((INVOICE, COLLECT), Status.DEBT_COLLECTION),
        ((INVOICE, MARK_PAID), Status.PAID),
        ((INVOICE, COLLECT, CANCEL), Status.CANCELLED),
        ((CANCEL, REOPEN), Status.FAILED),
        ((MARK_PAID, REOPEN), Status.FAILED),
        ((CANCEL, REOPEN, INVOICE), Status.INVOICED),
        # one that does not apply changes nothing, wherever it stands
        ((REOPEN,), None),
        ((COLLECT, INVOICE), Status.DEBT_COLLECTION),
        ((INVOICE, INVOICE), Status.INVOICED),
        ((CANCEL, INVOICE), Status.CANCELLED),
        ((CANCEL, COLLECT), Status.CANCELLED),
        ((CANCEL, MARK_PAID), Status.CANCELLED),
        ((MARK_PAID, COLLECT), Status.PAID),
        ((MARK_PAID, CANCEL), Status.PAID),
        ((REOPEN, CANCEL, INVOICE, REOPEN, REOPEN), Status.FAILED),
        # to ask for another try decides nothing
        ((RETRY,), None),
        ((CANCEL, RETRY), Status.CANCELLED),
        ((RETRY, INVOICE), Status.INVOICED),
        # to move a receipt decides where money goes, and the status follows from the money
        ((MOVE_RECEIPT,), None),
        ((MARK_PAID, MOVE_RECEIPT), Status.PAID),
    ],
)
def test_decisions_come_to(verbs: tuple[ActionKind, ...], status: Status | None) -> None:
    assert decided_status(verbs) is status


@pytest.mark.parametrize("verbs", [(), (INVOICE,), (COLLECT,), (CANCEL,), (MARK_PAID, REOPEN)])
def test_money_that_covers_the_amount_beats_every_decision(verbs: tuple[ActionKind, ...]) -> None:
    for newest_is_canceled in (False, True):
        status = folded_status(is_covered=True, verbs=verbs, newest_is_canceled=newest_is_canceled)
        assert status is Status.PAID


@pytest.mark.parametrize(
    ("verbs", "newest_is_canceled", "status"),
    [
        ((), False, Status.FAILED),
        ((), True, Status.CANCELLED),
        ((INVOICE,), True, Status.INVOICED),
        ((CANCEL, REOPEN), True, Status.FAILED),
        ((REOPEN,), True, Status.CANCELLED),
        ((RETRY,), True, Status.CANCELLED),
        ((CANCEL,), False, Status.CANCELLED),
    ],
)
def test_without_the_money_a_decision_goes_before_the_newest_attempt(
    verbs: tuple[ActionKind, ...], newest_is_canceled: bool, status: Status
) -> None:
    assert folded_status(is_covered=False, verbs=verbs, newest_is_canceled=newest_is_canceled) is status


def test_every_decision_applies_somewhere_and_never_where_it_would_change_nothing() -> None:
    results = {INVOICE: Status.INVOICED, COLLECT: Status.DEBT_COLLECTION, MARK_PAID: Status.PAID}
    results |= {CANCEL: Status.CANCELLED, REOPEN: Status.FAILED}
    assert set(APPLIES_TO) == set(results) == set(ActionKind) - {RETRY, MOVE_RECEIPT}
    for verb, statuses in APPLIES_TO.items():
        assert statuses
        assert results[verb] not in statuses


def test_from_every_status_something_can_be_decided() -> None:
    for status in Status:
        assert any(status in statuses for statuses in APPLIES_TO.values())


def test_the_same_decision_twice_in_a_row_is_as_good_as_once() -> None:
    for verbs in itertools.product(ActionKind, repeat=3):
        doubled = [verb for verb in verbs for _ in range(2)]
        assert decided_status(doubled) is decided_status(verbs)
