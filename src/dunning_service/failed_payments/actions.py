"""Reading a decision about a payment from a request."""

from __future__ import annotations

import hashlib
import json
import re

from fastapi import Request
from pydantic import ValidationError

from dunning_service.errors import FieldError, InvalidInput, UnreadableNotice, UnsupportedMediaType
from dunning_service.failed_payments.parameters import field_errors, refused
from dunning_service.failed_payments.schemas import ActionRequest
from dunning_service.providers._json import read_json
from dunning_service.web.body import read_body
from dunning_service.web.services import services

_KEY_HEADER = "Idempotency-Key"
_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)


def idempotency_key(request: Request) -> str | None:
    """The caller's key; None without one. Raises InvalidInput for one that cannot be kept."""
    sent = request.headers.getlist(_KEY_HEADER)
    if not sent:
        return None
    if len(sent) > 1 or not _KEY.fullmatch(sent[0]):
        problem = "must be one header of 1 to 255 visible ASCII characters, without spaces"
        raise InvalidInput(f"{_KEY_HEADER} {problem}", [FieldError(_KEY_HEADER, problem)])
    return sent[0]


async def read_action(request: Request) -> ActionRequest:
    """The decision in the body, which is JSON and holds nothing else.

    Raises UnsupportedMediaType, BodyTooLarge, or RequestValidationError naming what is wrong.
    """
    body = await read_body(request, services(request).settings.max_body_bytes)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise UnsupportedMediaType("send the decision as JSON, with the header `Content-Type: application/json`")
    try:
        return ActionRequest.model_validate(read_json(body))
    except UnreadableNotice as error:
        raise refused("body", [FieldError("", error.message)]) from None
    except ValidationError as error:
        raise refused("body", field_errors(error)) from None


def request_digest(request: Request, number: str, action: ActionRequest) -> bytes:
    """What makes two requests the same, however their JSON is spaced and ordered."""
    stated = json.dumps(action.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{request.method} /api/v1/failed-payments/{number}/actions\n{stated}".encode()).digest()
