"""Two committers on one database, at the same payments at the same time: the ledger ends as after one of them alone."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import structlog

from building import NOON, a_decision, a_failure, a_notice, a_receipt, in_batches
from databases import PostgresDatabases
from dunning_service.database.bulk import bulk_for
from dunning_service.errors import DunningError
from dunning_service.events import Event, Outcome
from dunning_service.ledger.models import SHARDS, ActionRow, ReceiptRow
from dunning_service.ledger.status import ActionKind
from dunning_service.ledger.work import ActionRecorded, IdempotencyKey, NoticeRecorded, Work
from ledgers import Ledger
from property._stories import what_it_names

ROUNDS = 30
DEADLOCK = "40P01"
PAYERS = ("7:cus_7", "8:")


@pytest.fixture(scope="module")
def url(postgres_databases: PostgresDatabases) -> Iterator[str]:
    created = postgres_databases.create()
    yield created
    postgres_databases.drop(created)


@pytest.fixture(scope="module")
def ledgers(url: str) -> Iterator[tuple[Ledger, Ledger]]:
    """Two, as two processes would have them."""
    pair = (Ledger(url), Ledger(url))
    yield pair
    for ledger in pair:
        ledger.database.write_engine.dispose()


@pytest.fixture(autouse=True)
def _never_waiting_for_each_other() -> Iterator[None]:
    """A deadlock is resolved only after a second, in which nobody's notice is acknowledged: there must be none."""
    with structlog.testing.capture_logs() as entries:
        yield
    assert [entry for entry in entries if entry.get("sqlstate") == DEADLOCK] == []


def one_after_the_other(ledger: Ledger, works: Sequence[Work]) -> list[Any]:
    return [result for work in works for result in ledger.committer.commit([work], NOON)]


def at_the_same_time(ledgers: Sequence[Ledger], shares: Sequence[Sequence[Sequence[Work]]]) -> list[list[Any]]:
    """Each committer gets the batches of its share, and all begin together."""
    gate = threading.Barrier(len(ledgers))

    def commit_all(ledger: Ledger, batches: Sequence[Sequence[Work]]) -> list[Any]:
        gate.wait(timeout=30)
        return [result for batch in batches for result in ledger.committer.commit(batch, NOON)]

    with ThreadPoolExecutor(len(ledgers)) as threads:
        return list(threads.map(commit_all, ledgers, shares))


def shared_out(works: Sequence[Work], chance: random.Random) -> list[list[list[Work]]]:
    """Two shares of batches of various sizes; some works are in both."""
    shares: list[list[Work]] = [[], []]
    for work in works:
        for share in chance.choice([(0,), (1,), (0, 1)]):
            shares[share].append(work)
    for share in shares:
        chance.shuffle(share)
    return [in_batches(share, [chance.randint(1, 5) for _ in range(len(share))]) for share in shares]


def require_all_recorded(results: Sequence[Sequence[Any]]) -> None:
    refusals = [result for share in results for result in share if isinstance(result, DunningError)]
    assert refusals == []


def an_attempt(chance: random.Random) -> Event:
    """One of few attempts at few payments, with a payer that may be unknown or may change."""
    hours = chance.randint(-3, 3)
    return a_failure(
        f"in_{chance.randint(1, 4)}",
        str(chance.randint(1, 3)),
        outcome=chance.choice([Outcome.FAILED] * 4 + [Outcome.SUCCEEDED, Outcome.CANCELED]),
        occurred_at=chance.choice([NOON + timedelta(hours=hours), None]),
        amount_minor=chance.choice([40, 100, 100, None]),
        currency=chance.choice(["NOK", "NOK", None]),
        payer_key=chance.choice([*PAYERS, PAYERS[0], None]),
    )


def a_failure_of_a_payer(chance: random.Random) -> Event:
    return a_failure(
        f"in_{chance.randint(1, 6)}",
        occurred_at=NOON + timedelta(hours=chance.randint(0, 9)),
        amount_minor=100,
        payer_key=PAYERS[0],
    )


def a_receipt_of_anybody(chance: random.Random) -> Event:
    """One of few; a number is always of the same payer and amount, for another content is refused by arrival."""
    number = chance.randint(1, 4)
    return a_receipt(f"txn_{number}", PAYERS[number % 2], amount_minor=[40, 100, 100, 100][number - 1])


def notices(chance: random.Random, kinds: Sequence[Callable[[random.Random], Event]]) -> list[list[Event]]:
    return [[chance.choice(kinds)(chance) for _ in range(chance.randint(1, 3))] for _ in range(chance.randint(6, 20))]


STORIES = {
    "attempts at the same payments": [an_attempt],
    "receipts and failures of one payer": [a_failure_of_a_payer, a_receipt_of_anybody],
    "payers who change and receipts": [an_attempt, a_receipt_of_anybody],
}


@pytest.mark.parametrize("kinds", STORIES.values(), ids=STORIES.keys())
def test_two_committers_end_in_the_ledger_of_one(
    ledgers: tuple[Ledger, Ledger], kinds: list[Callable[[random.Random], Event]]
) -> None:
    alone = ledgers[0]
    for seed in range(ROUNDS):
        chance = random.Random(seed)
        story = notices(chance, kinds)
        one, other = alone.add_merchant().id, alone.add_merchant().id
        one_after_the_other(alone, _told(story, one))
        require_all_recorded(at_the_same_time(ledgers, shared_out(_told(story, other), chance)))
        assert alone.contents(other) == alone.contents(one), f"seed {seed}"
        assert alone.complaints(other) == [], f"seed {seed}"


def _told(story: list[list[Event]], merchant_id: int) -> list[Work]:
    return [
        a_notice(*events, merchant_id=merchant_id, body=f"{number}: {events!r}".encode())
        for number, events in enumerate(story)
    ]


def test_decisions_and_notices_about_the_same_payments(ledgers: tuple[Ledger, Ledger]) -> None:
    alone = ledgers[0]
    for seed in range(ROUNDS):
        chance = random.Random(seed)
        story = notices(chance, [an_attempt, a_receipt_of_anybody])
        begun: list[list[Event]] = [[a_failure(f"in_{number}", "0")] for number in range(1, 5)]
        begun += [[a_receipt(f"txn_{number}", PAYERS[0], amount_minor=100)] for number in (1, 2)]
        wanted = [(f"in_{chance.randint(1, 4)}", chance.choice(list(ActionKind)), minute) for minute in range(6)]
        both = alone.add_merchant().id, alone.add_merchant().id
        works: list[list[Work]] = []
        for merchant_id in both:
            one_after_the_other(alone, _told(begun, merchant_id))
            ids = alone.payment_ids(merchant_id)
            works.append(_told(story, merchant_id))
            works[-1] += [
                a_decision(
                    ids[payment],
                    verb,
                    merchant_id=merchant_id,
                    decided_at=NOON + timedelta(minutes=minute - 3),
                    must_apply=False,
                    **what_it_names(verb, minute, ids),
                    # told to both committers, it is still one decision
                    idempotency_key=IdempotencyKey(f"{seed} {minute}", b"\x01" * 32, "request"),
                )
                for payment, verb, minute in wanted
            ]
        one_after_the_other(alone, works[0])
        require_all_recorded(at_the_same_time(ledgers, shared_out(works[1], chance)))
        assert alone.contents(both[1]) == alone.contents(both[0]), f"seed {seed}"
        assert alone.complaints(both[1]) == [], f"seed {seed}"


def test_one_notice_told_to_both_at_once_is_new_to_one_of_them(ledgers: tuple[Ledger, Ledger]) -> None:
    merchant_id = ledgers[0].add_merchant().id
    batches = [[a_notice(a_failure(f"in_{number}"), merchant_id=merchant_id)] for number in range(100)]
    results = at_the_same_time(ledgers, [batches, batches])
    for one, other in zip(*results, strict=True):
        assert isinstance(one, NoticeRecorded)
        assert isinstance(other, NoticeRecorded)
        assert one.is_new is not other.is_new


def test_one_receipt_pays_one_failure_whoever_hears_of_it(ledgers: tuple[Ledger, Ledger]) -> None:
    merchant_id = ledgers[0].add_merchant().id
    payers = [f"{number}:" for number in range(1, 41)]
    for payer in payers:
        one_after_the_other(
            ledgers[0],
            _told([[a_failure(f"{payer} {number}", payer_key=payer)] for number in range(3)], merchant_id),
        )
    # two bodies, so that the receipt and not the delivery is what comes twice
    shares = [
        [[a_notice(a_receipt(f"txn {payer}", payer), merchant_id=merchant_id)] for payer in payers] for _ in ledgers
    ]
    results = at_the_same_time(ledgers, shares)
    require_all_recorded(results)
    # both are told the same: the failure that it paid
    assert [[result.resolved for result in share] for share in results] == [[1] * len(payers)] * 2
    received = ledgers[0].rows(ReceiptRow, merchant_id)
    assert len({row["provider_receipt_id"] for row in received}) == len(payers)
    assert len(received) == 2 * len(payers)  # what each of the two deliveries says
    paid = [day_and_status[1] for day_and_status, count in ledgers[0].counts(merchant_id).items() for _ in range(count)]
    assert paid.count("paid") == len(payers)
    assert ledgers[0].complaints(merchant_id) == []


def test_of_two_decisions_that_exclude_each_other_one_holds(ledgers: tuple[Ledger, Ledger]) -> None:
    merchant_id = ledgers[0].add_merchant().id
    one_after_the_other(ledgers[0], _told([[a_failure(f"in_{number}")] for number in range(60)], merchant_id))
    ids = ledgers[0].payment_ids(merchant_id).values()
    shares = [
        [[a_decision(number, verb, merchant_id=merchant_id)] for number in ids]
        for verb in (ActionKind.MARK_PAID, ActionKind.CANCEL)
    ]
    results = at_the_same_time(ledgers, shares)
    for one, other in zip(*results, strict=True):
        assert isinstance(one, ActionRecorded) is not isinstance(other, ActionRecorded)
    assert len(ledgers[0].rows(ActionRow, merchant_id)) == 60
    assert ledgers[0].complaints(merchant_id) == []


def test_counts_of_two_transactions_are_in_two_shards_and_of_one_after_the_other_in_one(
    ledgers: tuple[Ledger, Ledger],
) -> None:
    one, other = (ledger.database.write_engine for ledger in ledgers)
    with one.begin() as first, other.begin() as second:
        shards = [bulk_for(connection).free_shard(SHARDS)[0] for connection in (first, second)]
    assert shards == [0, 1]
    with other.begin() as third:
        assert bulk_for(third).free_shard(SHARDS)[0] == 0
