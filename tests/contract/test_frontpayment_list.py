"""Front Payment's failed payment list, as its document and its clients know it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contract._frontpayment import PATH, refused
from contract._payments import a_failed_payment, act, an_attempt, record
from dunning_service.apis.frontpayment.wire import FailedOrderList
from dunning_service.events import Outcome
from running import NOON, RunningService, run_service


async def listed(service: RunningService, query: str = "", status: str = "") -> dict[str, Any]:
    response = await service.client.get(f"{PATH}/list{status}{query}", headers=service.auth)
    assert response.status_code == 200, response.text
    FailedOrderList.model_validate_json(response.content)
    body: dict[str, Any] = response.json(parse_float=Decimal)
    return body


def numbers(body: dict[str, Any]) -> list[str]:
    return [item["orderUuid"] for item in body["data"]]


async def test_payment_is_listed_as_the_document_shows_it(service: RunningService) -> None:
    number = await a_failed_payment(
        service,
        occurred_at=datetime(2024, 12, 18, 23, 30, tzinfo=UTC),  # the 19th in Oslo
        customer_name="Nafees",
        customer_phone="+47 465 67 468",
        provider_subscription_id="SUB2532543787",
    )
    await act(service, number, "invoice")

    assert await listed(service) == {
        "status_code": 200,
        "status_message": "OK",
        "message": "failedSubscriptionOrdersRetrievedSuccessfully!",
        "is_data": True,
        "data": [
            {
                "orderUuid": number,
                "orderDate": "19.12.2024",
                "customerName": "Nafees",
                "clientName": "Sweden & Co",
                "countryCode": "+47",
                "msisdn": "46567468",
                "currency": "NOK",
                "amount": 2500,
                "status": "INVOICED",
                "translationKey": "failedSubscriptionOrderInvoiced",
                "subscriptionUuid": "SUB2532543787",
            }
        ],
        "metaData": {"total": 1, "perPage": 50, "currentPage": 1, "lastPage": 1},
        "links": {"previous": None, "next": None},
    }


async def test_empty_list_is_an_answer(service: RunningService) -> None:
    body = await listed(service)

    assert (body["is_data"], body["data"]) == (False, [])
    assert body["metaData"] == {"total": 0, "perPage": 50, "currentPage": 1, "lastPage": 1}
    assert body["links"] == {"previous": None, "next": None}


async def test_amount_is_exact_in_major_units(service: RunningService) -> None:
    for minor, currency, shown in (
        (1999, "EUR", "19.99"),
        (1990, "EUR", "19.9"),
        (200, "EUR", "2"),
        (5, "EUR", "0.05"),
        (0, "EUR", "0"),
        (2500, "JPY", "2500"),
        (1234, "KWD", "1.234"),
        (9007199254740993, "NOK", "90071992547409.93"),
        (2**63 - 1, "NOK", "92233720368547758.07"),
        (None, "NOK", "null"),
        (1999, None, "null"),
    ):
        subscription = f"{minor}-{currency}"
        await a_failed_payment(service, amount_minor=minor, currency=currency, provider_subscription_id=subscription)

        response = await service.client.get(f"{PATH}/list?subscriptionUuid={subscription}", headers=service.auth)

        assert f'"amount":{shown},' in response.text, subscription
        assert response.json()["data"][0]["currency"] == (currency or "unknown")


async def test_unknown_fields_are_null(service: RunningService) -> None:
    await a_failed_payment(service)

    item = (await listed(service))["data"][0]

    assert [name for name, value in item.items() if value is None] == [
        "customerName",
        "countryCode",
        "msisdn",
        "subscriptionUuid",
    ]


@pytest.mark.parametrize(
    ("actions", "status", "key", "paths"),
    [
        ([], "FAILED", "Failed", ["failed", "FAILED"]),
        (["invoice"], "INVOICED", "Invoiced", ["invoiced", "Invoiced"]),
        (
            ["send_to_collection"],
            "DEBT_COLLECTION",
            "DebtCollection",
            ["debtCollection", "DEBT_COLLECTION", "debt-collection", "DebtCollection", "debtcollection"],
        ),
        (["mark_paid"], "PAID", "Paid", ["paid", "PAID"]),
        (["cancel"], "CANCELLED", "Cancelled", ["cancelled"]),
    ],
)
async def test_status_can_be_asked_for_in_any_spelling(
    service: RunningService, actions: list[str], status: str, key: str, paths: list[str]
) -> None:
    await a_failed_payment(service)  # stays failed
    number = await a_failed_payment(service, occurred_at=NOON + timedelta(days=1))
    for action in actions:
        await act(service, number, action)

    for path in paths:
        body = await listed(service, status=f"/{path}")
        assert body["data"][0]["orderUuid"] == number
        assert body["data"][0]["status"] == status
        assert body["data"][0]["translationKey"] == f"failedSubscriptionOrder{key}"
        assert body["metaData"]["total"] == len(body["data"]) == (1 if actions else 2)


async def test_payment_that_never_failed_is_not_listed(service: RunningService) -> None:
    await record(service, [an_attempt(outcome=Outcome.SUCCEEDED), an_attempt(outcome=Outcome.PENDING)])

    assert (await listed(service))["metaData"]["total"] == 0


async def test_newest_order_comes_first_and_then_the_lower_number(service: RunningService) -> None:
    old = await a_failed_payment(service, occurred_at=NOON - timedelta(days=3))
    first = await a_failed_payment(service)
    second = await a_failed_payment(service)
    new = await a_failed_payment(service, occurred_at=NOON + timedelta(days=3))

    assert numbers(await listed(service)) == [new, first, second, old]


@pytest.mark.parametrize(
    "query", ["", "customerName=ann", "subscriptionUuid=SUB1", "startDate=2026-01-01&endDate=2026-12-31"]
)
async def test_every_page_is_there_once_and_links_lead_through(service: RunningService, query: str) -> None:
    days = [3, 1, 60, 1, 40, 21]  # payments on each day; a page begins on, before and after a day's first
    await record(
        service,
        [
            an_attempt(occurred_at=NOON - timedelta(days=day), customer_name="Anna", provider_subscription_id="SUB1")
            for day, payments in enumerate(days)
            for _ in range(payments)
        ],
    )

    seen: list[str] = []
    address: str | None = f"http://test{PATH}/list" + (f"?{query}" if query else "")
    pages = 0
    while address:
        response = await service.client.get(address, headers=service.auth)
        body = response.json()
        pages += 1
        assert body["metaData"] == {"total": 126, "perPage": 50, "currentPage": pages, "lastPage": 3}
        assert (body["links"]["previous"] is None) == (pages == 1)
        seen += numbers(body)
        address = body["links"]["next"]
        assert address is None or query in address

    assert pages == 3
    assert len(seen) == len(set(seen)) == 126
    dates = [item["orderDate"] for page in (1, 2, 3) for item in (await listed(service, f"?page={page}"))["data"]]
    assert dates == sorted(dates, key=lambda shown: shown.split(".")[::-1], reverse=True)


async def test_links_keep_the_status_and_the_filters(service: RunningService) -> None:
    await record(service, [an_attempt(customer_name="Ægir & Søn") for _ in range(51)])

    query = "customerName=%C3%A6gir+%26&startDate=2026-01-01&endDate=2026-12-31&phone=&unrelated=1"
    body = await listed(service, f"?{query}", "/failed")

    assert body["links"]["next"] == (
        f"http://test{PATH}/list/failed?customerName=%C3%A6gir%20%26&startDate=2026-01-01&endDate=2026-12-31&page=2"
    )
    following = (await service.client.get(body["links"]["next"], headers=service.auth)).json()
    assert following["metaData"]["currentPage"] == 2
    assert len(following["data"]) == 1
    assert following["links"]["previous"].endswith("&page=1")


async def test_links_begin_with_the_public_address(database_url: str) -> None:
    async with run_service(database_url, public_url="https://dunning.example.com/pay/") as service:
        await record(service, [an_attempt() for _ in range(51)])

        body = await listed(service)

        assert body["links"]["next"] == f"https://dunning.example.com/pay{PATH}/list?page=2"


@pytest.mark.parametrize("page", ["2", "9" * 15])
async def test_page_past_the_end_is_empty_with_the_real_total(service: RunningService, page: str) -> None:
    await a_failed_payment(service)

    body = await listed(service, f"?page={page}")

    assert (body["is_data"], body["data"]) == (False, [])
    assert body["metaData"] == {"total": 1, "perPage": 50, "currentPage": int(page), "lastPage": 1}
    assert body["links"] == {"previous": None, "next": None}


async def test_filters_narrow_the_list(service: RunningService) -> None:
    anna = await a_failed_payment(service, customer_name="Anna ØSTBY", provider_subscription_id="SUB1")
    bert = await a_failed_payment(
        service,
        customer_name="Bert 100%_\\",
        provider_subscription_id="SUB10",
        occurred_at=datetime(2026, 11, 1, 12, tzinfo=UTC),
    )

    for query, expected in {
        "subscriptionUuid=SUB1": [anna],
        "subscriptionUuid=sub1": [],
        "customerName=østby": [anna],
        "customerName=NN": [anna],
        "customerName=0%25_": [bert],
        "customerName=%25": [bert],
        "customerName=_": [bert],
        "customerName=%5C": [bert],
        "customerName=": [anna, bert],
        "startDate=2026-11-01&endDate=2026-11-01": [bert],
        "startDate=2026-11-02&endDate=2026-11-21": [anna],
        "startDate=&endDate=": [anna, bert],
        "startDate=0001-01-01&endDate=9999-12-31": [anna, bert],
        "customerName=anna&startDate=2026-11-01&endDate=2026-11-01": [],
        "subscriptionUuid=%ED%A0%80": [],
        "something=else": [anna, bert],
    }.items():
        body = await listed(service, f"?{query}")
        assert numbers(body) == expected, query
        assert body["metaData"]["total"] == len(expected)


@pytest.mark.parametrize(
    ("sent", "found_by", "not_found_by"),
    [
        (
            "+47 465 67 468",
            ["46567468", "465 67 468", "%2B4746567468", "+4746567468", "004746567468", "4746567468", "(47)-46567468"],
            ["4656746", "6567468", "%2B4646567468", "004646567468", "%2B46567468"],
        ),
        ("46567468", ["46567468"], ["%2B4746567468", "4746567468"]),
        ("0046701234567", ["701234567", "0701234567", "%2B46701234567"], ["01701234567"]),
    ],
)
async def test_phone_is_compared_by_its_digits(
    service: RunningService, sent: str, found_by: list[str], not_found_by: list[str]
) -> None:
    number = await a_failed_payment(service, customer_phone=sent)
    await a_failed_payment(service, customer_phone="+47 900 00 000")

    for phone in found_by:
        assert numbers(await listed(service, f"?phone={phone}")) == [number], phone
    for phone in not_found_by:
        assert numbers(await listed(service, f"?phone={phone}")) == [], phone


async def test_other_merchants_payments_do_not_exist(service: RunningService) -> None:
    other = await service.add_merchant("Other")
    theirs = await a_failed_payment(service, merchant=other, provider_subscription_id="SUB1", customer_phone="12345")
    mine = await a_failed_payment(service)

    assert numbers(await listed(service)) == [mine]
    assert numbers(await listed(service, "?subscriptionUuid=SUB1")) == []
    assert numbers(await listed(service, "?phone=12345")) == []
    assert (await refused(service, f"/details/{theirs}", 404))["message"] == "orderNotFound"
