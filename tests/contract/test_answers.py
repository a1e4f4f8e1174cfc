"""What every address answers alike: its method, its form, its dialect, and pages of other origins."""

from __future__ import annotations

import pytest

from running import RunningService, run_service


@pytest.mark.parametrize("path", ["/healthz/", "/readyz/", "/metrics/", "/openapi.json/", "/healthz//"])
async def test_trailing_slash_is_no_redirect(service: RunningService, path: str) -> None:
    assert (await service.client.get(path, follow_redirects=False)).status_code == 200


async def test_head_is_answered_as_get(service: RunningService) -> None:
    response = await service.client.head("/healthz")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")


async def test_nothing_there_is_a_problem(service: RunningService) -> None:
    response = await service.client.get("/nowhere", headers={"X-Request-Id": "abc"})
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "there is nothing at this address",
        "code": "not_found",
        "errors": [],
        "request_id": "abc",
    }


async def test_wrong_method_is_told_which_are_right(service: RunningService) -> None:
    response = await service.client.delete("/healthz")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")
    assert response.json()["code"] == "method_not_allowed"


async def test_each_api_speaks_its_own_dialect(service: RunningService) -> None:
    ours = await service.client.get("/api/v1/failed-payments")
    assert (ours.status_code, ours.headers["www-authenticate"]) == (401, "Bearer")
    assert ours.json()["code"] == "invalid_token"
    for path in ("/api/ActionService/Nothing", "/api/actionservice/nothing", "/API/ACTIONSERVICE"):
        assert "Message" in (await service.client.post(path)).json()
    theirs = await service.client.get("/api/v1/connect/nothing")
    assert theirs.json()["status_code"] == 404
    assert "code" in (await service.client.get("/api/v1/connected")).json()


async def test_openapi_describes_the_webhook(service: RunningService) -> None:
    document = (await service.client.get("/openapi.json")).json()
    webhook = document["paths"]["/webhooks/{source_id}"]
    assert set(webhook) == {"post"}
    assert webhook["post"]["parameters"][0]["name"] == "source_id"
    assert webhook["post"]["requestBody"]["required"] is True
    assert {"200", "401", "404", "413", "415", "503"} <= set(webhook["post"]["responses"])


async def test_pages_of_other_origins_may_call_only_when_they_are_named(database_url: str) -> None:
    preflight = {"Origin": "https://dash.example.com", "Access-Control-Request-Method": "GET"}
    async with run_service(database_url, cors_origins=("https://dash.example.com",)) as service:
        allowed = await service.client.options("/api/v1/failed-payments", headers=preflight)
        assert allowed.headers["access-control-allow-origin"] == "https://dash.example.com"
        refused = await service.client.options(
            "/api/v1/failed-payments", headers=preflight | {"Origin": "https://evil.example.com"}
        )
        assert "access-control-allow-origin" not in refused.headers
        page = await service.client.get("/api/v1/failed-payments", headers=service.auth | preflight)
        assert page.headers["access-control-allow-origin"] == "https://dash.example.com"
        assert "x-request-id" in page.headers


async def test_pages_of_other_origins_may_not_call_by_default(service: RunningService) -> None:
    preflight = {"Origin": "https://dash.example.com", "Access-Control-Request-Method": "GET"}
    response = await service.client.options("/api/v1/failed-payments", headers=preflight)
    assert "access-control-allow-origin" not in response.headers


async def test_answer_of_a_wrong_parameter_names_it(service: RunningService) -> None:
    async def limited(limit: int) -> None: ...

    service.app.add_api_route("/limited", limited)
    response = await service.client.get("/limited?limit=many")
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "limit"
    assert "limit" in response.json()["detail"]
