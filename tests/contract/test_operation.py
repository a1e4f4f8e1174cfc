"""What an operator sees: health, metrics, request ids, and log lines."""

from __future__ import annotations

import asyncio
import json
import logging
import platform
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import structlog
from fastapi import Request
from psycopg.errors import AdminShutdown
from starlette.responses import StreamingResponse

from contract._webhooks import an_event, post, signature, signed
from dunning_service.app import create_app
from dunning_service.merchants import service as merchants
from dunning_service.merchants.sources import list_sources
from dunning_service.operation.logs import configure_logs
from dunning_service.settings import Settings
from running import SECRET_KEY, RunningService


@pytest.fixture
def logged(capfd: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """The lines written to standard output, as they are in production."""
    root = logging.getLogger()
    before = (root.handlers, root.level)
    configure_logs("info")

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capfd.readouterr().out.splitlines()]

    yield lines
    structlog.reset_defaults()
    root.handlers = before[0]
    root.setLevel(before[1])


async def test_process_says_that_it_is_alive(service: RunningService) -> None:
    assert (await service.client.get("/healthz")).json() == {"status": "alive"}


async def test_service_with_its_schema_is_ready(service: RunningService) -> None:
    response = await service.client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ready"})


async def test_service_whose_schema_is_behind_names_the_command(service: RunningService) -> None:
    with service.database.write() as connection:
        connection.execute(sa.text("DELETE FROM alembic_version"))
    response = await service.client.get("/readyz")
    assert response.status_code == 503
    assert "dunning migrate" in response.json()["detail"]
    assert int(response.headers["retry-after"]) > 0


async def test_service_with_a_newer_schema_is_ready(service: RunningService) -> None:
    with service.database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    assert (await service.client.get("/readyz")).status_code == 200


async def test_service_without_a_schema_is_not_ready(empty_database_url: str) -> None:
    app = create_app(Settings(_env_file=None, database_url=empty_database_url, secret_key=SECRET_KEY))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        response = await client.get("/readyz")
        assert response.status_code == 503
        assert "dunning migrate" in response.json()["detail"]
        assert (await client.get("/healthz")).status_code == 200


async def test_metrics_time_requests_by_route_and_status(service: RunningService) -> None:
    source = await service.add_source(service.merchant)
    await post(service, source, an_event())
    await service.client.post(source.path, content=b"{}")
    await service.client.get("/api/v1/failed-payments/ODR123/", headers=service.auth)
    await service.client.get("/api/v1/failed-payments/ODR124", headers=service.auth)
    await service.client.head("/healthz")
    await service.client.delete("/healthz")
    for path in ("/openapi.json", "/docs"):
        assert (await service.client.get(path)).status_code == 200
    for number in range(20):
        await service.client.get(f"/nowhere/{number}")
        await service.client.request(f"METHOD{number}", "/nowhere")
    text = (await service.client.get("/metrics")).text
    counted = {line for line in text.splitlines() if line.startswith("dunning_request_seconds_count")}
    assert counted == {
        'dunning_request_seconds_count{method="POST",route="/webhooks/{source_id}",status="200"} 1.0',
        'dunning_request_seconds_count{method="POST",route="/webhooks/{source_id}",status="401"} 1.0',
        'dunning_request_seconds_count{method="GET",route="/api/v1/failed-payments/{id}",status="404"} 2.0',
        'dunning_request_seconds_count{method="HEAD",route="/healthz",status="200"} 1.0',
        'dunning_request_seconds_count{method="DELETE",route="/healthz",status="405"} 1.0',
        'dunning_request_seconds_count{method="GET",route="/openapi.json",status="200"} 1.0',
        'dunning_request_seconds_count{method="GET",route="/docs",status="200"} 1.0',
        'dunning_request_seconds_count{method="GET",route="unknown",status="404"} 20.0',
        'dunning_request_seconds_count{method="other",route="unknown",status="404"} 20.0',
    }
    assert source.id not in text


async def test_metrics_say_which_version_runs_on_what(service: RunningService) -> None:
    (line,) = (
        line
        for line in (await service.client.get("/metrics")).text.splitlines()
        if line.startswith("dunning_build_info{")
    )
    with service.database.read_blocking() as connection:
        kind = connection.dialect.name
        shown = "SELECT sqlite_version()" if kind == "sqlite" else "SHOW server_version"
        running = connection.exec_driver_sql(shown).scalar_one().split()[0]
    assert line == (
        f'dunning_build_info{{database="{kind}",database_version="{running}",python="{platform.python_version()}",'
        f'version="{version("dunning-service")}"}} 1.0'
    )


async def test_metrics_count_notices_by_provider_and_outcome(service: RunningService) -> None:
    source = await service.add_source(service.merchant)
    await post(service, source, an_event())
    await post(service, source, an_event())
    await post(service, source, b"{")
    await post(service, source, b'{"event_type":"other","data":{}}')
    await service.client.post(source.path, content=b"{}")
    await service.client.post("/webhooks/nobody", content=b"{}")
    response = await service.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    counted = [line for line in response.text.splitlines() if line.startswith("dunning_notices_total")]
    assert {line for line in counted if not line.endswith(" 0.0")} == {
        'dunning_notices_total{outcome="recorded",provider="maple"} 1.0',
        'dunning_notices_total{outcome="repeated",provider="maple"} 1.0',
        'dunning_notices_total{outcome="failed",provider="maple"} 1.0',
        'dunning_notices_total{outcome="ignored",provider="maple"} 1.0',
        'dunning_notices_total{outcome="refused",provider="maple"} 1.0',
        'dunning_notices_total{outcome="refused",provider="unknown"} 1.0',
    }
    for name in ("dunning_notice_seconds", "dunning_commit_seconds", "dunning_batch_notices"):
        assert f"{name}_count" in response.text
    assert "dunning_queue_depth 0.0" in response.text
    assert source.id not in response.text


@pytest.mark.parametrize("given", ["abc", "A.b_c-9", "x" * 64])
async def test_request_id_of_the_caller_comes_back(service: RunningService, given: str) -> None:
    for path in ("/healthz", "/nowhere", "/webhooks/nobody"):
        response = await service.client.get(path, headers={"X-Request-Id": given})
        assert response.headers.get_list("x-request-id") == [given]


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", "æ", "{}", "a;b"])
async def test_request_id_that_is_not_acceptable_is_replaced(service: RunningService, given: str) -> None:
    response = await service.client.get("/healthz", headers={"X-Request-Id": given.encode()})
    (made,) = response.headers.get_list("x-request-id")
    assert made != given
    assert len(made) >= 16


async def test_each_request_gets_an_id_of_its_own(service: RunningService) -> None:
    made = {(await service.client.get("/healthz")).headers["x-request-id"] for _ in range(5)}
    assert len(made) == 5


async def test_request_is_one_line_with_the_routes_template(service: RunningService, logged: Any) -> None:
    source = await service.add_source(service.merchant)
    logged()
    await service.client.post(source.path + "?token=hidden", content=b"{}", headers={"X-Request-Id": "abc"})
    await service.client.get("/healthz")
    line, of_no_source = (line for line in logged() if line["event"] == "request")
    assert (line["method"], line["route"], line["status"]) == ("POST", "/webhooks/{source_id}", 401)
    assert line["request_id"] == "abc"
    assert line["duration_ms"] >= 0
    always = {"at", "level", "event", "request_id", "method", "route", "status", "duration_ms"}
    assert set(line) == always | {"notice", "code", "reason", "source"}
    assert set(of_no_source) == always


async def test_line_of_a_refused_signature_gives_its_reason_and_the_number_of_its_source(
    service: RunningService, logged: Any
) -> None:
    sources = [await service.add_source(merchant) for merchant in (service.merchant, await service.add_merchant("B"))]
    with service.database.read_blocking() as connection:
        numbers = {source.id: source.number for source in list_sources(connection, now=service.clock())}
    assert sorted(numbers.values()) == [1, 2]
    late = int(service.clock.now.timestamp()) - 3600
    for source in sources:
        body = an_event()
        reasons = {
            "": "is missing",
            f"t={late},v1={signature(source.secret, body, late)}": "too old: 3600 s",
            f"v1={signature('whsec_of_somebody_else', body, None)}": "is not one of this body",
        }
        for header, reason in reasons.items():
            logged()
            headers = {"X-Maple-Signature": header} if header else {}
            assert (await service.client.post(source.path, content=body, headers=headers)).status_code == 401
            (line,) = (line for line in logged() if line["event"] == "request")
            assert reason in line["reason"]
            assert (line["code"], line["source"]) == ("bad_signature", numbers[source.id])
            assert source.id not in json.dumps(line)


async def test_line_of_a_refused_token_says_which_and_why_and_the_caller_is_not_told(
    service: RunningService, logged: Any
) -> None:
    revoked, expired, reader = (
        await service.add_token(service.merchant, name="revoked"),
        await service.add_token(service.merchant, expires_at=service.clock.now + timedelta(minutes=1)),
        await service.add_token(service.merchant, scopes=("read",)),
    )
    with service.database.write() as connection:
        of_revoked, of_expired = (
            next(one.id for one in merchants.list_tokens(connection) if wanted(one))
            for wanted in (lambda one: one.name == "revoked", lambda one: one.expires_at is not None)
        )
        merchants.revoke_token(connection, of_revoked, now=service.clock())
    service.clock.advance(timedelta(minutes=2))
    answers = set()
    for token, reason in (
        (revoked, f"the token {of_revoked} was revoked at 2026-11-21T12:00:00+00:00"),
        (expired, f"the token {of_expired} expired at 2026-11-21T12:01:00+00:00"),
        ("dun_unknown", "the token is not known"),
        (None, "a token is needed"),
    ):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        for method, path in (
            ("GET", "/api/v1/failed-payments"),
            ("GET", "/api/v1/connect/subscriptions/failed/list"),
            ("POST", "/api/ActionService/LogInvoicePaymentFailed"),
            ("GET", "/v1/payment_records"),
            ("GET", "/sub-api/v1/subscriptions"),
        ):
            logged()
            response = await service.client.request(method, path, headers=headers)
            assert response.status_code == 401, path
            (line,) = (line for line in logged() if line["event"] == "request")
            assert line["reason"].startswith(reason) or token is None, path
            assert line["reason"], path
            assert "source" not in line
            if token is not None:
                assert token not in json.dumps(line)
                answers.add((path, response.text.replace(response.headers["x-request-id"], "")))
    assert len(answers) == 5
    logged()
    ingest = "/api/ActionService/LogInvoicePaymentFailed"
    assert (await service.client.post(ingest, headers={"Authorization": f"Bearer {reader}"})).status_code == 403
    (line,) = (line for line in logged() if line["event"] == "request")
    assert (line["code"], line["reason"]) == ("missing_scope", "this token does not have the scope 'ingest'")


async def test_line_of_a_notice_says_what_became_of_it(service: RunningService, logged: Any) -> None:
    source = await service.add_source(service.merchant)
    deposit = {"UserId": 1, "DepositAmount": 5, "Currency": "NOK"}
    address = "/api/ActionService/InvoicePaymentSucceeded"
    logged()
    for body in (an_event(), an_event(), an_event("payment.other"), b"{"):
        await service.client.post(source.path, content=body, headers=signed(service, source, body))
    for _ in range(2):  # without a TransactionNo, the same words are the same deposit
        await service.client.post(address, json=deposit, headers=service.auth)
    await service.client.post(address, json={"DepositAmount": "x"}, headers=service.auth)
    await service.client.get("/api/v1/failed-payments", headers=service.auth)
    lines = [line for line in logged() if line["event"] == "request"]
    assert [line.get("notice") for line in lines] == [
        *("recorded", "repeated", "ignored", "failed", "recorded", "repeated", "refused"),
        None,
    ]


async def test_log_holds_no_path_query_token_secret_signature_or_person(service: RunningService, logged: Any) -> None:
    source = await service.add_source(service.merchant)
    body = an_event()
    at = int(service.clock.now.timestamp())
    given = signature(source.secret, body, at)
    await service.client.post(source.path, content=body, headers={"X-Maple-Signature": f"t={at},v1={given}"})
    await service.client.get("/api/v1/failed-payments?email=kari@example.com&phone=4799999999", headers=service.auth)
    await service.client.get("/kari@example.com?email=kari@example.com")
    await service.client.get("/api/v1/failed-payments", headers={"Authorization": "Bearer dun_wrong"})
    text = json.dumps(logged())
    for secret in (source.id, source.secret, given, service.token, "dun_wrong", "kari", "4799999999", "Nordmann"):
        assert secret not in text


async def test_crash_is_logged_once_with_its_traceback_and_without_secrets(
    service: RunningService, logged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await service.add_source(service.merchant)
    logged()

    def explode(*_: Any) -> Any:
        raise KeyError("kari@example.com +47 999 99 999 dun_abcdef")

    monkeypatch.setattr("dunning_service.providers.maple.Maple.parse", explode)
    response = await post(service, source, an_event())
    lines = logged()
    crashes = [line for line in lines if line["event"] == "request.crashed"]
    assert len(crashes) == 1
    assert "in explode" in crashes[0]["exception"]
    assert "KeyError" in crashes[0]["exception"]
    assert crashes[0]["request_id"] == response.json()["request_id"]
    for secret in ("kari", "999", "abcdef"):
        assert secret not in json.dumps(crashes)


async def test_crash_of_any_other_route_is_a_problem_too(
    service: RunningService, logged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: Any) -> Any:
        raise RuntimeError("no")

    monkeypatch.setattr("dunning_service.operation.metrics.Metrics.render", explode)
    response = await service.client.get("/metrics")
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert [line["event"] for line in logged()] == ["request.crashed", "request"]


async def test_database_that_is_gone_is_unavailable_in_each_dialect(
    service: RunningService, logged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Any:
        raise sa.exc.OperationalError("SELECT", {"email": "kari@example.com"}, AdminShutdown("kari@example.com"))

    monkeypatch.setattr("dunning_service.database.engines.Database.read", refuse)
    source = "/webhooks/0123456789abcdef"
    for response in (
        await service.client.post(source, content=b"{}"),
        await service.client.get("/readyz"),
        await service.client.get("/api/v1/failed-payments", headers=service.auth),
        await service.client.post("/api/ActionService/LogInvoicePaymentFailed", json={}, headers=service.auth),
        await service.client.get("/api/v1/connect/subscriptions/failed/list", headers=service.auth),
    ):
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        assert "kari" not in response.text
    assert (await service.client.get("/healthz")).status_code == 200
    metrics = await service.client.get("/metrics")
    assert (metrics.status_code, "dunning_notices_total{" in metrics.text) == (200, True)
    assert "\ndunning_due_attempts" not in metrics.text
    lines = [line for line in logged() if line["event"] == "database.unavailable"]
    assert {(line["reason"], line["sqlstate"]) for line in lines} == {("admin shutdown", "57P01")}
    assert len(lines) == 6
    assert "kari" not in json.dumps(lines)


async def test_answer_that_breaks_off_is_logged_once(service: RunningService, logged: Any) -> None:
    async def broken(request: Request) -> StreamingResponse:
        async def pieces() -> Any:
            yield b"{"
            raise RuntimeError("no more")

        return StreamingResponse(pieces())

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None: ...

    service.app.add_api_route("/broken", broken)
    logged()
    scope = {"type": "http", "method": "GET", "path": "/broken", "headers": [], "query_string": b"", "root_path": ""}
    await service.app(scope, receive, send)
    events = [line["event"] for line in logged()]
    assert events.count("request.crashed") == 1
    assert events[-1] == "request"
