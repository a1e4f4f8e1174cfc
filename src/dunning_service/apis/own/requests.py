"""Reading the requests of the own API: the filters of the list, and the body of an action."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)

from dunning_service.errors import FieldError, UnreadableNotice
from dunning_service.events import MAX_IDENTIFIER, MAX_TEXT, Category
from dunning_service.failed_payments.cursors import MAX_CURSOR
from dunning_service.failed_payments.public_number import payment_id_of
from dunning_service.failed_payments.queries import FailedPaymentsQuery
from dunning_service.failed_payments.schedules import NextAttempt
from dunning_service.failed_payments.sorting import Sort
from dunning_service.http.body import content_type_of, read_body, require_json
from dunning_service.http.idempotency import key_parameter
from dunning_service.http.parameters import (
    Day,
    Identifier,
    Moment,
    Parameters,
    Phone,
    Text,
    WholeNumber,
    refused,
)
from dunning_service.ledger.fields import phone_key
from dunning_service.ledger.status import ActionKind, Status
from dunning_service.recovery.policy import Rule
from dunning_service.services import services
from dunning_service.values.exact_json import read_json
from dunning_service.values.money import MAX_MINOR
from dunning_service.values.reading import field_errors

UNKNOWN_CURRENCY = "unknown"
_MAX_VALUES = 100


def _currency(value: object) -> object:
    if isinstance(value, str):
        if value.lower() == UNKNOWN_CURRENCY:
            return UNKNOWN_CURRENCY
        if len(value) != 3 or not (value.isascii() and value.isalpha()):
            raise ValueError(f"must be an ISO 4217 code such as NOK, or `{UNKNOWN_CURRENCY}`")
        return value.upper()
    return value


def _free_text(value: str) -> str:
    if not value.strip():
        raise ValueError("must hold something to look for")
    return value.strip()


Currency = Annotated[
    str,
    BeforeValidator(_currency),
    WithJsonSchema({"type": "string", "pattern": f"^([A-Za-z]{{3}}|{UNKNOWN_CURRENCY})$"}),
]
SearchText = Annotated[Text, AfterValidator(_free_text)]
Amount = Annotated[WholeNumber, Field(ge=0, le=MAX_MINOR)]


class FailedPaymentFilters(Parameters):
    """Filters; a payment is listed when it meets all of them. A repeatable one is met by any of its values."""

    status: tuple[Status, ...] = Field(
        (), max_length=_MAX_VALUES, description="what has become of it; repeatable", examples=[["failed"]]
    )
    provider: tuple[Identifier, ...] = Field(
        (), max_length=_MAX_VALUES, description="who reported it; repeatable", examples=[["maple"]]
    )
    subscription: Identifier | None = Field(
        None, description="the sender's own subscription id, exactly", examples=["SUB2532543787"]
    )
    customer: Identifier | None = Field(None, description="the sender's own customer id, exactly", examples=["cus_Q1"])
    email: Identifier | None = Field(
        None, description="the customer's whole e-mail address, in any case", examples=["nafees@example.com"]
    )
    phone: Phone | None = Field(
        None,
        description="the customer's whole phone number, however it is written: with its country (`+47...`, `0047...`, "
        "`tel:+47...`) that number only, without it the number as it is dialled within any country, and numbers that "
        "were sent without theirs",
        examples=["46567468"],
    )
    amount_min: Amount | None = Field(
        None,
        description="least amount, in minor units, whatever the currency; a payment of unknown amount has none",
        examples=[1000],
    )
    amount_max: Amount | None = Field(None, description="greatest amount, in minor units", examples=[250000])
    currency: tuple[Currency, ...] = Field(
        (),
        max_length=_MAX_VALUES,
        description="ISO 4217 code in any case, or `unknown` for payments whose currency nobody told; repeatable",
        examples=[["NOK"]],
    )
    category: tuple[Category, ...] = Field(
        (), max_length=_MAX_VALUES, description="why it was declined; repeatable", examples=[["insufficient_funds"]]
    )
    order_from: Day | None = Field(
        None,
        description="earliest order date, the day of the first failure in the merchant's time zone",
        examples=["2024-12-01"],
    )
    order_to: Day | None = Field(None, description="latest order date, inclusive", examples=["2026-12-31"])
    last_failed_since: Moment | None = Field(
        None, description="its latest failed attempt was at this moment or later", examples=["2024-12-01T00:00:00Z"]
    )
    last_failed_before: Moment | None = Field(
        None, description="its latest failed attempt was before this moment", examples=["2027-01-01T00:00:00+01:00"]
    )
    updated_since: Moment | None = Field(
        None,
        description="it changed at this moment or later. To poll, ask with `sort=updated_at` from a minute before the "
        "newest `updated_at` seen: changes that were recorded at the same time may become visible in another order",
        examples=["2024-12-19T10:00:00Z"],
    )
    next_attempt: NextAttempt | None = Field(
        None,
        description="`planned`: this service tries it again at a time that is set; `none`: it does not, or another "
        "system charges it",
        examples=["planned"],
    )
    next_attempt_since: Moment | None = Field(
        None, description="its next attempt is planned for this moment or later", examples=["2024-12-20T00:00:00Z"]
    )
    next_attempt_before: Moment | None = Field(
        None, description="its next attempt is planned for before this moment", examples=["2027-01-01T00:00:00+01:00"]
    )
    next_attempt_rule: tuple[Rule, ...] = Field(
        (),
        max_length=_MAX_VALUES,
        description="which rule decided about its next attempt, or that it has none; repeatable",
        examples=[["customer_action"]],
    )
    q: SearchText | None = Field(
        None,
        description="free text: part of the name, e-mail address, description or any id that a notice held, in any "
        "case, in name and description with any accents, or the whole public number",
        examples=["nafees"],
    )

    def disagreements(self) -> Sequence[FieldError]:
        found = []
        if self.amount_min is not None and self.amount_max is not None and self.amount_min > self.amount_max:
            found.append(FieldError("amount_max", "must not be less than amount_min"))
        if self.order_from is not None and self.order_to is not None and self.order_from > self.order_to:
            found.append(FieldError("order_to", "must not be before order_from"))
        since, before = self.last_failed_since, self.last_failed_before
        if since is not None and before is not None and since >= before:
            found.append(FieldError("last_failed_before", "must be after last_failed_since"))
        since, before = self.next_attempt_since, self.next_attempt_before
        if since is not None and before is not None and since >= before:
            found.append(FieldError("next_attempt_before", "must be after next_attempt_since"))
        if self.next_attempt is NextAttempt.NONE and not (since is None and before is None):
            bounds = "next_attempt_since" if since is not None else "next_attempt_before"
            found.append(FieldError("next_attempt", f"must not be `none` beside {bounds}: nothing could match"))
        return found

    def query(self, merchant_id: int) -> FailedPaymentsQuery:
        """These filters on the failed payments of one merchant."""
        return FailedPaymentsQuery(
            merchant_id=merchant_id,
            statuses=frozenset(self.status),
            providers=frozenset(self.provider),
            subscription=self.subscription,
            customer=self.customer,
            email=self.email,
            phone_key=phone_key(self.phone),
            text=self.q,
            amount_min=self.amount_min,
            amount_max=self.amount_max,
            currencies=frozenset(None if code == UNKNOWN_CURRENCY else code for code in self.currency),
            categories=frozenset(self.category),
            order_from=self.order_from,
            order_to=self.order_to,
            last_failed_since=self.last_failed_since,
            last_failed_before=self.last_failed_before,
            updated_since=self.updated_since,
            next_attempt=self.next_attempt,
            next_attempt_rules=frozenset(self.next_attempt_rule),
            next_attempt_since=self.next_attempt_since,
            next_attempt_before=self.next_attempt_before,
        )


class ListParameters(FailedPaymentFilters):
    """Filters, and which page of what they match."""

    limit: Annotated[WholeNumber, Field(ge=1, le=200)] = Field(50, description="most payments on a page", examples=[50])
    sort: Sort = Field(
        Sort.NEWEST_ORDER,
        description="what comes first; a minus means descending, and unknown amounts come last either way",
        examples=["-order_date"],
    )
    cursor: Annotated[Text, Field(max_length=MAX_CURSOR)] | None = Field(
        None, description="`next` of the page before, with the same filters and sort; left out for the first page"
    )


class ActionRequest(BaseModel):
    """The body of an action on a payment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: ActionKind = Field(
        description="what is decided; `retry` has a payment of this service's own subscriptions tried again at once",
        examples=["send_to_collection"],
    )
    reason: str | None = Field(
        None,
        max_length=MAX_TEXT,
        description="why, for whoever reads the time line",
        examples=["no answer to two reminders"],
    )
    receipt: Literal["expected", "none"] | None = Field(
        None,
        description="with `mark_paid` only: `expected` when the money will still be reported as a receipt, which then "
        "goes to this payment before any other; `none`, the default, when the money came another way",
        examples=["expected"],
    )
    receipt_id: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_IDENTIFIER,
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
        if self.receipt is not None and self.action is not ActionKind.MARK_PAID:
            errors.append(FieldError("receipt", "belongs to the action 'mark_paid'; leave it out"))
        moves = self.action is ActionKind.MOVE_RECEIPT
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
    """The action in the body, which is JSON and holds nothing else. A character that no database keeps is replaced in
    the reason, which is only shown, and refused elsewhere.

    Raises UnsupportedMediaType, BodyTooLarge, or RequestValidationError naming what is wrong.
    """
    body = await read_body(request, services(request).bodies)
    require_json(request, "the decision")
    try:
        action = ActionRequest.model_validate(read_json(body, content_type_of(request), lambda path: path != "reason"))
    except UnreadableNotice as error:
        raise refused("body", [FieldError("", error.message)]) from None
    except ValidationError as error:
        raise refused("body", field_errors(error)) from None
    errors = action.misfits()
    if errors:
        raise refused("body", errors)
    return action


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
