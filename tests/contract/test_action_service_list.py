"""GetInvoicePaymentFailed: everything that was logged, in the order of Id."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from contract._goodparty import (
    A_DEPOSIT,
    A_FAILURE,
    BUSINESS_OBJECT,
    LIST,
    LOG,
    PAYMENT,
    SUCCEEDED,
    encoded,
    listed,
    post,
)
from dunning_service.apis.goodparty import requests
from running import RunningService

ROOT = "ResponseBaseOfArrayOfPaymentIntentFailedYVxenrm_S"


async def log(service: RunningService, invoice: str, **properties: object) -> None:
    response = await post(service, LOG, {**A_FAILURE, "InvoiceId": invoice, **properties})
    assert response.status_code == 200


async def test_empty_list_is_an_empty_array(service: RunningService) -> None:
    assert (await post(service, LIST, {})).text == '{"status":"Success","Message":[]}'


async def test_empty_list_is_an_empty_element_in_xml(service: RunningService) -> None:
    response = await post(service, LIST, {}, accept="text/xml")

    assert response.headers["content-type"] == "text/xml; charset=utf-8"
    assert response.text == (
        f'<{ROOT} xmlns:i="http://www.w3.org/2001/XMLSchema-instance" xmlns="{BUSINESS_OBJECT}.MessageBase">'
        f'<Message xmlns:d2p1="{PAYMENT}"/><status>Success</status></{ROOT}>'
    )


async def test_all_pages_are_one_list(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "_PAGE", 2)
    for number in range(5):
        await log(service, f"in_{number}")

    found = await listed(service)

    assert [payment["InvoiceId"] for payment in found] == [f"in_{number}" for number in range(5)]
    ids = [payment["Id"] for payment in found]
    assert ids == sorted(set(ids))
    as_xml = ElementTree.fromstring((await post(service, LIST, {}, accept="application/xml")).text)
    assert [element.text for element in as_xml.iter(f"{{{PAYMENT}}}Id")] == [str(number) for number in ids]


async def test_full_last_page_ends_the_list(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "_PAGE", 2)
    for number in range(4):
        await log(service, f"in_{number}")

    assert len(await listed(service)) == 4
    assert (await post(service, LIST, {}, accept="text/xml")).text.count("<d2p1:PaymentIntentFailed>") == 4


async def test_id_stays_the_same(service: RunningService) -> None:
    await log(service, "in_1")
    before = (await listed(service))[0]["Id"]
    await log(service, "in_1", AttemptCount=2)

    assert [(payment["Id"], payment["AttemptCount"]) for payment in await listed(service)] == [(before, 2)]


@pytest.mark.parametrize("media_type", ["application/json", "application/xml", "application/x-www-form-urlencoded"])
async def test_user_and_status_choose(service: RunningService, media_type: str) -> None:
    await log(service, "in_1", UserId=1, StatusId=1)
    await log(service, "in_2", UserId=2, StatusId=1)
    await log(service, "in_3", UserId=2, StatusId=2)

    async def invoices(**wanted: int) -> list[str]:
        body = encoded(wanted, media_type, root="PaymentIntentStatusRequest") or b"UserId=0"
        response = await post(service, LIST, body, media_type=media_type, accept="application/json")
        return [payment["InvoiceId"] for payment in response.json()["Message"]]

    assert await invoices() == ["in_1", "in_2", "in_3"]
    assert await invoices(UserId=0, StatusId=0) == ["in_1", "in_2", "in_3"]
    assert await invoices(UserId=2) == ["in_2", "in_3"]
    assert await invoices(StatusId=1) == ["in_1", "in_2"]
    assert await invoices(UserId=2, StatusId=1) == ["in_2"]
    assert await invoices(UserId=-3) == []


async def test_paid_failure_stays_in_the_list(service: RunningService) -> None:
    await log(service, "in_1")
    await post(service, SUCCEEDED, A_DEPOSIT)

    assert len(await listed(service)) == 1


async def test_other_merchants_failures_are_not_there(service: RunningService) -> None:
    await log(service, "in_1")
    token = await service.add_token(await service.add_merchant("Denmark & Co"))

    response = await post(service, LIST, {}, authorization=f"Bearer {token}")

    assert response.json()["Message"] == []


async def test_what_was_not_said_is_null_or_nothing(service: RunningService) -> None:
    await post(service, LOG, {"InvoiceId": "in_1"})

    (found,) = await listed(service)
    number = found.pop("Id")
    assert found == {
        "InvoiceId": "in_1",
        "PaymentIntentId": None,
        "PaymentMethodId": None,
        "AmountDue": 0,
        "StripeCustomerId": None,
        "CustomerEmail": None,
        "SubscriptionId": None,
        "UserId": 0,
        "FailedTimeStamp": "0001-01-01T00:00:00",
        "AttemptCount": 0,
        "StatusId": 0,
        "ArtistName": None,
        "PackageID": 0,
        "PackageExpiryDate": "0001-01-01T00:00:00",
        "PhoneNumber": None,
        "ProfileUrl": None,
    }
    as_xml = (await post(service, LIST, {}, accept="application/xml")).text
    assert f"<d2p1:Id>{number}</d2p1:Id>" in as_xml
    assert '<d2p1:ProfileUrl i:nil="true"/>' in as_xml


async def test_xml_list_can_be_logged_again(service: RunningService) -> None:
    await log(service, "in_1", ArtistName="<Kari> & \r\n\u0007")
    (payment,) = ElementTree.fromstring((await post(service, LIST, {}, accept="text/xml")).text).iter(
        f"{{{PAYMENT}}}PaymentIntentFailed"
    )

    response = await post(service, LOG, ElementTree.tostring(payment), media_type="text/xml", accept="text/json")

    assert response.json()["Message"] == {"Success": True}
    (found,) = await listed(service)
    assert found["ArtistName"] in ("<Kari> & \r\n\u0007", "<Kari> & \r\n\ufffd")


async def test_wrong_choice_is_refused(service: RunningService, subtests: pytest.Subtests) -> None:
    for body, field in (
        (b"", "request"),
        (b"[]", "request"),
        (b'{"UserId": "x"}', "request.UserId"),
        (b'{"StatusId": null}', "request.StatusId"),
    ):
        with subtests.test(field, body=body):
            response = await post(service, LIST, body)

            assert response.status_code == 400
            assert list(response.json()["ModelState"]) == [field]
