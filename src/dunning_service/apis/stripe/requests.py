"""The parameters of each call, as models and in OpenAPI.

In every model an optional parameter that was not sent has its default, and one that was sent empty is None; only the
latter is in `model_fields_set`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BeforeValidator, Field, model_validator

from dunning_service.apis.stripe.errors import EXCLUSIVE, MISSING
from dunning_service.apis.stripe.forms import FORM_TYPE, Node, Parameters, Wrong
from dunning_service.apis.stripe.numbers import to_minor
from dunning_service.apis.stripe.values import (
    DEFAULT_PAGE,
    AmountValue,
    Currency,
    Expand,
    ListExpand,
    Metadata,
    PageSize,
    RequiredIdentifier,
    RequiredText,
    Seconds,
    Text,
    Unsettable,
    empty_as,
    wrong,
)
from dunning_service.apis.stripe.wire import BillingDetails, CustomerDetails, CustomerPresence, Shape, ShippingDetails
from dunning_service.http.idempotency import key_parameter
from dunning_service.http.parameters import openapi_parameters, plain_schema
from dunning_service.values.money import InvalidAmount

_EXPANDS_NOTHING = Field((), description="accepted for Stripe's clients: nothing that can be expanded is recorded")

Outcome: TypeAlias = Literal["failed", "guaranteed", "canceled"]
_OUTCOMES = get_args(Outcome)


class GivenAmount(Shape):
    """What is to be paid, or paid back."""

    currency: Currency = Field(description="ISO 4217 code, in any case; it must have a minor unit", examples=["nok"])
    value: AmountValue = Field(
        description="whole minor units: 49900 is 499.00 of nok and 49,900 of jpy", examples=[49900]
    )

    @model_validator(mode="after")
    def _is_whole(self) -> GivenAmount:
        try:
            to_minor(self.value, self.currency)
        except InvalidAmount as error:
            raise wrong(f"must be a whole amount: {error}") from None
        return self

    @property
    def minor(self) -> int:
        """The amount as the ledger counts it, in ISO 4217's minor units."""
        return to_minor(self.value, self.currency)


class Failed(Shape):
    """How the attempt failed."""

    failed_at: Seconds = Field(description="when it failed, in Unix seconds", examples=[1794398460])


class Guaranteed(Shape):
    """How the funds were guaranteed."""

    guaranteed_at: Seconds = Field(description="when the funds were guaranteed, in Unix seconds", examples=[1794398460])


class Canceled(Shape):
    """How the attempt was canceled."""

    canceled_at: Seconds = Field(description="when it was canceled, in Unix seconds", examples=[1794398460])


class Refunded(Shape):
    """How the refund was completed."""

    refunded_at: Seconds = Field(description="when it was completed, in Unix seconds", examples=[1794484800])


class GivenCustomMethod(Shape):
    """A payment method that only the merchant knows."""

    display_name: Unsettable[Text] = Field(None, description="what a customer calls it; else `type`")
    type: Unsettable[Text] = Field(None, description="what the merchant calls it")


class GivenPaymentMethodDetails(Shape):
    """How the attempt is to be paid."""

    type: Annotated[Literal["custom"], BeforeValidator(empty_as("custom"))] = Field(
        "custom", description="the only one there is"
    )
    custom: Unsettable[GivenCustomMethod] = None
    billing_details: Unsettable[BillingDetails] = None
    payment_method: Unsettable[Text] = Field(None, description="id of the payment method")


class GivenProcessor(Shape):
    """The processor of a payment."""

    payment_reference: RequiredText = Field(description="the processor's own id of the payment")


class GivenProcessorDetails(Shape):
    """Who processes the payment."""

    type: Literal["custom"] = Field(description="the only one there is")
    custom: Unsettable[GivenProcessor] = None


class GivenRefundProcessor(Shape):
    """The processor of a refund."""

    refund_reference: RequiredIdentifier = Field(
        description="the processor's own id of the refund: another one for each refund"
    )


class GivenRefundProcessorDetails(Shape):
    """Who processes the refund."""

    type: Literal["custom"] = Field(description="the only one there is")
    custom: Unsettable[GivenRefundProcessor] = None


class _Post(Parameters):
    """The parameters of every POST. It is the first base, so that its fields come last in documents and errors."""

    metadata: Metadata = Field(
        None,
        description="merged with what is there, key by key; a key sent empty goes, and `metadata=` clears all",
        examples=[{"subscription": "SUB2532543787"}],
    )
    expand: Expand = _EXPANDS_NOTHING


class _Attempt(Parameters):
    """The parameters that report an attempt, with its outcome if that is known."""

    initiated_at: Seconds = Field(description="when the attempt began, in Unix seconds", examples=[1794398400])
    outcome: Unsettable[Outcome] = Field(
        None, description="what became of the attempt, if that is known; the hash of the same name goes with it"
    )
    failed: Unsettable[Failed] = Field(None, description="with `outcome=failed`, and only then")
    guaranteed: Unsettable[Guaranteed] = Field(None, description="with `outcome=guaranteed`, and only then")
    canceled: Unsettable[Canceled] = Field(None, description="with `outcome=canceled`, and only then")
    shipping_details: Unsettable[ShippingDetails] = None
    description: Unsettable[Text] = Field(None, description="for people", examples=["Membership, December"])

    @classmethod
    def disagreements(cls, form: Mapping[str, Node]) -> Sequence[Wrong]:
        outcome = form.get("outcome") or None
        sent = [name for name in _OUTCOMES if form.get(name)]
        if outcome is None and sent:
            first = sent[0]
            return [Wrong("outcome", f"is missing: with {first} goes outcome={first}", MISSING)]
        if not isinstance(outcome, str) or outcome not in _OUTCOMES:
            return ()
        wrong = [
            Wrong(name, f"goes with outcome={name}, and the outcome is {outcome}", EXCLUSIVE)
            for name in sent
            if name != outcome
        ]
        if outcome not in sent:
            message = f"is missing: with outcome={outcome} goes {outcome}[{outcome}_at]"
            wrong.insert(0, Wrong(outcome, message, MISSING))
        return wrong


class _Payment(Parameters):
    """The parameters that only the first report of a payment has."""

    amount_requested: GivenAmount
    payment_method_details: GivenPaymentMethodDetails
    customer_details: Unsettable[CustomerDetails] = None
    customer_presence: Unsettable[CustomerPresence] = Field(
        None, description="whether the customer was in the checkout during this payment"
    )
    processor_details: Unsettable[GivenProcessorDetails] = None


class ReportPayment(_Post, _Attempt, _Payment):
    """`POST /v1/payment_records/report_payment`"""


class ReportAttempt(_Post, _Attempt):
    """`POST /v1/payment_records/{id}/report_payment_attempt`: what is not sent is as the record has it."""

    payment_method_details: GivenPaymentMethodDetails | None = None


class ReportFailed(_Post, Failed):
    """`POST /v1/payment_records/{id}/report_payment_attempt_failed`"""


class ReportGuaranteed(_Post, Guaranteed):
    """`POST /v1/payment_records/{id}/report_payment_attempt_guaranteed`"""


class ReportCanceled(_Post, Canceled):
    """`POST /v1/payment_records/{id}/report_payment_attempt_canceled`"""


class ReportInformational(_Post):
    """`POST /v1/payment_records/{id}/report_payment_attempt_informational`: what is not sent stays."""

    customer_details: CustomerDetails | None = Field(
        None, description="changed field by field; a field sent empty is cleared"
    )
    description: Unsettable[Text] = Field(None, description="for people; cleared when sent empty")
    shipping_details: Unsettable[ShippingDetails] = Field(
        None, description="name, phone and address are each replaced when sent; all cleared when sent empty"
    )


class ReportRefund(_Post):
    """`POST /v1/payment_records/{id}/report_refund`"""

    outcome: Literal["refunded"] = Field(description="the only one there is")
    processor_details: GivenRefundProcessorDetails
    # not Unsettable: an amount that is sent empty by mistake must not become a refund of everything
    amount: GivenAmount | None = Field(None, description="what is paid back; all that is left if it is not sent")
    initiated_at: Unsettable[Seconds] = Field(None, description="when the refund began, in Unix seconds")
    refunded: Unsettable[Refunded] = None


class ListRecords(Parameters):
    """`GET /v1/payment_records`"""

    created_after: Unsettable[Seconds] = Field(None, description="only those reported here after this, in Unix seconds")
    created_before: Unsettable[Seconds] = Field(
        None, description="only those reported here before this, in Unix seconds"
    )
    limit: PageSize = Field(DEFAULT_PAGE, description="most records on the page")
    starting_after: Unsettable[Text] = Field(None, description="id of the last record on the page before this one")
    ending_before: Unsettable[Text] = Field(None, description="id of the first record on the page after this one")
    expand: ListExpand = _EXPANDS_NOTHING

    @classmethod
    def disagreements(cls, form: Mapping[str, Node]) -> Sequence[Wrong]:
        if form.get("starting_after") and form.get("ending_before"):
            return [Wrong("ending_before", "cannot be sent with starting_after: send one of them", EXCLUSIVE)]
        return ()


class ListAttempts(Parameters):
    """`GET /v1/payment_attempt_records`"""

    payment_record: RequiredText = Field(description="id of the payment record whose attempts are listed")
    limit: PageSize = Field(DEFAULT_PAGE, description="most attempts on the page")
    starting_after: Unsettable[Text] = Field(None, description="id of the last attempt on the page before this one")
    expand: ListExpand = _EXPANDS_NOTHING


class Retrieve(Parameters):
    """`GET` of one record or attempt."""

    expand: Expand = _EXPANDS_NOTHING


_DEEP = {"style": "deepObject", "explode": True}
_IDEMPOTENCY_KEY = key_parameter(
    "For 24 hours the same request under the same key is answered as the first time and reports nothing twice. "
    "Stripe's clients send one by themselves.",
    "in_1PaY7h-attempt-2",
)
_BODY = (
    "Names are nested with brackets, such as `failed[failed_at]=1794398460`; arrays have an index in them, or nothing. "
    "An optional parameter that is sent empty is unset. Parameters may stand in the query too, but none of them twice."
)


def form_of(model: type[Parameters]) -> dict[str, Any]:
    """The parameters of a POST in OpenAPI: `openapi_extra` of its route."""
    schema = plain_schema(model)
    encoding = {name: _DEEP for name, stated in schema["properties"].items() if _is_nested(stated)}
    content = {FORM_TYPE: {"schema": {"title": model.__name__, **schema}, "encoding": encoding}}
    body = {"required": "required" in schema, "description": _BODY, "content": content}
    return {"parameters": [_IDEMPOTENCY_KEY], "requestBody": body}


def query_of(model: type[Parameters]) -> dict[str, Any]:
    """The parameters of a GET in OpenAPI: `openapi_extra` of its route."""
    parameters = openapi_parameters(model)
    return {"parameters": [stated | (_DEEP if _is_nested(stated["schema"]) else {}) for stated in parameters]}


def _is_nested(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") in ("object", "array") or any(_is_nested(one) for one in schema.get("anyOf", ()))
