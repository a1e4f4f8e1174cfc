"""What the OpenAPI document says of Stripe's calls: their forms, their answers and their errors, with examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from dunning_service.apis.stripe.credentials import WITHOUT_A_KEY
from dunning_service.apis.stripe.errors import MISSING, InvalidParameters, NoSuchObject
from dunning_service.apis.stripe.records import ReportedAttempt
from dunning_service.apis.stripe.requests import (
    FORM_TYPE,
    ListAttempts,
    ListRecords,
    Parameters,
    ReportAttempt,
    ReportCanceled,
    ReportFailed,
    ReportGuaranteed,
    ReportInformational,
    ReportPayment,
    ReportRefund,
    Retrieve,
)
from dunning_service.apis.stripe.wire import (
    CustomerDetails,
    CustomMethod,
    PaymentMethodDetails,
    StripeErrorEnvelope,
)
from dunning_service.errors import FieldError
from dunning_service.events import Outcome

Schema = dict[str, Any]

_DEEP = {"style": "deepObject", "explode": True}

_REQUEST_ID = {
    "description": "Names this request in the log; the same as X-Request-Id",
    "schema": {"type": "string"},
}
_STRIPE_VERSION = {"description": "As it was sent, if it was", "schema": {"type": "string"}}
_REPLAY = {
    "Idempotent-Replayed": {
        "description": "`true` when this is the answer to an earlier request with the same Idempotency-Key",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Original-Request": {"description": "The Request-Id of that earlier request", "schema": {"type": "string"}},
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "For 24 hours the same request under the same key is answered as the first time and reports nothing "
    "twice. Stripe's clients send one by themselves.",
    "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
    "example": "in_1PaY7h-attempt-2",
}
_BODY = (
    "Names are nested with brackets, such as `failed[failed_at]=1794398460`; arrays have an index in them, or nothing. "
    "An optional parameter that is sent empty is unset. Parameters may stand in the query too, but none of them twice."
)


def form_schema(model: type[BaseModel]) -> Schema:
    """The schema of `model` as a form can carry it: whole, without references and without null."""
    schema = model.model_json_schema()
    inlined: Schema = _inlined(schema, schema.pop("$defs", {}))
    del inlined["description"]  # that of the class, which is for whoever reads the code
    return {"title": model.__name__, **inlined}


def _inlined(schema: Any, definitions: Mapping[str, Schema]) -> Any:
    if isinstance(schema, list):
        return [_inlined(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    schema = dict(schema)
    if (reference := schema.pop("$ref", None)) is not None:
        schema = {**definitions[reference.rpartition("/")[2]], **schema}
    possible = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(possible) == 1:
        del schema["anyOf"]
        schema = {**_inlined(possible[0], definitions), **schema}
    if schema.get("default", ...) in (None, []):
        del schema["default"]
    return {
        key: {name: _inlined(inner, definitions) for name, inner in value.items()}
        if key == "properties"
        else value
        if key in ("example", "examples", "default", "enum")
        else _inlined(value, definitions)
        for key, value in schema.items()
        if key != "title" or not isinstance(value, str)
    }


def _is_nested(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") in ("object", "array") or any(_is_nested(one) for one in schema.get("anyOf", ()))


def _answer(description: str, example: Mapping[str, Any] | None, headers: Mapping[str, Any]) -> Schema:
    answer: Schema = {
        "description": description,
        "headers": {"Request-Id": _REQUEST_ID, "Stripe-Version": _STRIPE_VERSION, **headers},
    }
    if example is not None:
        answer["content"] = {"application/json": {"example": example}}
    return {"200": answer}


def _post(model: type[Parameters], example: Mapping[str, Any], answer: Mapping[str, Any]) -> Schema:
    schema = form_schema(model)
    nested = [name for name, stated in schema["properties"].items() if _is_nested(stated)]
    return {
        "parameters": [_IDEMPOTENCY_KEY],
        "requestBody": {
            "required": bool(schema.get("required")),
            "description": _BODY,
            "content": {
                FORM_TYPE: {"schema": schema, "example": example, "encoding": {name: dict(_DEEP) for name in nested}}
            },
        },
        "responses": _answer("It is safe on disk; this is the record with it.", answer, _REPLAY),
    }


def _get(model: type[Parameters], answer: Mapping[str, Any] | None = None) -> Schema:
    schema = form_schema(model)
    parameters = []
    for name, stated in schema["properties"].items():
        described = {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": stated.pop("description"),
            "schema": stated,
        }
        if stated.get("type") == "array":
            described.update(_DEEP)
        parameters.append(described)
    return {"parameters": parameters, "responses": _answer("What was asked for.", answer, {})}


_AMOUNT = 49900
_RECORD_ID = "pr_4mTzKq0ZcW8yLrX2vNbJd7Ha"
_KARI = {
    "customer": "cus_QfJ2m",
    "email": "kari@example.com",
    "name": "Kari Nordmann",
    "phone": "+4791234567",
}


def _example(attempt: int, outcome: Outcome) -> ReportedAttempt:
    return ReportedAttempt(
        record_id=_RECORD_ID,
        number=attempt,
        record_created=1794398461,
        created=1794398461 if attempt == 1 else 1794657661,
        initiated_at=1794398400,
        outcome=outcome,
        requested_minor=_AMOUNT,
        currency="NOK",
        customer_details=CustomerDetails(**_KARI),
        customer_presence="off_session",
        description="Membership, December",
        metadata={"subscription": "SUB2532543787"},
        payment_method_details=PaymentMethodDetails(custom=CustomMethod(display_name="Vipps", type="vipps")),
        payment_reference="vipps-8421",
    )


def record_example(outcome: Outcome, attempt: int = 1, refunded: int = 0) -> dict[str, Any]:
    """A payment record as its latest attempt has it."""
    return _example(attempt, outcome).as_record(refunded).model_dump(mode="json")


def attempt_example(outcome: Outcome, attempt: int = 1) -> dict[str, Any]:
    """One attempt at the same payment."""
    return _example(attempt, outcome).as_attempt_record(0).model_dump(mode="json")


def _page(url: str, *objects: Mapping[str, Any]) -> dict[str, Any]:
    return {"object": "list", "has_more": False, "url": url, "data": list(objects)}


REPORT_PAYMENT = _post(
    ReportPayment,
    {
        "amount_requested": {"currency": "nok", "value": _AMOUNT},
        "initiated_at": 1794398400,
        "outcome": "failed",
        "failed": {"failed_at": 1794398460},
        "payment_method_details": {"type": "custom", "custom": {"display_name": "Vipps", "type": "vipps"}},
        "processor_details": {"type": "custom", "custom": {"payment_reference": "vipps-8421"}},
        "customer_details": _KARI,
        "customer_presence": "off_session",
        "description": "Membership, December",
        "metadata": {"subscription": "SUB2532543787"},
    },
    record_example(Outcome.FAILED),
)
REPORT_ATTEMPT = _post(
    ReportAttempt,
    {"initiated_at": 1794657600, "outcome": "guaranteed", "guaranteed": {"guaranteed_at": 1794657660}},
    record_example(Outcome.GUARANTEED, 2),
)
REPORT_FAILED = _post(ReportFailed, {"failed_at": 1794398460}, record_example(Outcome.FAILED))
REPORT_GUARANTEED = _post(ReportGuaranteed, {"guaranteed_at": 1794398460}, record_example(Outcome.GUARANTEED))
REPORT_CANCELED = _post(ReportCanceled, {"canceled_at": 1794398460}, record_example(Outcome.CANCELED))
REPORT_INFORMATIONAL = _post(
    ReportInformational, {"customer_details": {"phone": "+4791234567"}}, record_example(Outcome.FAILED)
)
REPORT_REFUND = _post(
    ReportRefund,
    {
        "outcome": "refunded",
        "processor_details": {"type": "custom", "custom": {"refund_reference": "vipps-8421-r1"}},
        "amount": {"currency": "nok", "value": 10000},
        "refunded": {"refunded_at": 1794744000},
    },
    record_example(Outcome.GUARANTEED, 2, 10000),
)
LIST_RECORDS = _get(ListRecords, _page("/v1/payment_records", record_example(Outcome.FAILED)))
LIST_ATTEMPTS = _get(
    ListAttempts,
    _page("/v1/payment_attempt_records", attempt_example(Outcome.GUARANTEED, 2), attempt_example(Outcome.FAILED)),
)
RETRIEVE = _get(Retrieve)
"""For records and attempts."""


def _error(description: str, message: str, headers: Mapping[str, str] | None = None, **members: str) -> Schema:
    example = {"error": {"type": "invalid_request_error", "message": message} | members}
    described: Schema = {
        "model": StripeErrorEnvelope,
        "description": description,
        "content": {"application/json": {"example": example}},
        "headers": {"Request-Id": _REQUEST_ID},
    }
    for name, text in (headers or {}).items():
        described["headers"][name] = {"description": text, "schema": {"type": "string"}}
    return described


_MISSING = InvalidParameters([FieldError("failed_at", "is missing: when it failed, in Unix seconds")], MISSING)
_UNKNOWN_ID = NoSuchObject("payment_record", "pr_x")

ERRORS: dict[int | str, dict[str, Any]] = {
    400: _error(
        "Parameters are wrong, the record's state does not allow it, or the Idempotency-Key came with another request",
        _MISSING.message,
        code=_MISSING.code,
        param="failed_at",
    ),
    401: _error(
        "No token, or one that is unknown, revoked or expired",
        WITHOUT_A_KEY,
        {"WWW-Authenticate": "What to send"},
    ),
    403: _error("The token lacks the scope that is needed", "this token does not have the scope 'write'"),
    404: _error("This merchant has nothing under that id", _UNKNOWN_ID.message, code=_UNKNOWN_ID.code, param="id"),
    408: _error(
        "The body did not arrive in time",
        "the body did not arrive within 30 seconds; send it again",
        {"Stripe-Should-Retry": "`true`: Stripe's clients try again"},
    ),
    413: _error("The body is too large", "the body is larger than 1048576 bytes, which is the most this service takes"),
    503: _error(
        "The service cannot answer now. What was reported is not known to be recorded; the same request again reports "
        "nothing twice, if it has an Idempotency-Key",
        "the database cannot be reached at the moment; try again",
        {"Retry-After": "Seconds to wait", "Stripe-Should-Retry": "`true`: Stripe's clients try again"},
        type="api_error",
    ),
    "default": _error(
        "Any other error, such as a method that is not possible here", "PUT is not possible here; possible: GET, HEAD"
    ),
}
"""Every error of these calls, in Stripe's envelope."""
