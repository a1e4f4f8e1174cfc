"""The status of a payment: a pure function of its attempts and its actions (design: "The status, folded")."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum


class Status(StrEnum):
    """What has become of a payment."""

    FAILED = "failed"
    INVOICED = "invoiced"
    DEBT_COLLECTION = "debt_collection"
    PAID = "paid"
    CANCELLED = "cancelled"


class ActionKind(StrEnum):
    """The kinds of actions on a payment."""

    INVOICE = "invoice"
    SEND_TO_COLLECTION = "send_to_collection"
    MARK_PAID = "mark_paid"
    CANCEL = "cancel"
    REOPEN = "reopen"
    RETRY = "retry"
    """Asks for another try: the status stays."""
    MOVE_RECEIPT = "move_receipt"
    """Says which payment a receipt pays. The status follows from the money then, not from the action."""


class ReceiptDue(StrEnum):
    """Whether a receipt will still come for a payment that was marked as paid."""

    EXPECTED = "expected"
    NONE = "none"


_RESULT = {
    ActionKind.INVOICE: Status.INVOICED,
    ActionKind.SEND_TO_COLLECTION: Status.DEBT_COLLECTION,
    ActionKind.MARK_PAID: Status.PAID,
    ActionKind.CANCEL: Status.CANCELLED,
    ActionKind.REOPEN: Status.FAILED,
}

APPLIES_TO: dict[ActionKind, frozenset[Status]] = {
    ActionKind.INVOICE: frozenset({Status.FAILED}),
    ActionKind.SEND_TO_COLLECTION: frozenset({Status.FAILED, Status.INVOICED}),
    ActionKind.MARK_PAID: frozenset({Status.FAILED, Status.INVOICED, Status.DEBT_COLLECTION}),
    ActionKind.CANCEL: frozenset({Status.FAILED, Status.INVOICED, Status.DEBT_COLLECTION}),
    ActionKind.REOPEN: frozenset({Status.INVOICED, Status.DEBT_COLLECTION, Status.PAID, Status.CANCELLED}),
}
"""The statuses from which each action that decides one makes sense. Those that do not decide one are not in it."""


def decided_status(verbs: Iterable[ActionKind]) -> Status | None:
    """The status that actions, oldest first, lead to; None when none applies."""
    verbs = list(verbs)
    deciding = deciding_place(verbs)
    return None if deciding is None else _RESULT[verbs[deciding]]


def deciding_place(verbs: Sequence[ActionKind]) -> int | None:
    """The index of the newest action that applies, among actions from the oldest on; None when none applies."""
    status, place = Status.FAILED, None
    for number, verb in enumerate(verbs):
        if status in APPLIES_TO.get(verb, ()):
            status, place = _RESULT[verb], number
    return place


def folded_status(*, is_covered: bool, verbs: Iterable[ActionKind], newest_is_canceled: bool) -> Status:
    """The status of a payment.

    `is_covered`: its successes cover its amount, or an amount is unknown; that beats every request. Otherwise the
    newest action that applies holds, and without one the newest attempt that is not pending.
    """
    if is_covered:
        return Status.PAID
    decided = decided_status(verbs)
    if decided is not None:
        return decided
    return Status.CANCELLED if newest_is_canceled else Status.FAILED
