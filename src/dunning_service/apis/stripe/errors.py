"""Errors in Stripe's envelope, with its codes, and the responses of every call in OpenAPI."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import orjson
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from dunning_service.errors import FieldError, IdempotencyKeyReused, InvalidInput, NotFound
from dunning_service.http.auth import offer_basic
from dunning_service.http.idempotency import ORIGINAL_REQUEST, REPLAYED
from dunning_service.http.middleware import request_id
from dunning_service.http.problems import Refusal

MISSING = "parameter_missing"
UNKNOWN = "parameter_unknown"
EMPTY = "parameter_invalid_empty"
BLANK = "parameter_invalid_string_blank"
NOT_AN_INTEGER = "parameter_invalid_integer"
EXCLUSIVE = "parameters_exclusive"
INVALID_CHARACTERS = "invalid_characters"
NO_SUCH_OBJECT = "resource_missing"

STRIPE_CODES = frozenset(
    {MISSING, UNKNOWN, EMPTY, BLANK, NOT_AN_INTEGER, EXCLUSIVE, INVALID_CHARACTERS, NO_SUCH_OBJECT}
)
"""The codes that an answer may carry. What Stripe has no code for is answered without one."""

_MOST_NAMED = 10
_STATUSES: dict[int | str, int] = {
    415: 400,  # one status for a body that is no form, whatever it is
    IdempotencyKeyReused.code: 400,  # for no other status does the SDK raise its IdempotencyError
}
_ORIGINAL = "dunning.original_request"
_VERSION = re.compile(rb"[!-~](?:[ -~]{0,62}[!-~])?")
_LONGEST_PATH = 200


def _no_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


class StripeError(BaseModel):
    """What was wrong."""

    type: Literal["api_error", "card_error", "idempotency_error", "invalid_request_error"] = Field(
        description="api_error: on our side, send it again; idempotency_error: the Idempotency-Key; "
        "invalid_request_error: the request"
    )
    message: str = Field(description="for people: what was wrong, and what would be right")
    code: str = Field(
        "",
        description="for programs; absent where Stripe has no code for it",
        examples=["parameter_missing"],
        json_schema_extra=_no_default,
    )
    param: str = Field(
        "",
        description="the parameter that is wrong, or the first of them; absent where it is none",
        examples=["failed[failed_at]"],
        json_schema_extra=_no_default,
    )


class StripeErrorEnvelope(BaseModel):
    """The body of every error."""

    error: StripeError


_DESCRIPTIONS: dict[int | str, str] = {
    400: "Parameters are wrong, the record's state does not allow it, or the Idempotency-Key came with another request",
    401: "No token, or one that is unknown, revoked or expired",
    403: "The token lacks the scope that is needed",
    404: "This merchant has nothing under that id",
    408: "The body did not arrive in time",
    413: "The body is too large",
    503: "The service cannot answer now. What was reported is not known to be recorded; the same request again reports "
    "nothing twice, if it has an Idempotency-Key",
    "default": "Any other error, such as a method that is not possible here",
}
_RETRIED = {"Stripe-Should-Retry": "`true`: Stripe's clients try again"}
_HEADERS: dict[int | str, dict[str, str]] = {
    401: {"WWW-Authenticate": "What to send"},
    408: _RETRIED,
    503: {"Retry-After": "Seconds to wait", **_RETRIED},
}
_REPLAYED = {
    ORIGINAL_REQUEST: {"description": "The Request-Id of that earlier request", "schema": {"type": "string"}},
    REPLAYED: {
        "description": "`true` when this is the answer to an earlier request with the same Idempotency-Key",
        "schema": {"type": "string", "enum": ["true"]},
    },
}


def responses(*, is_report: bool = False) -> dict[int | str, dict[str, Any]]:
    """The responses of a call in the OpenAPI document: its reply but for the model, and every error."""
    description = "It is safe on disk; this is the record with it." if is_report else "What was asked for."
    headers = _documented({"Stripe-Version": "As it was sent, if it was"}) | (_REPLAYED if is_report else {})
    errors = {
        status: {"model": StripeErrorEnvelope, "description": text, "headers": _documented(_HEADERS.get(status, {}))}
        for status, text in _DESCRIPTIONS.items()
    }
    return {200: {"description": description, "headers": headers}, **errors}


def _documented(headers: Mapping[str, str]) -> dict[str, Any]:
    texts = {"Request-Id": "Names this request in the log; the same as X-Request-Id", **headers}
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in texts.items()}


class InvalidParameters(InvalidInput):
    """Parameters of a call that are wrong.

    `fields` has every one of them, named with brackets as the caller wrote it; the message of each is the rest of a
    sentence that begins with the name, or a whole sentence where `field` is "". The first is what the answer calls
    `param`, and `code` is of that one: Stripe's, where Stripe has one for it.
    """

    code = "invalid_parameters"

    def __init__(self, fields: Sequence[FieldError], code: str | None = None) -> None:
        sentences = [_sentence(wrong) for wrong in fields[:_MOST_NAMED]]
        if len(fields) > _MOST_NAMED:
            sentences.append(f"And {len(fields) - _MOST_NAMED:,} more are wrong.")
        super().__init__(" ".join(sentences), fields)
        if code is not None:
            self.code = code


class NoSuchObject(NotFound):
    """An id under which this merchant has no such object; `param` is where it was given, `id` when in the path."""

    code = NO_SUCH_OBJECT

    def __init__(self, kind: str, identifier: str, param: str = "id") -> None:
        super().__init__(f"No such {kind}: '{cut(identifier)}'")
        self.fields = (FieldError(param, self.message),)


def note_replay(request: HTTPConnection, original_request: str) -> None:
    """Notes that the reply repeats the one to an earlier request, of this id."""
    request.scope[_ORIGINAL] = original_request


def headers_for(request: HTTPConnection) -> dict[str, str]:
    """The headers of every reply, error or not: `Request-Id`, `Stripe-Version` as it was sent, and on a repeated reply
    that it is one, and which request it was first given to.

    A version that is not 1 to 64 printable ASCII characters is not repeated.
    """
    headers: dict[str, str] = {}
    if original := request.scope.get(_ORIGINAL):
        headers |= {REPLAYED: "true", ORIGINAL_REQUEST: original}
    if identifier := request_id(request):
        headers["request-id"] = identifier
    for name, value in request.scope["headers"]:
        if name == b"stripe-version" and _VERSION.fullmatch(value):
            headers["stripe-version"] = value.decode("ascii")
            break
    return headers


def render(request: Request, refusal: Refusal) -> Response:
    """The response to a refused request, in Stripe's envelope: the SDK raises the exception that its users expect."""
    status = _STATUSES.get(refusal.code) or _STATUSES.get(refusal.status, refusal.status)
    code, message, param = refusal.code, refusal.message, refusal.fields[0].field if refusal.fields else ""
    if status == 404 and not refusal.fields:
        if "endpoint" in request.scope:  # a route was found, so it is the id in the path that was not
            code, param = NO_SUCH_OBJECT, "id"
        else:
            message = _unrecognized(request)
    error = {"type": _type_of(status, refusal.code), "message": message}
    if code in STRIPE_CODES:
        error["code"] = code
    if param:
        error["param"] = param
    headers = {**refusal.headers, **headers_for(request)}
    if status in (408, 503):
        headers["stripe-should-retry"] = "true"
    return offer_basic(Response(orjson.dumps({"error": error}), status, headers, "application/json"))


def _type_of(status: int, code: str) -> str:
    if status >= 500:
        return "api_error"
    return "idempotency_error" if code.startswith("idempotency_key_") else "invalid_request_error"


def _unrecognized(request: Request) -> str:
    path: str = request.scope["path"]
    message = f"Unrecognized request URL ({request.method}: {cut(path)})."
    if "//" in path:
        return f"{message} An id in it is empty."
    return (
        f"{message} Of Stripe's API, this service has /v1/payment_records and /v1/payment_attempt_records; "
        "/openapi.json lists their calls."
    )


def _sentence(wrong: FieldError) -> str:
    if not wrong.field:
        return wrong.message
    return f"{wrong.field} {wrong.message}{'' if wrong.message.endswith('?') else '.'}"


def cut(text: str, longest: int = _LONGEST_PATH) -> str:
    """`text` as a message repeats it, cut when it is long."""
    return text if len(text) <= longest else f"{text[:longest]}…"
