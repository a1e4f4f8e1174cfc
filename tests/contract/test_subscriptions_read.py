"""Reading subscriptions, one and many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contract._gateways import STOLEN, use_sandbox
from contract._subscriptions import CUSTOMER, FIRST_RETRY, METHOD, PROCESSOR, TOMORROW, created, get, send, work
from dunning_service.apis.arise.replies import merchant_uuid
from dunning_service.apis.arise.wire import Subscription, SubscriptionPage
from dunning_service.gateways.sandbox import FAILS_TWICE_THEN_PAYS
from running import NOON, RunningService

OTHER_CUSTOMER = "0f8fad5b-d9cb-469f-a165-70867728950e"


async def test_it_has_every_field_of_the_document(seller: RunningService) -> None:
    customer = {
        "customerName": "Nafees Rahman",
        "companyName": "Sweden & Co",
        "emailAddress": "nafees@example.com",
        "phoneNumber": "+47 465 67 468",
    }
    made = await created(
        seller, amount=199.9, percentageOffRate=10, surchargeRate=2.5, paymentStartDateTime=TOMORROW, customer=customer
    )

    read = await get(seller, f"/{made['id']}")

    Subscription.model_validate(read)
    assert read == {
        "id": made["id"],
        "merchantId": str(merchant_uuid(seller.merchant.id)),
        "paymentProcessorId": PROCESSOR,
        "statusId": 1,
        "status": "Active",
        "transactionTypeId": 2,
        "transactionType": "Sale",
        "customerId": CUSTOMER,
        "paymentMethodId": METHOD,
        "paymentAmount": {
            "baseAmount": Decimal("199.9"),
            "percentageOffAmount": Decimal("19.99"),
            "percentageOffRate": 10,
            "cashDiscountAmount": 0,
            "cashDiscountRate": 0,
            "surchargeAmount": Decimal("4.5"),
            "surchargeRate": Decimal("2.5"),
            "totalAmount": Decimal("184.41"),
        },
        "alreadyPaidAmount": 0,
        "allPaymentsAmount": Decimal("2212.92"),
        "currencyId": 578,
        "paymentFrequencyUnitId": 3,
        "paymentFrequencyUnit": "Month",
        "paymentFrequency": 1,
        "creationDate": "2026-11-21T12:00:00Z",
        "subscriptionStartDate": "2026-11-22T12:00:00Z",
        "subscriptionEndDate": "2027-10-22T11:00:00Z",
        "lastPaymentDate": None,
        "nextPaymentDate": "2026-11-22T12:00:00Z",
        "successfulPaymentsCount": 0,
        "numberOfPayments": 12,
        "customer": {**customer, "panMask": None},
        "source": {"typeId": 1, "type": "Api", "id": read["source"]["id"], "name": "test"},
    }


async def test_it_tells_what_has_been_paid_and_what_comes_next(seller: RunningService) -> None:
    made = await created(seller, amount=99.5, numberOfPayments=3)
    assert await work(seller, datetime(2026, 12, 21, 13, tzinfo=UTC)) == 1

    read = await get(seller, f"/{made['id']}")

    assert (read["alreadyPaidAmount"], read["successfulPaymentsCount"]) == (199, 2)
    assert (read["lastPaymentDate"], read["nextPaymentDate"]) == ("2026-12-21T13:00:00Z", "2027-01-21T12:00:00Z")
    assert (read["allPaymentsAmount"], read["subscriptionEndDate"]) == (Decimal("298.5"), "2027-01-21T12:00:00Z")
    assert await work(seller, datetime(2027, 1, 21, 12, tzinfo=UTC)) == 1
    read = await get(seller, f"/{made['id']}")
    assert (read["statusId"], read["status"], read["nextPaymentDate"]) == (2, "Completed", None)
    assert (read["alreadyPaidAmount"], read["successfulPaymentsCount"]) == (Decimal("298.5"), 3)
    assert read["subscriptionEndDate"] == "2027-01-21T12:00:00Z"


async def test_a_retry_is_the_next_payment(seller: RunningService) -> None:
    made = await created(seller, paymentMethodId=FAILS_TWICE_THEN_PAYS)

    dates = []
    for at in (None, FIRST_RETRY, FIRST_RETRY + timedelta(days=2)):
        if at is not None:
            assert await work(seller, at) == 1
        read = await get(seller, f"/{made['id']}")
        dates.append((read["nextPaymentDate"], read["lastPaymentDate"], read["successfulPaymentsCount"]))

    assert dates == [
        ("2026-11-22T08:00:00Z", None, 0),
        ("2026-11-24T08:00:00Z", None, 0),
        ("2026-12-21T12:00:00Z", "2026-11-24T08:00:00Z", 1),
    ]


async def test_dollars_and_authorizations_keep_their_numbers(seller: RunningService) -> None:
    made = await created(seller, transactionType=1, currencyId=1, paymentFrequencyUnit=2, paymentFrequency=2)

    read = await get(seller, f"/{made['id']}")

    assert (read["transactionTypeId"], read["transactionType"], read["currencyId"]) == (1, "Authorization", 1)
    assert (read["paymentFrequencyUnitId"], read["paymentFrequencyUnit"]) == (2, "Week")
    assert (read["paymentFrequency"], read["nextPaymentDate"]) == (2, "2026-12-05T12:00:00Z")


async def test_ids_are_found_in_any_case(seller: RunningService) -> None:
    made = await created(seller)
    assert await get(seller, f"/{made['id'].upper()}") == await get(seller, f"/{made['id']}")


# The list


async def test_a_page_holds_whole_subscriptions_newest_first(seller: RunningService) -> None:
    ids = []
    for _ in range(5):
        ids.insert(0, (await created(seller))["id"])
        seller.clock.advance(timedelta(seconds=1))

    page = await get(seller, "?page=2&pageSize=2")

    SubscriptionPage.model_validate(page)
    assert page["total"] == 5
    assert page["items"] == [await get(seller, f"/{one}") for one in ids[2:4]]
    assert _ids(await get(seller)) == ids
    assert await get(seller, "?page=9") == {"items": [], "total": 5}


def _ids(page: Any) -> list[str]:
    return [item["id"] for item in page["items"]]


async def test_those_created_at_one_moment_are_on_one_page_each(seller: RunningService) -> None:
    ids = {(await created(seller, paymentStartDateTime=TOMORROW))["id"] for _ in range(4)}
    pages = [_ids(await get(seller, f"?pageSize=1&page={number}")) for number in range(1, 5)]
    assert {found for (found,) in pages} == ids


async def test_filters_leave_what_meets_all_of_them(seller: RunningService) -> None:
    active = (await created(seller))["id"]
    failed = (await created(seller, paymentMethodId=STOLEN))["id"]
    other = (await created(seller, customerId=OTHER_CUSTOMER))["id"]

    async def found(query: str) -> set[str]:
        page = await get(seller, f"?{query}")
        assert page["total"] == len(page["items"])
        return set(_ids(page))

    assert await found("statusIds=3") == {failed}
    assert await found("statusIds=1&statusIds=3") == {active, failed, other}
    assert await found(f"customerIds={CUSTOMER}") == {active, failed}
    assert await found(f"customerIds={CUSTOMER.upper()}&customerIds={OTHER_CUSTOMER}") == {active, failed, other}
    assert await found(f"customerIds={OTHER_CUSTOMER}&statusIds=3") == set()


async def test_search_looks_into_both_names_without_regard_to_case(seller: RunningService) -> None:
    customer = {"customerName": "Øde ÅRDAL", "companyName": "100% Fjord_AS"}
    named = (await created(seller, customer=customer))["id"]
    nameless = (await created(seller, customer=None))["id"]

    for text in ("øDE", "årdal", "fjord_as", "100%25 F"):
        assert _ids(await get(seller, f"?search={text}")) == [named], text
    for text in ("fjordxas", "årdal 100", "nafees"):
        assert await get(seller, f"?search={text}") == {"items": [], "total": 0}, text
    assert set(_ids(await get(seller))) == {named, nameless}


async def test_it_can_be_ordered(seller: RunningService) -> None:
    later = (await created(seller, paymentStartDateTime=NOON + timedelta(days=9)))["id"]
    seller.clock.advance(timedelta(seconds=1))
    sooner = (await created(seller, paymentStartDateTime=TOMORROW, numberOfPayments=0, customer=None))["id"]

    for query, ids in {
        "asc=true": [later, sooner],
        "asc=false": [sooner, later],
        "orderBy=subscriptionStartDate&asc=true": [sooner, later],
        "orderBy=SubscriptionStartDate": [later, sooner],
        "orderBy=customerName&asc=true": [later, sooner],
        "orderBy=customerName&asc=false": [later, sooner],
        "orderBy=numberOfPayments": [later, sooner],
        "orderBy=status&asc=true": [later, sooner],
        "orderBy=amountPerPayment": [sooner, later],
    }.items():
        assert _ids(await get(seller, f"?{query}")) == ids, query


async def test_another_merchants_subscriptions_are_not_there(seller: RunningService) -> None:
    other = await seller.add_merchant("Other", "NOK")
    use_sandbox(seller, other)
    token = await seller.add_token(other, name="theirs")
    ours = (await created(seller))["id"]
    theirs = (await created(seller, token=token))["id"]

    assert _ids(await get(seller)) == [ours]
    assert _ids(await get(seller, token=token)) == [theirs]
    mine, yours = await get(seller, f"/{ours}"), await get(seller, f"/{theirs}", token=token)
    assert mine["merchantId"] != yours["merchantId"]
    assert mine["source"]["id"] != yours["source"]["id"]
    assert yours["source"]["name"] == "theirs"


@pytest.mark.parametrize("path", ["", "/payments", "/terminate"])
async def test_another_merchants_subscription_cannot_be_told_from_none(seller: RunningService, path: str) -> None:
    other = await seller.add_merchant("Other", "NOK")
    token = await seller.add_token(other)
    ours = (await created(seller))["id"]
    method = "POST" if path == "/terminate" else "GET"

    answers = [
        await send(seller, method, f"/{one}{path}", token=token)
        for one in (ours, "00000000-0000-0000-0000-000000000001", "SUB2532543787", "%20")
    ]

    assert {answer.status_code for answer in answers} == {404}
    bodies = [{**answer.json(), "traceId": ""} for answer in answers]
    assert bodies == [bodies[0]] * 4
    assert (await get(seller, f"/{ours}"))["status"] == "Active"
