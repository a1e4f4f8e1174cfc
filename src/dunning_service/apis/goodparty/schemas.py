"""What OpenAPI says about the actions: bodies, answers and errors, each with an example, in JSON and in XML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from dunning_service.apis.goodparty import xml
from dunning_service.apis.goodparty.requests import JSON_TYPES, XML_TYPES
from dunning_service.providers import goodparty
from dunning_service.providers.goodparty import (
    REQUEST_NAMESPACE,
    DepositMoneyRequest,
    PaymentIntentFailed,
    PaymentIntentStatusRequest,
)

_FORM_TYPE = "application/x-www-form-urlencoded"

_FAILURE: Mapping[str, str | int] = {
    "InvoiceId": "in_1PaY7hGoodParty",
    "PaymentIntentId": "pi_3PaY7hGoodParty",
    "PaymentMethodId": "pm_1PaY7hGoodParty",
    "AmountDue": 1999,
    "StripeCustomerId": "cus_QfJ2mGoodParty",
    "CustomerEmail": "kari@example.com",
    "SubscriptionId": "sub_1PaY7hGoodParty",
    "UserId": 4711,
    "FailedTimeStamp": "2026-01-11T19:31:58.0620744+00:00",
    "AttemptCount": 1,
    "StatusId": 2,
    "ArtistName": "Kari Nordmann",
    "PackageID": 3,
    "PackageExpiryDate": "2026-02-11T00:00:00.0000000+00:00",
    "PhoneNumber": "+4791234567",
    "ProfileUrl": "https://example.com/kari",
}
_DEPOSIT: Mapping[str, str | int | float] = {
    "UserId": 4711,
    "DepositAmount": 19.99,
    "StripeCustomerId": "cus_QfJ2mGoodParty",
    "TransactionNo": "ch_3PaY7hGoodParty",
    "Currency": "NOK",
}
_LISTED: Mapping[str, str | int] = {"Id": 17, **_FAILURE}


def _response_schema(action: str, message: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": f"{action}Reply",
        "type": "object",
        "required": ["status", "Message"],
        "properties": {"status": {"type": "string"}, "Message": message},
    }


_NAME = {"type": "string", "minLength": 1}
_NUMBER = {"type": "integer", "not": {"const": 0}}


def _request_schema(model: type[BaseModel], identities: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`identities`: sets of fields, of which one has to be there in full."""
    schema = model.model_json_schema()
    if identities:
        schema["allOf"] = [{"anyOf": [{"required": list(named), "properties": named} for named in identities]}]
    for field in schema["properties"].values():
        del field["title"]  # the name again, in another case
        if field.get("default", 0) is None:  # that is "unknown" inside; it cannot be sent everywhere
            del field["default"]
    return schema


def _xml_request(name: str, properties: Mapping[str, str | int | float]) -> str:
    elements = "".join(f"<{key}>{xml.text(str(properties[key]))}</{key}>" for key in sorted(properties))
    return f'<{name} xmlns="{REQUEST_NAMESPACE}">{elements}</{name}>'


def _action(
    action: str,
    model: type[BaseModel],
    identities: Sequence[Mapping[str, Any]],
    example: Mapping[str, str | int | float],
    message: Mapping[str, Any],
    reply: Any,
    xml_reply: str,
) -> dict[str, Any]:
    as_json = {"schema": _request_schema(model, identities), "example": example}
    as_xml = {"schema": {"type": "string"}, "example": _xml_request(model.__name__, example)}
    answer = {"schema": _response_schema(action, message), "example": {"status": "Success", "Message": reply}}
    xml_answer = {"schema": {"type": "string"}, "example": xml_reply}
    return {
        "requestBody": {
            "required": True,
            "description": "Names may be written in any case, and numbers as text; members that are not known are "
            "ignored.",
            "content": {
                **dict.fromkeys(JSON_TYPES, as_json),
                **dict.fromkeys(XML_TYPES, as_xml),
                # the same members, and no schema: generators of clients would offer two bodies of one class
                _FORM_TYPE: {"example": example},
            },
        },
        "responses": {
            "200": {"content": {**dict.fromkeys(JSON_TYPES, answer), **dict.fromkeys(XML_TYPES, xml_answer)}}
        },
    }


LOG_FAILURE = _action(
    goodparty.LOG_FAILURE,
    PaymentIntentFailed,
    (
        {"InvoiceId": _NAME},
        {"PaymentIntentId": _NAME},
        {"UserId": _NUMBER, "FailedTimeStamp": {"type": "string", "format": "date-time"}},
    ),
    _FAILURE,
    {"type": "object", "required": ["Success"], "properties": {"Success": {"type": "boolean"}}},
    {"Success": True},
    xml.success().decode(),
)
RECORD_SUCCESS = _action(
    goodparty.RECORD_SUCCESS,
    DepositMoneyRequest,
    ({"UserId": _NUMBER}, {"StripeCustomerId": _NAME}),
    _DEPOSIT,
    {"type": "integer"},
    1,
    xml.count(1).decode(),
)
LIST_FAILURES = _action(
    "GetInvoicePaymentFailed",
    PaymentIntentStatusRequest,
    (),
    {"UserId": 4711, "StatusId": 0},
    {
        "type": "array",
        "items": {
            "type": "object",
            "required": list(PaymentIntentFailed.model_fields),
            "properties": {
                name: {"type": "integer"} if isinstance(value, int) else {"type": ["string", "null"]}
                for name, value in _LISTED.items()
            },
        },
    },
    [_LISTED],
    f"{xml.opening(xml.FAILURES_RESPONSE)}<{xml.FAILURES_MESSAGE}>{xml.failure(_LISTED)}</Message>"
    f"{xml.closing(xml.FAILURES_RESPONSE)}",
)


def _refused(description: str, example: Mapping[str, Any]) -> dict[str, Any]:
    schema = {
        "title": "ActionServiceError",
        "type": "object",
        "required": ["Message"],
        "properties": {
            "Message": {"type": "string"},
            "MessageDetail": {"type": "string"},
            "ModelState": {
                "type": "object",
                "additionalProperties": {"type": "array", "items": {"type": "string"}},
            },
        },
    }
    as_json = {"schema": schema, "example": example}
    as_xml = {"schema": {"type": "string"}, "example": xml.error(example).decode()}
    return {
        "description": description,
        "content": {**dict.fromkeys(JSON_TYPES, as_json), **dict.fromkeys(XML_TYPES, as_xml)},
    }


ERRORS: dict[int | str, dict[str, Any]] = {
    400: _refused(
        "The body cannot be read, or fields of it are wrong; nothing was recorded",
        {
            "Message": "The request is invalid.",
            "ModelState": {
                "request.AmountDue": ["it must be a whole number, the amount in minor units: 1999 for 19.99"]
            },
        },
    ),
    401: {
        **_refused(
            "There is no token, or it is not valid", {"Message": "Authorization has been denied for this request."}
        ),
        "headers": {
            "WWW-Authenticate": {
                "description": "Both schemes that take the token, each in a header of its own",
                "schema": {"type": "string"},
                "example": 'Basic realm="dunning", charset="UTF-8"',
            }
        },
    },
    403: _refused("The token may not do this", {"Message": "this token does not have the scope 'ingest'"}),
    408: _refused(
        "The body did not arrive in time", {"Message": "the body did not arrive within 30 seconds; send it again"}
    ),
    413: _refused(
        "The body is too large",
        {"Message": "the body is larger than 1048576 bytes, which is the most this service takes"},
    ),
    415: _refused(
        "The body is in another format, compressed, or without a Content-Type",
        {"Message": "The request entity's media type 'text/plain' is not supported for this resource."},
    ),
    503: {
        **_refused(
            "It is not known to be recorded; send it again",
            {"Message": "the database cannot be reached at the moment; try again"},
        ),
        "headers": {"Retry-After": {"schema": {"type": "integer"}, "example": 1}},
    },
}
