"""Errors of ARISE's API as ASP.NET Core writes them: problem details, with `errors` by field.

`code` and `traceId` are members of their own beside it, which RFC 9457 allows and ASP.NET's clients pass over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dunning_service.apis.arise.wire import ProblemDetails
from dunning_service.errors import IdempotencyKeyReused
from dunning_service.http.middleware import request_id
from dunning_service.http.problems import Refusal

WHOLE_BODY = "$"
"""What `errors` calls the body as a whole."""

MEDIA_TYPE = "application/problem+json"

_RFC_9110 = "https://tools.ietf.org/html/rfc9110#section-"
_KINDS = {
    400: ("15.5.1", "Bad Request"),
    401: ("15.5.2", "Unauthorized"),
    403: ("15.5.4", "Forbidden"),
    404: ("15.5.5", "Not Found"),
    405: ("15.5.6", "Method Not Allowed"),
    408: ("15.5.9", "Request Timeout"),
    409: ("15.5.10", "Conflict"),
    413: ("15.5.14", "Content Too Large"),
    415: ("15.5.16", "Unsupported Media Type"),
    422: ("15.5.21", "Unprocessable Content"),
    500: ("15.6.1", "An error occurred while processing your request."),
    503: ("15.6.4", "Service Unavailable"),
}
_DESCRIPTIONS: dict[int | str, str] = {
    400: "Bad Request: `errors` has everything that is wrong",
    401: "No token, or one that is unknown, revoked or expired",
    403: "The token may not do this",
    404: "Not Found",
    408: "Request Timeout",
    409: "The merchant has no gateway, or one that cannot be used",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "The Idempotency-Key belongs to another request",
    500: "Server Error",
    503: "It is not known to have been done. With `Retry-After`, send the same request again. Without, it may have "
    "been done all the same: look first, because without an Idempotency-Key it may be done twice",
    "default": "Any other error",
}
_WRONG_FIELDS = "One or more validation errors occurred."


def responses(*statuses: int, headers: Mapping[str, Any] | None = None) -> dict[int | str, dict[str, Any]]:
    """The responses of an operation in the OpenAPI document beyond its model: the headers of its reply, these errors,
    and those that every operation may reply."""
    every: tuple[int | str, ...] = (*statuses, 401, 403, 500, 503, "default")
    content = {MEDIA_TYPE: {"schema": ProblemDetails.model_json_schema()}}
    reply = {"description": "Success"} | ({"headers": headers} if headers else {})
    errors = {status: {"description": _DESCRIPTIONS[status], "content": content} for status in every}
    return {200: reply, **errors}


def render(request: Request, refusal: Refusal) -> Response:
    """The response to a refused request, as problem details."""
    status = _status(refusal)
    section, title = _KINDS.get(status, ("", "Error"))
    problem: dict[str, Any] = {
        "type": f"{_RFC_9110}{section}" if section else "about:blank",
        "title": title,
        "status": status,
        "detail": refusal.message,
        "code": refusal.code,
        "traceId": request_id(request),
    }
    if refusal.fields:
        problem["title"] = _WRONG_FIELDS
        problem["errors"] = _errors(refusal)
    return Response(orjson.dumps(problem), status, refusal.headers, MEDIA_TYPE)


def _status(refusal: Refusal) -> int:
    """ASP.NET answers 400 where FastAPI answers 422; a key that was used for another request stays what it is."""
    return 400 if refusal.status == 422 and refusal.code != IdempotencyKeyReused.code else refusal.status


def _errors(refusal: Refusal) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    for wrong in refusal.fields:
        errors.setdefault(wrong.field or WHOLE_BODY, []).append(wrong.message)
    return errors
