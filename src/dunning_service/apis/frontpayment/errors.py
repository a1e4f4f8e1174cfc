"""How Front Payment's API says that something went wrong: always its envelope, and some statuses of its own."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dunning_service.errors import FieldError, NotFound
from dunning_service.http.problems import Refusal

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
_ORDER_DETAILS = "/api/v1/connect/subscriptions/failed/details/"


def render(request: Request, refusal: Refusal) -> Response:
    """`refusal` in Front Payment's envelope."""
    status = _STATUSES.get(refusal.status, refusal.status)
    message = _MESSAGES.get(status, refusal.code)
    if refusal.code == NotFound.code and request.scope["path"].startswith(_ORDER_DETAILS):
        message = "orderNotFound"
    body = error_envelope(status, message, _errors(status, refusal))
    return Response(orjson.dumps(body), status, refusal.headers, "application/json")


def error_envelope(status: int, message: str, errors: list[dict[str, str]] | None) -> dict[str, Any]:
    """The body of an error. What was not found is, to this API, an answer and no error."""
    return {
        "status_code": status,
        "status_message": _STATUS_MESSAGES.get(status) or _phrase(status),
        "message": message,
        "is_data": False,
        "data": None,
        "is_error": status != 404,
        "errors": errors,
    }


def _errors(status: int, refusal: Refusal) -> list[dict[str, str]] | None:
    if status == CRASHED:
        return []
    if status != INVALID:
        return None
    wrong = refusal.fields or (FieldError("", refusal.message),)
    return [{"field": one.field, "message": one.message} for one in wrong]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
