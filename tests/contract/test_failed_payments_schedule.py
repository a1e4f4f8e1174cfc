"""Our own list about what this service charges itself: when it is tried next, and why then or why not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract._failed_payments import PATH, a_failure_of_ours, listed, read
from contract._gateways import EXPIRED, NO_MONEY, STOLEN, charges, leased, use_gateway, use_sandbox
from contract._payments import a_failed_payment, act
from contract._subscriptions import FIRST_RETRY, send, work
from dunning_service.gateways import Charged, ChargeRequest, OutcomeUnknown
from dunning_service.gateways.sandbox import FAILS_TWICE_THEN_PAYS, Sandbox
from running import NOON, RunningService
from sandbox_book import BookInMemory
from sql_statements import statements

SECOND_RETRY = datetime(2026, 11, 24, 8, tzinfo=UTC)


class Silent(Sandbox):
    """A gateway that does not answer any more."""

    def __init__(self) -> None:
        super().__init__(BookInMemory(), lambda: NOON)

    async def charge(self, key: str, request: ChargeRequest) -> Charged:
        raise OutcomeUnknown("the gateway did not answer in time")


def schedule(item: dict[str, Any]) -> tuple[str | None, str | None, str | None]:
    return item["next_attempt_at"], item["next_attempt_rule"], item["next_attempt_reason"]


async def test_payment_says_when_it_is_tried_next_and_why_then(seller: RunningService) -> None:
    number = await a_failure_of_ours(seller)

    (item,) = (await listed(seller))["data"]
    at, rule, reason = schedule(item)
    assert (at, rule) == ("2026-11-22T08:00:00Z", "ladder")
    assert reason == (
        "not enough money on the account (stripe insufficient_funds): retry 1 of 4 is 1 day after the first failure, "
        "at 09:00 Europe/Oslo"
    )
    assert schedule(await read(seller, number)) == schedule(item)


async def test_timeline_tells_the_decision_after_each_attempt(seller: RunningService) -> None:
    number = await a_failure_of_ours(seller, FAILS_TWICE_THEN_PAYS)
    await work(seller, FIRST_RETRY)
    await work(seller, SECOND_RETRY)

    detail = await read(seller, number)
    assert [
        (entry["at"], entry["outcome"], entry["next_attempt_at"], entry["next_attempt_rule"])
        for entry in detail["timeline"]
    ] == [
        ("2026-11-21T12:00:00Z", "failed", "2026-11-22T08:00:00Z", "ladder"),
        ("2026-11-22T08:00:00Z", "failed", "2026-11-24T08:00:00Z", "ladder"),
        ("2026-11-24T08:00:00Z", "succeeded", None, None),
    ]
    first, second, third = (entry["next_attempt_reason"] for entry in detail["timeline"])
    assert "retry 1 of 4" in first
    assert "retry 2 of 4" in second
    assert third is None
    assert detail["status"] == "paid"
    assert schedule(detail) == (None, None, None)


@pytest.mark.parametrize(
    ("method", "rule", "words"),
    [
        (STOLEN, "never_retry", "(stripe stolen_card): this payment method is not tried again"),
        (EXPIRED, "customer_action", "waiting for the customer, nothing is scheduled"),
    ],
)
async def test_payment_says_why_it_is_not_tried_again(
    seller: RunningService, method: Any, rule: str, words: str
) -> None:
    number = await a_failure_of_ours(seller, method)

    detail = await read(seller, number)
    assert schedule(detail)[:2] == (None, rule)
    assert words in detail["next_attempt_reason"]
    (attempt,) = detail["timeline"]
    assert schedule(attempt) == schedule(detail)


async def test_payment_of_another_system_has_no_schedule(seller: RunningService) -> None:
    number = await a_failed_payment(seller)

    detail = await read(seller, number)
    assert schedule(detail) == schedule(detail["timeline"][0]) == (None, None, None)


async def test_payment_that_is_being_tried_says_so(seller: RunningService) -> None:
    number = await a_failure_of_ours(seller)
    seller.clock.now = FIRST_RETRY
    (due,) = leased(seller, FIRST_RETRY)
    assert schedule(await read(seller, number)) == (None, None, "an attempt is being made")
    assert (await listed(seller, "?next_attempt=planned"))["total"] == 0
    assert (await listed(seller, "?next_attempt_rule=ladder"))["total"] == 0

    assert due.number == 2
    await work(seller, FIRST_RETRY + timedelta(minutes=2))  # the worker that leased it has died
    assert schedule(await read(seller, number))[:2] == ("2026-11-24T08:00:00Z", "ladder")


async def test_payment_whose_outcome_is_looked_for_says_so(seller: RunningService) -> None:
    number = await a_failure_of_ours(seller)
    use_gateway(seller, Silent())

    await work(seller, FIRST_RETRY)

    words = "it is being found out what became of the last attempt: the gateway did not answer in time"
    assert schedule(await read(seller, number)) == (None, None, words)
    assert (await listed(seller, "?next_attempt=none"))["total"] == 1


async def test_termination_drops_the_retry_and_says_why(seller: RunningService) -> None:
    number = await a_failure_of_ours(seller)
    subscription = (await read(seller, number))["subscription"]

    response = await send(seller, "POST", f"/{subscription}/terminate")

    assert response.status_code == 200
    detail = await read(seller, number)
    assert detail["status"] == "cancelled"
    assert schedule(detail) == (None, None, "the subscription was terminated")


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("invoice", "it was invoiced, so it is not charged"),
        ("send_to_collection", "it is in debt collection, so it is not charged"),
        ("mark_paid", "it was paid otherwise"),
        ("cancel", "it was cancelled"),
    ],
)
async def test_what_a_person_has_decided_is_not_charged(seller: RunningService, action: str, words: str) -> None:
    number = await a_failure_of_ours(seller)
    await act(seller, number, action)
    assert schedule(await read(seller, number)) == (None, None, words)
    assert (await listed(seller, "?next_attempt=planned"))["total"] == 0
    made = await charges(seller)

    await work(seller, FIRST_RETRY)

    assert await charges(seller) == made
    detail = await read(seller, number)
    assert detail["attempt_count"] == 1
    assert schedule(detail) == (None, None, words)

    await act(seller, number, "reopen")
    await work(seller, SECOND_RETRY)
    detail = await read(seller, number)
    if action in ("invoice", "send_to_collection"):  # it was looked at again, and the decision held no more
        assert (detail["status"], detail["attempt_count"]) == ("failed", 2)
    else:
        assert (detail["status"], detail["next_attempt_at"], detail["attempt_count"]) == ("failed", None, 1)
        assert "the planned attempt was not made" in detail["next_attempt_reason"]


async def test_decision_that_is_undone_in_time_leaves_the_retry(seller: RunningService) -> None:
    number = await a_failure_of_ours(seller, FAILS_TWICE_THEN_PAYS)
    await act(seller, number, "invoice")
    await act(seller, number, "reopen")
    assert schedule(await read(seller, number))[:2] == ("2026-11-22T08:00:00Z", "ladder")

    await work(seller, FIRST_RETRY)

    assert (await read(seller, number))["attempt_count"] == 2


async def test_filters_narrow_list_total_and_summary_alike(seller: RunningService) -> None:
    other = await a_failed_payment(seller)
    ladder = await a_failure_of_ours(seller)
    stolen = await a_failure_of_ours(seller, STOLEN)
    expired = await a_failure_of_ours(seller, EXPIRED)
    invoiced = await a_failure_of_ours(seller)
    await act(seller, invoiced, "invoice")
    seller.clock.now = FIRST_RETRY - timedelta(hours=1)
    later = await a_failure_of_ours(seller)  # next on the 23rd

    for query, expected in {
        "next_attempt=planned": [ladder, later],
        "next_attempt=none": [other, stolen, expired, invoiced],
        "next_attempt=none&status=failed": [other, stolen, expired],
        "next_attempt=none&provider=subscriptions": [stolen, expired, invoiced],
        "next_attempt_since=2026-11-22T08:00:00Z": [ladder, later],
        "next_attempt_since=2026-11-22T08:00:00.000001Z": [later],
        "next_attempt_since=2026-11-22T09:00:00%2B01:00&next_attempt_before=2026-11-23T08:00:00Z": [ladder],
        "next_attempt_before=2026-11-22T08:00:00Z": [],
        "next_attempt_before=2026-11-23T08:00:01Z&next_attempt=planned": [ladder, later],
        "next_attempt_rule=ladder": [ladder, later],
        "next_attempt_rule=never_retry&next_attempt_rule=customer_action": [stolen, expired],
        "next_attempt_rule=customer_action&next_attempt=planned": [],
        "next_attempt_rule=network_limit": [],
        "next_attempt=planned&order_from=2026-11-22": [later],
        "next_attempt=planned&category=expired_card": [],
    }.items():
        for sort in ("", "&sort=updated_at", "&sort=-amount"):
            body = await listed(seller, f"?{query}{sort}")
            assert sorted(item["id"] for item in body["data"]) == sorted(expected), query
            assert body["total"] == len(expected), query
        summary = (await seller.client.get(f"{PATH}/summary?{query}", headers=seller.auth)).json()
        assert summary["total"] == len(expected), query


async def test_filters_and_items_agree(seller: RunningService) -> None:
    """`planned` finds what shows a moment and `none` what shows null, whatever has become of the payments."""
    for method in (NO_MONEY, STOLEN, EXPIRED, FAILS_TWICE_THEN_PAYS, FAILS_TWICE_THEN_PAYS):
        await a_failure_of_ours(seller, method)
    await act(seller, await a_failure_of_ours(seller), "mark_paid")
    await a_failed_payment(seller)
    for at in (NOON, FIRST_RETRY, SECOND_RETRY, SECOND_RETRY + timedelta(days=9)):
        await work(seller, at)
        items = (await listed(seller))["data"]
        for name, is_planned in (("planned", True), ("none", False)):
            found = {item["id"] for item in (await listed(seller, f"?next_attempt={name}"))["data"]}
            assert found == {item["id"] for item in items if (item["next_attempt_at"] is not None) is is_planned}


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("next_attempt=soon", "next_attempt", "'planned' or 'none'"),
        ("next_attempt_rule=luck", "next_attempt_rule", "'ladder'"),
        ("next_attempt_since=2026-11-22", "next_attempt_since", "ISO 8601"),
        (
            "next_attempt_since=2026-11-22T08:00:00Z&next_attempt_before=2026-11-22T08:00:00Z",
            "next_attempt_before",
            "after next_attempt_since",
        ),
        ("next_attempt=none&next_attempt_before=2026-11-22T08:00:00Z", "next_attempt", "nothing could match"),
    ],
)
async def test_wrong_filter_is_named(seller: RunningService, query: str, field: str, words: str) -> None:
    for path in (PATH, f"{PATH}/summary"):
        response = await seller.client.get(f"{path}?{query}", headers=seller.auth)
        assert response.status_code == 422
        (error,) = response.json()["errors"]
        assert error["field"] == field
        assert words in error["message"]


async def test_cursor_belongs_to_its_filters(seller: RunningService) -> None:
    numbers = {await a_failure_of_ours(seller) for _ in range(3)}
    first = await listed(seller, "?next_attempt=planned&limit=2")
    rest = await listed(seller, f"?next_attempt=planned&limit=2&cursor={first['next']}")
    assert {item["id"] for item in first["data"] + rest["data"]} == numbers
    assert rest["next"] is None

    for query in (
        "next_attempt=none",
        "next_attempt_rule=ladder",
        "next_attempt_since=2026-11-01T00:00:00Z",
        "limit=1",
    ):
        response = await seller.client.get(f"{PATH}?{query}&cursor={first['next']}", headers=seller.auth)
        assert response.status_code == 422, query
        assert "other filters" in response.json()["errors"][0]["message"], query


async def test_another_merchant_sees_nothing_of_it(seller: RunningService) -> None:
    await a_failure_of_ours(seller)
    other = await seller.add_merchant("Other", "NOK", "UTC")
    use_sandbox(seller, other)
    token = await seller.add_token(other)

    for query in ("", "?next_attempt=planned", "?next_attempt=none", "?next_attempt_rule=ladder"):
        assert (await listed(seller, query, token=token))["total"] == 0, query


async def test_page_without_payments_of_ours_asks_nothing_about_schedules(seller: RunningService) -> None:
    await a_failed_payment(seller)
    with statements(seller.database) as asked:
        await listed(seller)
    assert not any("scheduled_payments" in statement for statement, _ in asked)

    for _ in range(3):
        await a_failure_of_ours(seller)
    with statements(seller.database) as asked:
        body = await listed(seller)
    assert body["total"] == 4
    assert sum("scheduled_payments" in statement for statement, _ in asked) == 1
    assert sum("daily_counts" in statement for statement, _ in asked) == 1

    with statements(seller.database) as asked:
        await listed(seller, "?next_attempt=planned&status=failed")
    assert not any("daily_counts" in statement for statement, _ in asked)
