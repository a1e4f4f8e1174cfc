"""A batch: the works of one transaction are applied to the working set, and the changed rows are written."""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set
from dataclasses import replace
from datetime import datetime
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.database.bulk import bulk_for
from dunning_service.database.bulk_sql import LockName
from dunning_service.errors import DunningError, InvalidInput, RuleBroken, UnreadableNotice
from dunning_service.events import ReceiptReported
from dunning_service.ledger.actions import Actions, as_json, as_recorded
from dunning_service.ledger.answers import ANSWER_LIFETIME, Answers
from dunning_service.ledger.counting import count_changes
from dunning_service.ledger.erasing import erase, repeats_erased
from dunning_service.ledger.facts import Attempt, Row
from dunning_service.ledger.fold import current_attempts
from dunning_service.ledger.models import (
    ActionRow,
    AttemptRow,
    DeliveryRow,
    IdempotencyRow,
    PaymentRow,
    ReceiptRow,
)
from dunning_service.ledger.numbers import PaymentNumbers
from dunning_service.ledger.reading import MoreNeeded, lookups_of, payment_lock, read_working_set
from dunning_service.ledger.reads import Reads
from dunning_service.ledger.row_cache import RowCache
from dunning_service.ledger.statements import NEW_ATTEMPT, Statements
from dunning_service.ledger.work import (
    ActionRecorded,
    ActionRequest,
    Command,
    CommandDone,
    Effect,
    Erasure,
    ErasureDone,
    Failure,
    Notice,
    NoticeRecorded,
    Refold,
    RefoldDone,
    Snapshot,
    Work,
    erased_headers,
)
from dunning_service.ledger.working_set import NEW_PAYMENT, DeliveryRecord, Payment, changed_payment, new_payment

_FORGOTTEN_AT_ONCE = 200
"""How many expired answers of a merchant a batch deletes: more than it can add."""

_PAYMENTS: Any = PaymentRow.__table__
_ATTEMPTS: Any = AttemptRow.__table__

Result = NoticeRecorded | ActionRecorded | CommandDone | ErasureDone | RefoldDone | DunningError


class Batch:
    """The works of one transaction. Used once: `run`, then `commit`.

    Raises MoreNeeded when it has to begin again with more than the works name, and ValueError for an erasure that is
    not alone: it would not see what the others are about to insert.
    """

    def __init__(
        self,
        connection: Connection,
        works: Sequence[Work],
        numbers: PaymentNumbers,
        *,
        now: datetime,
        also_lock: Set[LockName] = frozenset(),
    ) -> None:
        if len(works) > 1 and any(isinstance(work, Erasure) for work in works):
            raise ValueError("an erasure has a transaction of its own")
        self._connection = connection
        self._bulk = bulk_for(connection)
        self._works = works
        self._now = now
        self._answers = Answers(now)
        self._row_cache = RowCache(lookups_of(works))
        self._working_set = read_working_set(self._bulk, works, self._answers, self._row_cache, also_lock)
        self._statements = Statements(self._working_set, numbers)
        self._actions = Actions(self._working_set)

    def run(self) -> list[Result]:
        """A result for each work, in their order: a refusal is a result too, and leaves no trace."""
        return [self._apply(work) for work in self._works]

    def commit(self) -> None:
        """Writes what the works have changed, and commits it."""
        self._forget_old_answers()
        with self._bulk.together(commits=True):
            self._write()

    def _apply(self, work: Work) -> Result:
        if isinstance(work, Notice):
            return self._apply_notice(work)
        if isinstance(work, Erasure):
            return erase(self._connection, self._working_set, work, self._now)
        if isinstance(work, Refold):
            return self._refold(work)
        try:
            return self._apply_request(work) if isinstance(work, ActionRequest) else self._apply_command(work)
        except DunningError as refusal:
            return refusal

    # Notices

    def _apply_notice(self, notice: Notice) -> NoticeRecorded:
        key = (notice.merchant_id, notice.digest)
        record = self._working_set.deliveries.get(key)
        if record is None:
            record = self._working_set.deliveries[key] = DeliveryRecord.of_new(notice, notice.outcome, notice.reason)
            refusal = self._record(notice, record)
            return NoticeRecorded(record.outcome, True, self._resolved_by(notice), refusal)
        record.is_changed = True
        if not notice.is_replay:
            record.count(notice.delivery.received_at)
        refusal = None
        was_recorded = record.outcome == "recorded"
        # what could not be read when it first came may be readable now; what was erased is not to come back
        is_news = notice.is_replay or (notice.outcome == "recorded" and not was_recorded)
        if not is_news and any(repeats_erased(self._working_set, notice, event) for event in notice.events):
            record.erase()
        if is_news and not record.is_erased:
            record.reading += 1
            if was_recorded and notice.outcome == "failed":
                refusal = UnreadableNotice(f"it cannot be read now, so what it said before stays: {notice.reason}")
            else:
                refusal = self._record(notice, record)
        return NoticeRecorded(record.outcome, False, self._resolved_by(notice), refusal, was_recorded)

    def _record(self, notice: Notice, record: DeliveryRecord) -> InvalidInput | None:
        """Records what a delivery says now in place of what it said before, or answers why it is not recorded.

        A receipt that contradicts a known one is refused. A delivery that was recorded or ignored is not, when it is
        replayed: of two that differ only by a setting since changed, one has to be read again first.
        """
        news = [event for event in notice.events if not repeats_erased(self._working_set, notice, event)]
        if len(news) < len(notice.events):
            record.erase()
            notice = replace(notice, events=news)
        is_refusable = not notice.is_replay or record.outcome == "failed"
        contradiction = self._statements.contradiction(notice) if is_refusable else None
        if contradiction is not None:
            record.outcome, record.reason = "failed", contradiction.message
            return contradiction
        record.outcome, record.reason = notice.outcome, notice.reason
        record.subjects = self._statements.replace(notice, record.received_at, record.subjects)
        record.is_reread = record.first is None
        return None

    def _resolved_by(self, notice: Notice) -> int:
        """How many open failures these receipts paid when they were first recorded: the answer to their sender."""
        return sum(
            self._working_set.resolved.get((notice.merchant_id, notice.provider, event.provider_receipt_id), 0)
            for event in notice.events
            if isinstance(event, ReceiptReported)
        )

    def _refold(self, refold: Refold) -> RefoldDone:
        wanted = {(refold.merchant_id, payment_id) for payment_id in refold.payment_ids}
        rows = Reads(self._bulk).select(PaymentRow, ("merchant_id", "id"), wanted)
        payments = [(self._working_set.by_id[row["merchant_id"], row["id"]], row) for row in rows]
        changed = [payment for payment, row in payments if payment.differing(row)]
        for payment in changed:
            payment.is_changed = True
        return RefoldDone(len(changed))

    # Actions

    def _apply_request(self, request: ActionRequest) -> ActionRecorded:
        earlier = self._answers.earlier(request)
        if earlier is not None:
            return as_recorded(earlier.response)
        recorded = self._actions.take(request)
        self._answers.keep(request, as_json(recorded))
        return recorded

    # Commands

    def _apply_command(self, command: Command) -> CommandDone:
        earlier = self._answers.earlier(command)
        if earlier is not None:
            if earlier.refusal is None:
                self._count_repeat(command)
            return CommandDone(earlier.response, earlier.refusal, earlier.request_id)
        snapshot = Snapshot(
            {payment: self._attempts_at(command, payment) for payment in command.provider_payment_ids},
            {lookup: self._row_cache.find(lookup) for lookup in command.lookups},
            command.digest,
            self._failures(command),
        )
        try:
            effect = command.execute(snapshot, self._now)
        except RuleBroken as refusal:
            self._answers.keep(command, {}, refusal)
            return CommandDone({}, refusal, None)
        self._require_read(command, effect)
        if effect.keeps_delivery:
            self._take_delivery(command)
        received_at = self._now if command.delivery is None else command.delivery.received_at
        for event in effect.events:
            if not repeats_erased(self._working_set, command, event):
                self._statements.record_of_command(command, event, received_at)
            elif record := self._working_set.deliveries.get((command.merchant_id, command.digest)):
                record.erase()
        for action in effect.actions:
            self._actions.take_of_command(command, action, self._now)
        for model, row in effect.inserts:
            self._row_cache.insert(model, row)
        for model, changes in effect.updates:
            self._row_cache.update(model, changes)
        for payment in self._named(command, effect.touched):
            payment.is_changed = True
        self._answers.keep(command, effect.answer)
        return CommandDone(effect.answer, None, None)

    def _require_read(self, command: Command, effect: Effect) -> None:
        """Raises MoreNeeded when the effect is on payments that were not looked for."""
        names = {*effect.touched, *(action.provider_payment_id for action in effect.actions)}
        names |= {event.provider_payment_id for event in effect.events}
        keys = {(command.merchant_id, command.provider, name) for name in names}
        unread = keys - self._working_set.payments.keys() - self._working_set.looked_for
        if unread:
            raise MoreNeeded({payment_lock(key) for key in unread})

    def _named(self, command: Command, names: Collection[str]) -> list[Payment]:
        """Those of the command's payments that are known."""
        keys = ((command.merchant_id, command.provider, name) for name in names)
        return [self._working_set.payments[key] for key in keys if key in self._working_set.payments]

    def _failures(self, command: Command) -> dict[str, Failure]:
        return {
            payment.key[2]: Failure(payment.id, payment.folded.status, payment.next_action)
            for payment in self._named(command, command.provider_payment_ids)
            if payment.folded.order_on is not None
        }

    def _attempts_at(self, command: Command, provider_payment_id: str) -> list[Attempt]:
        payment = self._working_set.payments.get((command.merchant_id, command.provider, provider_payment_id))
        attempts = [] if payment is None else current_attempts(payment.attempts.values())
        return sorted(attempts, key=lambda attempt: attempt.sequence)

    def _take_delivery(self, command: Command) -> None:
        """Keeps or counts the command's delivery, if it has one."""
        if command.delivery is None:
            return
        key = (command.merchant_id, command.digest)
        record = self._working_set.deliveries.get(key)
        if record is None:
            self._working_set.deliveries[key] = DeliveryRecord.of_new(command, "recorded")
        else:
            record.count(command.delivery.received_at)

    def _count_repeat(self, command: Command) -> None:
        """Counts the delivery of a command that was answered before. The same request in other bytes states nothing
        new, and what it says of a person may have been erased, so those are not kept."""
        record = self._working_set.deliveries.get((command.merchant_id, command.digest))
        if record is not None and command.delivery is not None:
            record.count(command.delivery.received_at)

    # Writing

    def _write(self) -> None:
        deliveries = self._working_set.deliveries.items()
        changed = list(self._working_set.changed())
        self._insert(
            DeliveryRow,
            [_new_delivery(key, record.first, record, self._now) for key, record in deliveries if record.first],
        )
        self._update(
            DeliveryRow,
            [_bookkeeping(key, record) for key, record in deliveries if record.is_changed and not record.first],
        )
        self._update(DeliveryRow, [_subjects(key, record) for key, record in deliveries if record.is_reread])
        self._update(
            DeliveryRow,
            [_without_bytes(key, self._now) for key, record in deliveries if record.loses_bytes and not record.first],
        )
        new = [new_payment(payment, self._now) for payment in changed if payment.held is None]
        self._bulk.insert(_PAYMENTS, NEW_PAYMENT, new)
        self._update(PaymentRow, [changed_payment(payment, self._now) for payment in changed if payment.held])
        self._bulk.insert(_ATTEMPTS, NEW_ATTEMPT, self._statements.new_attempts)
        self._insert(ActionRow, self._actions.new)
        self._insert(ReceiptRow, self._statements.new_receipts)
        self._update(AttemptRow, self._statements.changed_attempts)
        self._update(ReceiptRow, self._statements.changed_receipts)
        for model, rows in self._row_cache.new().items():
            self._insert(model, rows)
        for model, rows in self._row_cache.changed().items():
            self._update(model, rows)
        self._insert(IdempotencyRow, self._answers.new)
        self._count(changed)

    def _count(self, changed: Sequence[Payment]) -> None:
        for model, rows in count_changes(changed, self._working_set.shard):
            counts: Any = model.__table__
            self._bulk.add(counts, rows)

    def _insert(self, model: Any, rows: Sequence[Row]) -> None:
        if rows:
            columns = tuple(rows[0])
            self._bulk.insert(model.__table__, columns, [*map(itemgetter(*columns), rows)])

    def _update(self, model: Any, rows: Sequence[Row]) -> None:
        self._bulk.update(model.__table__, rows)

    def _forget_old_answers(self) -> None:
        """Deletes expired idempotency rows this batch replaces, and at most 200 more of each merchant."""
        table = IdempotencyRow.__table__.c
        for merchant_id, key in self._answers.expired:
            self._connection.execute(
                sa.delete(IdempotencyRow).where(table.merchant_id == merchant_id, table.key == key)
            )
        for merchant_id in {row["merchant_id"] for row in self._answers.new}:
            oldest = (
                sa.select(table.key)
                .where(table.merchant_id == merchant_id, table.created_at <= self._now - ANSWER_LIFETIME)
                .order_by(table.created_at)
                .limit(_FORGOTTEN_AT_ONCE)
                .with_for_update(skip_locked=True)
            )
            self._connection.execute(
                sa.delete(IdempotencyRow).where(table.merchant_id == merchant_id, table.key.in_(oldest))
            )


def _new_delivery(key: tuple[int, bytes], notice: Notice | Command, record: DeliveryRecord, now: datetime) -> Row:
    delivery = notice.delivery
    assert delivery is not None
    row = _bookkeeping(key, record) | {
        "provider": notice.provider,
        "origin": notice.origin,
        "headers": {name.decode("latin-1"): value.decode("latin-1") for name, value in delivery.headers},
        "body": delivery.body,
        "received_at": delivery.received_at,
        "subjects": record.subjects,
    }
    return row | _without_bytes(key, now) if record.loses_bytes else row


def _without_bytes(key: tuple[int, bytes], now: datetime) -> Row:
    """The change to a delivery that repeats an erased statement."""
    return {"merchant_id": key[0], "digest": key[1], "body": None, "headers": erased_headers(now)}


def _subjects(key: tuple[int, bytes], record: DeliveryRecord) -> Row:
    return {"merchant_id": key[0], "digest": key[1], "subjects": record.subjects}


def _bookkeeping(key: tuple[int, bytes], record: DeliveryRecord) -> Row:
    return {
        "merchant_id": key[0],
        "digest": key[1],
        "last_received_at": record.last_received_at,
        "times_received": record.times_received,
        "outcome": record.outcome,
        "reason": record.reason,
        "reading": record.reading,
    }
