"""Another time zone for a merchant, while notices come in: each order date is a day in the new one, and every count is
what counting gives."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from building import NOON, a_decision, a_failure, a_notice, a_receipt, a_success, in_batches
from dunning_service.errors import DunningError
from dunning_service.events import Event
from dunning_service.ledger import repair, time_zone
from dunning_service.ledger.fold import day_in_zone
from dunning_service.ledger.models import PaymentRow
from dunning_service.ledger.status import ActionKind
from dunning_service.ledger.time_zone import Redated, hold_time_zone, move_order_dates
from dunning_service.ledger.work import Notice
from dunning_service.merchants.directory import MerchantView
from dunning_service.merchants.service import change_merchant
from ledgers import Ledger
from property._stories import several_examples

ZONES = ["Pacific/Kiritimati", "America/Los_Angeles", "Europe/Oslo", "Asia/Kolkata", "UTC", "Pacific/Pago_Pago"]

reported = st.builds(
    lambda kind, payment, attempt, hours, payer: (
        a_receipt(f"txn_{attempt}", payer)
        if kind == "receipt"
        else {"failure": a_failure, "success": a_success}[kind](
            f"in_{payment}", str(attempt), occurred_at=NOON + timedelta(hours=hours), payer_key=payer
        )
    ),
    st.sampled_from(["failure", "failure", "failure", "success", "receipt"]),
    st.integers(1, 20),
    st.integers(1, 3),
    st.integers(-40, 40),
    st.sampled_from(["7:cus_7", "8:"]),
)
zones = st.lists(st.sampled_from(ZONES), min_size=1, max_size=3)


@pytest.fixture
def ledgers(database_url: str) -> Iterator[list[Ledger]]:
    """Three, as three processes would have them; each remembers the time zone that it once read."""
    opened = [Ledger(database_url) for _ in range(3)]
    yield opened
    for ledger in opened:
        ledger.database.write_engine.dispose()


@pytest.fixture(autouse=True)
def _few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that few payments take several transactions."""
    monkeypatch.setattr(time_zone, "_READ_AT_ONCE", 5)
    monkeypatch.setattr(repair, "_WRITTEN_AT_ONCE", 2)


def moved_to(ledger: Ledger, merchant: MerchantView, zone: str) -> Redated:
    with ledger.database.write() as connection:
        hold_time_zone(connection, merchant.id)
        change_merchant(connection, merchant, {"time_zone": zone})
    redated = Redated()
    move_order_dates(ledger.database, merchant.id, zone, lambda: NOON, redated)
    return redated


def order_dates(ledger: Ledger, merchant: MerchantView) -> dict[str, date | None]:
    return {row["provider_payment_id"]: row["order_on"] for row in ledger.rows(PaymentRow, merchant.id)}


@settings(several_examples, max_examples=6)
@given(
    events=st.lists(reported, min_size=10, max_size=40), later=st.lists(reported, max_size=10), zones=zones,
    seed=st.integers(0, 2**32),
)  # fmt: skip
def test_order_dates_and_counts_are_those_of_the_last_zone(
    ledgers: list[Ledger], events: list[Event], later: list[Event], zones: list[str], seed: int
) -> None:
    mover, *writers = ledgers
    merchant = mover.add_merchant(time_zone="UTC")
    chance = random.Random(seed)
    shares = [[a_notice(event, merchant_id=merchant.id) for event in events] for _ in writers]
    gate = threading.Barrier(len(ledgers))

    def write(ledger: Ledger, share: list[Notice]) -> list[object]:
        chance.shuffle(share)
        gate.wait(timeout=30)
        batches = in_batches(share, [1, 2, 5, 1])
        return [result for batch in batches for result in ledger.committer.commit(batch, NOON)]

    def move() -> None:
        gate.wait(timeout=30)
        for zone in zones:
            moved_to(mover, merchant, zone)

    with ThreadPoolExecutor(len(ledgers)) as threads:
        moving = threads.submit(move)
        results = list(threads.map(write, writers, shares))
        moving.result()
    assert [result for share in results for result in share if isinstance(result, DunningError)] == []
    writers[0].committer.commit([a_notice(event, merchant_id=merchant.id) for event in later], NOON)

    assert mover.complaints(merchant.id) == []
    for row in mover.rows(PaymentRow, merchant.id):
        expected = None if row["first_failed_at"] is None else day_in_zone(row["first_failed_at"], zones[-1])
        assert row["order_on"] == expected


def test_only_what_is_on_another_day_is_changed_and_a_second_run_changes_nothing(ledger: Ledger) -> None:
    merchant = ledger.add_merchant(time_zone="UTC")
    other = ledger.add_merchant(time_zone="UTC")
    for owner in (merchant, other):
        ledger.committer.commit(
            [
                a_notice(a_failure("noon", occurred_at=NOON), merchant_id=owner.id),
                a_notice(a_failure("late", occurred_at=NOON.replace(hour=23, minute=30)), merchant_id=owner.id),
                a_notice(a_success("never", "1"), merchant_id=owner.id),
            ],
            NOON,
        )
    before = {row["provider_payment_id"]: row for row in ledger.rows(PaymentRow, merchant.id)}
    today, tomorrow = NOON.date(), NOON.date() + timedelta(days=1)

    assert moved_to(ledger, merchant, "Europe/Oslo") == Redated(payments=2, moved=1)
    assert order_dates(ledger, merchant) == {"noon": today, "late": tomorrow, "never": None}
    assert ledger.counts(merchant.id) == {(today, "failed"): 1, (tomorrow, "failed"): 1}
    for row in ledger.rows(PaymentRow, merchant.id):
        kept = before[row["provider_payment_id"]]
        assert {name for name in row if row[name] != kept[name]} <= {"order_on", "updated_at"}
    assert order_dates(ledger, other) == {"noon": today, "late": today, "never": None}

    assert moved_to(ledger, merchant, "Europe/Oslo") == Redated(payments=2, moved=0)
    assert ledger.complaints() == []


def test_what_is_decided_with_the_zone_of_before_is_laid_on_the_zone_of_now(ledger: Ledger) -> None:
    merchant = ledger.add_merchant(time_zone="UTC")
    late = a_failure("late", occurred_at=NOON.replace(hour=23, minute=30))
    ledger.committer.commit([a_notice(late, merchant_id=merchant.id)], NOON)
    moved_to(ledger, merchant, "Europe/Oslo")
    payment_id = ledger.payment_ids(merchant.id)["late"]
    (recorded,) = ledger.committer.commit(
        [a_decision(payment_id, ActionKind.INVOICE, merchant_id=merchant.id, time_zone="UTC")], NOON
    )
    assert not isinstance(recorded, DunningError)
    assert order_dates(ledger, merchant) == {"late": NOON.date() + timedelta(days=1)}
    assert ledger.complaints(merchant.id) == []
