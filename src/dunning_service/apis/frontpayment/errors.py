"""Errors in Front Payment's envelope, with the statuses that are its own."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dunning_service.apis.frontpayment.wire import ErrorEnvelope
from dunning_service.errors import FieldError, NotFound
from dunning_service.http.problems import Refusal, title_of

INVALID = 417
"""What Front Payment answers where others say 422."""

CRASHED = 510
"""What Front Payment answers where others say 500."""

_STATUSES = {400: INVALID, 422: INVALID, 500: CRASHED}
_STATUS_MESSAGES = {INVALID: "Client Error", CRASHED: "Execution Exception Occurred"}
_MESSAGES = {
    401: "unauthenticated",
    403: "forbidden",
    404: "notFound",
    405: "methodNotAllowed",
    INVALID: "payloadValidationErrors",
    503: "serviceUnavailable",
    CRASHED: "Something Went Wrong",
}
_DESCRIPTIONS: dict[int | str, str] = {
    401: "No token, or one that is unknown, revoked or expired",
    403: "The token lacks the scope `read`",
    404: "No failed payment of that number",
    INVALID: "A parameter is wrong",
    503: "The database cannot be reached; try again",
    CRASHED: "An error on our side",
    "default": "Any other error, such as a method that is not possible here",
}
_ORDER_DETAILS = "/api/v1/connect/subscriptions/failed/details/"


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of an operation in the OpenAPI document: these, and those that every operation may reply."""
    every: tuple[int | str, ...] = (*statuses, 401, 403, 503, CRASHED, "default")
    return {status: {"model": ErrorEnvelope, "description": _DESCRIPTIONS[status]} for status in every}


def render(request: Request, refusal: Refusal) -> Response:
    """The response to a refused request, in Front Payment's envelope."""
    status = _STATUSES.get(refusal.status, refusal.status)
    message = _MESSAGES.get(status, refusal.code)
    if refusal.code == NotFound.code and request.scope["path"].startswith(_ORDER_DETAILS):
        message = "orderNotFound"
    body = {
        "status_code": status,
        "status_message": _STATUS_MESSAGES.get(status) or title_of(status),
        "message": message,
        "is_data": False,
        "data": None,
        "is_error": status != 404,  # what was not found is, to this API, an answer and no error
        "errors": _errors(status, refusal),
    }
    return Response(orjson.dumps(body), status, refusal.headers, "application/json")


def _errors(status: int, refusal: Refusal) -> list[dict[str, str]] | None:
    if status == CRASHED:
        return []
    if status != INVALID:
        return None
    wrong = refusal.fields or (FieldError("", refusal.message),)
    return [{"field": one.field, "message": one.message} for one in wrong]
