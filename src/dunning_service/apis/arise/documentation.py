"""What the OpenAPI document says of subscriptions beyond their models: errors, headers, an example of everything."""

from __future__ import annotations

from typing import Any

from dunning_service.apis.arise.errors import problem_details
from dunning_service.apis.arise.replies import TERMINATED
from dunning_service.apis.arise.wire import CreateSubscription, ProblemDetails
from dunning_service.errors import FieldError
from dunning_service.http.problems import Refusal

Responses = dict[int | str, dict[str, Any]]

_ID = "629626a9-2ecc-48c0-b45a-cc1d4d71074e"
_PROCESSOR = "a7699db0-1e16-4616-b2cf-4e8d4a5320cb"
_CUSTOMER = "87d8e330-2878-4742-a86f-dbbb3bf522ac"
_METHOD = "b6df8625-cd25-4123-b345-638aa7b5d011"
_TRANSACTION = "2d915fbc-47a6-4bd2-98b3-735ccc1f8b9d"
_TRACE = "4b6b0e0f5a1c4c0f9a4b7c21"

_REQUEST = {
    "paymentProcessorId": _PROCESSOR,
    "transactionType": 2,
    "amount": 250,
    "percentageOffRate": 10,
    "surchargeRate": 3,
    "useCardPrice": None,
    "currencyId": 578,
    "paymentFrequencyUnit": 3,
    "paymentFrequency": 1,
    "paymentStartDateTime": None,
    "numberOfPayments": 12,
    "customerId": _CUSTOMER,
    "paymentMethodId": _METHOD,
    "isFasterProcessing": None,
    "customer": {
        "customerName": "Nafees Rahman",
        "companyName": "Sweden & Co",
        "emailAddress": "nafees@example.com",
        "phoneNumber": "+47 465 67 468",
    },
}
_CREATED = {
    "id": _ID,
    "payNowSuccess": True,
    "transactionId": _TRANSACTION,
    "payNowResponse": {
        "transactionId": _TRANSACTION,
        "transactionDateTime": "2027-01-31T12:00:00Z",
        "typeId": 2,
        "type": "Sale",
        "statusId": 2,
        "status": "Succeeded",
        "processedAmount": 231.75,
        "details": {"hostResponseCode": None, "hostResponseMessage": None, "category": None},
        "nextAttemptDateTime": None,
    },
}
_SUBSCRIPTION = {
    "id": _ID,
    "merchantId": "c3073b9d-edd0-49f2-a28d-b7ded8ff9a8b",
    "paymentProcessorId": _PROCESSOR,
    "statusId": 1,
    "status": "Active",
    "transactionTypeId": 2,
    "transactionType": "Sale",
    "customerId": _CUSTOMER,
    "paymentMethodId": _METHOD,
    "paymentAmount": {
        "baseAmount": 250,
        "percentageOffAmount": 25,
        "percentageOffRate": 10,
        "cashDiscountAmount": 0,
        "cashDiscountRate": 0,
        "surchargeAmount": 6.75,
        "surchargeRate": 3,
        "totalAmount": 231.75,
    },
    "alreadyPaidAmount": 231.75,
    "allPaymentsAmount": 2781,
    "currencyId": 578,
    "paymentFrequencyUnitId": 3,
    "paymentFrequencyUnit": "Month",
    "paymentFrequency": 1,
    "creationDate": "2027-01-31T12:00:00Z",
    "subscriptionStartDate": "2027-01-31T12:00:00Z",
    "subscriptionEndDate": "2027-12-31T12:00:00Z",
    "lastPaymentDate": "2027-01-31T12:00:00Z",
    "nextPaymentDate": "2027-02-28T12:00:00Z",
    "successfulPaymentsCount": 1,
    "numberOfPayments": 12,
    "customer": {**_REQUEST["customer"], "panMask": None},  # type: ignore[dict-item]
    "source": {"typeId": 1, "type": "Api", "id": "0d1c2b3a-4f5e-5678-9abc-def012345678", "name": "billing"},
}
_PAYMENT = {
    "id": "7c1e3f52-8f2b-5d0e-9c3a-1b2d3e4f5a6b",
    "initialExecutionDateTime": "2027-01-31T12:00:00Z",
    "statusId": 3,
    "status": "Paid",
    "amount": 231.75,
    "paymentOrder": 1,
    "attempts": [
        {
            "id": "5b0c9a1e-6d7f-5a8b-8c9d-0e1f2a3b4c5d",
            "executionDateTime": "2027-01-31T12:00:00Z",
            "statusId": 2,
            "status": "Succeeded",
            "transactionStatusId": 2,
            "transactionStatus": "Succeeded",
            "transactionId": _TRANSACTION,
        }
    ],
}
_TERMINATED = {"id": _ID, "statusId": 5, "status": "Terminated", "message": TERMINATED}

_REPLAYED = {
    "Idempotent-Replayed": {
        "description": "`true` when an earlier request with the same key was answered with this",
        "schema": {"type": "string", "enum": ["true"]},
    }
}


def _ok(example: Any, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    stated: dict[str, Any] = {"description": "Success", "content": {"application/json": {"example": example}}}
    return stated if headers is None else stated | {"headers": headers}


def _problem(refusal: Refusal, description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {
            "application/problem+json": {
                "schema": ProblemDetails.model_json_schema(),
                "example": problem_details(refusal, _TRACE),
            }
        },
    }


def _refusal(status: int, code: str, message: str, **fields: str) -> Refusal:
    return Refusal(status, code, message, tuple(FieldError(name, wrong) for name, wrong in fields.items()))


_COMMON: Responses = {
    401: _problem(
        _refusal(401, "invalid_token", "a token is needed: send the header `Authorization: Bearer <token>` once"),
        "No token, or one that is unknown, revoked or expired",
    ),
    403: _problem(
        _refusal(403, "missing_scope", "this token does not have the scope 'write'"), "The token may not do this"
    ),
    500: _problem(
        _refusal(500, "internal_error", "something went wrong on our side; the log knows more under the trace id"),
        "Server Error",
    ),
    503: _problem(
        _refusal(503, "service_unavailable", "the database cannot be reached at the moment; try again"),
        "It is not known to have been done. With `Retry-After`, send the same request again. Without, it may have been "
        "done all the same: look first, because without an Idempotency-Key it may be done twice",
    ),
    "default": _problem(
        _refusal(405, "method_not_allowed", "DELETE is not possible here; possible: GET, HEAD"), "Any other error"
    ),
}
_NOT_FOUND = _problem(_refusal(404, "not_found", "there is no subscription of that id"), "Not Found")
_KEY_REUSED = _problem(
    _refusal(
        422,
        "idempotency_key_reused",
        "this Idempotency-Key came with another request before; use a new key for a new one",
    ),
    "The Idempotency-Key belongs to another request",
)
_BAD_KEY = _problem(
    _refusal(
        400,
        "invalid_request",
        "Idempotency-Key must be one header of 1 to 255 printable ASCII characters",
        **{"Idempotency-Key": "must be one header of 1 to 255 printable ASCII characters"},
    ),
    "Bad Request",
)

CREATE: Responses = {
    200: _ok(_CREATED, _REPLAYED),
    400: _problem(
        _refusal(
            400,
            "invalid_request",
            "amount: must be more than 0; isFasterProcessing: must be null for Sale; it is for AchDebit",
            amount="must be more than 0",
            isFasterProcessing="must be null for Sale; it is for AchDebit",
        ),
        "Bad Request: `errors` has everything that is wrong",
    ),
    409: _problem(
        _refusal(
            409,
            "no_usable_gateway",
            "the merchant has no gateway to charge through: the operator chooses one with `dunning merchant set`",
        ),
        "The merchant has no gateway, or one that cannot be used",
    ),
    408: _problem(
        _refusal(408, "body_too_slow", "the body did not arrive within 30 seconds; send it again"), "Request Timeout"
    ),
    413: _problem(
        _refusal(413, "body_too_large", "the body is larger than 1048576 bytes, which is the most this service takes"),
        "Content Too Large",
    ),
    415: _problem(
        _refusal(
            415,
            "unsupported_media_type",
            "send the subscription as JSON, with the header `Content-Type: application/json`",
        ),
        "Unsupported Media Type",
    ),
    422: _KEY_REUSED,
    **_COMMON,
}
LIST: Responses = {
    200: _ok({"items": [_SUBSCRIPTION], "total": 1}),
    400: _problem(
        _refusal(
            400,
            "invalid_request",
            "page: must be a whole number, in digits only",
            page="must be a whole number, in digits only",
        ),
        "Bad Request",
    ),
    **_COMMON,
}
READ: Responses = {200: _ok(_SUBSCRIPTION), 404: _NOT_FOUND, **_COMMON}
PAYMENTS: Responses = {200: _ok([_PAYMENT]), 404: _NOT_FOUND, **_COMMON}
TERMINATE: Responses = {
    200: _ok(_TERMINATED, _REPLAYED),
    400: _BAD_KEY,
    404: _NOT_FOUND,
    422: _KEY_REUSED,
    **_COMMON,
}


def _inlined(model: Any) -> dict[str, Any]:
    """The model's schema in one piece, as whatever stands in a route's `openapi_extra` has to be."""
    schema: dict[str, Any] = model.model_json_schema(mode="validation")
    definitions = schema.pop("$defs", {})

    def without_references(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                value = {**definitions[value["$ref"].rsplit("/", 1)[-1]], **value}
                del value["$ref"]
            return {name: without_references(member) for name, member in value.items()}
        return [without_references(item) for item in value] if isinstance(value, list) else value

    found: dict[str, Any] = without_references(schema)
    return found


_KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "the same key with the same request is answered again and done once",
    "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
    "example": "order-1009-subscribe",
}

CREATE_REQUEST: dict[str, Any] = {
    "parameters": [_KEY_HEADER],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _inlined(CreateSubscription), "example": _REQUEST}},
    },
}
TERMINATE_REQUEST: dict[str, Any] = {"parameters": [_KEY_HEADER]}
