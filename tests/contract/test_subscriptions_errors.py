"""What goes wrong with subscriptions, as problem details."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from contract._gateways import use_sandbox
from contract._subscriptions import PATH, a_request, get, post, send
from dunning_service.apis.arise.wire import ProblemDetails
from dunning_service.gateways.sandbox import INACTIVE, UNKNOWN
from running import NOON, RunningService


def refused(response: httpx.Response, status: int = 400, code: str = "invalid_request") -> Any:
    """The body of a refusal."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    ProblemDetails.model_validate(body)
    assert (body["status"], body["code"]) == (status, code)
    assert body["traceId"] == response.headers["x-request-id"]
    return body


async def test_every_wrong_field_is_named_at_once(seller: RunningService) -> None:
    body = refused(
        await post(
            seller,
            {
                "paymentProcessorId": "none",
                "transactionType": 3,
                "amount": -1,
                "percentageOffRate": 101,
                "surchargeRate": "3",
                "useCardPrice": True,
                "currencyId": 2,
                "paymentFrequencyUnit": 4,
                "paymentFrequency": 0,
                "paymentStartDateTime": "tomorrow",
                "numberOfPayments": -1,
                "customerId": None,
                "paymentMethodId": str(INACTIVE),
                "isFasterProcessing": "no",
                "customer": {"emailAddress": "nobody"},
            },
        )
    )

    assert body["type"] == "https://tools.ietf.org/html/rfc9110#section-15.5.1"
    assert body["title"] == "One or more validation errors occurred."
    assert body["errors"] == {
        "paymentProcessorId": ["must be a UUID such as b6df8625-cd25-4123-b345-638aa7b5d011"],
        "transactionType": ["must be one of 1 (Authorization), 2 (Sale), 11 (AchDebit)"],
        "amount": ["must be more than 0"],
        "percentageOffRate": ["must be a percentage from 0 to 100"],
        "surchargeRate": ["must be a number, without quotes"],
        "useCardPrice": ["must be null: the merchant has no dual pricing"],
        "currencyId": ["2 is not a currency; 1 is USD, others go by their ISO 4217 number (578: NOK)"],
        "paymentFrequencyUnit": ["must be one of 1 (Day), 2 (Week), 3 (Month)"],
        "paymentFrequency": ["must be 1 or more"],
        "paymentStartDateTime": ["must be a date and time with its offset from UTC, such as 2027-01-31T09:00:00+01:00"],
        "numberOfPayments": ["must not be negative; 0 or null: until terminated"],
        "customerId": ["is required"],
        "paymentMethodId": ["this payment method is not active"],
        "isFasterProcessing": ["must be true, false or null"],
        "customer.emailAddress": ["must be an e-mail address"],
    }
    assert (await get(seller))["total"] == 0


async def test_an_empty_object_names_all_that_is_required(seller: RunningService) -> None:
    body = refused(await post(seller, {}))
    assert body["errors"] == {
        name: ["is required"]
        for name in (
            *("paymentProcessorId", "transactionType", "amount", "currencyId", "paymentFrequencyUnit"),
            *("paymentFrequency", "customerId", "paymentMethodId"),
        )
    }


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"transactionType": 11}, "isFasterProcessing", "is required for AchDebit"),
        ({"isFasterProcessing": False}, "isFasterProcessing", "must be null for Sale"),
        ({"useCardPrice": False}, "useCardPrice", "must be null"),
        ({"amount": 19.999}, "amount", "NOK"),
        ({"amount": 19.5, "currencyId": 392}, "amount", "JPY"),
        ({"percentageOffRate": 100}, "percentageOffRate", "nothing to charge"),
        ({"paymentMethodId": UNKNOWN}, "paymentMethodId", "no payment method"),
        ({"paymentStartDateTime": NOON - timedelta(days=1)}, "paymentStartDateTime", "earlier day"),
        ({"paymentStartDateTime": NOON + timedelta(days=9999)}, "paymentStartDateTime", "ten years"),
        ({"numberOfPayments": 5000}, "numberOfPayments", "more than"),
    ],
)
async def test_what_does_not_go_together_is_named(
    seller: RunningService, changes: dict[str, Any], field: str, message: str
) -> None:
    body = refused(await post(seller, a_request(**changes)))
    assert list(body["errors"]) == [field]
    assert message in body["errors"][field][0]
    assert field in body["detail"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"amount": 1, "amount": 2}', "stands twice"),
        (b'{"amount": NaN}', "NaN"),
        (b"\xff", "UTF-8"),
        (b"[" * 100_000, "nested"),
    ],
)
@pytest.mark.parametrize("key", [None, "k-1"])
async def test_a_body_that_is_no_object_is_refused_as_a_whole(
    seller: RunningService, content: bytes, message: str, key: str | None
) -> None:
    sent = await send(seller, "POST", content=content, key=key, headers={"Content-Type": "application/json"})
    assert list(refused(sent)["errors"]) == ["$"]
    assert message in sent.json()["errors"]["$"][0]


async def test_a_body_as_deep_as_can_be_read_is_no_crash(seller: RunningService) -> None:
    for depth in (200, 400, 600, 800, 900, 950):
        content = b'{"x": ' + b"[" * depth + b"]" * depth + b', "amount": 1e999999999}'
        sent = await send(seller, "POST", content=content, key="k-1", headers={"Content-Type": "application/json"})
        assert sent.status_code == 400, (depth, sent.text)


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/json"])
async def test_what_is_not_called_json_is_not_read(seller: RunningService, media_type: str | None) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    refused(await send(seller, "POST", content=b"{}", headers=headers), 415, "unsupported_media_type")


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "text/json", "application/vnd.x+JSON"])
async def test_json_has_several_names(seller: RunningService, media_type: str) -> None:
    refused(await send(seller, "POST", content=b"{}", headers={"Content-Type": media_type}))


async def test_a_body_that_is_too_large_is_not_read(seller: RunningService) -> None:
    content = b"{" + b" " * seller.settings.max_body_bytes + b"}"
    sent = await send(seller, "POST", content=content, headers={"Content-Type": "application/json"})
    refused(sent, 413, "body_too_large")


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9"])
async def test_a_key_that_cannot_be_kept_is_refused(seller: RunningService, key: str) -> None:
    for path in ("", "/00000000-0000-0000-0000-000000000001/terminate"):
        sent = await seller.client.request(
            "POST",
            f"{PATH}{path}",
            json=a_request(),
            headers=[*seller.auth.items(), ("Idempotency-Key", key.encode("latin-1"))],  # type: ignore[list-item]
        )
        assert list(refused(sent)["errors"]) == ["Idempotency-Key"]


@pytest.mark.parametrize("query", ["page=0", "pageSize=1000", "statusIds=9", "customerIds=x", "asc=1", "status=1"])
async def test_a_wrong_filter_is_named(seller: RunningService, query: str) -> None:
    assert list(refused(await send(seller, "GET", f"?{query}"))["errors"]) == [query.partition("=")[0]]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", ""),
        ("GET", ""),
        ("GET", "/00000000-0000-0000-0000-000000000001"),
        ("GET", "/00000000-0000-0000-0000-000000000001/payments"),
        ("POST", "/00000000-0000-0000-0000-000000000001/terminate"),
        ("PUT", "/00000000-0000-0000-0000-000000000001/terminate"),
    ],
)
async def test_each_call_wants_its_scope(seller: RunningService, method: str, path: str) -> None:
    nobody = await seller.client.request(method, f"{PATH}{path}")
    assert refused(nobody, 401, "invalid_token")["title"] == "Unauthorized"
    assert nobody.headers["www-authenticate"] == "Bearer"
    wanted = "read" if method == "GET" else "write"
    others = [scope for scope in ("ingest", "read", "write") if scope != wanted]
    token = await seller.add_token(seller.merchant, scopes=others)
    refused(await send(seller, method, path, token=token), 403, "missing_scope")
    token = await seller.add_token(seller.merchant, scopes=[wanted])
    assert (await send(seller, method, path, token=token)).status_code in (200, 404, 415)


async def test_what_is_not_there_is_said_in_the_same_form(seller: RunningService) -> None:
    one = "/00000000-0000-0000-0000-000000000001"
    refused(await send(seller, "GET", f"{one}/nothing"), 404, "not_found")
    for method, path in (("DELETE", one), ("PUT", ""), ("GET", f"{one}/terminate")):
        sent = await send(seller, method, path)
        refused(sent, 405, "method_not_allowed")
        assert sent.headers["allow"]


async def test_another_merchant_has_a_gateway_of_its_own(service: RunningService) -> None:
    other = await service.add_merchant("Other")
    use_sandbox(service, other)
    token = await service.add_token(other)

    refused(await post(service, a_request()), 409, "no_usable_gateway")
    assert (await post(service, a_request(), token=token)).status_code == 200
