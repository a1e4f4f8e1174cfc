"""Errors in ASP.NET Web API's own form, and the error responses of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dunning_service.apis.goodparty import xml
from dunning_service.apis.goodparty.requests import XML_TYPES, contents_of, reply_type
from dunning_service.errors import FieldError, ReceiptContradicted, UnreadableNotice
from dunning_service.http.auth import offer_basic
from dunning_service.http.problems import Refusal
from dunning_service.ledger.fold import ERASED_PAYER
from dunning_service.providers.goodparty import PAYER

HttpError = Mapping[str, str | Mapping[str, Sequence[str]]]

_SCHEMA = {
    "title": "ActionServiceError",
    "type": "object",
    "required": ["Message"],
    "properties": {
        "Message": {"type": "string"},
        "MessageDetail": {"type": "string"},
        "ModelState": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
    },
}
_DESCRIPTIONS = {
    400: "The body cannot be read, or fields of it are wrong; nothing was recorded",
    401: "There is no token, or it is not valid",
    403: "The token may not do this",
    408: "The body did not arrive in time",
    413: "The body is too large",
    415: "The body is in another format, compressed, or without a Content-Type",
    503: "It is not known to be recorded; send it again",
}
_CHALLENGE = {
    "description": "Both schemes that take the token, each in a header of its own",
    "schema": {"type": "string"},
    "example": 'Basic realm="dunning", charset="UTF-8"',
}


def responses(reply: Mapping[str, Any]) -> dict[int | str, dict[str, Any]]:
    """The responses of an action in the OpenAPI document: a reply of this schema, and every error."""
    stated: dict[int | str, dict[str, Any]] = {
        status: {"description": text, "content": contents_of(_SCHEMA)} for status, text in _DESCRIPTIONS.items()
    }
    stated[401]["headers"] = {"WWW-Authenticate": _CHALLENGE}
    stated[503]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "example": 1}}
    return {200: {"content": contents_of(reply)}, **stated}


def render(request: Request, refusal: Refusal) -> Response:
    """The response to a refused request: an HttpError in JSON or XML, as its reply would be."""
    media_type = reply_type(request)
    error = _error(request, refusal)
    content = xml.error(error) if media_type in XML_TYPES else orjson.dumps(error)
    headers = {**refusal.headers, "content-type": f"{media_type}; charset=utf-8"}
    return offer_basic(Response(content, refusal.status, headers))


def _error(request: Request, refusal: Refusal) -> HttpError:
    status = refusal.status
    if status in (400, 422):
        return {"Message": "The request is invalid.", "ModelState": _model_state(refusal)}
    if status == 401:
        return {"Message": "Authorization has been denied for this request."}
    if status == 404:
        address = _address(request)
        return {
            "Message": f"No HTTP resource was found that matches the request URI '{address}'.",
            "MessageDetail": f"No action was found on the controller 'ActionService' that matches '{address}'.",
        }
    if status == 405:
        return {"Message": f"The requested resource does not support http method '{request.method}'."}
    if status >= 500 and status != 503:
        return {"Message": "An error has occurred."}
    return {"Message": refusal.message}


def _model_state(refusal: Refusal) -> dict[str, list[str]]:
    """The messages of each wrong field under `request.<Property>`; what is wrong with the whole body is `request`."""
    state: dict[str, list[str]] = {}
    for wrong in refusal.fields:
        state.setdefault(f"request.{wrong.field}" if wrong.field else "request", []).append(wrong.message)
    return state or {"request": [refusal.message]}


def _address(request: Request) -> str:
    """The URL of the request without its query, which may hold secrets."""
    scope = request.scope
    host = request.headers.get("host", "")
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
    return f"{scope['scheme']}://{host}{path}"


def refused_deposit(error: ReceiptContradicted) -> UnreadableNotice:
    """The refusal of a deposit under a known TransactionNo: each field that differs, with what is recorded, and what
    would be right."""
    number = error.provider_receipt_id
    problems: list[FieldError] = []
    for name, held, given in error.differences:
        if name == "payer_key":
            problems += _other_payer(number, str(held), str(given))
        elif name == "currency":
            recorded = "without a currency" if held is None else f"in {held}"
            problems.append(FieldError("Currency", f"the deposit {number} is recorded {recorded}"))
        else:
            recorded = "without an amount" if held is None else f"with another amount, {held} in minor units"
            problems.append(FieldError("DepositAmount", f"the deposit {number} is recorded {recorded}"))
    message = f"the deposit {number} is recorded and stays as it is; send another deposit with a number of its own"
    problems.append(FieldError("TransactionNo", message))
    return UnreadableNotice.of(problems)


def _other_payer(number: str, held: str, given: str) -> list[FieldError]:
    if held.startswith(ERASED_PAYER):
        message = f"the deposit {number} is recorded of a customer whose data were erased"
        return [FieldError(name, message) for name in PAYER]
    parts = zip(PAYER, held.partition(":")[::2], given.partition(":")[::2], strict=True)
    return [
        FieldError(name, f"the deposit {number} is recorded {f'with {recorded}' if recorded else 'without one'}")
        for name, recorded, sent in parts
        if recorded != sent
    ]
