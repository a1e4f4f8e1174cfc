"""GoodParty `ActionService`: failed invoice payments and deposits, posted by an ASP.NET back end.

AmountDue is an integer in minor units, and the notice does not name its currency. A deposit is a decimal in major units
of the currency it names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import datetime
from typing import Any, ClassVar, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from dunning_service.errors import BadSignature, FieldError, UnreadableNotice
from dunning_service.events import AttemptReported, Delivery, Event, Outcome, ReceiptReported, filled, shortened
from dunning_service.providers import Options, Reply
from dunning_service.providers._web_api import Contract, read_properties
from dunning_service.providers._web_api_values import (
    Identifier,
    Int32,
    MinorUnits,
    Moment,
    Number,
    PositiveNumber,
    Text,
    identifiers_of,
)
from dunning_service.values.moments import require_possible
from dunning_service.values.money import InvalidAmount, Money, UnknownCurrency
from dunning_service.values.reading import field_errors

LOG_FAILURE: Final = "LogInvoicePaymentFailed"
RECORD_SUCCESS: Final = "InvoicePaymentSucceeded"
_SUCCEEDED: Final = RECORD_SUCCESS.encode()
ACTION_HEADER: Final = "x-dunning-action"
"""The header kept with a delivery that says to which of the two actions it was posted: the body does not."""

REQUEST_NAMESPACE: Final = "http://schemas.datacontract.org/2004/07/PartyMusic.BusinessObject.Messages.Payment"

_IMPERSONAL = frozenset(
    {
        "InvoiceId",
        "PaymentIntentId",
        "AmountDue",
        "SubscriptionId",
        "FailedTimeStamp",
        "AttemptCount",
        "StatusId",
        "PackageID",
        "PackageExpiryDate",
    }
)
PAYER: Final = ("UserId", "StripeCustomerId")
"""The fields that a payer's key is made of."""

_IDENTITY = ("InvoiceId", "PaymentIntentId", "UserId", "FailedTimeStamp")


class Request(BaseModel):
    """The body of one action, in its owner's spelling. Everything is optional; a whole number that is missing is 0, as
    in .NET."""

    # .NET's reader turns numbers into text where text is wanted
    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


class PaymentIntentFailed(Request):
    """The request of LogInvoicePaymentFailed."""

    Id: Int32 = 0
    InvoiceId: Identifier = None
    PaymentIntentId: Identifier = None
    PaymentMethodId: Identifier = None
    AmountDue: MinorUnits = None
    StripeCustomerId: Identifier = None
    CustomerEmail: Identifier = None
    SubscriptionId: Identifier = None
    UserId: Int32 = 0
    FailedTimeStamp: Moment = None
    AttemptCount: Int32 = 0
    StatusId: Int32 = 0
    ArtistName: Text = None
    PackageID: Int32 = 0
    PackageExpiryDate: Moment = None
    PhoneNumber: Identifier = None
    ProfileUrl: Text = None


class DepositMoneyRequest(Request):
    """The request of InvoicePaymentSucceeded."""

    UserId: Int32 = 0
    DepositAmount: PositiveNumber = None
    StripeCustomerId: Identifier = None
    StripePlanId: Text = None
    ConceptId: Int32 = 0
    CountryCode: Text = None
    TransactionNo: Identifier = None
    Currency: Text = None
    TransactionFee: Number = None
    UserIPAddress: Text = None
    UpdatingPackage: Int32 = 0
    PackageID: Int32 = 0
    TransactionTypeId: Int32 = 0
    TransactionType: Text = None
    HostedInvoiceUrl: Text = None


class PaymentIntentStatusRequest(Request):
    """The request of GetInvoicePaymentFailed; 0 is no filter."""

    UserId: Int32 = 0
    StatusId: Int32 = 0


_CONTRACTS: dict[type[Request], Contract] = {
    model: Contract(model.__name__, REQUEST_NAMESPACE, model.model_fields, identifiers_of(model))
    for model in (PaymentIntentFailed, DepositMoneyRequest, PaymentIntentStatusRequest)
}

_Model = TypeVar("_Model", bound=Request)


def read_request(
    model: type[_Model],
    body: bytes,
    content_type: bytes | None,
    problems_of: Callable[[_Model, Set[str]], Sequence[FieldError]] | None = None,
) -> _Model:
    """The request in `body`, in any of the formats that Web API reads.

    `problems_of` checks rules across fields; its second argument has the fields that were left out as wrong. Raises
    UnreadableNotice naming every wrong field at once, and UnsupportedMediaType.
    """
    properties = read_properties(body, content_type, _CONTRACTS[model])
    problems: list[FieldError] = []
    wrong: Set[str] = frozenset()
    try:
        request = model.model_validate(properties)
    except ValidationError as error:
        problems += field_errors(error)
        wrong = {problem.field for problem in problems}
        request = model.model_validate({name: value for name, value in properties.items() if name not in wrong})
    if problems_of is not None:
        problems += problems_of(request, wrong)
    if problems:
        raise UnreadableNotice.of(problems)
    return request


class GoodParty:
    """The adapter of GoodParty's ActionService."""

    name: ClassVar[str] = "goodparty"
    title: ClassVar[str] = "GoodParty"
    takes_webhooks: ClassVar[bool] = False
    options_model: ClassVar[type[Options]] = Options
    kept_headers: ClassVar[frozenset[str]] = frozenset({ACTION_HEADER})
    impersonal_details: ClassVar[frozenset[str]] = _IMPERSONAL
    identifiers: ClassVar[frozenset[str]] = frozenset(
        {
            "InvoiceId",
            "PaymentIntentId",
            "PaymentMethodId",
            "StripeCustomerId",
            "SubscriptionId",
            "UserId",
            "PackageID",
        }
    )
    reply: ClassVar[Reply] = Reply(body=b'{"status":"Success","Message":{"Success":true}}')
    signature_header: ClassVar[str] = ""
    notice_schemas: ClassVar[Sequence[Mapping[str, Any]]] = ()

    def verify(self, delivery: Delivery, secrets: Sequence[bytes], options: Options, now: datetime) -> None:
        raise BadSignature("GoodParty does not sign its notices; it posts them with a token to /api/ActionService")

    def parse(self, delivery: Delivery, options: Options) -> Sequence[Event]:
        """One event, of the action that the delivery was posted to.

        Raises UnsupportedMediaType as well, which a delivery that has once been recorded does not.
        """
        headers = dict(delivery.headers)
        read = _receipt if headers.get(b"x-dunning-action") == _SUCCEEDED else _failed_attempt
        return (read(delivery, headers.get(b"content-type"), options),)


PROVIDER = GoodParty()


def _failed_attempt(delivery: Delivery, content_type: bytes | None, options: Options) -> AttemptReported:
    def problems_of(request: PaymentIntentFailed, wrong: Set[str]) -> Sequence[FieldError]:
        return _problems_of_failure(request, wrong, delivery.received_at)

    request = read_request(PaymentIntentFailed, delivery.body, content_type, problems_of)
    failed_at = request.FailedTimeStamp
    details = _details(request)
    failed_text: str | None = details["FailedTimeStamp"]
    return AttemptReported(
        provider_payment_id=filled(request.InvoiceId)
        or filled(request.PaymentIntentId)
        or f"{request.UserId}@{failed_text}",
        provider_attempt_id=str(request.AttemptCount)
        if request.AttemptCount >= 1
        else failed_text or hashlib.sha256(delivery.body).hexdigest(),
        outcome=Outcome.FAILED,
        occurred_at=failed_at,
        stated_at=failed_at,
        sequence=request.AttemptCount,
        amount_minor=request.AmountDue,
        currency=options.default_currency,
        provider_customer_id=filled(request.StripeCustomerId),
        provider_subscription_id=filled(request.SubscriptionId),
        customer_name=shortened(request.ArtistName),
        customer_email=filled(request.CustomerEmail),
        customer_phone=filled(request.PhoneNumber),
        payer_key=_payer_key(request.UserId, request.StripeCustomerId),
        details=details,
    )


def _problems_of_failure(request: PaymentIntentFailed, wrong: Set[str], now: datetime) -> Sequence[FieldError]:
    problems: list[FieldError] = []
    failed_at = request.FailedTimeStamp
    if failed_at is not None:
        try:
            require_possible(failed_at, now)
        except ValueError as error:
            problems.append(FieldError("FailedTimeStamp", str(error)))
    if not (filled(request.InvoiceId) or filled(request.PaymentIntentId)):
        has_pair = request.UserId and failed_at is not None
        if not has_pair and wrong.isdisjoint(_IDENTITY):
            message = "send InvoiceId, or PaymentIntentId, or both UserId and FailedTimeStamp: they name the payment"
            problems += [FieldError(name, message) for name in _IDENTITY]
    return problems


def _receipt(delivery: Delivery, content_type: bytes | None, options: Options) -> ReceiptReported:
    def problems_of(request: DepositMoneyRequest, wrong: Set[str]) -> Sequence[FieldError]:
        return _problems_of_deposit(request, wrong, options)

    request = read_request(DepositMoneyRequest, delivery.body, content_type, problems_of)
    payer_key = _payer_key(request.UserId, request.StripeCustomerId)
    assert payer_key is not None
    money = _deposit(request, options)
    return ReceiptReported(
        provider_receipt_id=filled(request.TransactionNo) or hashlib.sha256(delivery.body).hexdigest(),
        payer_key=payer_key,
        amount_minor=money.minor if money else None,
        currency=money.currency if money else None,
    )


def _problems_of_deposit(request: DepositMoneyRequest, wrong: Set[str], options: Options) -> Sequence[FieldError]:
    problems: list[FieldError] = []
    if _payer_key(request.UserId, request.StripeCustomerId) is None and wrong.isdisjoint(PAYER):
        problems += [FieldError(name, "send UserId or StripeCustomerId: they name who has paid") for name in PAYER]
    try:
        _deposit(request, options)
    except UnknownCurrency as error:
        problems.append(FieldError("Currency", str(error)))
    except InvalidAmount as error:
        problems.append(FieldError("DepositAmount", str(error)))
    return problems


def _deposit(request: DepositMoneyRequest, options: Options) -> Money | None:
    """The amount paid; None when the notice has no amount, or no currency and the merchant has no default. Raises
    InvalidAmount for a currency that does not exist, and for an amount that cannot be one of its currency."""
    stated = filled(request.Currency)
    currency = stated.strip().upper() if stated else options.default_currency
    if currency is None or request.DepositAmount is None:
        return None
    return Money.from_major(request.DepositAmount, currency)


def _payer_key(user_id: int, stripe_customer_id: str | None) -> str | None:
    customer = filled(stripe_customer_id) or ""
    return f"{user_id}:{customer}" if user_id or customer else None


def _details(request: PaymentIntentFailed) -> dict[str, Any]:
    """The document's fields except Id, which is the receiver's own."""
    details = dict(vars(request))
    del details["Id"]
    for name in ("FailedTimeStamp", "PackageExpiryDate"):
        moment = details[name]
        if moment is not None:  # with 7 fraction digits and an offset, as .NET writes it
            details[name] = f"{moment.isoformat(timespec='microseconds')[:26]}0+00:00"
    return details
