"""How Stripe's API says that something went wrong, and what can go wrong in its own terms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from dunning_service.errors import FieldError, IdempotencyKeyReused, InvalidInput, NotFound
from dunning_service.http.auth import offer_basic
from dunning_service.http.idempotency import ORIGINAL_REQUEST, REPLAYED
from dunning_service.http.middleware import request_id

if TYPE_CHECKING:
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
    {
        MISSING,
        UNKNOWN,
        EMPTY,
        BLANK,
        NOT_AN_INTEGER,
        EXCLUSIVE,
        INVALID_CHARACTERS,
        NO_SUCH_OBJECT,
    }
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
        super().__init__(f"No such {kind}: '{_cut(identifier)}'")
        self.fields = (FieldError(param, self.message),)


def note_replay(request: HTTPConnection, original_request: str) -> None:
    """To be called when the answer was given before, to the request of that id."""
    request.scope[_ORIGINAL] = original_request


def headers_for(request: HTTPConnection) -> dict[str, str]:
    """What every answer carries, error or not: `Request-Id`, `Stripe-Version` as it was sent, and on an answer that was
    given before that it was, and to which request.

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
    """`refusal` in Stripe's envelope: the SDK raises the exception for it that its users expect."""
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
    message = f"Unrecognized request URL ({request.method}: {_cut(path)})."
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


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_PATH else f"{text[:_LONGEST_PATH]}…"
