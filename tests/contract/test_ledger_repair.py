"""`dunning ledger check --repair`: what is derived is what the facts say again, and the facts are as they were."""

from __future__ import annotations

import json
import random
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from building import NOON, a_decision, a_failure, a_notice, a_receipt, a_subscription_row, a_success, in_batches
from dunning_service.billing.models import SubscriptionRow
from dunning_service.errors import DunningError
from dunning_service.events import Delivery
from dunning_service.ledger import check, counting, repair
from dunning_service.ledger.counting import chunks_of
from dunning_service.ledger.models import (
    AttemptRow,
    BlockCountRow,
    DailyAmountRow,
    PaymentRow,
)
from dunning_service.ledger.repair import Repaired
from dunning_service.ledger.status import ActionKind
from dunning_service.ledger.work import Notice
from ledgers import Ledger
from serving import DUNNING, environment

LATER = NOON + timedelta(days=1)
PAYERS = ["7:cus_7", "8:cus_8", None]


@pytest.fixture
def merchant_id(ledger: Ledger) -> int:
    return ledger.add_merchant("Sweden & Co", "Europe/Oslo").id


@pytest.fixture(autouse=True)
def _few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that few payments are many pages and transactions."""
    monkeypatch.setattr(check, "_PAGE", 7)
    monkeypatch.setattr(repair, "_WRITTEN_AT_ONCE", 3)
    monkeypatch.setattr(counting, "_AT_ONCE", 6)


def repaired(ledger: Ledger, merchant_id: int) -> Repaired:
    return ledger.repaired(merchant_id, "Europe/Oslo", LATER)


def some_notices(merchant_id: int, chance: random.Random, count: int) -> list[Notice]:
    """Failures, successes and receipts of a few payers on four days."""
    notices = []
    for _ in range(count):
        payment, attempt = f"in_{chance.randint(1, 30)}", str(chance.randint(1, 3))
        fields: dict[str, Any] = {
            "occurred_at": chance.choice([None, *(NOON - timedelta(days=days) for days in range(4))]),
            "amount_minor": chance.choice([40, 100, 2**40, None]),
            "currency": chance.choice(["NOK", "NOK", "EUR"]),
            "payer_key": chance.choice(PAYERS),
            "customer_name": chance.choice(["\u00d8ystein", "Anna", None]),
        }
        told = chance.choice([a_failure, a_failure, a_failure, a_success])(payment, attempt, **fields)
        receipt = a_receipt(f"txn_{chance.randint(1, 400)}", chance.choice(PAYERS[:2]), amount_minor=100)
        notices.append(a_notice(chance.choice([told, told, told, receipt]), merchant_id=merchant_id))
    return notices


def write(ledger: Ledger, merchant_id: int, notices: list[Notice], chance: random.Random) -> None:
    """Records notices in small batches, and decides about payments in between."""
    for some in in_batches(notices, [chance.randint(1, 5) for _ in notices]):
        known = [row["id"] for row in ledger.rows(PaymentRow, merchant_id) if row["first_failed_at"] is not None]
        decisions = [
            a_decision(payment_id, chance.choice(list(ActionKind)), merchant_id=merchant_id, must_apply=False)
            for payment_id in chance.sample(known, min(1, len(known)))
        ]
        results = ledger.committer.commit([*some, *decisions], NOON)
        # a contradicted receipt is an answer about its notice, and no error; nothing else may be refused
        assert [result for result in results if isinstance(result, DunningError) and result.code != "not_found"] == []


DAMAGES = [
    "UPDATE payments SET payer_key = NULL WHERE id % 2 = 0",
    "UPDATE payments SET payer_key = '9:nobody' WHERE id % 5 = 0",
    "UPDATE payments SET status = 'cancelled', provider_receipt_id = NULL, paid_minor = 7 WHERE id % 3 = 0",
    "UPDATE payments SET status = 'failed' WHERE status = 'paid'",
    "UPDATE payments SET order_on = '2020-02-02' WHERE id % 4 = 0",
    "UPDATE payments SET amount_minor = 5, currency = 'SEK', attempt_count = 9 WHERE id % 3 = 1",
    "UPDATE payments SET customer_name = 'x', customer_name_folded = 'y', identifiers_folded = 'z' WHERE id % 2 = 1",
    "UPDATE payments SET customer_name_folded = NULL, identifiers_folded = '' WHERE id % 6 = 1",
    "DELETE FROM daily_counts WHERE status = 'failed'",
    "UPDATE block_counts SET payments = payments + 3",
    "UPDATE daily_amounts SET amount_high = amount_high + 1, without_amount = 4 WHERE currency = 'NOK'",
]


def damage(ledger: Ledger, *statements: str) -> None:
    with ledger.database.write() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%") if not ledger.database.is_sqlite else statement)


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_ledger_is_repaired_while_others_write(
    ledger: Ledger, merchant_id: int, database_url: str, seed: int
) -> None:
    chance = random.Random(seed)
    write(ledger, merchant_id, some_notices(merchant_id, chance, 80), chance)
    damage(ledger, *DAMAGES)
    assert len(ledger.complaints()) > 20
    others = [Ledger(database_url) for _ in range(2)]
    gate = threading.Barrier(3)

    def write_meanwhile(other: Ledger, number: int) -> None:
        own = random.Random(100 * seed + number)
        gate.wait(timeout=30)
        write(other, merchant_id, some_notices(merchant_id, own, 30), own)

    with ThreadPoolExecutor(2) as threads:
        writing = [threads.submit(write_meanwhile, *one) for one in zip(others, (1, 2), strict=True)]
        gate.wait(timeout=30)
        repaired(ledger, merchant_id)
        for one in writing:
            one.result(timeout=60)
    for other in others:
        other.database.write_engine.dispose()

    assert ledger.complaints() == []
    assert repaired(ledger, merchant_id) == Repaired()


def test_facts_stay_and_only_what_was_wrong_is_seen_by_who_polls(ledger: Ledger, merchant_id: int) -> None:
    chance = random.Random(7)
    write(ledger, merchant_id, some_notices(merchant_id, chance, 80), chance)
    right = {row["id"]: row for row in ledger.rows(PaymentRow, merchant_id)}
    facts, counts = ledger.facts(merchant_id), ledger.counts(merchant_id)
    damage(ledger, *DAMAGES)
    damaged = {row["id"]: row for row in ledger.rows(PaymentRow, merchant_id)}
    was_wrong = {number for number, row in right.items() if damaged[number] != row}

    done = repaired(ledger, merchant_id)

    assert done.payments >= len(was_wrong) > 0
    assert (ledger.facts(merchant_id), ledger.counts(merchant_id)) == (facts, counts)
    after = {row["id"]: row for row in ledger.rows(PaymentRow, merchant_id)}
    assert {number: row | {"updated_at": right[number]["updated_at"]} for number, row in after.items()} == right
    assert {number for number, row in after.items() if row["updated_at"] == LATER} >= was_wrong
    assert ledger.complaints() == []


@pytest.mark.parametrize("at", [1, 4])
def test_a_repair_that_is_interrupted_is_finished_by_the_next(
    ledger: Ledger, merchant_id: int, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    chance = random.Random(at)
    write(ledger, merchant_id, some_notices(merchant_id, chance, 60), chance)
    right = ledger.contents(merchant_id)
    damage(ledger, *DAMAGES)
    real, calls = repair.recount, iter(range(1, 1000))

    def interrupted(*arguments: Any) -> None:
        if next(calls) == at:
            raise KeyboardInterrupt
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(repair, "recount", interrupted)
        with pytest.raises(KeyboardInterrupt):
            repaired(ledger, merchant_id)
    assert any("are counted as" in complaint for complaint in ledger.complaints())

    assert repaired(ledger, merchant_id).payments == 0
    assert ledger.contents(merchant_id) == right
    assert ledger.complaints() == []


def test_payments_as_another_version_folded_them_are_repaired(ledger: Ledger, merchant_id: int) -> None:
    """One that took the first among equals, did not see what receipts cover, dated what has no date by its arrival,
    folded texts otherwise and kept fewer counts."""
    at = [Delivery(f"notice {number}".encode(), (), NOON + timedelta(minutes=number)) for number in range(6)]
    told = [
        a_failure("in_1", amount_minor=200),
        a_failure("in_1", amount_minor=150),
        a_failure("in_2", payer_key="7:cus_7"),
        a_receipt("txn_1", "7:cus_7"),
        a_failure("in_3", amount_minor=100, customer_name="First"),
        a_failure("in_3", "2", occurred_at=None, amount_minor=300, customer_name="\u00d8ystein"),
    ]
    notices = [
        a_notice(event, merchant_id=merchant_id, delivery=delivery) for event, delivery in zip(told, at, strict=True)
    ]
    ledger.committer.commit(notices, NOON)
    right = ledger.contents(merchant_id)
    damage(
        ledger,
        "UPDATE payments SET amount_minor = 200 WHERE provider_payment_id = 'in_1'",
        "UPDATE payments SET status = 'failed', provider_receipt_id = NULL, paid_minor = 0 "
        "WHERE provider_payment_id = 'in_2'",
        "UPDATE payments SET customer_name = 'First', amount_minor = 100 WHERE provider_payment_id = 'in_3'",
        "UPDATE payments SET customer_name_folded = lower(customer_name), identifiers_folded = 'x'",
        "DELETE FROM daily_counts WHERE status = 'paid'",
        "UPDATE daily_counts SET payments = 3",
        "DELETE FROM block_counts",
        "DELETE FROM daily_amounts",
    )
    assert len([line for line in ledger.complaints() if "has identifiers_folded" in line]) == 3

    assert repaired(ledger, merchant_id) == Repaired(payments=3, days=1)

    assert ledger.contents(merchant_id) == right
    assert ledger.complaints() == []
    assert sum(row["payments"] for row in ledger.rows(BlockCountRow, merchant_id)) == 3
    assert sum(row["payments"] for row in ledger.rows(DailyAmountRow, merchant_id)) == 3
    assert repaired(ledger, merchant_id) == Repaired()


def test_counts_repaired_by_two_at_a_time_are_not_added_twice(
    ledger: Ledger, merchant_id: int, database_url: str
) -> None:
    ledger.committer.commit([a_notice(a_failure(f"in_{one}"), merchant_id=merchant_id) for one in range(6)], NOON)
    damage(ledger, "DELETE FROM daily_counts", "DELETE FROM block_counts", "DELETE FROM daily_amounts")
    other = Ledger(database_url)
    gate = threading.Barrier(2)

    def count_again(one: Ledger) -> None:
        gate.wait(timeout=30)
        with one.database.write() as connection:
            counting.recount(connection, merchant_id, [NOON.date()])

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(count_again, (ledger, other)))
    other.database.write_engine.dispose()
    assert ledger.complaints() == []


def test_only_the_merchant_that_is_named_is_repaired(ledger: Ledger, merchant_id: int, database_url: str) -> None:
    other = ledger.add_merchant("Other").id
    for owner in (merchant_id, other):
        ledger.committer.commit([a_notice(a_failure(), merchant_id=owner)], NOON)
    damage(ledger, "UPDATE payments SET code = 'altered'")

    code, printed = typed(database_url, "--merchant", "Other")
    assert (code, printed["repaired"]["payments"]) == (0, 1)
    assert len(ledger.complaints(merchant_id)) == 1
    assert ledger.complaints(other) == []


def test_the_command_says_what_it_repaired_and_what_no_repair_derives(
    ledger: Ledger, merchant_id: int, database_url: str
) -> None:
    ledger.committer.commit([a_notice(a_failure(f"in_{one}"), merchant_id=merchant_id) for one in (1, 2)], NOON)
    row = a_subscription_row(merchant_id, customer_name="\u00d8ystein", names_folded="\u00f8ystein")
    with ledger.database.write() as connection:
        connection.execute(sa.insert(SubscriptionRow).values(row))
    damage(ledger, "UPDATE payments SET paid_minor = 5", "DELETE FROM daily_amounts")
    nothing = {"payments": 0, "days": 0, "subscriptions": 0}

    assert typed(database_url) == (
        0,
        {"repaired": {"payments": 2, "days": 1, "subscriptions": 1}, "differences": []},
    )
    assert ledger.rows(SubscriptionRow, merchant_id)[0]["names_folded"] == "oystein"
    assert typed(database_url) == (0, {"repaired": nothing, "differences": []})

    with ledger.database.write() as connection:
        attempt = dict(connection.execute(sa.select(AttemptRow.__table__)).mappings().first() or {})
        connection.execute(sa.insert(AttemptRow).values(attempt | {"payment_id": 7}))
    orphan = {"merchant": "Sweden & Co", "difference": "merchant Sweden & Co: attempt 1 is of ODR7, which is not there"}
    assert typed(database_url) == (1, {"repaired": nothing, "differences": [orphan]})


def typed(database_url: str, *more: str) -> tuple[int, Any]:
    """The exit code, and what is printed."""
    done = subprocess.run(
        [DUNNING, "ledger", "check", "--repair", "--json", *more],
        env=environment(database_url=database_url),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_days_are_counted_again_in_chunks_of_so_many_payments_and_so_many_days(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counting, "_AT_ONCE", 20_000)
    after = [NOON.date() + timedelta(days=number) for number in range(1001)]
    assert chunks_of([]) == []
    assert chunks_of([(after[0], 50_000), (after[1], 1), (after[9], 19_999), (after[10], 1)]) == [
        [after[0]],
        [after[1], after[9]],
        [after[10]],
    ]
    assert list(map(len, chunks_of((day, 0) for day in after))) == [500, 500, 1]
