"""The erasure of a person: a survey of what it would take out, and the erasure itself while the service runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from dunning_service.apis.stripe.wire import without_the_person
from dunning_service.billing.commands import forget_customer
from dunning_service.billing.states import SubscriptionState
from dunning_service.database.engines import Database
from dunning_service.database.name_index import forget_deleted_names
from dunning_service.erasure.deliveries import count_deliveries, find_deliveries
from dunning_service.erasure.finding import Payer, PersonalData, find
from dunning_service.erasure.person import Person
from dunning_service.errors import DunningError, RuleBroken, Unavailable
from dunning_service.ledger.commit import Committer
from dunning_service.ledger.receipts import OPEN
from dunning_service.ledger.work import Command, CommandDone, Erasure, ErasureDone
from dunning_service.merchants.directory import MerchantView
from dunning_service.senders import impersonal
from dunning_service.values.chunks import in_chunks
from dunning_service.values.clock import Clock
from dunning_service.values.progress import Progress, Unreported

_PAYMENTS_AT_ONCE = 50
_DELIVERIES_AT_ONCE = 200
_ROUNDS = 5
_SEARCHED = "raw notices looked through"
_SEARCHED_AGAIN = "newest raw notices looked through again"
_ENDED = (SubscriptionState.COMPLETED, SubscriptionState.FAILED, SubscriptionState.TERMINATED)
_A_MOMENT = timedelta(minutes=5)
"""A notice is stored with the time at which it came, and is committed a little later."""


@dataclass
class Erased:
    """Counts of what was erased, or would be."""

    payments: int = 0
    open_payments: int = 0
    """Of those, the ones that are not paid, cancelled or written off."""
    attempts: int = 0
    receipts: int = 0
    subscriptions: int = 0
    actions: int = 0
    answers: int = 0
    deliveries: Counter[str] = field(default_factory=Counter)
    """By their outcome."""
    others: set[str] = field(default_factory=set)
    """More names beside the person's own."""

    @property
    def is_nothing(self) -> bool:
        """True when nothing was found to erase."""
        return replace(self, others=set()) == Erased()


def survey(database: Database, merchant: MerchantView, person: Person, progress: Progress | None = None) -> Erased:
    """Counts what would be erased. Raises RuleBroken when a subscription does not allow it yet."""
    progress = progress or Unreported()
    found = _found(database, merchant, person)
    surveyed = Erased(
        payments=len(found.payments),
        open_payments=sum(payment.status in OPEN for payment in found.payments.values()),
        receipts=len(found.receipts),
        subscriptions=len(found.subscriptions),
        others=found.others,
    )
    progress.begin(_SEARCHED, count_deliveries(database, merchant.id))
    surveyed.deliveries.update(find_deliveries(database, merchant.id, person, found, progress).values())
    return surveyed


def erase_person(
    database: Database, merchant: MerchantView, person: Person, clock: Clock, progress: Progress | None = None
) -> Erased:
    """Erases a person while the service goes on working; what comes in meanwhile is erased as well.

    Raw bytes go first and facts last, so that a second run after an interruption finds the rest. Raises RuleBroken when
    a subscription does not allow it yet, and Unavailable when the database is out of reach, or when so much comes in
    meanwhile that some may be left.
    """
    progress = progress or Unreported()
    began = clock()
    eraser = _Eraser(database, merchant, clock, progress)
    everything = PersonalData()
    since: datetime | None = None
    for _ in range(_ROUNDS):
        found = _found(database, merchant, person)
        everything.add(found)
        if since is None:
            progress.begin(_SEARCHED, count_deliveries(database, merchant.id))
        else:
            progress.begin(_SEARCHED_AGAIN)
        outcomes = find_deliveries(database, merchant.id, person, everything, progress, since=since)
        if since is not None and found.is_empty and not outcomes:
            break
        eraser.erase_deliveries(list(outcomes))
        eraser.erased.deliveries.update(outcomes.values())
        eraser.erase_subscriptions(found)
        eraser.erase_facts(found)
        since = began - _A_MOMENT
    else:
        raise Unavailable("more about this customer keeps coming in, so some may be left; run the command again")
    forget_deleted_names(database)
    eraser.erased.others = everything.others
    return eraser.erased


class _Eraser:
    def __init__(self, database: Database, merchant: MerchantView, clock: Clock, progress: Progress) -> None:
        self._progress = progress
        self._committer = Committer(database)
        self._merchant = merchant
        self._clock = clock
        self.erased = Erased()

    def erase_deliveries(self, digests: Sequence[bytes]) -> None:
        for some in in_chunks(digests, _DELIVERIES_AT_ONCE):
            self._progress.begin("raw notices erased")
            self._commit(self._erasure(deliveries=some))
            self._progress.advance(len(some))

    def erase_subscriptions(self, found: PersonalData) -> None:
        for subscription_id in found.subscriptions:
            done = self._commit(forget_customer(self._merchant, subscription_id))
            assert isinstance(done, CommandDone)
            if done.refusal is not None:
                raise done.refusal
            self.erased.subscriptions += 1

    def erase_facts(self, found: PersonalData) -> None:
        """Erases payments and payers; those that have changed since they were found are left for the next round."""
        for payment_ids, payers in _chunks(found):
            self._progress.begin("payments erased")
            done = self._commit(self._erasure(payment_ids=payment_ids, payers=payers))
            assert isinstance(done, ErasureDone)
            if done.is_stale:
                continue
            self._progress.advance(done.payments)
            self.erased.payments += done.payments
            self.erased.open_payments += sum(found.payments[number].status in OPEN for number in payment_ids)
            self.erased.attempts += done.attempts
            self.erased.receipts += done.receipts
            self.erased.actions += done.actions
            self.erased.answers += done.answers
            if done.deliveries:
                self.erased.deliveries["recorded"] += done.deliveries

    def _erasure(self, **named: Any) -> Erasure:
        return Erasure(
            merchant_id=self._merchant.id,
            time_zone=self._merchant.time_zone,
            impersonal=impersonal,
            impersonal_answer=impersonal_answer,
            **named,
        )

    def _commit(self, work: Erasure | Command) -> Any:
        (result,) = self._committer.commit([work], self._clock())
        if isinstance(result, DunningError):
            raise result
        return result


def impersonal_answer(response: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a kept answer, to an action or to a report of a payment record, that are not personal."""
    if "customer_details" in response:
        return without_the_person(response)
    return {**response, "reason": None} if "reason" in response else dict(response)


def _found(database: Database, merchant: MerchantView, person: Person) -> PersonalData:
    """The facts about the person. Raises RuleBroken while a subscription of theirs may still be charged."""
    with database.read_blocking() as connection:
        found = find(connection, merchant.id, person)
    for subscription_id, subscription in sorted(found.subscriptions.items()):
        if subscription.status not in _ENDED:
            raise RuleBroken(
                f"the subscription {subscription_id} of this customer is {subscription.status} and goes on charging: "
                f"terminate it first, with POST /sub-api/v1/subscriptions/{subscription_id}/terminate"
            )
        if subscription.is_being_charged:
            raise RuleBroken(
                f"a payment of the subscription {subscription_id} is being charged: try again when a worker has found "
                "out what became of it"
            )
    return found


def _chunks(found: PersonalData) -> Iterator[tuple[Sequence[int], Sequence[Payer]]]:
    """Chunks of payments with the payers that they name: all that name one payer are in one chunk."""
    groups = _groups(found)
    in_groups = {number for numbers, _ in groups for number in numbers}
    groups += [({number}, set()) for number in found.payments if number not in in_groups]
    payments: set[int] = set()
    payers: set[Payer] = set()
    for numbers, theirs in groups:
        if payments and len(payments) + len(numbers) > _PAYMENTS_AT_ONCE:
            yield sorted(payments), sorted(payers)
            payments, payers = set(), set()
        payments |= numbers
        payers |= theirs
    if payments or payers:
        yield sorted(payments), sorted(payers)


def _groups(found: PersonalData) -> list[tuple[set[int], set[Payer]]]:
    """Groups of payers that share a payment, because a correction moved it, with all their payments."""
    groups: list[tuple[set[int], set[Payer]]] = []
    for payer, numbers in found.payers.items():
        joined: tuple[set[int], set[Payer]] = (set(numbers), {payer})
        apart = []
        for group in groups:
            if group[0].isdisjoint(joined[0]):
                apart.append(group)
            else:
                joined = (joined[0] | group[0], joined[1] | group[1])
        groups = [*apart, joined]
    return groups
