"""Errors in ASP.NET Core's form."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from starlette.requests import Request

from dunning_service.apis.arise.errors import render
from dunning_service.apis.arise.wire import ProblemDetails
from dunning_service.errors import DunningError, FieldError, IdempotencyKeyReused, InvalidInput
from dunning_service.http.problems import STATUS, Refusal


def answered(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    request = Request({"type": "http", "method": "POST", "path": "/sub-api/v1/subscriptions", "headers": []})
    response = render(request, refusal)
    assert response.headers["content-type"].startswith("application/problem+json")
    body = orjson.loads(response.body)
    ProblemDetails.model_validate(body)
    assert body["status"] == response.status_code
    return response.status_code, body


@pytest.mark.parametrize("status", [400, 422])
def test_every_wrong_field_is_listed_with_all_its_messages(status: int) -> None:
    fields = (FieldError("amount", "one"), FieldError("currencyId", "two"), FieldError("amount", "three"))
    found, body = answered(Refusal(status, InvalidInput.code, "all of it", fields))
    assert found == 400
    assert body["title"] == "One or more validation errors occurred."
    assert body["type"] == "https://tools.ietf.org/html/rfc9110#section-15.5.1"
    assert body["errors"] == {"amount": ["one", "three"], "currencyId": ["two"]}
    assert (body["detail"], body["code"]) == ("all of it", "invalid_request")


def test_what_is_wrong_with_the_whole_body_stands_under_a_dollar_sign() -> None:
    _, body = answered(Refusal(400, InvalidInput.code, "no JSON", (FieldError("", "no JSON"),)))
    assert body["errors"] == {"$": ["no JSON"]}


def test_an_error_of_no_field_has_no_errors() -> None:
    found, body = answered(Refusal(404, "not_found", "there is no such subscription"))
    assert found == 404
    assert body == {
        "type": "https://tools.ietf.org/html/rfc9110#section-15.5.5",
        "title": "Not Found",
        "status": 404,
        "detail": "there is no such subscription",
        "code": "not_found",
        "traceId": "",
    }


def test_a_key_of_another_request_is_no_bad_request() -> None:
    found, body = answered(Refusal(422, IdempotencyKeyReused.code, "another request"))
    assert (found, body["title"]) == (422, "Unprocessable Content")


@pytest.mark.parametrize("kind", sorted(STATUS, key=lambda kind: kind.__name__))
def test_every_kind_of_error_has_a_title_and_keeps_its_code(kind: type[DunningError]) -> None:
    found, body = answered(Refusal(STATUS[kind], kind.code, "why"))
    assert found == STATUS[kind]
    assert body["code"] == kind.code
    assert body["title"] != "Error"


def test_headers_are_kept() -> None:
    request = Request({"type": "http", "headers": []})
    response = render(request, Refusal(503, "service_unavailable", "later", headers={"retry-after": "1"}))
    assert response.headers["retry-after"] == "1"


def test_a_status_that_nobody_planned_is_answered_too() -> None:
    found, body = answered(Refusal(418, "http_error", "why"))
    assert (found, body["type"], body["title"]) == (418, "about:blank", "Error")
