"""Maple Billing: `payment.failed` and `payment.success`, sent through Convoy.

https://docs.maplebilling.com/webhook-references/payments/paymentfailed shows a payment as the whole body; the guide
shows it as `data` of an event with an `event_type`. Both are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from dunning_service.errors import BadSignature, FieldError, UnreadableNotice, UnsupportedMediaType
from dunning_service.events import (
    MAX_IDENTIFIER,
    MAX_TEXT,
    AttemptReported,
    Delivery,
    Event,
    Outcome,
    filled,
    shortened,
)
from dunning_service.providers import Options, Reply
from dunning_service.providers._fields import (
    Currency,
    Identifier,
    MinorUnits,
    Moment,
    OptionalIdentifier,
    Part,
    read_part,
    require_possible_times,
)
from dunning_service.providers._signatures import (
    Encoding,
    HashName,
    is_among,
    keyed_hash,
    read_signature_header,
    require_recent,
)
from dunning_service.values.exact_json import read_json

_OUTCOMES = {"payment.failed": Outcome.FAILED, "payment.success": Outcome.SUCCEEDED}
_BEGINS_WITH_A_TIME = re.compile(rb"\d+,")
_EXACT = frozenset(
    {
        "event_type",
        "id",
        "company_id",
        "invoice_uuid",
        "provider_transaction_id",
        "customer_id",
        "customer.id",
        "customer.email",
    }
)
_DETAILS = (
    "status",
    "transaction_type",
    "provider_type",
    "provider_transaction_id",
    "invoice_number",
    "invoice_uuid",
    "company_id",
)


class MapleOptions(Options):
    """The options of a Maple source.

    Hash and encoding are settings of a Convoy project; Maple publishes neither, and its sample looks like the defaults.
    """

    signature_hash: HashName = Field("sha256", description="hash of the signature: sha1, sha256, sha384 or sha512")
    signature_encoding: Encoding = Field("hex", description="how the signature is written: hex or base64")
    require_timestamp: bool = Field(
        False,
        description="refuse signatures without a time (`t=`); they are safe to take, as a notice that comes again "
        "changes nothing and a signature with a time is never valid without it",
    )


class _Part(Part):
    """Part of a notice from Maple."""

    model_config = ConfigDict(model_title_generator=lambda part: f"Maple{part.__name__[1:]}")


class _Amount(_Part):
    currency: Currency | None = None
    value_in_cents: MinorUnits | None = None


class _Customer(_Part):
    id: OptionalIdentifier = None
    name: str | None = None
    org_name: str | None = None
    email: OptionalIdentifier = None  # indexed, as the identifiers are


class _PaymentMethod(_Part):
    brand: str | None = None
    last_4: str | None = None
    type: str | None = None


class _Payment(_Part):
    id: Identifier
    company_id: Identifier
    invoice_uuid: OptionalIdentifier = None
    invoice_number: str | None = None
    total_amount: _Amount | None = None
    customer: _Customer | None = None
    customer_id: OptionalIdentifier = None
    created_at: Moment = None
    updated_at: Moment = None
    status: str | None = None
    status_message: str | None = None
    transaction_type: str | None = None
    provider_type: str | None = None
    provider_transaction_id: str | None = None
    payment_method: _PaymentMethod | None = None


class _Event(_Part):
    """The envelope of a notice: only its time is read."""

    created_at: Moment = None


class _PaymentEvent(_Event):
    """An event that holds a payment, as the OpenAPI document states it."""

    event_type: Literal["payment.failed", "payment.success"]
    data: _Payment


class Maple:
    """The adapter of Maple Billing."""

    name: ClassVar[str] = "maple"
    title: ClassVar[str] = "Maple"
    takes_webhooks: ClassVar[bool] = True
    options_model: ClassVar[type[Options]] = MapleOptions
    kept_headers: ClassVar[frozenset[str]] = frozenset()
    impersonal_details: ClassVar[frozenset[str]] = frozenset(_DETAILS)
    identifiers: ClassVar[frozenset[str]] = frozenset(
        {"provider_attempt_id", "provider_transaction_id", "invoice_number", "invoice_uuid", "company_id"}
    )
    reply: ClassVar[Reply] = Reply()
    signature_header: ClassVar[str] = "X-Maple-Signature"
    notice_schemas: ClassVar[Sequence[Mapping[str, Any]]] = (
        _PaymentEvent.model_json_schema(),
        _Payment.model_json_schema(),
    )

    def verify(self, delivery: Delivery, secrets: Sequence[bytes], options: MapleOptions, now: datetime) -> None:
        """Checks the signature: of `<time>,<body>`, with a comma, where it has a time, else of the body alone.

        Any signature in the header may match any of the secrets, as either side may be changing its own.
        """
        value = delivery.header_bytes("x-maple-signature")
        if value is None:
            raise BadSignature("the notice is not signed: the header X-Maple-Signature is missing")
        header = read_signature_header(value)
        if header.timestamp is not None:
            message = b"%b,%b" % (header.timestamp, delivery.body)
        elif options.require_timestamp:
            raise BadSignature("the signature has no time (`t=`), and this source requires one")
        elif _BEGINS_WITH_A_TIME.match(delivery.body):
            # what is signed with a time must not pass, time and all, for a body that is signed without one
            raise BadSignature("the signature has no time (`t=`), and the body begins with one")
        else:
            message = delivery.body
        given = header.signatures
        if options.signature_encoding == "hex":
            given = tuple(signature.lower() for signature in given)
        expected = [keyed_hash(key, message, options.signature_hash, options.signature_encoding) for key in secrets]
        if not is_among(expected, given):
            raise BadSignature("the signature in X-Maple-Signature is not one of this body with this source's secret")
        if header.timestamp is not None:
            require_recent(header.timestamp, now, options.tolerance_seconds)

    def parse(self, delivery: Delivery, options: MapleOptions) -> Sequence[Event]:
        """One attempt, or nothing for an event of another type."""
        content_type = next((value for name, value in delivery.headers if name == b"content-type"), None)
        try:
            document = read_json(delivery.body, content_type, _is_exact)
        except UnsupportedMediaType as error:
            raise UnreadableNotice(error.message) from None
        if not isinstance(document, dict):
            raise UnreadableNotice("the body is not a JSON object")
        if not _is_envelope(document):
            return (_attempt(document, Outcome.FAILED, None, delivery, options),)
        event_type = document["event_type"]
        if not isinstance(event_type, str):
            raise UnreadableNotice.of([FieldError("event_type", "must be a text such as payment.failed")])
        outcome = _OUTCOMES.get(event_type)
        if outcome is None:
            return ()
        return (_attempt(document.get("data"), outcome, document, delivery, options),)


PROVIDER = Maple()


def _is_exact(path: str) -> bool:
    """True for identifiers and addresses: members in which an unkeepable character is refused, not replaced."""
    return path.removeprefix("data.") in _EXACT


def _is_envelope(document: dict[str, Any]) -> bool:
    """An event holds a payment as `data`; one that has neither `data` nor an `id` is no payment by itself either."""
    return "event_type" in document and ("data" in document or "id" not in document)


def _attempt(
    document: Any, outcome: Outcome, envelope: dict[str, Any] | None, delivery: Delivery, options: MapleOptions
) -> AttemptReported:
    where = "" if envelope is None else "data."
    payment = read_part(_Payment, document, where)
    occurred_at, stated_at = payment.created_at, payment.updated_at
    times = {f"{where}created_at": occurred_at, f"{where}updated_at": stated_at}
    if stated_at is None and envelope is not None:
        stated_at = times["created_at"] = read_part(_Event, envelope).created_at
    require_possible_times(times, delivery.received_at)
    customer = payment.customer or _NO_CUSTOMER
    amount = payment.total_amount or _NO_AMOUNT
    number = shortened(payment.invoice_number)
    return AttemptReported(
        provider_payment_id=_payment_id(payment, where),
        provider_attempt_id=payment.id,
        outcome=outcome,
        occurred_at=occurred_at or stated_at,
        stated_at=stated_at,
        amount_minor=amount.value_in_cents,
        currency=amount.currency or options.default_currency,
        message=shortened(payment.status_message),
        provider_customer_id=filled(payment.customer_id) or filled(customer.id),
        customer_name=shortened(customer.name) or shortened(customer.org_name),
        customer_email=filled(customer.email),
        description=f"Invoice {number}"[:MAX_TEXT] if number else None,
        details=_details(payment),
    )


_NO_CUSTOMER = _Customer()
_NO_AMOUNT = _Amount()


def _payment_id(payment: _Payment, where: str) -> str:
    """The payment's id: company and invoice, with a slash between them and none within the company's id."""
    company = payment.company_id
    if "/" in company or "%" in company:
        company = company.replace("%", "%25").replace("/", "%2F")
    invoice = filled(payment.invoice_uuid)
    payment_id = f"{company}/{invoice or payment.id}"
    if len(payment_id) > MAX_IDENTIFIER:
        field = f"{where}invoice_uuid" if invoice else f"{where}id"
        raise UnreadableNotice.of([FieldError(field, f"with company_id it is longer than {MAX_IDENTIFIER} characters")])
    return payment_id


def _details(payment: _Payment) -> dict[str, Any]:
    """The details kept with an attempt, under Maple's names."""
    details: dict[str, Any] = {}
    for name in _DETAILS:
        text = shortened(getattr(payment, name))
        if text is not None:
            details[name] = text
    method = payment.payment_method
    if method is not None:
        stated = {"brand": shortened(method.brand), "last_4": shortened(method.last_4), "type": shortened(method.type)}
        details["payment_method"] = {name: text for name, text in stated.items() if text is not None}
    return details
