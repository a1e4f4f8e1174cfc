"""Erasure of a person from the ledger's facts: the one change that facts ever see.

What is erased is what identifies a person, and every free text. What stays is what names the
debt rather than the debtor, and all that the fold goes by: so a payment folds to the same status, amounts, days and
counts as before, and that is made sure of before anything is written. The digests stay too. So a repeat is recognised,
in other bytes as well, and brings nothing back: see `repeats_erased`.

A payer's key says whose receipts pay which failures, so it is not dropped but changed for a name that says nothing, the
same one everywhere. A payment keeps that name, whatever payer a later statement names: see `fold`. Hence all that
its attempts said of payers becomes one name, the one of the payer whose it is.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.database.bulk import bulk_for
from dunning_service.database.bulk_sql import Row
from dunning_service.events import AttemptReported, Event
from dunning_service.ledger.facts import Attempt, statement_digest
from dunning_service.ledger.fold import ERASED_PAYER, FoldedPayment
from dunning_service.ledger.models import (
    ActionRow,
    AttemptRow,
    DeliveryRow,
    IdempotencyRow,
    PaymentRow,
    ReceiptRow,
    RefundRow,
)
from dunning_service.ledger.reading import payer_of
from dunning_service.ledger.reads import Reads
from dunning_service.ledger.work import ERASED, Command, Erasure, ErasureDone, Notice, erased_headers
from dunning_service.ledger.working_set import PayerKey, Payment, WorkingSet
from dunning_service.values.chunks import in_chunks

PERSONAL = (
    "message",
    "provider_customer_id",
    "customer_name",
    "customer_email",
    "customer_phone",
    "description",
)
"""What an attempt says of a person, beside its details and the payer."""

_MAY_CHANGE = {*PERSONAL, "payer_key", "details"}


def erase(connection: Connection, working_set: WorkingSet, erasure: Erasure, now: datetime) -> ErasureDone:
    """Erases in the working set, so that the payments are written with it, and in the tables of facts.

    Changes nothing when the erasure is stale. Raises RuntimeError when a payment would not add up to the same, and then
    the transaction has to be rolled back.
    """
    payments = [working_set.by_id[erasure.merchant_id, payment_id] for payment_id in erasure.payment_ids]
    payers = {(erasure.merchant_id, *payer) for payer in erasure.payers}
    if _is_stale(connection, working_set, payments, payers):
        return ErasureDone(is_stale=True)
    return _Eraser(connection, working_set, erasure, now).run(payments, payers)


def _is_stale(
    connection: Connection, working_set: WorkingSet, payments: Sequence[Payment], payers: set[PayerKey]
) -> bool:
    """True when an attempt names a payer, or a payer has a payment, that the erasure does not have. The payers' locks
    are held, so what is not there now does not come."""
    if not _payers_of(payments) <= payers:
        return True
    ids = {payment.id for payment in payments}
    theirs = Reads(bulk_for(connection)).select(PaymentRow, ("merchant_id", "provider", "payer_key"), payers)
    others = [payment for payment in working_set.payments.values() if payment.id not in ids]
    return any(row["id"] not in ids for row in theirs) or not _payers_of(others).isdisjoint(payers)


def _payers_of(payments: Iterable[Payment]) -> set[PayerKey]:
    return {
        (payment.key[0], payment.key[1], attempt.payer_key)
        for payment in payments
        for attempt in payment.attempts.values()
        if attempt.payer_key is not None
    }


def repeats_erased(working_set: WorkingSet, work: Notice | Command, event: Event) -> bool:
    """True for a statement whose personal data were erased: recorded from other bytes, it would bring them back."""
    if isinstance(event, AttemptReported):
        payment = working_set.payments.get((work.merchant_id, work.provider, event.provider_payment_id))
        attempts = () if payment is None else payment.attempts.values()
        erased = {attempt.digest: attempt.currency for attempt in attempts if attempt.erased_at is not None}
    else:
        receipts = working_set.revisions((work.merchant_id, work.provider, event.provider_receipt_id))
        erased = {one.digest: one.currency for one in receipts if one.payer_key.startswith(ERASED_PAYER)}
    return bool(erased) and not erased.keys().isdisjoint(digests_in(event, erased.values()))


def digests_in(event: Event, currencies: Iterable[str | None]) -> set[bytes]:
    """The digest of a statement, and those that it had while the default currency was one of these: a notice of an
    attempt that names none says the same again after the default was changed."""
    read_as = {event.currency}
    if isinstance(event, AttemptReported):
        read_as.update(currencies)
    return {statement_digest(replace(event, currency=currency)) for currency in read_as}


class _Eraser:
    def __init__(self, connection: Connection, working_set: WorkingSet, erasure: Erasure, now: datetime) -> None:
        self._connection = connection
        self._bulk = bulk_for(connection)
        self._working_set = working_set
        self._erasure = erasure
        self._now = now
        self._mark = erased_headers(now)

    def run(self, payments: Sequence[Payment], payers: set[PayerKey]) -> ErasureDone:
        before = {payment.id: payment.folded for payment in payments}
        names = {payer: (payer[0], payer[1], f"{ERASED_PAYER}{secrets.token_hex(8)}") for payer in payers}
        reads = Reads(self._bulk)
        receipts = reads.select(ReceiptRow, ("merchant_id", "provider", "payer_key"), payers)
        refunds = reads.select(
            RefundRow,
            ("merchant_id", "provider", "provider_payment_id"),
            {payment.key for payment in payments},
        )
        brought_by: set[bytes | None] = {
            *(attempt.delivery_digest for payment in payments for attempt in payment.attempts.values()),
            *(row["delivery_digest"] for row in receipts),
            *(row["delivery_digest"] for row in refunds),
        }
        self._working_set.rename_payers(names)
        attempts = self._erase_attempts(payments, names)
        self._erase_receipts(receipts, names)
        self._erase_refunds(refunds)
        for payment in payments:
            self._working_set.regroup(payment)
        for payment in payments:
            _require_the_same(payment, before[payment.id])
        return ErasureDone(
            payments=len(payments),
            attempts=attempts,
            receipts=len(receipts),
            deliveries=self._erase_deliveries({digest for digest in brought_by if digest is not None}),
            actions=self._erase_actions(payments),
            answers=self._erase_answers(payments),
        )

    def _erase_attempts(self, payments: Sequence[Payment], names: Mapping[PayerKey, PayerKey]) -> int:
        rows = []
        for payment in payments:
            payer = None if payment.payer is None else names[payment.payer][2]
            for attempt in list(payment.attempts.values()):
                erased = self._erased(payment.key[1], attempt, payer)
                payment.put_attempt(erased)
                key = {"merchant_id": payment.key[0], "payment_id": payment.id}
                columns = ("number", *PERSONAL, "payer_key", "details", "erased_at")
                rows.append(key | {name: getattr(erased, name) for name in columns})
        self._update(AttemptRow, rows)
        return len(rows)

    def _erased(self, provider: str, attempt: Attempt, payer: str | None) -> Attempt:
        nothing: dict[str, Any] = dict.fromkeys(PERSONAL)
        return attempt._replace(
            payer_key=None if attempt.payer_key is None else payer,
            details=self._erasure.impersonal(provider, attempt.details),
            erased_at=attempt.erased_at or self._now,
            **nothing,
        )

    def _erase_receipts(self, receipts: Sequence[Row], names: Mapping[PayerKey, PayerKey]) -> None:
        key = ("merchant_id", "provider", "provider_receipt_id", "number")
        rows = [
            {name: row[name] for name in key}
            | {
                "payer_key": names[payer_of(dict(row))][2],
                "details": self._erasure.impersonal(row["provider"], row["details"]),
            }
            for row in receipts
        ]
        self._update(ReceiptRow, rows)

    def _erase_refunds(self, refunds: Sequence[Row]) -> None:
        key = ("merchant_id", "provider", "provider_payment_id", "number")
        rows = [
            {name: row[name] for name in key} | {"details": self._erasure.impersonal(row["provider"], row["details"])}
            for row in refunds
        ]
        self._update(RefundRow, rows)

    def _erase_actions(self, payments: Sequence[Payment]) -> int:
        """Erases the reasons, which are free text."""
        rows = []
        for payment in payments:
            for number, action in enumerate(payment.actions):
                if action.reason is not None:
                    payment.actions[number] = replace(action, reason=None)
                    key = {"merchant_id": payment.key[0], "payment_id": payment.id, "number": action.number}
                    rows.append(key | {"reason": None})
        self._update(ActionRow, rows)
        return len(rows)

    def _erase_deliveries(self, brought_by: set[bytes]) -> int:
        """The bytes and the headers. Those that were never recorded have a reason as well, which may quote them."""
        merchant_id = self._erasure.merchant_id
        named = set(self._erasure.deliveries)
        held = self._working_set.deliveries
        rows: list[Row] = []
        reasons: list[Row] = []
        for digest in sorted(named | brought_by):
            key = {"merchant_id": merchant_id, "digest": digest}
            rows.append(key | {"body": None, "headers": self._mark})
            record = held.get((merchant_id, digest))
            if record is not None and record.reason is not None:
                reasons.append(key | {"reason": ERASED})
        kept = self._with_bytes([row["digest"] for row in rows])
        self._update(DeliveryRow, rows)
        self._update(DeliveryRow, reasons)
        return kept

    def _with_bytes(self, digests: Sequence[bytes]) -> int:
        table = DeliveryRow.__table__.c
        found = 0
        for some in in_chunks(digests, 500):
            statement = sa.select(sa.func.count()).where(
                table.merchant_id == self._erasure.merchant_id, table.digest.in_(some), table.body.is_not(None)
            )
            found += self._connection.execute(statement).scalar_one()
        return found

    def _erase_answers(self, payments: Sequence[Payment]) -> int:
        """Erases from the stored answers about these payments."""
        numbers = {str(payment.id) for payment in payments}
        names = {payment.key[2] for payment in payments}
        table = IdempotencyRow.__table__.c
        statement = sa.select(table.key, table.response).where(table.merchant_id == self._erasure.merchant_id)
        rows = []
        for row in self._connection.execute(statement.execution_options(yield_per=500)) if payments else ():
            response = row.response
            if str(response.get("payment_id")) in numbers or response.get("id") in names:
                key = {"merchant_id": self._erasure.merchant_id, "key": row.key}
                rows.append(key | {"response": self._erasure.impersonal_answer(response)})
        self._update(IdempotencyRow, rows)
        return len(rows)

    def _update(self, model: Any, rows: Sequence[Row]) -> None:
        self._bulk.update(model.__table__, rows)


def _require_the_same(payment: Payment, before: FoldedPayment) -> None:
    """Raises RuntimeError when the payment would be worth, owed or counted differently."""
    for name in FoldedPayment._fields:
        if name not in _MAY_CHANGE and getattr(payment.folded, name) != getattr(before, name):
            raise RuntimeError(f"erasing would change {name} of ODR{payment.id}; nothing was erased of it")
