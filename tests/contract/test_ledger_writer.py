"""The group commit: who hears what, and what is in the ledger afterwards."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, MutableMapping
from typing import Any

import pytest
import structlog

from building import NOON, a_decision, a_failure, a_notice
from dunning_service.database.engines import Database, database_url
from dunning_service.errors import NotFound, Unavailable, UnreadableNotice
from dunning_service.ledger.models import DeliveryRow
from dunning_service.ledger.status import ActionKind
from dunning_service.ledger.work import IdempotencyKey, Notice, NoticeRecorded
from dunning_service.ledger.writer import LedgerWriter
from dunning_service.values.money import MAX_MINOR
from ledgers import Ledger

MERCHANT = 1


class Observed:
    """What the writer reports, and a way to wait until it has begun with a batch."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.has_begun = asyncio.Event()

    def batch_committed(self, size: int, seconds: float) -> None:
        self.sizes.append(size)

    def queue_depth(self, depth: int) -> None:
        self.has_begun.set()


@pytest.fixture
async def database(ledger: Ledger) -> AsyncIterator[Database]:
    opened = Database(ledger.database.url)
    yield opened
    await opened.close()


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """What was logged meanwhile, instead of its being printed."""
    with structlog.testing.capture_logs() as entries:
        yield entries


def a_writer(database: Database, **limits: int) -> tuple[LedgerWriter, Observed]:
    """One that gathers, and commits nothing before it is started."""
    observed = Observed()
    return LedgerWriter(database, lambda: NOON, observed, **limits), observed


async def hang_up(writer: LedgerWriter, notice: Notice) -> None:
    """Hands the notice over and waits for no answer."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await writer.record(notice)


def recorded(ledger: Ledger) -> set[str]:
    return set(ledger.payment_ids(MERCHANT))


async def test_a_caller_who_hangs_up_while_a_batch_gathers_does_not_cancel_it(
    ledger: Ledger, database: Database
) -> None:
    writer, _ = a_writer(database)
    await hang_up(writer, a_notice(a_failure("in_gone")))
    stays = asyncio.create_task(writer.record(a_notice(a_failure("in_stays"))))
    writer.start()
    assert (await stays).is_new
    await writer.close()
    assert recorded(ledger) == {"in_gone", "in_stays"}


async def test_a_caller_who_hangs_up_during_the_commit_does_not_cancel_it(ledger: Ledger, database: Database) -> None:
    writer, observed = a_writer(database)
    writer.start()
    calls = [asyncio.create_task(writer.record(a_notice(a_failure(f"in_{number}")))) for number in range(5)]
    await observed.has_begun.wait()
    for call in calls[:4]:
        call.cancel()
    assert (await calls[4]).is_new
    await writer.close()
    assert recorded(ledger) == {f"in_{number}" for number in range(5)}


async def test_closing_commits_what_was_accepted_and_accepts_no_more(ledger: Ledger, database: Database) -> None:
    writer, observed = a_writer(database, max_batch=16)
    calls = [asyncio.create_task(writer.record(a_notice(a_failure(f"in_{number}")))) for number in range(100)]
    writer.start()
    await asyncio.gather(calls[0])
    await writer.close()
    assert all(result.is_new for result in await asyncio.gather(*calls))
    assert sum(observed.sizes) == 100
    assert max(observed.sizes) == 16
    with pytest.raises(Unavailable):
        await writer.record(a_notice(a_failure("in_late")))
    assert recorded(ledger) == {f"in_{number}" for number in range(100)}


async def test_what_exceeds_the_queue_is_refused_and_may_be_sent_again(ledger: Ledger, database: Database) -> None:
    writer, observed = a_writer(database, max_pending=2)
    first, second, third = (a_notice(a_failure(f"in_{number}")) for number in range(3))
    await hang_up(writer, first)
    await hang_up(writer, second)
    with pytest.raises(Unavailable) as refusal:
        await writer.record(third)
    assert refusal.value.retry_after >= 1
    writer.start()
    await observed.has_begun.wait()
    assert not (await writer.record(second)).is_new
    assert (await writer.record(third)).is_new
    await writer.close()
    assert recorded(ledger) == {"in_0", "in_1", "in_2"}


async def test_bodies_that_exceed_the_queues_bytes_are_refused(database: Database) -> None:
    writer, _ = a_writer(database, max_pending_bytes=1_000)
    await hang_up(writer, a_notice(a_failure("in_1"), body=b"1" * 600))
    with pytest.raises(Unavailable):
        await writer.record(a_notice(a_failure("in_2"), body=b"2" * 600))
    writer.start()
    assert (await writer.record(a_notice(a_failure("in_3"), body=b"3" * 300))).is_new
    assert (await writer.record(a_notice(a_failure("in_4"), body=b"4" * 900))).is_new
    await writer.close()


async def test_nobody_waits_for_a_database_that_takes_too_long(
    ledger: Ledger, database: Database, monkeypatch: pytest.MonkeyPatch, logged: list[MutableMapping[str, Any]]
) -> None:
    monkeypatch.setattr("dunning_service.ledger.writer._PATIENCE_S", 0.2)
    writer, observed = a_writer(database, max_batch=1)
    with ledger.database.write() as other:
        # SQLite's lock is held by whoever writes anything
        other.exec_driver_sql("DELETE FROM deliveries" if database.is_sqlite else "LOCK TABLE deliveries")
        writer.start()
        committing = asyncio.create_task(writer.record(a_notice(a_failure("in_1"))))
        await observed.has_begun.wait()
        waiting = asyncio.create_task(writer.record(a_notice(a_failure("in_2"))))
        for call in (committing, waiting):
            async with asyncio.timeout(3):
                with pytest.raises(Unavailable):
                    await call
        with pytest.raises(Unavailable):
            await writer.record(a_notice(a_failure("in_3")))  # at once
    assert [entry["event"] for entry in logged] == ["batch.overdue"]
    # once the database goes on so does the writer: what was under way may be in the ledger, what had waited is not
    async with asyncio.timeout(10):
        await until_taken(writer, a_notice(a_failure("in_4")))
    await writer.close()
    assert recorded(ledger) - {"in_1"} == {"in_4"}


async def until_taken(writer: LedgerWriter, notice: Notice) -> None:
    """Sends it again and again."""
    while True:
        try:
            await writer.record(notice)
            return
        except Unavailable:
            await asyncio.sleep(0.01)


UNKEEPABLE = {
    "an amount past 64 bits": {"amount_minor": MAX_MINOR + 1},
    "an amount far past 64 bits": {"amount_minor": 10**30},
    "half of a surrogate pair": {"customer_name": "\ud800"},
    "half of a surrogate pair in a detail": {"details": {"a": "\udfff"}},
    "a currency of two letters": {"currency": "NO"},
}


@pytest.mark.parametrize("fields", UNKEEPABLE.values(), ids=UNKEEPABLE.keys())
async def test_what_the_database_cannot_keep_fails_alone(
    ledger: Ledger, database: Database, logged: list[MutableMapping[str, Any]], fields: dict[str, object]
) -> None:
    writer, _ = a_writer(database)
    bad = a_notice(a_failure("in_bad", **fields))
    notices = [a_notice(a_failure(f"in_{number}")) for number in range(6)]
    calls = [asyncio.create_task(writer.record(notice)) for notice in [*notices[:3], bad, *notices[3:]]]
    writer.start()
    results = await asyncio.gather(*calls, return_exceptions=True)
    await writer.close()
    assert isinstance(results.pop(3), UnreadableNotice)
    assert all(isinstance(result, NoticeRecorded) and result.is_new for result in results)
    assert recorded(ledger) == {f"in_{number}" for number in range(6)}
    assert len(ledger.rows(DeliveryRow, MERCHANT)) == 6
    assert [entry["event"] for entry in logged if entry["log_level"] == "error"] == ["work.refused"]


async def test_a_notice_with_one_bad_event_leaves_no_trace_of_its_good_ones(
    ledger: Ledger, database: Database, logged: list[MutableMapping[str, Any]]
) -> None:
    writer, _ = a_writer(database)
    writer.start()
    with pytest.raises(UnreadableNotice):
        await writer.record(a_notice(a_failure("in_good"), a_failure("in_bad", amount_minor=MAX_MINOR + 1)))
    await writer.close()
    assert recorded(ledger) == set()
    assert ledger.rows(DeliveryRow, MERCHANT) == []


async def test_a_refused_decision_leaves_its_neighbours_alone(ledger: Ledger, database: Database) -> None:
    writer, _ = a_writer(database)
    calls = [
        asyncio.create_task(writer.record(a_notice(a_failure("in_1")))),
        asyncio.create_task(writer.record_action(a_decision(42, ActionKind.CANCEL))),
        asyncio.create_task(writer.record(a_notice(a_failure("in_2")))),
    ]
    writer.start()
    results = await asyncio.gather(*calls, return_exceptions=True)
    await writer.close()
    assert isinstance(results[1], NotFound)
    assert recorded(ledger) == {"in_1", "in_2"}


async def test_the_same_notice_many_times_in_one_batch_is_new_once(ledger: Ledger, database: Database) -> None:
    writer, _ = a_writer(database)
    notice = a_notice(a_failure())
    calls = [asyncio.create_task(writer.record(notice)) for _ in range(20)]
    writer.start()
    results = await asyncio.gather(*calls)
    await writer.close()
    assert sum(result.is_new for result in results) == 1
    (delivery,) = ledger.rows(DeliveryRow, MERCHANT)
    assert delivery["times_received"] == 20


async def test_one_idempotency_key_is_one_action_for_however_many_callers(ledger: Ledger, database: Database) -> None:
    writer, _ = a_writer(database)
    writer.start()
    await writer.record(a_notice(a_failure()))
    payment_id = ledger.payment_ids(MERCHANT)["in_1"]
    decision = a_decision(
        payment_id, ActionKind.INVOICE, idempotency_key=IdempotencyKey("key", b"\x01" * 32, "request")
    )
    results = await asyncio.gather(*(writer.record_action(decision) for _ in range(10)))
    await writer.close()
    assert sum(not result.is_replay for result in results) == 1
    assert {result.number for result in results} == {1}


async def test_the_answer_goes_to_the_one_who_asked(ledger: Ledger, database: Database) -> None:
    writer, _ = a_writer(database, max_batch=7)
    writer.start()
    known = [a_notice(a_failure(f"in_{number}")) for number in range(0, 60, 2)]
    await asyncio.gather(*(writer.record(notice) for notice in known))
    works = known + [a_notice(a_failure(f"in_{number}")) for number in range(1, 60, 2)]
    random.Random(1).shuffle(works)
    results = await asyncio.gather(*(writer.record(notice) for notice in works))
    await writer.close()
    assert [result.is_new for result in results] == [notice not in known for notice in works]


async def test_a_database_that_is_out_of_reach_is_a_reason_to_send_again(
    logged: list[MutableMapping[str, Any]],
) -> None:
    nowhere = Database(database_url("postgresql://nobody@127.0.0.1:1/nothing"))
    writer, _ = a_writer(nowhere)
    writer.start()
    with pytest.raises(Unavailable):
        await writer.record(a_notice(a_failure()))
    await writer.close()
    await nowhere.close()
