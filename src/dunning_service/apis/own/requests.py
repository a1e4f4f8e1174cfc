"""Reading the requests of the own API: the body of an action, and how the OpenAPI document states it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from dunning_service.errors import FieldError, UnreadableNotice
from dunning_service.events import MAX_IDENTIFIER, MAX_TEXT
from dunning_service.failed_payments.public_number import payment_id_of
from dunning_service.http.body import content_type_of, read_body, require_json
from dunning_service.http.idempotency import key_parameter
from dunning_service.http.parameters import field_errors, refused
from dunning_service.ledger.status import Verb
from dunning_service.services import services
from dunning_service.values.exact_json import read_json


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not hold the character U+0000")
    return text


class ActionRequest(BaseModel):
    """The body of an action on a payment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Verb = Field(
        description="what is decided; `retry` has a payment of this service's own subscriptions tried again at once",
        examples=["send_to_collection"],
    )
    reason: Annotated[str, StringConstraints(max_length=MAX_TEXT), AfterValidator(_storable)] | None = Field(
        None, description="why, for whoever reads the time line", examples=["no answer to two reminders"]
    )
    receipt: Literal["expected", "none"] | None = Field(
        None,
        description="with `mark_paid` only: `expected` when the money will still be reported as a receipt, which then "
        "goes to this payment before any other; `none`, the default, when the money came another way",
        examples=["expected"],
    )
    receipt_id: (
        Annotated[str, StringConstraints(min_length=1, max_length=MAX_IDENTIFIER), AfterValidator(_storable)] | None
    ) = Field(
        None,
        description="with `move_receipt` only: the sender's own id of the receipt; left out, the one that pays this "
        "payment",
        examples=["T-1"],
    )
    to: str | None = Field(
        None,
        description="with `move_receipt` only: number of the failed payment of the same payer and amount that the "
        "receipt is to pay; left out, this payment",
        examples=["ODR1276808512"],
    )

    def misfits(self) -> list[FieldError]:
        """The errors between members that are each right."""
        errors = []
        if self.receipt is not None and self.action is not Verb.MARK_PAID:
            errors.append(FieldError("receipt", "belongs to the action 'mark_paid'; leave it out"))
        moves = self.action is Verb.MOVE_RECEIPT
        for name in ("receipt_id", "to"):
            if getattr(self, name) is not None and not moves:
                errors.append(FieldError(name, "belongs to the action 'move_receipt'; leave it out"))
        if moves and self.receipt_id is None and self.to is None:
            errors.append(FieldError("to", "name the payment that the receipt is to pay, or `receipt_id`, or both"))
        if self.to is not None and payment_id_of(self.to) is None:
            errors.append(FieldError("to", "must be the public number of a payment: `ODR` and digits"))
        return errors

    def compared(self) -> dict[str, Any]:
        """The body for comparing requests of one Idempotency-Key: a default is the same as a member left out."""
        said = self.model_dump(mode="json", exclude={"receipt", "receipt_id", "to"})
        also = {"receipt_id": self.receipt_id, "to": self.to}
        if self.receipt == "expected":
            also["receipt"] = self.receipt
        return said | {name: value for name, value in also.items() if value is not None}


async def read_action(request: Request) -> ActionRequest:
    """The action in the body, which is JSON and holds nothing else.

    Raises UnsupportedMediaType, BodyTooLarge, or RequestValidationError naming what is wrong.
    """
    body = await read_body(request, services(request).bodies)
    require_json(request, "the decision")
    try:
        action = ActionRequest.model_validate(read_json(body, content_type_of(request), _is_exact))
    except UnreadableNotice as error:
        raise refused("body", [FieldError("", error.message)]) from None
    except ValidationError as error:
        raise refused("body", field_errors(error)) from None
    errors = action.misfits()
    if errors:
        raise refused("body", errors)
    return action


def _is_exact(path: str) -> bool:
    """False for the reason, which is only shown."""
    return path != "reason"


ACTION_REQUEST: dict[str, Any] = {
    "parameters": [
        key_parameter(
            "the same key with the same request is answered as the first time and decides nothing twice",
            "7c1f0c52-collect",
        )
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": ActionRequest.model_json_schema()}},
    },
}
"""The key and the body of an action in the OpenAPI document."""
