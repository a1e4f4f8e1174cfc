"""Replies: their schemas in OpenAPI, and the list of failed payments, written page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeAlias

import orjson

from dunning_service.apis.goodparty import xml
from dunning_service.apis.goodparty.requests import XML_TYPES, Page
from dunning_service.providers.goodparty import PaymentIntentFailed

Pages: TypeAlias = AsyncIterator[Page]

_NEVER = "0001-01-01T00:00:00"  # .NET's plain dates and numbers cannot be null
_KEPT_AS_UNSET = "0001-01-01T00:00:00.0000000+00:00"
"""In the details of failures that were recorded before such a date was read as missing."""
_WHEN_MISSING: Mapping[str, str | int | None] = {
    "Id": 0,
    "AmountDue": 0,
    "UserId": 0,
    "FailedTimeStamp": _NEVER,
    "AttemptCount": 0,
    "StatusId": 0,
    "PackageID": 0,
    "PackageExpiryDate": _NEVER,
}
_PROPERTIES = tuple(PaymentIntentFailed.model_fields)

LOGGED: Mapping[str, Any] = {"type": "object", "required": ["Success"], "properties": {"Success": {"type": "boolean"}}}
"""The schema of what LogInvoicePaymentFailed replies."""

RESOLVED: Mapping[str, Any] = {"type": "integer"}
"""The schema of what InvoicePaymentSucceeded replies."""

FAILURES: Mapping[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": list(_PROPERTIES),
        "properties": {
            name: {"type": "integer"} if isinstance(_WHEN_MISSING.get(name), int) else {"type": ["string", "null"]}
            for name in _PROPERTIES
        },
    },
}
"""The schema of what GetInvoicePaymentFailed replies."""


def reply_schema(action: str, message: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of the reply of an action, which has a message of this schema."""
    return {
        "title": f"{action}Reply",
        "type": "object",
        "required": ["status", "Message"],
        "properties": {"status": {"type": "string"}, "Message": message},
    }


async def written(media_type: str, pages: Pages) -> AsyncIterator[bytes]:
    """The reply with all failed payments of `pages`, ready to be sent: when the first page cannot be read, this raises,
    and not the reply once it has begun."""
    begun = _after(await anext(pages), pages)
    return _as_xml(begun) if media_type in XML_TYPES else _as_json(begun)


async def _after(first: Page, rest: Pages) -> Pages:
    yield first
    async for page in rest:
        yield page


async def _as_json(pages: Pages) -> AsyncIterator[bytes]:
    yield b'{"status":"Success","Message":['
    separator = b""
    async for page in pages:
        if page:
            yield separator + b",".join(orjson.dumps(_element(number, details)) for number, details in page)
            separator = b","
    yield b"]}"


async def _as_xml(pages: Pages) -> AsyncIterator[bytes]:
    root = xml.FAILURES_RESPONSE
    is_empty = True
    yield xml.opening(root).encode()
    async for page in pages:
        if page:
            start = f"<{xml.FAILURES_MESSAGE}>" if is_empty else ""
            is_empty = False
            yield (start + "".join(xml.failure(_element(number, details)) for number, details in page)).encode()
    yield ((f"<{xml.FAILURES_MESSAGE}/>" if is_empty else "</Message>") + xml.closing(root)).encode()


def _element(number: int, details: Mapping[str, Any]) -> dict[str, str | int | None]:
    element: dict[str, str | int | None] = {}
    for name in _PROPERTIES:
        value = number if name == "Id" else details.get(name)
        element[name] = _WHEN_MISSING.get(name) if value is None or value == _KEPT_AS_UNSET else value
    return element
