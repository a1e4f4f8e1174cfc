"""Deciding about a failed payment over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from contract._failed_payments import PATH, listed, read
from contract._payments import a_failed_payment, an_attempt, record
from dunning_service.events import Outcome
from running import RunningService


async def post(service: RunningService, number: str, body: Any, **headers: str) -> Any:
    return await service.client.post(
        f"{PATH}/{number}/actions",
        headers={**service.auth, **{name.replace("_", "-"): value for name, value in headers.items()}},
        json=body,
    )


async def test_action_changes_the_status_at_once(service: RunningService) -> None:
    number = await a_failed_payment(service)

    response = await post(service, number, {"action": "send_to_collection", "reason": "no answer"})

    assert response.status_code == 200
    assert response.json() == {
        "id": number,
        "status": "debt_collection",
        "action": {
            "id": 1,
            "action": "send_to_collection",
            "actor": "test",
            "reason": "no answer",
            "decided_at": "2026-11-21T12:00:00Z",
        },
    }
    assert "idempotent-replayed" not in response.headers
    assert [item["id"] for item in (await listed(service, "?status=debt_collection"))["data"]] == [number]
    reopened = await post(service, number, {"action": "reopen"})
    assert (reopened.json()["status"], reopened.json()["action"]["id"]) == ("failed", 2)


async def test_action_that_does_not_apply_is_a_conflict(service: RunningService) -> None:
    number = await a_failed_payment(service, provider_payment_id="in_1")
    await post(service, number, {"action": "cancel"})

    refused = await post(service, number, {"action": "invoice"})
    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "action_does_not_apply"
    assert "cancelled" in refused.json()["detail"]
    assert "reopen" in refused.json()["detail"]

    await record(service, [an_attempt(provider_payment_id="in_1", provider_attempt_id="2", outcome=Outcome.SUCCEEDED)])
    assert (await post(service, number, {"action": "reopen"})).status_code == 409


async def test_same_key_and_request_is_answered_the_same(service: RunningService) -> None:
    number = await a_failed_payment(service)
    first = await post(service, number, {"action": "invoice", "reason": None}, Idempotency_Key="k-1")
    service.clock.advance(timedelta(hours=1))

    again = await post(service, number, {"action": "invoice"}, Idempotency_Key="k-1")

    assert first.status_code == again.status_code == 200
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    detail = await read(service, number)
    assert [entry["type"] for entry in detail["timeline"]] == ["attempt", "action"]


async def test_same_key_with_another_request_is_refused(service: RunningService) -> None:
    number = await a_failed_payment(service)
    other = await a_failed_payment(service)
    await post(service, number, {"action": "invoice"}, Idempotency_Key="k-1")

    for target, body in ((number, {"action": "cancel"}), (other, {"action": "invoice"})):
        response = await post(service, target, body, Idempotency_Key="k-1")
        assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")


async def test_key_that_cannot_be_kept_is_refused(service: RunningService) -> None:
    number = await a_failed_payment(service)

    for key in ("", 256 * "k", "k\x7f"):
        response = await post(service, number, {"action": "invoice"}, Idempotency_Key=key)
        assert response.status_code == 400, key
        assert response.json()["errors"][0]["field"] == "Idempotency-Key"
    twice = await service.client.post(
        f"{PATH}/{number}/actions",
        headers=[*service.auth.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")],
        json={"action": "invoice"},
    )
    assert twice.status_code == 400
    assert (await post(service, number, {"action": "invoice"}, Idempotency_Key=255 * "k")).status_code == 200


async def test_wrong_body_is_told_where(service: RunningService) -> None:
    number = await a_failed_payment(service)

    for body, field in (
        (b"", ""),
        (b"{", ""),
        (b"[]", ""),
        (b"null", ""),
        (b"{}", "action"),
        (b'{"action":"refund"}', "action"),
        (b'{"action":null}', "action"),
        (b'{"action":"invoice","action":"cancel"}', ""),
        (b'{"action":"invoice","reason":5}', "reason"),
        (b'{"action":"invoice","reason":"%s"}' % (1001 * b"a"), "reason"),
        (b'{"action":"invoice\\u0000"}', ""),
        (b'{"action":"invoice","\\ud800":1}', "\ufffd"),
        (b'{"action":"invoice","amount":1}', "amount"),
        (b'{"action":"invoice","reason":NaN}', ""),
        (b"\xff", ""),
        (b"[" * 100_000, ""),
    ):
        response = await service.client.post(
            f"{PATH}/{number}/actions",
            headers={**service.auth, "Content-Type": "application/json; charset=utf-8"},
            content=body,
        )
        assert response.status_code == 422, (body[:50], response.text)
        assert [error["field"] for error in response.json()["errors"]] == [field], body[:50]
    assert (await read(service, number))["status"] == "failed"


async def test_body_of_another_kind_or_size_is_refused(service: RunningService) -> None:
    number = await a_failed_payment(service)

    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        response = await service.client.post(
            f"{PATH}/{number}/actions",
            headers={**service.auth, "Content-Type": content_type},
            content=b'{"action":"invoice"}',
        )
        assert response.status_code == 415
    large = await post(service, number, {"action": "invoice", "reason": 2_000_000 * "a"})
    assert large.status_code == 413


async def test_scope_write_is_needed(service: RunningService) -> None:
    number = await a_failed_payment(service)
    reading = {"Authorization": f"Bearer {await service.add_token(service.merchant, scopes=('read',))}"}

    for headers, status in ((reading, 403), ({}, 401)):
        response = await service.client.post(f"{PATH}/{number}/actions", headers=headers, json={"action": "invoice"})
        assert response.status_code == status


async def test_number_of_another_shape_is_not_found(service: RunningService) -> None:
    for number in ("ODR0", "1", "%00", "ODR999999999"):
        assert (await post(service, number, {"action": "invoice"})).status_code == 404
