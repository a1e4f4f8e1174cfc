"""Creating a subscription: with a start, or paid at once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
import sqlalchemy as sa

from contract._gateways import NO_MONEY, STOLEN, charges
from contract._subscriptions import (
    CUSTOMER,
    PROCESSOR,
    TOMORROW,
    a_request,
    created,
    failed_orders,
    failed_payments,
    get,
    post,
    set_cash_discount,
    told,
    work,
)
from dunning_service.apis.arise.wire import SubscriptionCreated
from dunning_service.gateways.models import GatewayRow
from dunning_service.gateways.sandbox import (
    PENDING_THEN_PAYS,
    TIMES_OUT_DONE,
    TIMES_OUT_UNDONE,
)
from dunning_service.ledger.models import DeliveryRow
from running import NOON, RunningService


async def test_with_a_start_nothing_is_charged_yet(seller: RunningService) -> None:
    body = await created(seller, paymentStartDateTime=TOMORROW)

    assert body == {"id": body["id"], "payNowSuccess": None, "transactionId": None, "payNowResponse": None}
    UUID(body["id"])
    assert await charges(seller) == 0
    assert (await get(seller, f"/{body['id']}"))["nextPaymentDate"] == "2026-11-22T12:00:00Z"


async def test_without_a_start_the_first_payment_is_charged_at_once(seller: RunningService) -> None:
    body = await created(seller, percentageOffRate=10, surchargeRate=3)

    SubscriptionCreated.model_validate(body)
    UUID(body["transactionId"])
    assert body == {
        "id": body["id"],
        "payNowSuccess": True,
        "transactionId": body["transactionId"],
        "payNowResponse": {
            "transactionId": body["transactionId"],
            "transactionDateTime": "2026-11-21T12:00:00Z",
            "typeId": 2,
            "type": "Sale",
            "statusId": 2,
            "status": "Succeeded",
            "processedAmount": Decimal("231.75"),
            "details": {"hostResponseCode": None, "hostResponseMessage": None, "category": None},
            "nextAttemptDateTime": None,
        },
    }
    assert await charges(seller) == 1
    assert await work(seller) == 0
    assert await failed_payments(seller) == []


async def test_a_charge_that_is_declined_leaves_a_subscription_that_tries_again(seller: RunningService) -> None:
    body = await created(seller, paymentMethodId=NO_MONEY)

    assert body["payNowSuccess"] is False
    assert body["payNowResponse"] == {
        "transactionId": body["transactionId"],
        "transactionDateTime": "2026-11-21T12:00:00Z",
        "typeId": 2,
        "type": "Sale",
        "statusId": 3,
        "status": "Declined",
        "processedAmount": 0,
        "details": {
            "hostResponseCode": "insufficient_funds",
            "hostResponseMessage": "Sandbox: this payment method is declined: insufficient_funds.",
            "category": "insufficient_funds",
        },
        "nextAttemptDateTime": "2026-11-22T08:00:00Z",
    }
    read = await get(seller, f"/{body['id']}")
    assert (read["status"], read["nextPaymentDate"]) == ("Active", "2026-11-22T08:00:00Z")


async def test_a_failure_is_in_both_lists_under_the_subscriptions_id(seller: RunningService) -> None:
    body = await created(seller, paymentMethodId=NO_MONEY)

    (listed,) = await failed_payments(seller, f"?subscription={body['id']}")
    assert listed["status"] == "failed"
    assert (listed["provider"], listed["subscription"]) == ("subscriptions", body["id"])
    assert (listed["amount_minor"], listed["currency"]) == (25_000, "NOK")
    assert (listed["code"], listed["category"]) == ("insufficient_funds", "insufficient_funds")
    assert (listed["customer"]["id"], listed["customer"]["name"]) == (CUSTOMER, "Nafees Rahman")
    (order,) = await failed_orders(seller, f"?subscriptionUuid={body['id']}")
    assert (order["subscriptionUuid"], order["status"], order["amount"]) == (body["id"], "FAILED", 250)
    assert order["orderUuid"] == listed["id"]


async def test_a_charge_that_may_never_be_tried_again_ends_the_subscription(seller: RunningService) -> None:
    body = await created(seller, paymentMethodId=STOLEN)

    assert body["payNowSuccess"] is False
    assert body["payNowResponse"]["details"]["category"] == "lost_stolen"
    assert body["payNowResponse"]["nextAttemptDateTime"] is None
    read = await get(seller, f"/{body['id']}")
    assert (read["statusId"], read["status"], read["nextPaymentDate"]) == (3, "Failed", None)
    assert (read["subscriptionEndDate"], read["numberOfPayments"]) == ("2026-11-21T12:00:00Z", 12)


@pytest.mark.parametrize("method", [TIMES_OUT_DONE, TIMES_OUT_UNDONE])
async def test_a_charge_that_times_out_is_unknown_until_a_worker_has_asked(
    seller: RunningService, method: UUID
) -> None:
    asked = a_request(paymentMethodId=method)
    body = told(await post(seller, asked, key="k-1"))

    assert (body["payNowSuccess"], body["transactionId"]) == (False, None)
    answer = body["payNowResponse"]
    assert (answer["statusId"], answer["status"], answer["processedAmount"]) == (5, "Unknown", 0)
    assert await failed_payments(seller) == []
    (attempt,) = (await get(seller, f"/{body['id']}/payments"))[0]["attempts"]
    assert (attempt["status"], attempt["transactionId"]) == ("Unknown", None)

    assert await work(seller, NOON + timedelta(minutes=1)) == 1
    again = told(await post(seller, asked, key="k-1"))
    assert (again["id"], again["payNowSuccess"]) == (body["id"], True)
    assert again["payNowResponse"]["processedAmount"] == 250
    first = (await get(seller, f"/{body['id']}/payments"))[0]
    assert (first["status"], [one["status"] for one in first["attempts"]]) == ("Paid", ["Succeeded"])


async def test_a_charge_that_the_gateway_has_not_decided_is_pending(seller: RunningService) -> None:
    body = await created(seller, transactionType=11, isFasterProcessing=True, paymentMethodId=PENDING_THEN_PAYS)

    assert body["payNowSuccess"] is False
    assert (body["payNowResponse"]["status"], body["payNowResponse"]["type"]) == ("Pending", "AchDebit")
    assert body["payNowResponse"]["transactionId"] == body["transactionId"] is not None
    first = (await get(seller, f"/{body['id']}/payments"))[0]
    assert (first["status"], [one["status"] for one in first["attempts"]]) == ("Processing", ["Pending"])
    assert await failed_payments(seller) == []

    await work(seller, NOON + timedelta(seconds=30))
    first = (await get(seller, f"/{body['id']}/payments"))[0]
    assert (first["status"], [one["status"] for one in first["attempts"]]) == ("Paid", ["Succeeded"])
    assert first["attempts"][0]["transactionId"] == body["transactionId"]


async def test_no_number_of_payments_has_no_end(seller: RunningService) -> None:
    for count in (None, 0):
        body = await created(seller, numberOfPayments=count)
        read = await get(seller, f"/{body['id']}")
        assert (read["numberOfPayments"], read["allPaymentsAmount"], read["subscriptionEndDate"]) == (0, None, None)
        assert read["nextPaymentDate"] == "2026-12-21T12:00:00Z"


async def test_dual_pricing_wants_to_know_which_price(seller: RunningService) -> None:
    set_cash_discount(seller, 40_000)
    missing = await post(seller, a_request())
    assert list(missing.json()["errors"]) == ["useCardPrice"]

    cash = await created(seller, useCardPrice=False)
    card = await created(seller, useCardPrice=True)

    assert cash["payNowResponse"]["processedAmount"] == 240
    assert card["payNowResponse"]["processedAmount"] == 250
    price = (await get(seller, f"/{cash['id']}"))["paymentAmount"]
    assert (price["cashDiscountAmount"], price["cashDiscountRate"], price["totalAmount"]) == (10, 4, 240)


async def test_what_was_sent_is_kept(seller: RunningService) -> None:
    await created(seller, paymentStartDateTime=TOMORROW)

    async with seller.database.read() as connection:
        (kept,) = (await connection.execute(sa.select(*DeliveryRow.__table__.c))).all()
    assert (kept.provider, kept.origin, kept.outcome) == ("subscriptions", "/sub-api/v1/subscriptions", "recorded")
    assert PROCESSOR.encode() in kept.body
    assert "authorization" not in kept.headers


# Without a gateway


async def test_a_merchant_without_a_gateway_is_told_the_command(service: RunningService) -> None:
    refused = await post(service, a_request())

    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "no_usable_gateway"
    assert "dunning merchant set" in refused.json()["detail"]
    assert (await get(service))["total"] == 0


async def test_a_gateway_that_cannot_be_used_is_no_crash(service: RunningService) -> None:
    row = {
        "merchant_id": service.merchant.id,
        "id": 1,
        "is_current": True,
        "kind": "http",
        "url": "https://charge.example.com/",
        "secrets": b"encrypted with a key that is lost",
        "updated_at": NOON,
    }
    with service.database.write() as connection:
        connection.execute(sa.insert(GatewayRow).values(row))

    refused = await post(service, a_request())

    assert (refused.status_code, refused.json()["code"]) == (409, "no_usable_gateway")
    assert "dunning merchant set" in refused.json()["detail"]
