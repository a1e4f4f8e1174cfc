"""The parameters of each call: what they are, and reading them from a request.

In every model an optional parameter that was not sent has its default, and one that was sent empty is None; only the
latter is in `model_fields_set`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, TypeAlias, TypeVar

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from starlette.requests import Request

from dunning_service.apis.stripe.errors import EXCLUSIVE, MISSING, InvalidParameters
from dunning_service.apis.stripe.forms import Node, parse_form
from dunning_service.apis.stripe.numbers import to_minor
from dunning_service.apis.stripe.refusals import Wrong, in_words, precedence
from dunning_service.apis.stripe.values import (
    DEFAULT_PAGE,
    AmountValue,
    Currency,
    Expand,
    Identifier,
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
from dunning_service.apis.stripe.wire import Address, CustomerDetails, CustomerPresence, Shape
from dunning_service.errors import FieldError
from dunning_service.http.body import read_body
from dunning_service.services import services
from dunning_service.values.money import InvalidAmount

FORM_TYPE = "application/x-www-form-urlencoded"

Outcome: TypeAlias = Literal["failed", "guaranteed", "canceled"]


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


class GivenBillingDetails(Shape):
    """Whom the payment method belongs to."""

    address: Unsettable[Address] = None
    email: Unsettable[Identifier] = Field(None, description="e-mail address")
    name: Unsettable[Text] = Field(None, description="full name")
    phone: Unsettable[Identifier] = Field(None, description="phone number")


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
    billing_details: Unsettable[GivenBillingDetails] = None
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


class GivenShippingDetails(Shape):
    """Where the goods go."""

    name: Unsettable[Text] = Field(None, description="the recipient's name")
    phone: Unsettable[Identifier] = Field(None, description="the recipient's phone number")
    address: Unsettable[Address] = None


class Parameters(Shape):
    """All that one call takes."""

    @classmethod
    def disagreements(cls, form: Mapping[str, Node]) -> Sequence[Wrong]:
        """What is wrong between parameters, whether or not each is right by itself."""
        return ()


ParametersT = TypeVar("ParametersT", bound=Parameters)


class _Post(Parameters):
    """What every POST takes. It stands first among the bases, so that its fields come last in documents and errors."""

    metadata: Metadata = Field(
        None,
        description="merged with what is there, key by key; a key sent empty goes, and `metadata=` clears all",
        examples=[{"subscription": "SUB2532543787"}],
    )
    expand: Expand = Field((), description="accepted for Stripe's clients: nothing that can be expanded is recorded")


class _Attempt(Parameters):
    """What reports an attempt; with an `outcome` it also says what became of it."""

    initiated_at: Seconds = Field(description="when the attempt began, in Unix seconds", examples=[1794398400])
    outcome: Unsettable[Outcome] = Field(
        None, description="what became of the attempt, if that is known; the hash of the same name goes with it"
    )
    failed: Unsettable[Failed] = Field(None, description="with `outcome=failed`, and only then")
    guaranteed: Unsettable[Guaranteed] = Field(None, description="with `outcome=guaranteed`, and only then")
    canceled: Unsettable[Canceled] = Field(None, description="with `outcome=canceled`, and only then")
    shipping_details: Unsettable[GivenShippingDetails] = None
    description: Unsettable[Text] = Field(None, description="for people", examples=["Membership, December"])

    _hashes: ClassVar[Mapping[str, str]] = {
        "failed": "failed_at",
        "guaranteed": "guaranteed_at",
        "canceled": "canceled_at",
    }

    @classmethod
    def disagreements(cls, form: Mapping[str, Node]) -> Sequence[Wrong]:
        outcome = form.get("outcome") or None
        sent = [name for name in cls._hashes if form.get(name)]
        if outcome is None and sent:
            first = sent[0]
            return [Wrong("outcome", f"is missing: with {first} goes outcome={first}", MISSING)]
        if not isinstance(outcome, str) or outcome not in cls._hashes:
            return ()
        wrong = [
            Wrong(name, f"goes with outcome={name}, and the outcome is {outcome}", EXCLUSIVE)
            for name in sent
            if name != outcome
        ]
        if outcome not in sent:
            at = cls._hashes[outcome]
            wrong.insert(0, Wrong(outcome, f"is missing: with outcome={outcome} goes {outcome}[{at}]", MISSING))
        return wrong


class _Payment(Parameters):
    """What is said of a payment when it is first reported."""

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
    shipping_details: Unsettable[GivenShippingDetails] = Field(
        None, description="name, phone and address are each replaced when sent; all cleared when sent empty"
    )


class ReportRefund(_Post):
    """`POST /v1/payment_records/{id}/report_refund`"""

    outcome: Literal["refunded"] = Field(description="the only one there is")
    processor_details: GivenRefundProcessorDetails
    # not Unsettable: a blank in somebody's form is not to become a refund of everything
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
    expand: ListExpand = Field(
        (), description="accepted for Stripe's clients: nothing that can be expanded is recorded"
    )

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
    expand: ListExpand = Field(
        (), description="accepted for Stripe's clients: nothing that can be expanded is recorded"
    )


class Retrieve(Parameters):
    """`GET` of one record or attempt."""

    expand: Expand = Field((), description="accepted for Stripe's clients: nothing that can be expanded is recorded")


async def read_form(request: Request, model: type[ParametersT]) -> tuple[ParametersT, bytes]:
    """The parameters of a POST, those in its body and those in its query together; and the bytes of both.

    Raises InvalidParameters naming every one that is wrong; BodyTooLarge and UnsupportedMediaType for a body that is
    not to be read.
    """
    body = await read_body(request, services(request).bodies)
    if body:
        _require_form(request)
    query = _query(request)
    return _validated(parse_form(query, body), model), b"&".join(filter(None, (query, body)))


def read_query(request: Request, model: type[ParametersT]) -> ParametersT:
    """The parameters of a GET. Raises InvalidParameters naming every one that is wrong."""
    return _validated(parse_form(_query(request)), model)


def _query(request: Request) -> bytes:
    query: bytes = request.scope["query_string"]
    return query


def _require_form(request: Request) -> None:
    given = [value.decode("latin-1").strip() for name, value in request.scope["headers"] if name == b"content-type"]
    media_type, _, options = ", ".join(filter(None, given)).partition(";")
    advice = f"send the parameters as a form, with the header Content-Type: {FORM_TYPE}"
    if media_type.strip().lower() != FORM_TYPE:
        what = f"This call does not read {media_type.strip()[:100]}" if media_type else "The body has no Content-Type"
        raise InvalidParameters([FieldError("", f"{what}: {advice}.")])
    charset = options.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise InvalidParameters([FieldError("", f"The body is read as UTF-8, not as {charset[:40]}: {advice}.")])


def _validated(form: Mapping[str, Node], model: type[ParametersT]) -> ParametersT:
    wrong = list(model.disagreements(form))
    try:
        parameters = model.model_validate(form)
    except ValidationError as error:
        wrong = [*in_words(error, model), *wrong]
    else:
        if not wrong:
            return parameters
    wrong.sort(key=precedence)
    raise InvalidParameters([FieldError(one.name, one.message) for one in wrong], wrong[0].code)
