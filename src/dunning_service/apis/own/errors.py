"""Errors of the own API: problems (RFC 9457), which `http/problems.py` writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dunning_service.http.problems import Responses, problem_responses

_DESCRIPTIONS: dict[int | str, str] = {
    400: "The Idempotency-Key cannot be used",
    401: "No token, or one that is unknown, revoked or expired",
    403: "The token lacks the scope that is needed",
    404: "No failed payment of that number",
    408: "The body did not arrive in time",
    409: "The action does not apply to the payment as it is",
    413: "The body is too large",
    415: "The body is not JSON, or compressed",
    422: "A parameter, the body or the Idempotency-Key is wrong",
    503: "The service cannot answer now, and an action is not known to be recorded; send it again",
    "default": "A problem (RFC 9457)",
}


def responses(*statuses: int, headers: Mapping[str, Any] | None = None) -> Responses:
    """The responses of an operation in the OpenAPI document beyond its model: the headers of its reply, these errors,
    and those that every operation may reply."""
    every: tuple[int | str, ...] = (*statuses, 401, 403, 503, "default")
    return {200: {"headers": headers} if headers else {}} | problem_responses(
        {status: _DESCRIPTIONS[status] for status in every}
    )
