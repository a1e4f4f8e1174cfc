"""What the tests of GoodParty's ActionService share: a notice in each body format, and ways to send it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import httpx
import sqlalchemy as sa

from dunning_service.ledger.models import AttemptRow, DeliveryRow, PaymentRow, ReceiptRow
from running import RunningService

LOG = "/api/ActionService/LogInvoicePaymentFailed"
SUCCEEDED = "/api/ActionService/InvoicePaymentSucceeded"
LIST = "/api/ActionService/GetInvoicePaymentFailed"

BUSINESS_OBJECT = "http://schemas.datacontract.org/2004/07/PartyMusic.BusinessObject"
PAYMENT = f"{BUSINESS_OBJECT}.Messages.Payment"

A_FAILURE: dict[str, Any] = {
    "Id": 1,
    "InvoiceId": "in_1",
    "PaymentIntentId": "pi_1",
    "PaymentMethodId": "pm_1",
    "AmountDue": 1999,
    "StripeCustomerId": "cus_1",
    "CustomerEmail": "kari@example.com",
    "SubscriptionId": "sub_1",
    "UserId": 9,
    "FailedTimeStamp": "2026-01-11T19:31:58.0620744+00:00",
    "AttemptCount": 1,
    "StatusId": 12,
    "ArtistName": "Kari & Co",
    "PackageID": 14,
    "PackageExpiryDate": "2027-01-11T00:00:00.0000000+00:00",
    "PhoneNumber": "+4791234567",
    "ProfileUrl": "https://example.com/kari?a=1&b=2",
}

A_DEPOSIT: dict[str, Any] = {
    "UserId": 9,
    "StripeCustomerId": "cus_1",
    "DepositAmount": 19.99,
    "Currency": "NOK",
    "TransactionNo": "ch_1",
}


def as_xml(properties: Mapping[str, Any], root: str = "PaymentIntentFailed", namespace: str = PAYMENT) -> bytes:
    element = ElementTree.Element(f"{{{namespace}}}{root}")
    for name, value in properties.items():
        ElementTree.SubElement(element, f"{{{namespace}}}{name}").text = str(value)
    return ElementTree.tostring(element)


def encoded(properties: Mapping[str, Any], media_type: str, root: str = "PaymentIntentFailed") -> bytes:
    """The object in the format that `media_type` names."""
    if media_type.endswith("json"):
        return json.dumps(properties).encode()
    if media_type.endswith("xml"):
        return as_xml(properties, root)
    return urlencode(properties).encode()


async def post(
    service: RunningService, path: str, body: Any, *, media_type: str | None = "application/json", **headers: str
) -> httpx.Response:
    """`body` as it is when it is bytes, else as JSON; headers as `accept="text/xml"`."""
    sent = httpx.Headers(service.auth)
    sent.update({name.replace("_", "-"): value for name, value in headers.items()})
    if media_type is not None:
        sent["Content-Type"] = media_type
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await service.client.post(path, content=content, headers=sent)


async def listed(service: RunningService, **wanted: int) -> list[dict[str, Any]]:
    response = await post(service, LIST, wanted)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["status"] == "Success"
    found: list[dict[str, Any]] = answer["Message"]
    return found


async def rows(service: RunningService) -> dict[str, int]:
    """How much the ledger holds."""
    counts = {}
    async with service.database.read() as connection:
        for table in (DeliveryRow, PaymentRow, AttemptRow, ReceiptRow):
            statement = sa.select(sa.func.count()).select_from(table)
            counts[table.__tablename__] = (await connection.execute(statement)).scalar_one()
    return counts


NOTHING = {"deliveries": 0, "payments": 0, "attempts": 0, "receipts": 0}
