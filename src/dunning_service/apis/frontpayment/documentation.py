"""Examples of Front Payment's answers for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from dunning_service.apis.frontpayment.errors import CRASHED, INVALID, error_envelope
from dunning_service.apis.frontpayment.wire import ErrorEnvelope

Responses = dict[int | str, dict[str, Any]]

_ORDER = {
    "orderUuid": "ODR1276808511",
    "orderDate": "19.12.2024",
    "customerName": "Nafees",
    "clientName": "Sweden & Co",
    "countryCode": "+47",
    "msisdn": "46567468",
    "currency": "NOK",
    "amount": 2500,
    "status": "INVOICED",
    "translationKey": "failedSubscriptionOrderInvoiced",
    "subscriptionUuid": "SUB2532543787",
}
_LIST = {
    "status_code": 200,
    "status_message": "OK",
    "message": "failedSubscriptionOrdersRetrievedSuccessfully!",
    "is_data": True,
    "data": [_ORDER],
    "metaData": {"total": 133, "perPage": 50, "currentPage": 1, "lastPage": 3},
    "links": {
        "previous": None,
        "next": "https://dunning.example.com/api/v1/connect/subscriptions/failed/list?page=2",
    },
}
_DETAILS = {
    "status_code": 200,
    "status_message": "OK",
    "message": "orderRetrievedSuccessfully",
    "is_data": True,
    "data": {
        "subscriptionUuid": "SUB2532543787",
        "orderDate": "19.12.2024",
        "customerNotes": None,
        "isInvoiced": 1,
        "termsAndConditions": None,
        "customerName": "Nafees",
        "countryCode": "+47",
        "msisdn": "46567468",
        "email": "nafees@example.com",
        "street": None,
        "zip": None,
        "city": None,
        "country": None,
        "subTotal": 2500,
        "totalDiscount": None,
        "totalTax": None,
        "currency": "NOK",
        "status": "INVOICED",
        "products": [
            {
                "productName": "Membership, December",
                "quantity": 1,
                "rate": 2500,
                "discount": None,
                "tax": None,
                "amount": 2500,
            }
        ],
    },
}


def _ok(example: Any) -> dict[str, Any]:
    return {"content": {"application/json": {"example": example}}}


def _error(status: int, message: str, description: str, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    return {
        "model": ErrorEnvelope,
        "description": description,
        "content": {"application/json": {"example": error_envelope(status, message, errors)}},
    }


_COMMON: Responses = {
    401: _error(401, "unauthenticated", "No token, or one that is unknown, revoked or expired"),
    403: _error(403, "forbidden", "The token lacks the scope `read`"),
    503: _error(503, "serviceUnavailable", "The database cannot be reached; try again"),
    CRASHED: _error(CRASHED, "Something Went Wrong", "An error on our side", []),
    "default": _error(405, "methodNotAllowed", "Any other error, such as a method that is not possible here"),
}

LIST: Responses = {
    200: _ok(_LIST),
    INVALID: _error(
        INVALID,
        "payloadValidationErrors",
        "A parameter is wrong",
        [{"field": "page", "message": "must be a positive whole number"}],
    ),
    **_COMMON,
}
DETAILS: Responses = {
    200: _ok(_DETAILS),
    404: _error(404, "orderNotFound", "No failed payment of that number"),
    **_COMMON,
}
