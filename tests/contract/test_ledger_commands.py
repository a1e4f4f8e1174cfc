"""Commands: what depends on how a payment stands is decided once, in the transaction that records it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from building import NOON, a_failure
from contract._gateways import use_sandbox
from contract._subscriptions import a_request, post
from dunning_service.database.engines import Base
from dunning_service.errors import IdempotencyKeyReused, NotFound, RuleBroken
from dunning_service.events import Delivery, Outcome
from dunning_service.ledger.models import AttemptRow, DeliveryRow, IdempotencyRow, PaymentRow, RefundRow
from dunning_service.ledger.status import ActionKind
from dunning_service.ledger.work import ActionTaken, Command, CommandDone, Effect, IdempotencyKey, Lookup, Snapshot
from running import RunningService

Execute = Callable[[Snapshot, datetime], Effect]


def a_command(service: RunningService, execute: Execute, *, key: str | None = None, **fields: Any) -> Command:
    known: dict[str, Any] = {
        "merchant_id": service.merchant.id,
        "time_zone": service.merchant.time_zone,
        "provider": "payment_records",
        "provider_payment_ids": ["pr_1"],
        "origin": "/v1/payment_records",
        "delivery": Delivery(b"amount=1", (), NOON),
        "idempotency_key": None if key is None else IdempotencyKey(key, b"\x01" * 32, "req_1"),
        "execute": execute,
    }
    return Command(**(known | fields))


def tries_again(snapshot: Snapshot, now: datetime) -> Effect:
    """One more failed attempt, numbered after those that are there."""
    number = len(snapshot.attempts["pr_1"]) + 1
    event = a_failure("pr_1", f"par_{number}", sequence=number, occurred_at=NOON + timedelta(minutes=number))
    return Effect({"attempts": number}, [event])


def tries_unless_open(snapshot: Snapshot, now: datetime) -> Effect:
    if snapshot.attempts["pr_1"]:
        raise RuleBroken("one attempt is open")
    return Effect({"attempts": 1}, [a_failure("pr_1", "par_1", outcome=Outcome.PENDING)])


def count(service: RunningService, model: type[Base]) -> int:
    with service.database.write() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(model)) or 0


async def all_of(service: RunningService, *commands: Command) -> list[CommandDone]:
    return await asyncio.gather(*(service.writer.execute(one) for one in commands))


async def test_each_sees_what_the_one_before_it_did(service: RunningService) -> None:
    done = await all_of(service, *(a_command(service, tries_again) for _ in range(20)))
    assert [one.answer["attempts"] for one in done] == list(range(1, 21))
    assert count(service, AttemptRow) == count(service, DeliveryRow) == 20


async def test_the_same_request_under_one_key_has_one_effect_and_one_answer(service: RunningService) -> None:
    done = await all_of(service, *(a_command(service, tries_again, key="k") for _ in range(20)))
    assert {(one.answer["attempts"], one.answered_before) for one in done} == {
        (1, None),
        (1, "req_1"),
    }
    assert count(service, AttemptRow) == count(service, IdempotencyRow) == 1
    with service.database.write() as connection:
        assert connection.scalar(sa.select(DeliveryRow.times_received)) == 20


async def test_a_broken_rule_is_the_answer_under_its_key(service: RunningService) -> None:
    await service.writer.execute(a_command(service, tries_unless_open))
    refused = a_command(service, tries_unless_open, key="k")
    first, second = await service.writer.execute(refused), await service.writer.execute(refused)
    for done in (first, second):
        assert done.refusal is not None
        assert done.refusal.message == "one attempt is open"
    assert (first.answered_before, second.answered_before) == (None, "req_1")
    assert count(service, DeliveryRow) == 1  # what was refused is not kept as if it had been recorded


async def test_a_payment_that_it_does_not_name_is_read_before_it_is_acted_on(service: RunningService) -> None:
    executed = []

    def cancels_all(snapshot: Snapshot, now: datetime) -> Effect:
        executed.append(snapshot)
        return Effect(
            {},
            actions=[
                ActionTaken(provider_payment_id=name, verb=ActionKind.CANCEL, actor="test", reason=None)
                for name in ("pr_1", "pr_unheard_of")
            ],
            touched=["pr_1"],
        )

    await service.writer.execute(a_command(service, tries_again))
    naming_none = a_command(service, cancels_all, provider_payment_ids=())
    _, done = await all_of(service, a_command(service, tries_again), naming_none)

    assert done.refusal is None
    assert len(executed) <= 2  # once more at the most, with both payments read
    assert count(service, AttemptRow) == 2
    with service.database.write() as connection:
        assert connection.scalars(sa.select(PaymentRow.status)).all() == ["cancelled"]


async def test_what_was_not_found_may_be_found_later(service: RunningService) -> None:
    def not_there(snapshot: Snapshot, now: datetime) -> Effect:
        raise NotFound("no such payment_record")

    with pytest.raises(NotFound):
        await service.writer.execute(a_command(service, not_there, key="k"))
    assert (await service.writer.execute(a_command(service, tries_again, key="k"))).answer == {"attempts": 1}


async def test_a_key_with_another_request_is_refused(service: RunningService) -> None:
    await service.writer.execute(a_command(service, tries_again, key="k"))
    other = a_command(service, tries_again, idempotency_key=IdempotencyKey("k", b"\x02" * 32, "req_2"))
    with pytest.raises(IdempotencyKeyReused):
        await service.writer.execute(other)
    assert count(service, AttemptRow) == 1


async def test_a_key_may_be_used_again_after_24_hours(service: RunningService) -> None:
    await service.writer.execute(a_command(service, tries_again, key="k"))
    service.clock.advance(timedelta(hours=24))
    assert (await service.writer.execute(a_command(service, tries_again, key="k"))).answer == {"attempts": 2}
    assert count(service, IdempotencyRow) == 1


async def test_however_many_answers_have_expired_a_batch_forgets_only_some(service: RunningService) -> None:
    row = {
        "merchant_id": service.merchant.id,
        "request_digest": b"\x01" * 32,
        "response": {},
        "request_id": "req_1",
        "created_at": NOON - timedelta(days=2),
    }
    with service.database.write() as connection:
        connection.execute(sa.insert(IdempotencyRow), [row | {"key": f"old {number}"} for number in range(500)])
    await service.writer.execute(a_command(service, tries_again, key="old 499"))  # expired, so it may be used again
    assert 100 < count(service, IdempotencyRow) < 499
    await service.writer.execute(a_command(service, tries_again, key="another"))
    await service.writer.execute(a_command(service, tries_again, key="and another"))
    assert count(service, IdempotencyRow) == 3


async def test_only_what_a_command_touches_counts_as_changed(service: RunningService) -> None:
    async def updated_at() -> Any:
        async with service.database.read() as connection:
            return (await connection.execute(sa.select(PaymentRow.updated_at))).scalar_one()

    await service.writer.execute(a_command(service, tries_again))
    service.clock.advance(timedelta(hours=1))
    await service.writer.execute(a_command(service, lambda held, now: Effect({})))
    assert await updated_at() == NOON
    both = ["pr_1", "pr_2"]  # of which one is not known
    touching = a_command(service, lambda held, now: Effect({}, touched=both), provider_payment_ids=both)
    await service.writer.execute(touching)
    assert await updated_at() == NOON + timedelta(hours=1)


async def test_a_command_is_told_how_its_payments_stand(service: RunningService) -> None:
    told = []

    def looks(snapshot: Snapshot, now: datetime) -> Effect:
        told.append(dict(snapshot.failures))
        return Effect(
            {}, actions=[ActionTaken(provider_payment_id="pr_1", verb=ActionKind.INVOICE, actor="test", reason=None)]
        )

    await service.writer.execute(a_command(service, tries_again))
    await service.writer.execute(a_command(service, looks))
    await service.writer.execute(a_command(service, looks, provider_payment_ids=["pr_1", "pr_2"]))

    assert [[(one.status, one.next_action) for one in failures.values()] for failures in told] == [
        [("failed", 1)],
        [("invoiced", 2)],
    ]


async def test_rows_that_one_inserts_are_found_by_the_next(service: RunningService) -> None:
    by_reference = Lookup(
        RefundRow, ("merchant_id", "provider", "reference"), (service.merchant.id, "payment_records", "r1")
    )

    def refunds(snapshot: Snapshot, now: datetime) -> Effect:
        if snapshot.rows[by_reference]:
            raise RuleBroken("taken")
        row = {
            "merchant_id": service.merchant.id,
            "provider": "payment_records",
            "provider_payment_id": "pr_1",
            "number": 1,
            "provider_attempt_id": "par_1",
            "reference": "r1",
            "amount_minor": 100,
            "currency": "NOK",
            "refunded_at": now,
            "received_at": now,
            "delivery_digest": b"\x01" * 32,
            "details": {"metadata": {}},
        }
        return Effect({}, inserts=[(RefundRow, row)])

    commands = [
        a_command(service, refunds, lookups=[by_reference], provider_payment_ids=[f"pr_{number}"])
        for number in range(10)
    ]
    done = await all_of(service, *commands)
    assert sorted(one.refusal is None for one in done) == [False] * 9 + [True]
    later = await service.writer.execute(a_command(service, refunds, lookups=[by_reference]))
    assert later.refusal is not None
    assert count(service, RefundRow) == 1


async def test_a_subscription_that_may_have_been_created_is_not_asked_for_again(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_sandbox(service)
    monkeypatch.setattr("dunning_service.ledger.writer._PATIENCE_S", 0.1)
    with service.database.write() as other:
        other.exec_driver_sql(
            "DELETE FROM deliveries" if service.database.is_sqlite else "LOCK TABLE scheduled_payments"
        )
        answer = await post(service, a_request())
        assert (answer.status_code, answer.headers.get("retry-after")) == (503, None)
        assert "look before you send it again" in answer.text
