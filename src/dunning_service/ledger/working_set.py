"""The working set: the payments and receipts that one batch touches, in memory; read once, written once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple

from dunning_service.ledger.facts import Action, Attempt, Receipt, Row
from dunning_service.ledger.fold import FoldedPayment, deciding_action, fold_payment
from dunning_service.ledger.models import SHARDS
from dunning_service.ledger.receipts import Move, OpenFailure, apply_receipts, current_receipts, move_of
from dunning_service.ledger.status import ActionKind, ReceiptDue, Status
from dunning_service.ledger.texts import FoldedTexts, fold_texts
from dunning_service.ledger.work import Command, DeliveryOutcome, Notice

PaymentKey = tuple[int, str, str]
"""(merchant_id, provider, provider_payment_id)"""

PayerKey = tuple[int, str, str]
"""(merchant_id, provider, payer_key)"""

ReceiptKey = tuple[int, str, str]
"""(merchant_id, provider, provider_receipt_id)"""

Subjects = dict[str, list[Any]]
"""What a reading of a delivery is about: {"payments": [numbers], "receipts": [ids]}."""


class Counted(NamedTuple):
    """The columns of a payment that the counts go by."""

    status: str
    order_on: date | None
    currency: str | None
    amount_minor: int | None


_counted_of = attrgetter(*Counted._fields)


@dataclass(slots=True)
class Payment:
    """One payment with all its facts, and what they fold to."""

    key: PaymentKey
    id: int
    time_zone: str
    held: Counted | None = None
    """As the database has it; None for a new payment."""
    attempts: dict[int, Attempt] = field(default_factory=dict)
    """All that was ever said of them, by number."""
    actions: list[Action] = field(default_factory=list)
    receipt: Receipt | None = None
    payer: PayerKey | None = None
    """Whose it is, as the working set has it: see `WorkingSet.regroup`."""
    is_changed: bool = False
    _folded: FoldedPayment | None = None
    _without_receipts: OpenFailure | None = None

    def hold(self, facts: Attempt | Action) -> None:
        """Takes in what the database has."""
        if isinstance(facts, Attempt):
            self.attempts[facts.number] = facts
        else:
            self.actions.append(facts)

    @property
    def next_attempt(self) -> int:
        """The number of the next row of `attempts`."""
        return 1 + max(self.attempts, default=0)

    @property
    def next_action(self) -> int:
        """The number of the next row of `actions`."""
        return 1 + max((action.number for action in self.actions), default=0)

    def put_attempt(self, attempt: Attempt) -> None:
        """A new attempt, or another content of the one of that number."""
        self.attempts[attempt.number] = attempt
        self._without_receipts = None
        self._change()

    def add_action(self, action: Action) -> None:
        self.actions.append(action)
        self._without_receipts = None
        self._change()

    def apply(self, receipt: Receipt | None) -> None:
        if receipt != self.receipt:
            self.receipt = receipt
            self._change()

    def _change(self) -> None:
        self._folded = None
        self.is_changed = True

    @property
    def folded(self) -> FoldedPayment:
        """What the facts fold to now."""
        if self._folded is None:
            self._folded = self.folded_with(self.receipt)
        return self._folded

    @property
    def texts(self) -> FoldedTexts:
        """What it is searched by: folded when it is written or checked, as nothing else goes by it."""
        said = (attempt for attempt in self.attempts.values() if not attempt.is_superseded)
        return fold_texts(self.key[1], self.key[2], self.folded, said)

    @property
    def derived(self) -> Row:
        """The columns that follow from its facts."""
        return self.folded._asdict() | self.texts._asdict()

    def differing(self, row: Mapping[str, Any]) -> Row:
        """The derived columns that this row of the database has with other values, as they should be."""
        return {name: value for name, value in self.derived.items() if row[name] != value}

    @property
    def counted(self) -> Counted:
        """As the counts are to have it."""
        return Counted._make(_counted_of(self.folded))

    def folded_with(self, receipt: Receipt | None, *, action: Action | None = None) -> FoldedPayment:
        """What the facts would fold to with another receipt, or with one more action."""
        actions = self.actions if action is None else [*self.actions, action]
        return fold_payment(self.attempts.values(), actions, receipt, self.time_zone)

    def without_receipts(self) -> OpenFailure:
        """As receipts find it."""
        if self._without_receipts is None:
            folded = self.folded if self.receipt is None else self.folded_with(None)
            self._without_receipts = OpenFailure(self.key[2], folded, self.expects_receipt_since())
        return self._without_receipts

    def expects_receipt_since(self) -> datetime | None:
        """When it was marked as paid with a receipt expected; None unless that decides its status."""
        mark = deciding_mark(self)
        return mark.decided_at if mark is not None and mark.receipt == ReceiptDue.EXPECTED else None


def deciding_mark(payment: Payment) -> Action | None:
    """The `mark_paid` that decides the payment's status, without any receipt; None when none does."""
    mark = deciding_action(payment.actions)
    if mark is None or mark.verb != ActionKind.MARK_PAID:
        return None
    by_money = fold_payment(payment.attempts.values(), (), None, payment.time_zone)
    return None if by_money.status is Status.PAID else mark


@dataclass(slots=True, kw_only=True)
class DeliveryRecord:
    """The bookkeeping of one delivery."""

    COLUMNS: ClassVar = (
        "outcome",
        "reason",
        "reading",
        "times_received",
        "received_at",
        "last_received_at",
        "subjects",
    )
    """Those that the database has, by their names there."""

    outcome: DeliveryOutcome
    reason: str | None
    reading: int = 1
    times_received: int = 1
    received_at: datetime
    last_received_at: datetime
    subjects: Subjects | None = None
    first: Notice | Command | None = None
    """What to insert it from; None when the database has it."""

    is_changed: bool = False
    is_erased: bool = False
    """True: it is counted when it comes again, and not read."""
    loses_bytes: bool = False
    """True when this batch found it to repeat an erased statement, so that its bytes are not to be kept."""

    is_reread: bool = False
    """True: `subjects` have to be written again."""

    @classmethod
    def of_new(cls, work: Notice | Command, outcome: DeliveryOutcome, reason: str | None = None) -> DeliveryRecord:
        """That of a delivery which the database does not have."""
        assert work.delivery is not None
        at = work.delivery.received_at
        return cls(outcome=outcome, reason=reason, received_at=at, last_received_at=at, first=work)

    def count(self, received_at: datetime) -> None:
        """It has come once more."""
        self.times_received += 1
        self.last_received_at = max(self.last_received_at, received_at)
        self.is_changed = True

    def erase(self) -> None:
        """It repeats an erased statement: neither its bytes nor its headers are kept, and it is not read again."""
        if not self.is_erased:
            self.is_erased = self.loses_bytes = True


class WorkingSet:
    """The deliveries, the payments with their facts, and the receipts by payer that one batch touches."""

    def __init__(self) -> None:
        self.deliveries: dict[tuple[int, bytes], DeliveryRecord] = {}
        self.payments: dict[PaymentKey, Payment] = {}
        self.by_id: dict[tuple[int, int], Payment] = {}
        self.looked_for: Set[PaymentKey] = frozenset()
        """Payments that would be in the working set if the database had them."""
        self.shard = SHARDS[0]
        """The shard of the counts that no other transaction adds to until this one ends."""
        self.zones: Mapping[int, str] = {}
        """The time zone of each merchant, as it holds until the transaction ends."""
        self.resolved: dict[ReceiptKey, int] = {}
        """How many open failures each receipt paid when it was first recorded: the answer to its sender."""
        self._receipt_ids: dict[PayerKey, set[str]] = {}
        """The ids of the receipts that name a payer, in any row."""
        self._revisions: dict[ReceiptKey, list[Receipt]] = {}
        self._members: dict[PayerKey, dict[PaymentKey, Payment]] = defaultdict(dict)
        self._moves: dict[ReceiptKey, list[Action]] = defaultdict(list)

    def add(self, payment: Payment) -> Payment:
        self.payments[payment.key] = payment
        self.by_id[payment.key[0], payment.id] = payment
        return payment

    def regroup(self, payment: Payment) -> None:
        """To be called when its attempts have changed: a correction may have given it another payer, or none.

        The receipts of the payers concerned are laid against their failures again.
        """
        before = payment.payer
        self._group(payment)
        if payment.payer != before:
            payment.apply(None)
            if before is not None:
                self.apply_receipts_of(before)
        if payment.payer is not None:
            self.apply_receipts_of(payment.payer)

    def _group(self, payment: Payment) -> None:
        named = payment.folded.payer_key
        payer = None if named is None else (payment.key[0], payment.key[1], named)
        if payment.payer is not None and payment.payer != payer:
            del self._members[payment.payer][payment.key]
        payment.payer = payer
        if payer is not None:
            self._members[payer][payment.key] = payment

    def add_receipt(self, payer: PayerKey, receipt: Receipt) -> None:
        self._receipt_ids.setdefault(payer, set()).add(receipt.provider_receipt_id)
        self.add_revision(payer, receipt)

    def supersede_receipt(self, key: ReceiptKey, receipt: Receipt, *, is_superseded: bool) -> None:
        """Sets whether the receipt's delivery still says so; `apply_receipts_of` its payer is to be called then."""
        revisions = self._revisions[key]
        revisions[revisions.index(receipt)] = replace(receipt, is_superseded=is_superseded)

    def add_revision(self, payer: PayerKey, receipt: Receipt) -> None:
        """A revision that names another payer, whose failures need not be in the working set."""
        self._revisions.setdefault((payer[0], payer[1], receipt.provider_receipt_id), []).append(receipt)

    def add_move(self, payment: Payment, action: Action) -> None:
        """Takes in a `move_receipt`, which is one of the payment's actions; any other action changes nothing."""
        if action.verb == ActionKind.MOVE_RECEIPT and action.provider_receipt_id is not None:
            self._moves[payment.key[0], payment.key[1], action.provider_receipt_id].append(action)

    def moves_of(self, key: ReceiptKey) -> Sequence[Action]:
        """The moves of one receipt."""
        return self._moves.get(key, ())

    def receipt_keys(self) -> Iterable[ReceiptKey]:
        """The receipts in the working set."""
        return self._revisions.keys()

    def receipts_of(self, payer: PayerKey) -> Sequence[Receipt]:
        """The payer's receipts that hold; another revision may have moved one to another payer."""
        merchant_id, provider, payer_key = payer
        ids = self._receipt_ids.get(payer, ())
        revisions = [receipt for id_ in ids for receipt in self._revisions[merchant_id, provider, id_]]
        return [receipt for receipt in current_receipts(revisions) if receipt.payer_key == payer_key]

    def rename_payers(self, names: Mapping[PayerKey, PayerKey]) -> None:
        """The receipts of each payer are those of another name's. Whose payments are whose `regroup` says then."""
        for payer, name in names.items():
            if payer in self._receipt_ids:
                self._receipt_ids[name] = self._receipt_ids.pop(payer)
        for (merchant_id, provider, _), revisions in self._revisions.items():
            for number, receipt in enumerate(revisions):
                named = names.get((merchant_id, provider, receipt.payer_key))
                if named is not None:
                    revisions[number] = _paid_by(receipt, named)

    def revisions(self, key: ReceiptKey) -> Sequence[Receipt]:
        """What is known of one receipt."""
        return self._revisions.get(key, ())

    def has_receipts(self, payer: PayerKey | None) -> bool:
        return payer in self._receipt_ids

    def apply_receipts_of(self, payer: PayerKey) -> None:
        """Lays the payer's receipts against the payer's failures again."""
        if payer not in self._receipt_ids:
            return
        members = self._members[payer]
        receipts = self.receipts_of(payer)
        failures = [payment.without_receipts() for payment in members.values()]
        applied = apply_receipts(receipts, failures, self.decided_moves(payer, receipts))
        for key, payment in members.items():
            payment.apply(applied.get(key[2]))

    def paid_by_receipts(self, payers: Iterable[PayerKey]) -> int:
        """How many failures of these payers a receipt pays."""
        return sum(payment.receipt is not None for payer in payers for payment in self._members[payer].values())

    def decided_moves(self, payer: PayerKey, receipts: Iterable[Receipt]) -> Iterator[Move]:
        """What persons decided about receipts of the payer, where the payment that they name is in the working set."""
        for receipt in receipts:
            for action in self.moves_of((payer[0], payer[1], receipt.provider_receipt_id)):
                target = self.by_id.get((payer[0], action.to_payment_id or 0))
                if target is not None:
                    yield move_of(action, target.key[2])

    def take_as_read(self) -> None:
        """What has been read is what the database has: applies the receipts, and nothing counts as changed."""
        for payment in self.payments.values():
            self._group(payment)
        for payer in self._receipt_ids:
            self.apply_receipts_of(payer)
        for payment in self.payments.values():
            payment.is_changed = False

    def changed(self) -> Iterator[Payment]:
        return (payment for payment in self.payments.values() if payment.is_changed)


def _paid_by(receipt: Receipt, payer: PayerKey) -> Receipt:
    return replace(receipt, payer_key=payer[2])


NEW_PAYMENT = (
    *("merchant_id", "provider", "provider_payment_id", "id", "created_at", "updated_at"),
    *FoldedPayment._fields,
    *FoldedTexts._fields,
)
"""The columns of a new row of `payments`."""


def new_payment(payment: Payment, now: datetime) -> tuple[Any, ...]:
    """The values of NEW_PAYMENT."""
    return (*payment.key, payment.id, now, now, *payment.folded, *payment.texts)


def changed_payment(payment: Payment, now: datetime) -> Row:
    """What is written again of a row of `payments`."""
    return {"merchant_id": payment.key[0], "id": payment.id, "updated_at": now} | payment.derived
