"""What the OpenAPI document says of our own list beyond its models: the errors, and an example of everything."""

from __future__ import annotations

from typing import Any

from dunning_service.apis.own.schemas import ActionRequest
from dunning_service.http.problems import documented_problem
from dunning_service.ledger.work import NO_SUCH_PAYMENT

PUBLIC_NUMBER = "ODR1276808511"

Responses = dict[int | str, dict[str, Any]]


_PAYMENT = {
    "id": PUBLIC_NUMBER,
    "provider": "goodparty",
    "provider_payment_id": "in_1",
    "status": "invoiced",
    "order_date": "2024-12-19",
    "first_failed_at": "2024-12-19T09:30:00Z",
    "last_failed_at": "2024-12-22T09:30:00Z",
    "attempt_count": 2,
    "failed_attempt_count": 2,
    "amount_minor": 250000,
    "currency": "NOK",
    "paid_minor": 0,
    "code": None,
    "message": None,
    "category": "unknown",
    "customer": {"id": "cus_1", "name": "Nafees", "email": "nafees@example.com", "phone": "+47 465 67 468"},
    "subscription": "SUB2532543787",
    "description": None,
    "next_attempt_at": None,
    "next_attempt_rule": None,
    "next_attempt_reason": None,
    "created_at": "2024-12-19T09:30:01Z",
    "updated_at": "2024-12-27T08:00:00Z",
}
_TIMELINE = [
    {
        "type": "attempt",
        "at": "2024-12-19T09:30:00Z",
        "occurred_at_known": True,
        "id": "1",
        "outcome": "failed",
        "category": None,
        "code": None,
        "message": None,
        "amount_minor": 250000,
        "currency": "NOK",
        "received_at": "2024-12-19T09:30:01Z",
        "superseded": False,
        "requested_by": None,
        "next_attempt_at": None,
        "next_attempt_rule": None,
        "next_attempt_reason": None,
    },
    {
        "type": "action",
        "at": "2024-12-27T08:00:00Z",
        "id": 1,
        "action": "invoice",
        "actor": "dashboard",
        "reason": "card expired, customer asked for an invoice",
    },
    {
        "type": "note",
        "at": "2024-12-29T08:00:00Z",
        "note": "receipt_moved",
        "receipt_id": "T-1",
        "other": "ODR1276808512",
        "message": f"Receipt T-1 of 2500 NOK paid {PUBLIC_NUMBER} until 2024-12-29 and pays ODR1276808512 since then: "
        f"ODR1276808512, an older failure of the same payer and amount, was only reported then. If it was meant for "
        f"{PUBLIC_NUMBER}, use `move_receipt` on ODR1276808512 with `to` {PUBLIC_NUMBER}.",
    },
]


def _ok(example: Any) -> dict[str, Any]:
    return {"content": {"application/json": {"example": example}}}


_COMMON: Responses = {
    401: documented_problem(
        401,
        "invalid_token",
        "a token is needed: send the header `Authorization: Bearer <token>` once",
    ),
    403: documented_problem(403, "missing_scope", "this token does not have the scope 'read'"),
    503: documented_problem(
        503,
        "service_unavailable",
        "the database cannot be reached at the moment; try again",
    ),
}
_BAD_QUERY = documented_problem(
    422,
    "invalid_request",
    "limit: must be a whole number, in digits only",
    ("limit", "must be a whole number, in digits only"),
)
_NOT_FOUND = documented_problem(404, "not_found", NO_SUCH_PAYMENT)

_LINK = {
    "Link": {
        "description": "RFC 8288: the addresses of the next page (`next`, unless this is the last) and the first one",
        "schema": {"type": "string"},
    }
}

LIST: Responses = {
    200: {**_ok({"data": [_PAYMENT], "total": 133, "next": "3q2-7wABW10"}), "headers": _LINK},
    422: _BAD_QUERY,
    **_COMMON,
}
SUMMARY: Responses = {
    200: _ok(
        {
            "data": [
                {
                    "status": "failed",
                    "currency": "NOK",
                    "count": 120,
                    "amount_minor": 30000000,
                    "without_amount": 0,
                },
                {"status": "failed", "currency": None, "count": 13, "amount_minor": 64987, "without_amount": 2},
            ],
            "total": 133,
        }
    ),
    422: _BAD_QUERY,
    **_COMMON,
}
DETAIL: Responses = {200: _ok({**_PAYMENT, "timeline": _TIMELINE}), 404: _NOT_FOUND, 422: _BAD_QUERY, **_COMMON}
_CHOICES = "Input should be 'invoice', 'send_to_collection', 'mark_paid', 'cancel', 'reopen', 'retry' or 'move_receipt'"

ACTION: Responses = {
    200: {
        **_ok(
            {
                "id": PUBLIC_NUMBER,
                "status": "debt_collection",
                "action": {
                    "id": 2,
                    "action": "send_to_collection",
                    "actor": "dashboard",
                    "reason": "no answer to two reminders",
                    "decided_at": "2026-11-21T12:00:00Z",
                },
            }
        ),
        "headers": {
            "Idempotent-Replayed": {
                "description": "`true` when this is the answer to an earlier request with the same key",
                "schema": {"type": "string", "enum": ["true"]},
            }
        },
    },
    400: documented_problem(
        400,
        "invalid_request",
        "Idempotency-Key must be one header of 1 to 255 printable ASCII characters",
        ("Idempotency-Key", "must be one header of 1 to 255 printable ASCII characters"),
    ),
    404: _NOT_FOUND,
    409: documented_problem(
        409,
        "action_does_not_apply",
        "send_to_collection does not apply to a payment that is cancelled; what applies now: reopen",
    ),
    408: documented_problem(408, "body_too_slow", "the body did not arrive within 30 seconds; send it again"),
    413: documented_problem(413, "body_too_large", "the body is larger than 1048576 bytes"),
    415: documented_problem(
        415,
        "unsupported_media_type",
        "send the decision as JSON, with the header `Content-Type: application/json`",
    ),
    422: documented_problem(
        422,
        "invalid_request",
        f"action: {_CHOICES}",
        ("action", _CHOICES),
    ),
    **_COMMON,
    403: documented_problem(403, "missing_scope", "this token does not have the scope 'write'"),
}


def _action_schema() -> dict[str, Any]:
    schema = ActionRequest.model_json_schema()
    definitions = schema.pop("$defs", {})
    action = schema["properties"]["action"]
    schema["properties"]["action"] = {**definitions["ActionKind"], **{k: v for k, v in action.items() if k != "$ref"}}
    return schema


ACTION_REQUEST: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "the same key with the same request is answered as the first time and decides nothing twice",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
            "example": "7c1f0c52-collect",
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": _action_schema(),
                "example": {"action": "send_to_collection", "reason": "no answer to two reminders"},
            }
        },
    },
}
