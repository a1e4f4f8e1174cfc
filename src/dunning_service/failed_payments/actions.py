"""Reading a decision about a payment from a request."""

from __future__ import annotations

from fastapi import Request
from pydantic import ValidationError

from dunning_service.errors import FieldError, UnreadableNotice, UnsupportedMediaType
from dunning_service.failed_payments.parameters import field_errors, refused
from dunning_service.failed_payments.schemas import ActionRequest
from dunning_service.providers._json import read_json
from dunning_service.web.body import read_body
from dunning_service.web.services import services


async def read_action(request: Request) -> ActionRequest:
    """The decision in the body, which is JSON and holds nothing else.

    Raises UnsupportedMediaType, BodyTooLarge, or RequestValidationError naming what is wrong.
    """
    body = await read_body(request, services(request).bodies)
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
