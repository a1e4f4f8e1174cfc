"""Recording of attempts and receipts: new revisions, those that a later reading supersedes, and receipts refused.

Each delivery has rows of its own, also for a statement that another delivery made before: what counts is what each of
them says now, and a replay takes back only what its own delivery said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from dunning_service.errors import Difference, ReceiptContradicted
from dunning_service.events import AttemptReported, ReceiptReported
from dunning_service.ledger.facts import (
    Attempt,
    Receipt,
    Row,
    as_row,
    attempt_of,
    categorised,
    receipt_of,
    statement_digest,
)
from dunning_service.ledger.numbers import PaymentNumbers
from dunning_service.ledger.receipts import current_receipts
from dunning_service.ledger.work import Command, Notice
from dunning_service.ledger.working_set import Payment, ReceiptKey, Subjects, WorkingSet

NEW_ATTEMPT = ("merchant_id", "payment_id", *Attempt._fields)
"""The columns of a new row of `attempts`."""

_CONTENT = ("payer_key", "amount_minor", "currency")
"""What a receipt of a known number has to say again."""


class Statements:
    """The attempts and receipts that one batch records in its working set, and the rows to be written for them."""

    def __init__(self, working_set: WorkingSet, numbers: PaymentNumbers) -> None:
        self._working_set = working_set
        self._numbers = numbers
        self.new_attempts: list[tuple[Any, ...]] = []
        """The values of NEW_ATTEMPT."""
        self.new_receipts: list[Row] = []
        self._changed_attempts: dict[tuple[int, int, int], Attempt] = {}
        self._superseded_receipts: dict[tuple[int, str, str, int], bool] = {}

    @property
    def changed_attempts(self) -> list[Row]:
        """What a later reading changes of them; to be updated after the inserts, for new ones may be among them."""
        return [
            {"merchant_id": merchant_id, "payment_id": payment_id, "number": number}
            | {name: getattr(attempt, name) for name in ("is_superseded", "category", "details")}
            for (merchant_id, payment_id, number), attempt in sorted(self._changed_attempts.items())
        ]

    @property
    def changed_receipts(self) -> list[Row]:
        """Whether they are superseded now; to be updated after the inserts."""
        names = ("merchant_id", "provider", "provider_receipt_id", "number")
        return [
            dict(zip(names, key, strict=True)) | {"is_superseded": is_superseded}
            for key, is_superseded in sorted(self._superseded_receipts.items())
        ]

    def record(self, notice: Notice, received_at: datetime) -> Subjects | None:
        """Records what the notice says, as of its delivery's first arrival; answers what it is about."""
        payments: dict[int, None] = {}
        receipts: dict[str, None] = {}
        for event in notice.events:
            if isinstance(event, AttemptReported):
                payment = self._payment_of(notice, event)
                payments[payment.id] = None
                self._record_attempt(payment, event, notice.digest, received_at)
            else:
                receipts[event.provider_receipt_id] = None
                self._record_receipt(notice, event, received_at)
        return {"payments": list(payments), "receipts": list(receipts)} if notice.events else None

    def replace(self, notice: Notice, received_at: datetime, before: Subjects | None) -> Subjects | None:
        """Puts what the notice says in the place of the delivery's earlier reading, which was about `before`.

        What it says as before keeps its rows; the rest of them is superseded, also at payments that it does not name
        any more.
        """
        if before is not None:
            said = {
                (event.provider_payment_id, event.provider_attempt_id, statement_digest(event))
                for event in notice.events
                if isinstance(event, AttemptReported)
            }
            for number in before["payments"]:
                payment = self._working_set.by_id.get((notice.merchant_id, number))
                if payment is not None:
                    self._supersede_attempts(payment, notice.digest, said)
            received = {
                (event.provider_receipt_id, statement_digest(event))
                for event in notice.events
                if isinstance(event, ReceiptReported)
            }
            for receipt_id in before["receipts"]:
                self._supersede_receipts((notice.merchant_id, notice.provider, receipt_id), notice.digest, received)
        return self.record(notice, received_at)

    def record_of_command(self, command: Command, event: AttemptReported, received_at: datetime) -> None:
        """Records a statement that a command makes. Its delivery is never read again, so the same statement of another
        one adds nothing."""
        payment = self._payment_of(command, event)
        digest = statement_digest(event)
        if not any(_is(held, event.provider_attempt_id, digest) for held in payment.attempts.values()):
            delivery_digest = None if command.delivery is None else command.digest
            self._add_attempt(payment, event, digest, delivery_digest, received_at)

    # Attempts

    def _payment_of(self, work: Notice | Command, event: AttemptReported) -> Payment:
        key = (work.merchant_id, work.provider, event.provider_payment_id)
        payment = self._working_set.payments.get(key)
        return payment or self._working_set.add(
            Payment(key, self._numbers.take(), self._working_set.zones[work.merchant_id])
        )

    def _record_attempt(self, payment: Payment, event: AttemptReported, digest: bytes, received_at: datetime) -> None:
        stated = statement_digest(event)
        if payment.attempts:
            same = [held for held in payment.attempts.values() if _is(held, event.provider_attempt_id, stated)]
            own = next((held for held in same if held.delivery_digest == digest), None)
            if own is not None:
                again = categorised(own, event.decline)._replace(is_superseded=False)
                if again != own:
                    self._change_attempt(payment, again)
                    self._working_set.regroup(payment)
                return
            if same:  # as it is held: what was erased of it does not come back
                said = _said_by(same[0], payment.next_attempt, digest, received_at)
                self._put_attempt(payment, categorised(said, event.decline))
                return
        self._add_attempt(payment, event, stated, digest, received_at)

    def _add_attempt(
        self,
        payment: Payment,
        event: AttemptReported,
        stated: bytes,
        delivery_digest: bytes | None,
        received_at: datetime,
    ) -> None:
        attempt = attempt_of(
            event,
            delivery_digest=delivery_digest,
            received_at=received_at,
            number=payment.next_attempt,
            digest=stated,
        )
        self._put_attempt(payment, attempt)

    def _put_attempt(self, payment: Payment, attempt: Attempt) -> None:
        payment.put_attempt(attempt)
        self.new_attempts.append((payment.key[0], payment.id, *attempt))
        self._working_set.regroup(payment)

    def _supersede_attempts(self, payment: Payment, digest: bytes, said: set[tuple[str, str, bytes]]) -> None:
        replaced = [
            held
            for held in payment.attempts.values()
            if held.delivery_digest == digest
            and not held.is_superseded
            and (payment.key[2], held.provider_attempt_id, held.digest) not in said
        ]
        for held in replaced:
            self._change_attempt(payment, held._replace(is_superseded=True))
        if replaced:
            self._working_set.regroup(payment)

    def _change_attempt(self, payment: Payment, attempt: Attempt) -> None:
        """Writes again what a later reading of its delivery may change: whether it is superseded, and its category."""
        payment.put_attempt(attempt)
        self._changed_attempts[payment.key[0], payment.id, attempt.number] = attempt

    # Receipts

    def contradiction(self, notice: Notice) -> ReceiptContradicted | None:
        """What keeps the notice from being recorded: a receipt of a known number that says something else."""
        stated: dict[ReceiptKey, Receipt] = {}
        for event in notice.events:
            if isinstance(event, ReceiptReported):
                key = (notice.merchant_id, notice.provider, event.provider_receipt_id)
                known = self._working_set.revisions(key)
                if not known and len(notice.events) == 1:
                    return None
                given = receipt_of(event, notice.digest, received_at=notice.delivery.received_at, number=0)
                held = stated.setdefault(key, next(iter(current_receipts(known)), given))
                if held.digest != given.digest:
                    differences = [
                        Difference(name, getattr(held, name), getattr(given, name))
                        for name in _CONTENT
                        if getattr(held, name) != getattr(given, name)
                    ]
                    if differences:
                        return ReceiptContradicted(event.provider_receipt_id, differences)
        return None

    def _record_receipt(self, notice: Notice, event: ReceiptReported, received_at: datetime) -> None:
        key = (notice.merchant_id, notice.provider, event.provider_receipt_id)
        earlier = list(self._working_set.revisions(key))
        if not earlier:
            self._add_receipt(key, receipt_of(event, notice.digest, received_at=received_at, number=1), earlier)
            return
        digest = statement_digest(event)
        same = [receipt for receipt in earlier if receipt.digest == digest]
        own = next((receipt for receipt in same if receipt.delivery_digest == notice.digest), None)
        if own is not None:
            if own.is_superseded:
                self._set_receipt_superseded(key, own, False)
            return
        number = 1 + max((receipt.number for receipt in earlier), default=0)
        receipt = (
            # as it is held: what was erased of it does not come back
            replace(same[0], number=number, delivery_digest=notice.digest, received_at=received_at, is_superseded=False)
            if same
            else receipt_of(event, notice.digest, received_at=received_at, number=number)
        )
        self._add_receipt(key, receipt, earlier)

    def _add_receipt(self, key: ReceiptKey, receipt: Receipt, earlier: Sequence[Receipt]) -> None:
        is_first = not current_receipts(earlier)
        payers = _payers(key, [*earlier, receipt])
        paid_before = self._working_set.paid_by_receipts(payers)
        self._working_set.add_receipt((key[0], key[1], receipt.payer_key), receipt)
        self._apply(payers)
        if is_first:
            self._working_set.resolved[key] = self._working_set.paid_by_receipts(payers) - paid_before
        row = as_row(receipt) | {"resolved": self._working_set.resolved[key]}
        self.new_receipts.append({"merchant_id": key[0], "provider": key[1]} | row)

    def _supersede_receipts(self, key: ReceiptKey, digest: bytes, said: set[tuple[str, bytes]]) -> None:
        for held in list(self._working_set.revisions(key)):
            if held.delivery_digest == digest and not held.is_superseded and (key[2], held.digest) not in said:
                self._set_receipt_superseded(key, held, True)

    def _set_receipt_superseded(self, key: ReceiptKey, receipt: Receipt, is_superseded: bool) -> None:
        self._working_set.supersede_receipt(key, receipt, is_superseded=is_superseded)
        self._apply(_payers(key, self._working_set.revisions(key)))
        self._superseded_receipts[*key, receipt.number] = is_superseded

    def _apply(self, payers: set[tuple[int, str, str]]) -> None:
        for payer in payers:
            self._working_set.apply_receipts_of(payer)


def _is(held: Attempt, provider_attempt_id: str, digest: bytes) -> bool:
    return held.digest == digest and held.provider_attempt_id == provider_attempt_id


def _said_by(held: Attempt, number: int, digest: bytes, received_at: datetime) -> Attempt:
    """The same statement, as another delivery makes it."""
    return held._replace(
        number=number,
        delivery_digest=digest,
        is_superseded=False,
        received_at=received_at,
        occurred_at=held.occurred_at if held.occurred_at_known else received_at,
    )


def _payers(key: ReceiptKey, receipts: Sequence[Receipt]) -> set[tuple[int, str, str]]:
    return {(key[0], key[1], receipt.payer_key) for receipt in receipts}
