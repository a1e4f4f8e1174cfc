"""Our own list of failed payments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from contract._failed_payments import PATH, listed, read
from contract._payments import a_failed_payment, act, an_attempt, public_number_of, record
from dunning_service.providers import Category, Outcome, ReceiptReported
from running import NOON, RunningService, run_service


async def refused(service: RunningService, query: str, status: int = 422) -> dict[str, Any]:
    response = await service.client.get(f"{PATH}{query}", headers=service.auth)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    return body


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


async def test_filters_narrow_list_total_and_summary_alike(service: RunningService) -> None:
    anna = await a_failed_payment(
        service,
        provider_payment_id="in_ANNA%1",
        customer_name="Anna ØSTBY",
        customer_email="Anna@Example.com",
        customer_phone="+47 465 67 468",
        provider_customer_id="cus_A",
        provider_subscription_id="SUB_A",
        description="ÅRSAVGIFT 100%",
        category=Category.EXPIRED_CARD,
        amount_minor=1000,
    )
    service.clock.advance(timedelta(hours=1))
    bert = await a_failed_payment(
        service,
        provider="goodparty",
        customer_name="Bert",
        occurred_at=NOON - timedelta(days=10),
        amount_minor=2000,
        currency="JPY",
    )
    await act(service, bert, "cancel")
    service.clock.advance(timedelta(hours=1))
    cleo = await a_failed_payment(
        service, occurred_at=NOON - timedelta(days=20), amount_minor=None, currency=None, customer_name="Cleo_"
    )

    for query, expected in {
        "": [anna, bert, cleo],
        "status=failed": [anna, cleo],
        "status=failed&status=cancelled": [anna, bert, cleo],
        "status=paid": [],
        "provider=goodparty": [bert],
        "provider=goodparty&provider=maple": [anna, bert, cleo],
        "subscription=SUB_A": [anna],
        "subscription=sub_a": [],
        "customer=cus_A": [anna],
        "email=ANNA@example.COM": [anna],
        "email=anna": [],
        "phone=46567468": [anna],
        "phone=%2B47%20465%2067%20468": [anna],
        "amount_min=1000": [anna, bert],
        "amount_min=1001": [bert],
        "amount_max=1000": [anna],
        "amount_min=1000&amount_max=2000": [anna, bert],
        "currency=nok": [anna],
        "currency=NOK&currency=JPY": [anna, bert],
        "currency=unknown": [cleo],
        "currency=jpy&currency=UNKNOWN": [bert, cleo],
        "category=expired_card": [anna],
        "category=expired_card&category=unknown": [anna, bert, cleo],
        "order_from=2026-11-11": [anna, bert],
        "order_from=2026-11-11&order_to=2026-11-11": [bert],
        "order_to=2026-11-11": [bert, cleo],
        "order_to=2026-11-11&status=cancelled": [bert],
        "last_failed_since=2026-11-11T12:00:00Z": [anna, bert],
        "last_failed_before=2026-11-11T12:00:00Z": [cleo],
        "last_failed_since=2026-11-11T13:00:00%2B01:00&last_failed_before=2026-11-12T00:00:00Z": [bert],
        "updated_since=2026-11-21T13:00:00Z": [bert, cleo],
        "updated_since=2026-11-21T13:00:00+00:00": [bert, cleo],  # the + arrives as a space
        "updated_since=2026-11-21T14:00:00.000001Z": [],
        "q=østby": [anna],
        "q=ANNA": [anna],
        "q=example.com": [anna],
        "q=in_anna%25": [anna],
        "q=%25": [anna],
        "q=_": [anna, bert, cleo],  # in every sender's id
        "q=cus_a": [anna],
        "q=sub_a": [anna],
        "q=årsavgift": [anna],
        "q=Årsavgift": [anna],
        f"q={bert}": [bert],
        f"q=%20{bert.lower()}": [bert],
        f"q={bert}0": [],
        "q=nobody": [],
        "status=failed&currency=NOK&q=anna&amount_min=1": [anna],
    }.items():
        body = await listed(service, f"?{query}" if query else "")
        assert numbers(body) == expected, query
        assert body["total"] == len(expected), query
        summary = (await service.client.get(f"{PATH}/summary?{query}", headers=service.auth)).json()
        assert summary["total"] == len(expected), query
        assert sum(line["count"] for line in summary["data"]) == len(expected), query


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


WRONG = (
    ("?limit=0", "limit"),
    ("?limit=201", "limit"),
    ("?limit=ten", "limit"),
    ("?limit=1.0", "limit"),
    ("?limit=1_0", "limit"),
    ("?limit=", "limit"),
    ("?limit=" + 5000 * "9", "limit"),
    ("?limit=1&limit=2", "limit"),
    ("?status=open", "status"),
    ("?status=", "status"),
    ("?category=poor", "category"),
    ("?currency=KRONE", "currency"),
    ("?currency=%C3%A6%C3%B8%C3%A5", "currency"),
    ("?sort=name", "sort"),
    ("?amount_min=-1", "amount_min"),
    ("?amount_min=9223372036854775808", "amount_min"),
    ("?amount_min=2&amount_max=1", "amount_max"),
    ("?order_from=yesterday", "order_from"),
    ("?order_from=20261121", "order_from"),
    ("?order_from=2026-13-01", "order_from"),
    ("?order_from=2026-02-01&order_to=2026-01-01", "order_to"),
    ("?updated_since=2026-11-21", "updated_since"),
    ("?updated_since=2026-11-21T12:00:00", "updated_since"),
    ("?updated_since=1700000000", "updated_since"),
    ("?updated_since=0001-01-01T00:00:00%2B01:00", "updated_since"),
    ("?last_failed_since=2026-01-01T00:00:00Z&last_failed_before=2026-01-01T00:00:00Z", "last_failed_before"),
    ("?phone=call%20me", "phone"),
    ("?q=", "q"),
    ("?q=%20", "q"),
    ("?q=a%00b", "q"),
    ("?q=" + 1001 * "a", "q"),
    ("?email=%00", "email"),
    ("?provider=", "provider"),
    ("?provider=%00", "provider"),
    ("?page=2", "page"),
    ("?Status=failed", "Status"),
    ("?%00=1", "\x00"),
    ("/summary?limit=5", "limit"),
    ("/summary?status=open", "status"),
    ("/ODR1?verbose=1", "verbose"),
)


async def test_wrong_parameter_is_named(service: RunningService) -> None:
    for query, field in WRONG:
        body = await refused(service, query)
        assert body["code"] == "invalid_request"
        assert [error["field"] for error in body["errors"]] == [field], query
        assert body["errors"][0]["message"]


async def test_unknown_parameter_is_told_the_known_ones(service: RunningService) -> None:
    body = await refused(service, "?customer_name=anna")

    assert "status, provider, subscription, customer, email" in body["errors"][0]["message"]


async def test_everything_wrong_is_told_at_once(service: RunningService) -> None:
    body = await refused(service, "?limit=0&status=open&status=failed&colour=red")

    assert [error["field"] for error in body["errors"]] == ["colour", "status", "limit"]


async def test_text_no_database_can_hold_finds_nothing(service: RunningService) -> None:
    await a_failed_payment(service)

    for value in ("%ED%A0%80", "%FF", quote("💸"), "%EF%BF%BD"):
        for name in ("q", "subscription", "email", "customer", "provider"):
            assert (await listed(service, f"?{name}={value}"))["total"] == 0


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


async def test_timeline_tells_what_happened_in_order(service: RunningService) -> None:
    first = an_attempt(provider_payment_id="in_1", code="51", category=Category.INSUFFICIENT_FUNDS, payer_key="anna")
    corrected = an_attempt(provider_payment_id="in_1", code="54", stated_at=NOON + timedelta(hours=1), payer_key="anna")
    second = an_attempt(provider_payment_id="in_1", provider_attempt_id="2", occurred_at=None, payer_key="anna")
    service.clock.advance(timedelta(days=1))
    await record(service, [corrected])
    await record(service, [second])
    await record(service, [first])
    number = await public_number_of(service, "in_1")
    service.clock.advance(timedelta(days=1))
    await act(service, number, "invoice")
    service.clock.advance(timedelta(days=1))
    await record(
        service,
        [ReceiptReported(provider_receipt_id="txn_1", payer_key="anna", amount_minor=250_000, currency="NOK")],
    )

    payment = await read(service, number)

    assert (payment["id"], payment["status"], payment["paid_minor"]) == (number, "paid", 250_000)
    assert (await listed(service))["data"] == [{name: payment[name] for name in payment if name != "timeline"}]
    attempt = {"type": "attempt", "outcome": "failed", "message": None, "amount_minor": 250_000, "currency": "NOK"}
    attempt |= {"requested_by": None, "next_attempt_at": None, "next_attempt_rule": None, "next_attempt_reason": None}
    assert payment["timeline"] == [
        attempt
        | {
            "at": "2026-11-21T12:00:00Z",
            "occurred_at_known": True,
            "id": "1",
            "category": "insufficient_funds",
            "code": "51",
            "received_at": "2026-11-22T12:00:00Z",
            "superseded": True,
        },
        attempt
        | {
            "at": "2026-11-21T12:00:00Z",
            "occurred_at_known": True,
            "id": "1",
            "category": None,
            "code": "54",
            "received_at": "2026-11-22T12:00:00Z",
            "superseded": False,
        },
        attempt
        | {
            "at": "2026-11-22T12:00:00Z",
            "occurred_at_known": False,
            "id": "2",
            "category": None,
            "code": None,
            "received_at": "2026-11-22T12:00:00Z",
            "superseded": False,
        },
        {
            "type": "action",
            "at": "2026-11-23T12:00:00Z",
            "id": 1,
            "action": "invoice",
            "actor": "test",
            "reason": None,
        },
        {
            "type": "receipt",
            "at": "2026-11-24T12:00:00Z",
            "occurred_at_known": False,
            "id": "txn_1",
            "amount_minor": 250_000,
            "currency": "NOK",
        },
    ]


async def test_number_of_another_shape_is_not_found(service: RunningService) -> None:
    for number in ("ODR0", "odr1", "1", "ODR" + 30 * "9", "ODR9223372036854775807", "%00", "%ED%A0%80", "a%20b"):
        body = await refused(service, f"/{number}", 404)
        assert body["code"] == "not_found"
