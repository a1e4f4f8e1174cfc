"""Front Payment's failed payment list, as its document and its clients know it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from contract._payments import a_failed_payment, act, an_attempt, record
from dunning_service.failed_payments.frontpayment_shapes import ErrorEnvelope, FailedOrderAnswer, FailedOrderList
from dunning_service.providers import Outcome
from running import NOON, RunningService, run_service

PATH = "/api/v1/connect/subscriptions/failed"


async def listed(service: RunningService, query: str = "", status: str = "") -> dict[str, Any]:
    response = await service.client.get(f"{PATH}/list{status}{query}", headers=service.auth)
    assert response.status_code == 200, response.text
    FailedOrderList.model_validate_json(response.content)
    body: dict[str, Any] = response.json(parse_float=Decimal)
    return body


async def refused(service: RunningService, path: str, status: int = 417) -> dict[str, Any]:
    response = await service.client.get(f"{PATH}{path}", headers=service.auth)
    assert response.status_code == status, response.text
    ErrorEnvelope.model_validate_json(response.content)
    body: dict[str, Any] = response.json()
    assert body["status_code"] == status
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
        ("0046701234567", ["701234567", "%2B46701234567"], ["0701234567"]),
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


WRONG = (
    ("/list?page=0", "page"),
    ("/list?page=-1", "page"),
    ("/list?page=abc", "page"),
    ("/list?page=1.0", "page"),
    ("/list?page=", "page"),
    ("/list?page=%D9%A1", "page"),
    ("/list?page=1" + 30 * "0", "page"),
    ("/list?page=" + 6000 * "9", "page"),
    ("/list?page=1&page=2", "page"),
    ("/list/refunded", "status"),
    ("/list/%00", "status"),
    ("/list?startDate=2026-01-01", "endDate"),
    ("/list?endDate=2026-01-01", "startDate"),
    ("/list?startDate=2026-01-01&endDate=", "endDate"),
    ("/list?startDate=2026-01-02&endDate=2026-01-01", "endDate"),
    ("/list?startDate=2026-02-30&endDate=2026-03-01", "startDate"),
    ("/list?startDate=01.02.2026&endDate=2026-03-01", "startDate"),
    ("/list?startDate=1700000000&endDate=2026-03-01", "startDate"),
    ("/list?startDate=0000-01-01&endDate=2026-03-01", "startDate"),
    ("/list?phone=none", "phone"),
    ("/list?phone=%2B", "phone"),
    ("/list?customerName=%00", "customerName"),
    ("/list?customerName=" + 1001 * "a", "customerName"),
    ("/list?subscriptionUuid=a%00", "subscriptionUuid"),
    ("/list?subscriptionUuid=a&subscriptionUuid=b", "subscriptionUuid"),
)


async def test_wrong_parameter_is_named(service: RunningService) -> None:
    for path, field in WRONG:
        body = await refused(service, path)

        assert body["status_message"] == "Client Error"
        assert body["message"] == "payloadValidationErrors"
        assert (body["is_data"], body["data"], body["is_error"]) == (False, None, True)
        assert [error["field"] for error in body["errors"]] == [field], path
        assert body["errors"][0]["message"]


async def test_other_errors_come_in_the_same_envelope(service: RunningService) -> None:
    reading = await service.add_token(service.merchant, scopes=("ingest",))
    for response, status, message, words in (
        (await service.client.get(f"{PATH}/list?page=0"), 401, "unauthenticated", "Unauthorized"),
        (
            await service.client.get(f"{PATH}/list", headers={"Authorization": f"Bearer {reading}"}),
            403,
            "forbidden",
            "Forbidden",
        ),
        (
            await service.client.post(f"{PATH}/list", headers=service.auth),
            405,
            "methodNotAllowed",
            "Method Not Allowed",
        ),
        (await service.client.get("/api/v1/connect/nothing", headers=service.auth), 404, "notFound", "Not Found"),
    ):
        ErrorEnvelope.model_validate_json(response.content)
        body = response.json()
        assert response.status_code == body["status_code"] == status
        assert (body["message"], body["status_message"], body["errors"]) == (message, words, None)
        assert body["is_error"] == (status != 404)


async def test_token_is_asked_for_as_the_standard_has_it(service: RunningService) -> None:
    response = await service.client.get(f"{PATH}/list")

    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_crash_is_told_as_front_payment_tells_it(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object) -> int:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("dunning_service.failed_payments.queries.FailedPaymentsQuery.total", crash)

    with capture_logs():
        body = await refused(service, "/list", 510)

    assert body == {
        "status_code": 510,
        "status_message": "Execution Exception Occurred",
        "message": "Something Went Wrong",
        "is_data": False,
        "data": None,
        "is_error": True,
        "errors": [],
    }


async def test_other_merchants_payments_do_not_exist(service: RunningService) -> None:
    other = await service.add_merchant("Other")
    theirs = await a_failed_payment(service, merchant=other, provider_subscription_id="SUB1", customer_phone="12345")
    mine = await a_failed_payment(service)

    assert numbers(await listed(service)) == [mine]
    assert numbers(await listed(service, "?subscriptionUuid=SUB1")) == []
    assert numbers(await listed(service, "?phone=12345")) == []
    assert (await refused(service, f"/details/{theirs}", 404))["message"] == "orderNotFound"


async def test_details_tell_what_is_known(service: RunningService) -> None:
    number = await a_failed_payment(
        service,
        customer_name="Nafees",
        customer_email="nafees@example.com",
        customer_phone="0047 46567468",
        description="Membership, December",
        amount_minor=1999,
        currency="EUR",
    )
    await act(service, number, "invoice")

    response = await service.client.get(f"{PATH}/details/{number}", headers=service.auth)

    FailedOrderAnswer.model_validate_json(response.content)
    body = response.json(parse_float=Decimal)
    assert (body["status_code"], body["message"], body["is_data"]) == (200, "orderRetrievedSuccessfully", True)
    assert {name: value for name, value in body["data"].items() if value is not None} == {
        "orderDate": "21.11.2026",
        "isInvoiced": 1,
        "customerName": "Nafees",
        "countryCode": "+47",
        "msisdn": "46567468",
        "email": "nafees@example.com",
        "subTotal": Decimal("19.99"),
        "currency": "EUR",
        "status": "INVOICED",
        "products": [
            {
                "productName": "Membership, December",
                "quantity": 1,
                "rate": Decimal("19.99"),
                "discount": None,
                "tax": None,
                "amount": Decimal("19.99"),
            }
        ],
    }


async def test_unknown_order_is_not_found(service: RunningService) -> None:
    await a_failed_payment(service)

    for number in ("ODR999999", "odr1", "1", "ODR0", "ODR" + 40 * "9", "ODR%00", "ODR١", "%F0%9F%92%B8"):
        body = await refused(service, f"/details/{number}", 404)

        assert (body["message"], body["is_error"], body["errors"]) == ("orderNotFound", False, None)


async def test_order_that_never_failed_is_not_found(service: RunningService) -> None:
    number = await a_failed_payment(service, outcome=Outcome.SUCCEEDED)

    await refused(service, f"/details/{number}", 404)
