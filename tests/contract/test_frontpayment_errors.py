"""What Front Payment's failed payments are refused with: its envelope around every error."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from contract._frontpayment import PATH, refused
from dunning_service.apis.frontpayment.wire import ErrorEnvelope
from running import RunningService

WRONG = (
    ("/list?page=0", "page"),
    ("/list?page=-1", "page"),
    ("/list?page=abc", "page"),
    ("/list?page=1.0", "page"),
    ("/list?page=", "page"),
    ("/list?page=%D9%A1", "page"),
    ("/list?page=1" + 30 * "0", "page"),
    ("/list?page=" + 6000 * "9", "page"),
    ("/list?page=1&page=2", "page"),
    ("/list/refunded", "status"),
    ("/list/%00", "status"),
    ("/list?startDate=2026-01-01", "endDate"),
    ("/list?endDate=2026-01-01", "startDate"),
    ("/list?startDate=2026-01-01&endDate=", "endDate"),
    ("/list?startDate=2026-01-02&endDate=2026-01-01", "endDate"),
    ("/list?startDate=2026-02-30&endDate=2026-03-01", "startDate"),
    ("/list?startDate=01.02.2026&endDate=2026-03-01", "startDate"),
    ("/list?startDate=1700000000&endDate=2026-03-01", "startDate"),
    ("/list?startDate=0000-01-01&endDate=2026-03-01", "startDate"),
    ("/list?phone=none", "phone"),
    ("/list?phone=%2B", "phone"),
    ("/list?customerName=%00", "customerName"),
    ("/list?customerName=" + 1001 * "a", "customerName"),
    ("/list?subscriptionUuid=a%00", "subscriptionUuid"),
    ("/list?subscriptionUuid=a&subscriptionUuid=b", "subscriptionUuid"),
)


async def test_wrong_parameter_is_named(service: RunningService) -> None:
    for path, field in WRONG:
        body = await refused(service, path)

        assert body["status_message"] == "Client Error"
        assert body["message"] == "payloadValidationErrors"
        assert (body["is_data"], body["data"], body["is_error"]) == (False, None, True)
        assert [error["field"] for error in body["errors"]] == [field], path
        assert body["errors"][0]["message"]


async def test_other_errors_come_in_the_same_envelope(service: RunningService) -> None:
    reading = await service.add_token(service.merchant, scopes=("ingest",))
    for response, status, message, words in (
        (await service.client.get(f"{PATH}/list?page=0"), 401, "unauthenticated", "Unauthorized"),
        (
            await service.client.get(f"{PATH}/list", headers={"Authorization": f"Bearer {reading}"}),
            403,
            "forbidden",
            "Forbidden",
        ),
        (
            await service.client.post(f"{PATH}/list", headers=service.auth),
            405,
            "methodNotAllowed",
            "Method Not Allowed",
        ),
        (await service.client.get("/api/v1/connect/nothing", headers=service.auth), 404, "notFound", "Not Found"),
    ):
        ErrorEnvelope.model_validate_json(response.content)
        body = response.json()
        assert response.status_code == body["status_code"] == status
        assert (body["message"], body["status_message"], body["errors"]) == (message, words, None)
        assert body["is_error"] == (status != 404)


async def test_token_is_asked_for_as_the_standard_has_it(service: RunningService) -> None:
    response = await service.client.get(f"{PATH}/list")

    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_crash_is_told_as_front_payment_tells_it(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object) -> int:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("dunning_service.failed_payments.queries.FailedPaymentsQuery.total", crash)

    with capture_logs():
        body = await refused(service, "/list", 510)

    assert body == {
        "status_code": 510,
        "status_message": "Execution Exception Occurred",
        "message": "Something Went Wrong",
        "is_data": False,
        "data": None,
        "is_error": True,
        "errors": [],
    }
