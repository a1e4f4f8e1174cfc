"""Errors in Stripe's envelope."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import stripe
from fastapi import APIRouter, FastAPI, Request
from structlog.testing import capture_logs

from dunning_service.apis.stripe.errors import InvalidParameters, NoSuchObject, headers_for, render
from dunning_service.errors import (
    BodyTooLarge,
    DunningError,
    FieldError,
    IdempotencyKeyReused,
    InvalidInput,
    InvalidToken,
    MissingScope,
    NotFound,
    RuleBroken,
    Unavailable,
    UnsupportedMediaType,
)
from dunning_service.http.middleware import RequestMiddleware
from dunning_service.http.problems import Problems

REFUSALS: dict[str, tuple[DunningError, int, dict[str, str]]] = {
    "parameter": (
        InvalidParameters(
            [FieldError("failed[failed_at]", "is missing"), FieldError("b", "is not")], "parameter_missing"
        ),
        400,
        {
            "type": "invalid_request_error",
            "message": "failed[failed_at] is missing. b is not.",
            "code": "parameter_missing",
            "param": "failed[failed_at]",
        },
    ),
    "no-code": (
        InvalidParameters([FieldError("outcome", "must be another")]),
        400,
        {"type": "invalid_request_error", "message": "outcome must be another.", "param": "outcome"},
    ),
    "no-param": (
        InvalidParameters([FieldError("", "Send a form.")]),
        400,
        {"type": "invalid_request_error", "message": "Send a form."},
    ),
    "header": (
        InvalidInput("Idempotency-Key is too long", [FieldError("Idempotency-Key", "is too long")]),
        400,
        {"type": "invalid_request_error", "message": "Idempotency-Key is too long", "param": "Idempotency-Key"},
    ),
    "rule": (RuleBroken("It is open."), 400, {"type": "invalid_request_error", "message": "It is open."}),
    "object": (
        NoSuchObject("payment_record", "pr_x"),
        404,
        {
            "type": "invalid_request_error",
            "message": "No such payment_record: 'pr_x'",
            "code": "resource_missing",
            "param": "id",
        },
    ),
    "cursor": (
        NoSuchObject("payment_record", "pr_x", "starting_after"),
        404,
        {
            "type": "invalid_request_error",
            "message": "No such payment_record: 'pr_x'",
            "code": "resource_missing",
            "param": "starting_after",
        },
    ),
    "not-found": (
        NotFound("There is none."),
        404,
        {"type": "invalid_request_error", "message": "There is none.", "code": "resource_missing", "param": "id"},
    ),
    "key": (
        IdempotencyKeyReused("Another request."),
        400,
        {"type": "idempotency_error", "message": "Another request."},
    ),
    "token": (InvalidToken("Who?"), 401, {"type": "invalid_request_error", "message": "Who?"}),
    "scope": (MissingScope("No."), 403, {"type": "invalid_request_error", "message": "No."}),
    "large": (BodyTooLarge("Too large."), 413, {"type": "invalid_request_error", "message": "Too large."}),
    "media": (UnsupportedMediaType("Not gzip."), 400, {"type": "invalid_request_error", "message": "Not gzip."}),
    "outage": (Unavailable("Later.", 7), 503, {"type": "api_error", "message": "Later."}),
}

EXCEPTIONS: dict[str, type[stripe.StripeError]] = {
    "parameter": stripe.InvalidRequestError,
    "rule": stripe.InvalidRequestError,
    "object": stripe.InvalidRequestError,
    "media": stripe.InvalidRequestError,
    "key": stripe.IdempotencyError,
    "token": stripe.AuthenticationError,
    "scope": stripe.PermissionError,
    "outage": stripe.APIError,
}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    router = APIRouter(prefix="/v1")

    @router.get("/refusals/{name}")
    async def refuse(name: str) -> None:
        raise REFUSALS[name][0]

    @router.get("/headers")
    async def headers(request: Request) -> dict[str, str]:
        return headers_for(request)

    app = FastAPI()
    Problems({"/v1": render}).answer_for(app)
    app.include_router(router)
    transport = httpx.ASGITransport(RequestMiddleware(app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://dunning.test") as client:
        yield client


@pytest.mark.parametrize("name", REFUSALS)
async def test_every_refusal_is_in_the_envelope(client: httpx.AsyncClient, name: str) -> None:
    _, status, error = REFUSALS[name]

    response = await client.get(f"/v1/refusals/{name}", headers={"Stripe-Version": "2026-10-28.endive"})

    assert response.status_code == status
    assert response.json() == {"error": error}
    assert response.headers["content-type"] == "application/json"
    assert response.headers["request-id"] == response.headers["x-request-id"]
    assert response.headers["stripe-version"] == "2026-10-28.endive"


@pytest.mark.parametrize("name", EXCEPTIONS)
async def test_the_sdk_raises_what_its_users_expect(client: httpx.AsyncClient, name: str) -> None:
    response = await client.get(f"/v1/refusals/{name}")
    requestor = stripe.StripeClient("dun_x")._requestor

    with pytest.raises(EXCEPTIONS[name]) as caught:
        requestor._interpret_response(response.text, response.status_code, dict(response.headers), "V1")

    error = REFUSALS[name][2]
    assert caught.value.user_message == error["message"]
    assert caught.value.code == error.get("code")
    assert getattr(caught.value, "param", None) == error.get("param")
    assert caught.value.request_id == response.headers["request-id"]


async def test_only_an_outage_is_to_be_tried_again(client: httpx.AsyncClient) -> None:
    outage = await client.get("/v1/refusals/outage")
    token = await client.get("/v1/refusals/token")

    assert (outage.headers["retry-after"], outage.headers["stripe-should-retry"]) == ("7", "true")
    assert token.headers["www-authenticate"]
    assert "stripe-should-retry" not in token.headers


async def test_an_unknown_address_is_told_as_stripe_does(client: httpx.AsyncClient) -> None:
    for path in ("/v1", "/v1/x", "/v1/refusals", "/v1/refusals//x"):
        for method in ("GET", "POST"):
            response = await client.request(method, path)
            error = response.json()["error"]
            assert response.status_code == 404
            assert error["message"].startswith(f"Unrecognized request URL ({method}: {path}).")
            assert set(error) == {"type", "message"}
    assert "empty" in (await client.get("/v1/refusals//x")).json()["error"]["message"]
    assert len((await client.get("/v1/" + "x" * 5000)).text) < 600


async def test_a_wrong_method_is_told_the_right_one(client: httpx.AsyncClient) -> None:
    response = await client.delete("/v1/refusals/rule")

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"
    assert response.json()["error"]["type"] == "invalid_request_error"


async def test_a_crash_is_told_without_its_reason(client: httpx.AsyncClient) -> None:
    with capture_logs():
        response = await client.get("/v1/refusals/unheard-of")

    assert response.status_code == 500
    assert response.json()["error"]["type"] == "api_error"
    assert response.headers["request-id"] in response.json()["error"]["message"]
    assert "unheard-of" not in response.text


@pytest.mark.parametrize(
    ("sent", "echoed"),
    [
        (b"2026-10-28.endive", True),
        (b"v", True),
        (b"a b", True),
        (b"x" * 64, True),
        (b"x" * 65, False),
        (b"", False),
        (b"\xe6", False),
        (b"a\tb", False),
        (b" a", False),
    ],
)
def test_a_version_is_repeated_if_it_can_be(sent: bytes, echoed: bool) -> None:
    request = Request({"type": "http", "headers": [(b"stripe-version", sent)]})

    assert headers_for(request) == ({"stripe-version": sent.decode()} if echoed else {})


async def test_every_answer_can_carry_the_same_headers(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/headers", headers={"X-Request-Id": "mine", "Stripe-Version": "v"})

    assert response.json() == {"request-id": "mine", "stripe-version": "v"}
