"""LogInvoicePaymentFailed: what a caller sends, what it is answered, and what the ledger then holds."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import Any

import pytest
import sqlalchemy as sa

from contract._goodparty import A_FAILURE, BUSINESS_OBJECT, LOG, as_xml, encoded, listed, post, rows
from dunning_service.events import Delivery
from dunning_service.ledger.models import AttemptRow, DeliveryRow, PaymentRow
from dunning_service.ledger.work import Notice
from dunning_service.providers import Options
from dunning_service.providers.goodparty import PROVIDER
from running import RunningService

SUCCESS = {"status": "Success", "Message": {"Success": True}}
XML_SUCCESS = (
    '<ResponseBaseOfExecutionStatusyiGVY2vN xmlns:i="http://www.w3.org/2001/XMLSchema-instance" '
    f'xmlns="{BUSINESS_OBJECT}.MessageBase">'
    f'<Message xmlns:d2p1="{BUSINESS_OBJECT}"><d2p1:Success>true</d2p1:Success></Message>'
    "<status>Success</status></ResponseBaseOfExecutionStatusyiGVY2vN>"
)


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "text/json", "application/xml", "text/xml", "application/x-www-form-urlencoded"],
)
async def test_failure_in_any_format_can_be_read_back_at_once(service: RunningService, media_type: str) -> None:
    response = await post(service, LOG, encoded(A_FAILURE, media_type), media_type=media_type, accept="*/*")

    assert response.status_code == 200
    if media_type.endswith("xml"):
        assert response.text == XML_SUCCESS
    else:
        assert response.json() == SUCCESS
    answered = "application/json" if "form" in media_type else media_type
    assert response.headers["content-type"] == f"{answered}; charset=utf-8"
    (found,) = await listed(service)
    number = found.pop("Id")
    assert isinstance(number, int)
    assert found == {
        **{name: value for name, value in A_FAILURE.items() if name != "Id"},
        "FailedTimeStamp": "2026-01-11T19:31:58.0620740+00:00",  # kept to the microsecond
    }


async def test_failure_is_a_payment_of_the_merchant(service: RunningService) -> None:
    await post(service, LOG, A_FAILURE)

    async with service.database.read() as connection:
        (payment,) = (await connection.execute(sa.select(PaymentRow.__table__))).all()
    assert (payment.merchant_id, payment.provider) == (service.merchant.id, "goodparty")
    assert (payment.provider_payment_id, payment.provider_subscription_id) == ("in_1", "sub_1")
    assert (payment.amount_minor, payment.currency, payment.status) == (1999, "NOK", "failed")
    assert (payment.customer_name, payment.customer_phone) == ("Kari & Co", "+4791234567")
    assert str(payment.order_on) == "2026-01-11"


async def test_merchant_without_a_currency_leaves_it_unknown(service: RunningService) -> None:
    merchant = await service.add_merchant("Nowhere")
    token = await service.add_token(merchant)

    await post(service, LOG, A_FAILURE, authorization=f"Bearer {token}")

    async with service.database.read() as connection:
        payment = (await connection.execute(sa.select(PaymentRow.__table__))).one()
    assert (payment.merchant_id, payment.amount_minor, payment.currency) == (merchant.id, 1999, None)


async def test_same_notice_again_is_answered_the_same_and_recorded_once(service: RunningService) -> None:
    first = await post(service, LOG, A_FAILURE)
    second = await post(service, LOG, A_FAILURE)

    assert (first.status_code, first.content) == (second.status_code, second.content) == (200, first.content)
    assert await rows(service) == {"deliveries": 1, "payments": 1, "attempts": 1, "receipts": 0}


async def test_same_notice_at_the_same_moment_is_recorded_once(service: RunningService) -> None:
    responses = await asyncio.gather(*(post(service, LOG, A_FAILURE) for _ in range(20)))

    assert {response.status_code for response in responses} == {200}
    assert await rows(service) == {"deliveries": 1, "payments": 1, "attempts": 1, "receipts": 0}


async def test_next_attempt_belongs_to_the_same_payment(service: RunningService) -> None:
    await post(service, LOG, {**A_FAILURE, "AttemptCount": 2, "FailedTimeStamp": "2026-01-14T08:00:00Z", "StatusId": 3})
    await post(service, LOG, A_FAILURE)

    assert await rows(service) == {"deliveries": 2, "payments": 1, "attempts": 2, "receipts": 0}
    (found,) = await listed(service)
    assert (found["AttemptCount"], found["StatusId"]) == (2, 3)


async def test_other_content_of_the_same_attempt_is_a_revision(service: RunningService) -> None:
    await post(service, LOG, {**A_FAILURE, "FailedTimeStamp": "2026-01-12T08:00:00Z", "AmountDue": 2999})
    await post(service, LOG, A_FAILURE)

    (found,) = await listed(service)
    assert (found["AmountDue"], found["FailedTimeStamp"]) == (2999, "2026-01-12T08:00:00.0000000+00:00")
    async with service.database.read() as connection:
        payment = (await connection.execute(sa.select(PaymentRow.__table__))).one()
    assert (payment.attempt_count, payment.amount_minor) == (1, 2999)


async def test_failure_without_a_time_has_that_of_its_arrival(service: RunningService) -> None:
    response = await post(service, LOG, {"InvoiceId": "in_1", "FailedTimeStamp": "0001-01-01T00:00:00"})

    assert response.status_code == 200
    async with service.database.read() as connection:
        attempt = (await connection.execute(sa.select(AttemptRow.__table__))).one()
    assert (attempt.occurred_at, attempt.occurred_at_known) == (service.clock.now, False)


async def test_path_is_the_same_in_any_case(service: RunningService, subtests: pytest.Subtests) -> None:
    for path in (LOG.lower(), LOG.upper(), "/API/actionservice/loginvoicePaymentFailed", LOG + "/"):
        with subtests.test(path):
            assert (await post(service, path, A_FAILURE)).json() == SUCCESS


async def test_property_names_are_the_same_in_any_case(service: RunningService) -> None:
    body = {name.lower(): value for name, value in A_FAILURE.items()}

    assert (await post(service, LOG, body)).json() == SUCCESS
    (found,) = await listed(service)
    assert found["PackageID"] == 14


async def test_answer_is_xml_when_xml_is_accepted(service: RunningService, subtests: pytest.Subtests) -> None:
    for accept in ("application/xml", "text/xml;q=0.9, application/json;q=0.1"):
        with subtests.test(accept):
            response = await post(service, LOG, A_FAILURE, accept=accept)

            assert response.text == XML_SUCCESS
            assert response.headers["content-type"] == accept.partition(";")[0] + "; charset=utf-8"


async def test_nobody_is_told_406(service: RunningService) -> None:
    assert (await post(service, LOG, A_FAILURE, accept="image/png")).json() == SUCCESS


async def test_document_sample_is_taken(service: RunningService) -> None:
    strings = ("InvoiceId", "PaymentIntentId", "PaymentMethodId", "StripeCustomerId", "CustomerEmail",
               "SubscriptionId", "ArtistName", "PhoneNumber", "ProfileUrl")  # fmt: skip
    sample: dict[str, Any] = {**A_FAILURE, **{name: f"sample string {name}" for name in strings}, "AmountDue": 5}

    for media_type in ("application/json", "application/xml"):
        response = await post(service, LOG, encoded(sample, media_type), media_type=media_type)
        assert response.status_code == 200
    # one attempt, of which each delivery has a row of its own
    assert await rows(service) == {"deliveries": 2, "payments": 1, "attempts": 2, "receipts": 0}
    async with service.database.read() as connection:
        assert (await connection.execute(sa.select(PaymentRow.attempt_count))).scalar_one() == 1


async def test_token_may_stand_in_any_of_three_places(service: RunningService, subtests: pytest.Subtests) -> None:
    password = base64.b64encode(f"anybody:{service.token}".encode()).decode()
    places = [
        {"Authorization": f"Bearer {service.token}"},
        {"Authorization": f"bearer {service.token}"},
        {"Authorization": f"Basic {password}"},
        {"X-Api-Key": service.token},
    ]
    for headers in places:
        with subtests.test(str(headers)):
            response = await service.client.post(LOG, json=A_FAILURE, headers=headers)

            assert response.json() == SUCCESS


async def test_merchants_do_not_meet(service: RunningService) -> None:
    other = await service.add_token(await service.add_merchant("Denmark & Co", "DKK"))

    await post(service, LOG, A_FAILURE)
    await post(service, LOG, A_FAILURE, authorization=f"Bearer {other}")

    assert await rows(service) == {"deliveries": 2, "payments": 2, "attempts": 2, "receipts": 0}
    assert len(await listed(service)) == 1


async def test_stored_notice_can_be_read_again(service: RunningService) -> None:
    await service.client.post(
        LOG,
        content=as_xml(A_FAILURE),
        headers={**service.auth, "Content-Type": "text/xml", "X-Dunning-Action": "InvoicePaymentSucceeded"},
    )
    async with service.database.read() as connection:
        row = (await connection.execute(sa.select(DeliveryRow.__table__))).one()
    headers = [(name.encode(), value.encode()) for name, value in row.headers.items()]
    delivery = Delivery(row.body, headers, row.received_at)

    events = PROVIDER.parse(delivery, Options(default_currency="NOK"))

    assert not re.search("dun_|Bearer", str(row.headers))
    again = Notice(
        merchant_id=row.merchant_id, time_zone="Europe/Oslo", provider="goodparty", origin=row.origin,
        delivery=delivery, outcome="recorded", events=events, is_replay=True,
    )  # fmt: skip
    await service.writer.record(again)
    assert await rows(service) == {"deliveries": 1, "payments": 1, "attempts": 1, "receipts": 0}


async def test_documented_examples_work(service: RunningService, subtests: pytest.Subtests) -> None:
    document = service.app.openapi()
    actions = {path: item["post"] for path, item in document["paths"].items() if path.startswith("/api/ActionService/")}
    assert len(actions) == 3
    for path, action in actions.items():
        assert len(action["security"]) == 3
        for media_type, body in action["requestBody"]["content"].items():
            with subtests.test(path, media_type=media_type):
                example = body["example"]
                content = example.encode() if isinstance(example, str) else encoded(example, media_type)
                response = await post(service, path, content, media_type=media_type)

                assert response.status_code == 200
                answered = response.headers["content-type"].partition(";")[0]
                documented = action["responses"]["200"]["content"][answered]["example"]
                tags = re.compile(r"</?([A-Za-z0-9:]+)")
                if answered.endswith("xml"):
                    assert set(tags.findall(response.text)) <= set(tags.findall(documented))
                else:
                    assert response.json().keys() == documented.keys()
