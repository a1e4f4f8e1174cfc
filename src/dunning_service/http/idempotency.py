"""The header `Idempotency-Key`: a key under which a request is carried out once, alike in every API."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from starlette.requests import Request

from dunning_service.errors import FieldError, InvalidInput
from dunning_service.http.middleware import request_id
from dunning_service.ledger.work import IdempotencyKey

REPLAYED = "Idempotent-Replayed"
"""`true` on an answer that was given before."""

REPLAYED_HEADER: dict[str, Any] = {
    REPLAYED: {
        "description": "`true` when this is the answer to an earlier request with the same key",
        "schema": {"type": "string", "enum": ["true"]},
    }
}
"""That header in the OpenAPI document."""

ORIGINAL_REQUEST = "Original-Request"
"""The id of the request that an answer was given to first."""

_HEADER = "Idempotency-Key"
_KEY = re.compile(r"[ -~]{1,255}", re.ASCII)


def key_parameter(description: str, example: str) -> dict[str, Any]:
    """The header as a parameter of the OpenAPI document."""
    return {
        "name": _HEADER,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string", "pattern": f"^{_KEY.pattern}$"},
        "example": example,
    }


def idempotency_key(request: Request, content: Any) -> IdempotencyKey | None:
    """The key of a request and the digest of its content; None without a key.

    `content` is the request's content as a JSON value: two requests under one key are the same when method, path and
    content are, however it was spaced and ordered. Raises InvalidInput for a key that cannot be kept.
    """
    sent = request.headers.getlist(_HEADER)
    if not sent:
        return None
    if len(sent) > 1 or not _KEY.fullmatch(sent[0]):
        problem = "must be one header of 1 to 255 printable ASCII characters"
        raise InvalidInput(f"{_HEADER} {problem}", [FieldError(_HEADER, problem)])
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    stated = json.dumps(content, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(f"{request.method} {path}\n{stated}".encode()).digest()
    return IdempotencyKey(sent[0], digest, request_id(request))
