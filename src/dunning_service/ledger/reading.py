"""Reads the working set of a batch, under locks.

A lock is an advisory one of PostgreSQL, taken by key and held to the end of the transaction, so that what is not there
yet can be locked as well. The rules: to change a payment takes its lock and the lock of the payer it has or gets; to
apply a payer's receipts takes the payer's. Hence a move of a receipt holds the locks of both payments and of
their payer. On SQLite the transaction itself is the lock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import Any

from dunning_service.database.bulk import Bulk
from dunning_service.database.bulk_sql import LockName, Row
from dunning_service.database.engines import Base
from dunning_service.events import AttemptReported, Event
from dunning_service.ledger.answers import Answers
from dunning_service.ledger.facts import Action, Attempt, Receipt, from_row
from dunning_service.ledger.models import (
    SHARDS,
    ActionRow,
    AttemptRow,
    DeliveryRow,
    IdempotencyRow,
    PaymentRow,
    ReceiptRow,
)
from dunning_service.ledger.reads import BY_PAYMENT, OF_PAYMENT, Reads
from dunning_service.ledger.receipts import OPEN
from dunning_service.ledger.row_cache import RowCache
from dunning_service.ledger.status import ReceiptDue, Status
from dunning_service.ledger.work import ERASED_AT, ActionRequest, Command, Erasure, Lookup, Notice, Refold, Work
from dunning_service.ledger.working_set import (
    Counted,
    DeliveryRecord,
    PayerKey,
    Payment,
    PaymentKey,
    ReceiptKey,
    WorkingSet,
)
from dunning_service.merchants.models import Merchant

_BY_NUMBER = ("merchant_id", "id")
_BY_RECEIPT = ("merchant_id", "provider", "provider_receipt_id")
_BY_PAYER = ("merchant_id", "provider", "payer_key")
_BY_MOVED_RECEIPT = ("merchant_id", "provider_receipt_id")
_BY_DIGEST = ("merchant_id", "digest")
_BY_IDEMPOTENCY_KEY = ("merchant_id", "key")


class MoreNeeded(Exception):
    """Raised when a batch needs more locks, or more payments, than its works name: its transaction begins again.

    They cannot be taken later: two batches that each waited for more while holding some would wait for each other.
    """

    def __init__(self, locks: Set[LockName]) -> None:
        super().__init__(f"{len(locks)} more locks are needed")
        self.locks = locks


def payment_lock(key: PaymentKey) -> LockName:
    """The lock of a payment; a batch that holds it has read the payment, if there is one."""
    return (_PAYMENT, *key)


_PAYMENT = "payment"


def read_working_set(
    bulk: Bulk,
    works: Sequence[Work],
    answers: Answers,
    row_cache: RowCache,
    also_lock: Set[LockName] = frozenset(),
) -> WorkingSet:
    """The working set of these works; its rows stay as they are until the transaction ends, but for what we change.

    Adds to `answers` the earlier answers under the works' idempotency keys, and to `row_cache`, made with the works'
    lookups, the rows that these find.

    Raises MoreNeeded when what is there calls for more than the works name and `also_lock` has.
    """
    reads = Reads(bulk)
    reader = _Reader(bulk, reads, works, also_lock)
    held = reader.named_locks() | also_lock if bulk.takes_locks else also_lock
    with reads.ahead():
        bulk.lock(held, reader.merchants)
        shard = bulk.free_shard(SHARDS)
        reader.want()
    working_set, payers = reader.read()
    working_set.shard = shard[0]
    if bulk.takes_locks and (lacking := reader.more_locks(payers) - held):
        raise MoreNeeded(lacking)
    reader.read_answers(answers)
    reader.read_rows(row_cache)
    working_set.take_as_read()
    return working_set


class _Reader:
    def __init__(self, bulk: Bulk, reads: Reads, works: Sequence[Work], also_lock: Set[LockName]) -> None:
        self._bulk = bulk
        self._reads = reads
        self._notices = [work for work in works if isinstance(work, Notice)]
        self._requests = [work for work in works if isinstance(work, ActionRequest)]
        self._commands = [work for work in works if isinstance(work, Command)]
        self._erasures = [work for work in works if isinstance(work, Erasure)]
        self._refolds = [work for work in works if isinstance(work, Refold)]
        delivered: list[Notice | Command] = [*self._notices, *(one for one in self._commands if one.delivery)]
        answered: list[ActionRequest | Command] = [*self._requests, *self._commands]
        self._zones: dict[int, str] = {work.merchant_id: work.time_zone for work in works}
        self._deliveries = {(work.merchant_id, work.digest) for work in delivered}
        self._deliveries |= {(one.merchant_id, digest) for one in self._erasures for digest in one.deliveries}
        self._answer_keys = {
            (work.merchant_id, work.idempotency_key.key) for work in answered if work.idempotency_key is not None
        }
        self._lookups = lookups_of(works)
        self._touched: Set[PaymentKey] = set()
        """The payments that the works turned out to be about."""
        self._said_before: set[ReceiptKey] = set()
        """The receipts that deliveries to be read again said something of."""
        self._payments: set[PaymentKey] = {_payment_of(lock) for lock in also_lock if lock[0] == _PAYMENT}
        self._receipts: set[ReceiptKey] = set()
        self._payers: set[PayerKey] = set()
        self._owing: set[PayerKey] = set()
        """Payers of receipts in this batch."""
        for command in self._commands:
            for provider_payment_id in command.provider_payment_ids:
                self._payments.add((command.merchant_id, command.provider, provider_payment_id))
        for merchant_id, provider, event in self._events():
            if isinstance(event, AttemptReported):
                self._payments.add((merchant_id, provider, event.provider_payment_id))
            else:
                self._receipts.add((merchant_id, provider, event.provider_receipt_id))
                self._owing.add((merchant_id, provider, event.payer_key))
            if event.payer_key is not None:
                self._payers.add((merchant_id, provider, event.payer_key))
        self._payers |= {(one.merchant_id, *payer) for one in self._erasures for payer in one.payers}

    def _events(self) -> Iterable[tuple[int, str, Event]]:
        return ((notice.merchant_id, notice.provider, event) for notice in self._notices for event in notice.events)

    def named_locks(self) -> set[LockName]:
        """The locks that the works themselves name."""
        locks: set[LockName] = {("receipt", *key) for key in self._receipts}
        locks |= {("delivery", merchant_id, digest.hex()) for merchant_id, digest in self._deliveries}
        locks |= {("answer", *key) for key in self._answer_keys}
        locks |= {(model.__tablename__, *by, *key) for model, by, key in self._lookups}
        return _locks(self._payments, self._payers) | locks

    def more_locks(self, payers: Set[PayerKey]) -> set[LockName]:
        """Those that what was read calls for beyond the named ones."""
        receipts: set[LockName] = {("receipt", *key) for key in self._said_before - self._receipts}
        return _locks(self._touched - self._payments, payers - self._payers) | receipts

    def want(self) -> None:
        """Asks for what `read` is going to look at whatever it finds."""
        self._reads.want(Merchant, ("id",), self._merchant_keys())
        self._reads.want(DeliveryRow, _BY_DIGEST, self._deliveries)
        self._reads.want_payments(self._payments)
        self._reads.want(ReceiptRow, _BY_RECEIPT, self._receipts)
        self._reads.want(ReceiptRow, _BY_PAYER, self._payers)
        self._reads.want(ActionRow, _BY_MOVED_RECEIPT, {(merchant, receipt) for merchant, _, receipt in self._receipts})
        self._reads.want(PaymentRow, _BY_PAYER, self._owing)
        self._reads.want(IdempotencyRow, _BY_IDEMPOTENCY_KEY, self._answer_keys)

    def read(self) -> tuple[WorkingSet, set[PayerKey]]:
        """What the ledger holds, and the payers whose receipts were looked at."""
        working_set = WorkingSet()
        working_set.looked_for = self._payments
        working_set.zones = self._zones = self._read_zones()
        self._read_deliveries(working_set)
        rows = self._reads.select(PaymentRow, BY_PAYMENT, self._payments)
        numbered = {(request.merchant_id, request.payment_id) for request in self._requests}
        numbered |= {(one.merchant_id, one.to_payment_id) for one in self._requests if one.to_payment_id is not None}
        numbered |= {(one.merchant_id, payment_id) for one in self._erasures for payment_id in one.payment_ids}
        numbered |= {(one.merchant_id, payment_id) for one in self._refolds for payment_id in one.payment_ids}
        numbered |= self._payments_said_before(working_set)
        rows += self._reads.select(PaymentRow, _BY_NUMBER, numbered)
        read_payments(self._reads, working_set, rows, self._zones)
        self._touched = self._payments | working_set.payments.keys()
        # a correction may give a payment back to any payer that one of its attempts names
        payers = self._payers | payers_named(working_set)
        named = self._receipts | self._said_before | self._receipts_named(working_set)
        receipts = self._reads.select(ReceiptRow, _BY_RECEIPT, named)
        payers |= {payer_of(row) for row in receipts}
        read_receipts(self._reads, working_set, payers)
        read_moves(self._reads, working_set, {*self._receipts, *working_set.receipt_keys()}, self._zones)
        read_open_failures(
            self._reads,
            working_set,
            {payer for payer in payers if payer in self._owing or working_set.has_receipts(payer)},
            self._zones,
        )
        return working_set, payers

    @property
    def merchants(self) -> Collection[int]:
        """Whose works they are."""
        return self._zones.keys()

    def _read_zones(self) -> dict[int, str]:
        """Each merchant's time zone. It stays as it is until the transaction ends: see `hold_time_zone`."""
        held = self._reads.select(Merchant, ("id",), self._merchant_keys())
        return self._zones | {row["id"]: row["time_zone"] for row in held}

    def _receipts_named(self, working_set: WorkingSet) -> set[ReceiptKey]:
        """The receipts that decisions name: they are of the payment's provider."""
        named = ((one, working_set.by_id.get((one.merchant_id, one.payment_id))) for one in self._requests)
        return {
            (payment.key[0], payment.key[1], request.provider_receipt_id)
            for request, payment in named
            if payment is not None and request.provider_receipt_id is not None
        }

    def _payments_said_before(self, working_set: WorkingSet) -> set[tuple[int, int]]:
        """The numbers of the payments of which deliveries to be read again said something; notes the receipts too."""
        numbered = set()
        for notice in self._notices:
            record = working_set.deliveries.get((notice.merchant_id, notice.digest)) if notice.is_replay else None
            if record is not None and record.subjects is not None:
                numbered |= {(notice.merchant_id, number) for number in record.subjects["payments"]}
                self._said_before |= {
                    (notice.merchant_id, notice.provider, name) for name in record.subjects["receipts"]
                }
        return numbered

    def _merchant_keys(self) -> set[tuple[int]]:
        return {(merchant_id,) for merchant_id in self._zones}

    def _read_deliveries(self, working_set: WorkingSet) -> None:
        for row in self._reads.select(DeliveryRow, _BY_DIGEST, self._deliveries):
            working_set.deliveries[row["merchant_id"], row["digest"]] = DeliveryRecord(
                **{name: row[name] for name in DeliveryRecord.COLUMNS}, is_erased=ERASED_AT in row["headers"]
            )

    def read_rows(self, row_cache: RowCache) -> None:
        keys: dict[tuple[type[Base], tuple[str, ...]], set[tuple[Any, ...]]] = {}
        for lookup in self._lookups:
            keys.setdefault((lookup.model, lookup.by), set()).add(lookup.key)
        for (model, by), wanted in keys.items():
            # a worker claims what is due without the locks that the lookups name
            table: Any = model.__table__
            for row in self._bulk.select(table, by, wanted, holds=True):
                row_cache.hold(Lookup(model, by, tuple(row[name] for name in by)), row)

    def read_answers(self, answers: Answers) -> None:
        for row in self._reads.select(IdempotencyRow, _BY_IDEMPOTENCY_KEY, self._answer_keys):
            answers.hold(dict(row))


def lookups_of(works: Sequence[Work]) -> set[Lookup]:
    """All that these works look up in other tables."""
    return {lookup for work in works if isinstance(work, Command) for lookup in work.lookups}


def read_receipts(reads: Reads, working_set: WorkingSet, payers: Collection[PayerKey]) -> None:
    """Puts all receipts of these payers into the working set, with those revisions of them that name another payer."""
    theirs = reads.select(ReceiptRow, _BY_PAYER, payers)
    keys = {(row["merchant_id"], row["provider"], row["provider_receipt_id"]) for row in theirs}
    revisions = reads.select(ReceiptRow, _BY_RECEIPT, keys)
    for row in sorted(revisions, key=lambda row: (row["is_superseded"], row["number"])):
        payer = payer_of(row)
        add = working_set.add_receipt if payer in payers else working_set.add_revision
        add(payer, from_row(Receipt, row))
        working_set.resolved.setdefault((payer[0], payer[1], row["provider_receipt_id"]), row["resolved"])


def read_payments(reads: Reads, working_set: WorkingSet, rows: Iterable[Row], zones: Mapping[int, str]) -> None:
    """Adds the payments of these rows that are not in the working set, with all their attempts and actions."""
    added = set()
    for row in rows:
        identity = (row["merchant_id"], row["id"])
        if identity not in working_set.by_id:
            key = (row["merchant_id"], row["provider"], row["provider_payment_id"])
            held = Counted._make(row[name] for name in Counted._fields)
            working_set.add(Payment(key, row["id"], zones[row["merchant_id"]], held=held))
            added.add(identity)
    for row in reads.select(AttemptRow, OF_PAYMENT, added):
        working_set.by_id[row["merchant_id"], row["payment_id"]].hold(from_row(Attempt, row))
    for row in reads.select(ActionRow, OF_PAYMENT, added):
        payment = working_set.by_id[row["merchant_id"], row["payment_id"]]
        action = from_row(Action, row)
        payment.hold(action)
        working_set.add_move(payment, action)


def read_moves(
    reads: Reads, working_set: WorkingSet, receipts: Collection[ReceiptKey], zones: Mapping[int, str]
) -> None:
    """Puts the payments into the working set that these receipts were moved to, and those whose actions say so."""
    named = {(merchant_id, receipt) for merchant_id, _, receipt in receipts}
    moves = reads.select(ActionRow, _BY_MOVED_RECEIPT, named)
    ids = {(row["merchant_id"], row[name]) for row in moves for name in ("payment_id", "to_payment_id")}
    ids = {identity for identity in ids if identity[1] is not None and identity not in working_set.by_id}
    read_payments(reads, working_set, reads.select(PaymentRow, _BY_NUMBER, ids), zones)


def read_open_failures(
    reads: Reads, working_set: WorkingSet, payers: Collection[PayerKey], zones: Mapping[int, str]
) -> None:
    """Puts into the working set what the receipts of these payers pay or could pay.

    The rest, however much a payer has had in years, is settled otherwise and no receipt can change it; but for what one
    is moved to, see `read_moves`.
    """
    rows = reads.select(PaymentRow, _BY_PAYER, payers)
    open_or_paid = [row for row in rows if row["status"] in OPEN or row["provider_receipt_id"] is not None]
    settled = {
        (row["merchant_id"], row["id"])
        for row in rows
        if row["status"] == Status.PAID and row["provider_receipt_id"] is None
    }
    actions = reads.select(ActionRow, OF_PAYMENT, settled)
    expecting = {(one["merchant_id"], one["payment_id"]) for one in actions if one["receipt"] == ReceiptDue.EXPECTED}
    open_or_paid += [row for row in rows if (row["merchant_id"], row["id"]) in expecting]
    read_payments(reads, working_set, open_or_paid, zones)


def payers_named(working_set: WorkingSet) -> set[PayerKey]:
    """Every payer that an attempt in the working set names."""
    return {
        (key[0], key[1], attempt.payer_key)
        for key, payment in working_set.payments.items()
        for attempt in payment.attempts.values()
        if attempt.payer_key is not None
    }


def payer_of(row: Row) -> PayerKey:
    """Who owes a payment, or sent a receipt."""
    return (row["merchant_id"], row["provider"], row["payer_key"])


def _locks(payments: Iterable[PaymentKey], payers: Iterable[PayerKey]) -> set[LockName]:
    return {payment_lock(key) for key in payments} | {("payer", *key) for key in payers}


def _payment_of(lock: LockName) -> PaymentKey:
    _, merchant_id, provider, provider_payment_id = lock
    assert isinstance(merchant_id, int)
    return merchant_id, str(provider), str(provider_payment_id)
