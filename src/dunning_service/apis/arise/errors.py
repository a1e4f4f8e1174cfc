"""Errors in ASP.NET Core's form: problem details, with `errors` by field.

`code` and `traceId` are members of their own beside it, which RFC 9457 allows and ASP.NET's clients pass over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dunning_service.errors import IdempotencyKeyReused
from dunning_service.http.middleware import request_id

if TYPE_CHECKING:
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
_WRONG_FIELDS = "One or more validation errors occurred."


def render(request: Request, refusal: Refusal) -> Response:
    """`refusal` as problem details."""
    body = problem_details(refusal, request_id(request))
    return Response(orjson.dumps(body), _status(refusal), refusal.headers, MEDIA_TYPE)


def problem_details(refusal: Refusal, trace_id: str) -> dict[str, Any]:
    """`refusal` as it is answered to the request of that id."""
    status = _status(refusal)
    section, title = _KINDS.get(status, ("", "Error"))
    problem: dict[str, Any] = {
        "type": f"{_RFC_9110}{section}" if section else "about:blank",
        "title": title,
        "status": status,
        "detail": refusal.message,
        "code": refusal.code,
        "traceId": trace_id,
    }
    if refusal.fields:
        problem["title"] = _WRONG_FIELDS
        problem["errors"] = _errors(refusal)
    return problem


def _status(refusal: Refusal) -> int:
    """ASP.NET answers 400 where FastAPI answers 422; a key that was used for another request stays what it is."""
    return 400 if refusal.status == 422 and refusal.code != IdempotencyKeyReused.code else refusal.status


def _errors(refusal: Refusal) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    for wrong in refusal.fields:
        errors.setdefault(wrong.field or WHOLE_BODY, []).append(wrong.message)
    return errors
