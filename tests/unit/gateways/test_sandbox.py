"""The sandbox: what becomes of a charge is told by its payment method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from dunning_service.events import Category
from dunning_service.gateways import ChargeOutcome, OutcomeUnknown, sandbox
from dunning_service.gateways.sandbox import Sandbox
from dunning_service.recovery.decline_codes import RetryRule
from dunning_service.recovery.declines import read_decline
from sandbox_book import BookInMemory
from unit.gateways._endpoint import KEY, NOW, a_request

READINGS = {
    sandbox.NETWORK_FORBIDS: (Category.INSUFFICIENT_FUNDS, RetryRule.NEVER, None),
    sandbox.NETWORK_ASKS_TO_WAIT: (Category.INSUFFICIENT_FUNDS, RetryRule.LATER, timedelta(days=4)),
    sandbox.REVOKED_AT_VISA: (Category.AUTHORIZATION_REVOKED, RetryRule.NEVER, None),
    sandbox.DECLINED_WITH_UNKNOWN_CODE: (Category.UNKNOWN, RetryRule.LATER, None),
    sandbox.UNKNOWN: (Category.INVALID_ACCOUNT, RetryRule.AFTER_CUSTOMER_ACTION, None),
}


class Time:
    """A clock that stands, and a sleep that moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self):
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def book() -> BookInMemory:
    return BookInMemory()


@pytest.fixture
def another(time: Time, book: BookInMemory) -> Callable[[], Sandbox]:
    """As many sandboxes as there are processes, with one book between them."""
    return lambda: Sandbox(book, time, time.sleep)


@pytest.fixture
def gateway(another: Callable[[], Sandbox]) -> Sandbox:
    return another()


def with_method(method: UUID, attempt: int = 1):
    return a_request(payment_method_id=method, attempt_number=attempt)


async def is_unknown(answer: Awaitable[object]) -> bool:
    try:
        await answer
    except OutcomeUnknown:
        return True
    return False


async def test_any_method_pays(gateway: Sandbox) -> None:
    for method in (sandbox.PAYS, uuid4(), UUID(int=0)):
        assert gateway.method_problem(method) is None
        assert (await gateway.charge(str(method), with_method(method))).outcome is ChargeOutcome.SUCCEEDED


async def test_a_charge_is_found_by_another_process(gateway: Sandbox, another: Callable[[], Sandbox]) -> None:
    assert await another().lookup(KEY) is None
    charged = await gateway.charge(KEY, a_request())
    assert await another().lookup(KEY) == charged
    assert charged.occurred_at == NOW


@pytest.mark.parametrize("method", sandbox.RESERVED, ids=str)
async def test_one_key_comes_to_one_charge(
    gateway: Sandbox, another: Callable[[], Sandbox], time: Time, method: UUID
) -> None:
    await is_unknown(gateway.charge(KEY, with_method(method)))
    await time.sleep(60)
    await is_unknown(another().charge(KEY, with_method(method)))
    known = await gateway.lookup(KEY)
    await time.sleep(60)
    assert known is not None
    assert await gateway.charge(KEY, with_method(method)) == known
    assert await gateway.charge(KEY, with_method(sandbox.PAYS, 7)) == known
    assert await another().lookup(KEY) == known


async def test_charges_under_other_keys_are_other_charges(gateway: Sandbox) -> None:
    found = [await gateway.charge(f"payment:{number}", a_request()) for number in range(1, 4)]
    assert len({charged.provider_transaction_id for charged in found}) == 3


@pytest.mark.parametrize("category", sorted(set(Category) - {Category.UNKNOWN}), ids=str)
async def test_every_category_has_a_method_that_is_declined_so(gateway: Sandbox, category: Category) -> None:
    charged = await gateway.charge(KEY, with_method(sandbox.DECLINED[category]))
    assert charged.outcome is ChargeOutcome.DECLINED
    reading = read_decline(charged.decline)
    assert reading.is_known
    assert reading.category is category
    assert charged.message


@pytest.mark.parametrize("method", READINGS, ids=str)
async def test_special_declines_are_read_as_they_are_meant(gateway: Sandbox, method: UUID) -> None:
    reading = read_decline((await gateway.charge(KEY, with_method(method))).decline)
    assert (reading.category, reading.retry, reading.wait) == READINGS[method]


async def test_one_fails_twice_and_then_pays(gateway: Sandbox, another: Callable[[], Sandbox]) -> None:
    found = [
        (await another().charge(f"p:{attempt}", with_method(sandbox.FAILS_TWICE_THEN_PAYS, attempt))).outcome
        for attempt in (1, 2, 3, 4)
    ]
    assert found == [ChargeOutcome.DECLINED] * 2 + [ChargeOutcome.SUCCEEDED] * 2


async def test_one_is_slow(gateway: Sandbox, time: Time) -> None:
    charged = await gateway.charge(KEY, with_method(sandbox.SLOW))
    assert charged.outcome is ChargeOutcome.SUCCEEDED
    assert time.now == NOW + timedelta(seconds=sandbox.SLOW_SECONDS)


async def test_one_times_out_and_was_charged(gateway: Sandbox) -> None:
    with pytest.raises(OutcomeUnknown):
        await gateway.charge(KEY, with_method(sandbox.TIMES_OUT_DONE))
    found = await gateway.lookup(KEY)
    assert found is not None
    assert found.outcome is ChargeOutcome.SUCCEEDED


async def test_one_times_out_and_was_not_charged_until_it_is_charged_again(
    gateway: Sandbox, another: Callable[[], Sandbox]
) -> None:
    with pytest.raises(OutcomeUnknown):
        await gateway.charge(KEY, with_method(sandbox.TIMES_OUT_UNDONE))
    assert await another().lookup(KEY) is None
    assert (await another().charge(KEY, with_method(sandbox.TIMES_OUT_UNDONE))).outcome is ChargeOutcome.SUCCEEDED
    with pytest.raises(OutcomeUnknown):
        await gateway.charge("another:1", with_method(sandbox.TIMES_OUT_UNDONE))


@pytest.mark.parametrize(
    ("method", "outcome"),
    [
        (sandbox.PENDING_THEN_PAYS, ChargeOutcome.SUCCEEDED),
        (sandbox.PENDING_THEN_DECLINED, ChargeOutcome.DECLINED),
    ],
)
async def test_one_is_pending_for_a_while(gateway: Sandbox, time: Time, method: UUID, outcome: ChargeOutcome) -> None:
    pending = await gateway.charge(KEY, with_method(method))
    assert pending.outcome is ChargeOutcome.PENDING
    assert await gateway.lookup(KEY) == pending
    await time.sleep(sandbox.SETTLES_AFTER.total_seconds())
    settled = await gateway.lookup(KEY)
    assert settled is not None
    assert settled.outcome is outcome
    assert settled.provider_transaction_id == pending.provider_transaction_id


async def test_unknown_and_inactive_methods_are_told_beforehand_and_never_pay(gateway: Sandbox) -> None:
    assert "no payment method" in (gateway.method_problem(sandbox.UNKNOWN) or "")
    assert "not active" in (gateway.method_problem(sandbox.INACTIVE) or "")
    for method in (sandbox.UNKNOWN, sandbox.INACTIVE):
        assert (await gateway.charge(str(method), with_method(method))).outcome is ChargeOutcome.DECLINED


def test_only_those_two_of_the_reserved_are_told_beforehand(gateway: Sandbox) -> None:
    troubled = {method for method in sandbox.RESERVED if gateway.method_problem(method)}
    assert troubled == {sandbox.UNKNOWN, sandbox.INACTIVE}


@pytest.mark.parametrize("number", [0, 19, 43, 99])
def test_a_slip_in_a_reserved_id_is_an_unknown_method(gateway: Sandbox, number: int) -> None:
    assert gateway.method_problem(sandbox.reserved_id(number)) == gateway.method_problem(sandbox.UNKNOWN)
