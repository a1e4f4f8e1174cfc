"""Our own list of failed payments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from contract._failed_payments import PATH, listed, refused
from contract._payments import a_failed_payment, act, an_attempt, public_number_of, record
from dunning_service.events import Category, Outcome
from running import NOON, RunningService, run_service


def numbers(body: dict[str, Any]) -> list[str]:
    return [item["id"] for item in body["data"]]


async def test_item_tells_everything_in_minor_units(service: RunningService) -> None:
    await record(
        service,
        [
            an_attempt(
                provider_payment_id="in_1",
                occurred_at=datetime(2024, 12, 18, 23, 30, tzinfo=UTC),
                amount_minor=1999,
                currency="EUR",
                code="51",
                message="Insufficient funds",
                category=Category.INSUFFICIENT_FUNDS,
                provider_customer_id="cus_1",
                provider_subscription_id="SUB1",
                customer_name="Nafees",
                customer_email="Nafees@Example.com",
                customer_phone="+47 465 67 468",
                description="Membership",
            ),
            an_attempt(
                provider_payment_id="in_1",
                provider_attempt_id="2",
                occurred_at=datetime(2024, 12, 22, tzinfo=UTC),
                amount_minor=1999,
                currency="EUR",
            ),
        ],
    )
    number = await public_number_of(service, "in_1")

    assert await listed(service) == {
        "data": [
            {
                "id": number,
                "provider": "maple",
                "provider_payment_id": "in_1",
                "status": "failed",
                "order_date": "2024-12-19",
                "first_failed_at": "2024-12-18T23:30:00Z",
                "last_failed_at": "2024-12-22T00:00:00Z",
                "attempt_count": 2,
                "failed_attempt_count": 2,
                "amount_minor": 1999,
                "currency": "EUR",
                "paid_minor": 0,
                "code": "51",
                "message": "Insufficient funds",
                "category": "insufficient_funds",
                "customer": {
                    "id": "cus_1",
                    "name": "Nafees",
                    "email": "Nafees@Example.com",
                    "phone": "+47 465 67 468",
                },
                "subscription": "SUB1",
                "description": "Membership",
                "next_attempt_at": None,
                "next_attempt_rule": None,
                "next_attempt_reason": None,
                "created_at": "2026-11-21T12:00:00Z",
                "updated_at": "2026-11-21T12:00:00Z",
            }
        ],
        "total": 1,
        "next": None,
    }


async def test_sort_puts_unknown_amounts_last_and_ties_in_a_fixed_order(service: RunningService) -> None:
    stated = [(1, 500), (1, None), (2, 500), (3, 900), (3, None)]
    made = []
    for day, amount in stated:
        service.clock.advance(timedelta(minutes=1))
        made.append(await a_failed_payment(service, occurred_at=NOON - timedelta(days=day), amount_minor=amount))
    a, b, c, d, e = made

    for sort, expected in {
        "-order_date": [a, b, c, d, e],
        "order_date": [e, d, c, b, a],
        "-updated_at": [e, d, c, b, a],
        "updated_at": [a, b, c, d, e],
        "-amount": [d, a, c, b, e],
        "amount": [a, c, d, b, e],
    }.items():
        assert numbers(await listed(service, f"?sort={sort}")) == expected, sort
        for limit in (1, 2, 3):
            seen: list[str] = []
            cursor: str | None = ""
            while cursor is not None:
                page = await listed(service, f"?sort={sort}&limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
                assert page["total"] == 5
                assert len(page["data"]) == limit or page["next"] is None
                seen += numbers(page)
                cursor = page["next"]
            assert seen == expected, (sort, limit)


async def test_link_header_leads_on_with_all_filters(database_url: str) -> None:
    async with run_service(database_url, public_url="https://dunning.example.com") as service:
        await record(service, [an_attempt(customer_name="Ann & Søn") for _ in range(3)])

        response = await service.client.get(f"{PATH}?limit=2&q=ann+%26&status=failed&status=paid", headers=service.auth)

        filters = "limit=2&q=ann%20%26&status=failed&status=paid"
        cursor = response.json()["next"]
        assert response.headers["link"] == (
            f'<https://dunning.example.com{PATH}?{filters}&cursor={cursor}>; rel="next", '
            f'<https://dunning.example.com{PATH}?{filters}>; rel="first"'
        )
        last = await service.client.get(response.links["next"]["url"], headers=service.auth)
        assert last.json()["next"] is None
        assert len(last.json()["data"]) == 1
        assert "next" not in last.links
        assert last.links["first"]["url"].endswith(filters)


async def test_cursor_holds_only_for_its_own_list(service: RunningService) -> None:
    other = await service.add_merchant("Other")
    theirs = {"Authorization": f"Bearer {await service.add_token(other)}"}
    for _ in range(3):
        await a_failed_payment(service)
        await a_failed_payment(service, merchant=other)
    cursor = (await listed(service, "?limit=1&status=failed"))["next"]
    assert len((await listed(service, f"?limit=2&status=failed&cursor={cursor}"))["data"]) == 2

    flipped = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    for query, words in {
        f"?cursor={cursor}": "other filters",
        f"?status=failed&status=paid&cursor={cursor}": "other filters",
        f"?status=failed&sort=amount&cursor={cursor}": "sort",
        f"?status=failed&cursor={flipped}": "not a cursor",
        f"?status=failed&cursor={cursor[:-3]}": "not a cursor",
        f"?status=failed&cursor={cursor}%C3%A6": "not a cursor",
        "?cursor=W10": "not a cursor",
        "?cursor=%22": "not a cursor",
        "?cursor=" + 301 * "A": "300",
    }.items():
        body = await refused(service, query)
        assert [error["field"] for error in body["errors"]] == ["cursor"], query
        assert words in body["errors"][0]["message"], query

    response = await service.client.get(f"{PATH}?limit=1&status=failed&cursor={cursor}", headers=theirs)
    assert response.status_code == 422


async def test_summary_never_adds_currencies_together(service: RunningService) -> None:
    big = 2**63 - 1
    await record(
        service,
        [
            *(an_attempt(amount_minor=big, currency="NOK") for _ in range(3)),
            an_attempt(amount_minor=1, currency="EUR"),
            an_attempt(amount_minor=5, currency=None),
            an_attempt(amount_minor=None, currency=None),
            an_attempt(amount_minor=None, currency="SEK"),
        ],
    )
    await act(service, await a_failed_payment(service, amount_minor=7, currency="NOK"), "invoice")

    response = await service.client.get(f"{PATH}/summary", headers=service.auth)

    assert response.json() == {
        "data": [
            {"status": "failed", "currency": "EUR", "count": 1, "amount_minor": 1, "without_amount": 0},
            {"status": "failed", "currency": "NOK", "count": 3, "amount_minor": 3 * big, "without_amount": 0},
            {"status": "failed", "currency": "SEK", "count": 1, "amount_minor": 0, "without_amount": 1},
            {"status": "failed", "currency": None, "count": 2, "amount_minor": 5, "without_amount": 1},
            {"status": "invoiced", "currency": "NOK", "count": 1, "amount_minor": 7, "without_amount": 0},
        ],
        "total": 8,
    }


async def test_other_merchants_payments_do_not_exist(service: RunningService) -> None:
    other = await service.add_merchant("Other")
    theirs = await a_failed_payment(service, merchant=other, customer_name="Anna")

    assert await listed(service) == {"data": [], "total": 0, "next": None}
    assert (await listed(service, f"?q={theirs}"))["total"] == 0
    assert (await listed(service, "?q=anna"))["total"] == 0
    response = await service.client.get(f"{PATH}/summary", headers=service.auth)
    assert response.json() == {"data": [], "total": 0}
    not_theirs = await refused(service, f"/{theirs}", 404)
    not_there = await refused(service, "/ODR999999999", 404)
    assert not_theirs["detail"] == not_there["detail"]
    response = await service.client.post(f"{PATH}/{theirs}/actions", headers=service.auth, json={"action": "cancel"})
    assert response.status_code == 404


async def test_payment_that_never_failed_is_nowhere(service: RunningService) -> None:
    number = await a_failed_payment(service, outcome=Outcome.SUCCEEDED)

    assert (await listed(service))["total"] == 0
    assert (await listed(service, f"?q={number}"))["total"] == 0
    await refused(service, f"/{number}", 404)
    response = await service.client.post(f"{PATH}/{number}/actions", headers=service.auth, json={"action": "cancel"})
    assert response.status_code == 404


async def test_scope_read_is_needed(service: RunningService) -> None:
    number = await a_failed_payment(service)
    writing = {"Authorization": f"Bearer {await service.add_token(service.merchant, scopes=('write',))}"}

    for path in ("", "/summary", f"/{number}", "?limit=0"):
        assert (await service.client.get(f"{PATH}{path}", headers=writing)).status_code == 403
        assert (await service.client.get(f"{PATH}{path}")).status_code == 401
