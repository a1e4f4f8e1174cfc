"""What Stripe's dialect says when something is not there, not allowed or not possible: always its own envelope."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from structlog.testing import capture_logs

from contract._payment_records import (
    ATTEMPTS,
    FAILED,
    LONG_AGO,
    OUTCOMES,
    RECORDS,
    REPORT,
    Records,
    a_payment,
    a_refund,
    an_attempt,
    answer,
    ids,
    refusal,
)
from contract._stripe_contract import require_contract
from databases import PostgresDatabases
from running import run_service

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLS = {
    "report_payment_attempt": an_attempt(),
    **{f"report_payment_attempt_{outcome}": {f"{outcome}_at": LONG_AGO} for outcome in OUTCOMES},
    "report_payment_attempt_informational": {"description": "x"},
    "report_refund": a_refund("re_1"),
}


async def test_what_nobody_made_is_not_found(records: Records) -> None:
    record = await records.report()
    attempt = record["latest_payment_attempt_record"]
    for unknown in ("pr_x", "pr_" + "A" * 24, attempt, record["id"][3:], record["id"].upper(), "obj_123", "ODR1"):
        error = refusal(await records.get(f"{RECORDS}/{unknown}"), 404)
        assert error == {
            "type": "invalid_request_error",
            "code": "resource_missing",
            "message": f"No such payment_record: '{unknown}'",
            "param": "id",
        }
    for call, form in CALLS.items():
        error = refusal(await records.post(f"{RECORDS}/pr_x/{call}", form), 404)
        assert (error["code"], error["param"]) == ("resource_missing", "id")
        assert "'pr_x'" in error["message"]
    for unknown in ("par_x", record["id"], attempt[:-1] + "9", attempt + "1"):
        error = refusal(await records.get(f"{ATTEMPTS}/{unknown}"), 404)
        assert (error["code"], error["param"]) == ("resource_missing", "id")
        assert f"'{unknown}'" in error["message"]
    for query, param in (
        (f"{ATTEMPTS}?payment_record=pr_x", "payment_record"),
        (f"{ATTEMPTS}?payment_record={record['id']}&starting_after=par_x", "starting_after"),
        (f"{RECORDS}?starting_after=pr_x", "starting_after"),
        (f"{RECORDS}?ending_before=pr_x", "ending_before"),
    ):
        error = refusal(await records.get(query), 404)
        assert (error["code"], error["param"]) == ("resource_missing", param), query


async def test_another_merchants_records_are_not_found(records: Records) -> None:
    mine = await records.report(**FAILED)
    others = await records.of_another_merchant()
    attempt = mine["latest_payment_attempt_record"]

    for path in (
        f"{RECORDS}/{mine['id']}",
        f"{ATTEMPTS}/{attempt}",
        f"{ATTEMPTS}?payment_record={mine['id']}",
        f"{RECORDS}?starting_after={mine['id']}",
        f"{RECORDS}?ending_before={mine['id']}",
    ):
        theirs = refusal(await others.get(path), 404)
        unknown = refusal(await others.get(path.replace(mine["id"], "pr_x").replace(attempt, "par_x")), 404)
        assert str(theirs).replace(mine["id"], "pr_x").replace(attempt, "par_x") == str(unknown)
    for call, form in CALLS.items():
        refusal(await others.post(f"{RECORDS}/{mine['id']}/{call}", form), 404)
    assert ids(await others.listed()) == []
    assert await records.retrieve(mine["id"]) == mine


async def test_addresses_that_do_not_exist_are_told_as_stripe_does(records: Records) -> None:
    for path in (
        "/v1",
        "/v1/x",
        "/v1/charges",
        "/v1/payment_record",
        "/V1/payment_records",
        f"{RECORDS}/pr_x/report",
        f"{RECORDS}/pr_x/report_refund/x",
        f"{RECORDS}//report_refund",
        f"{ATTEMPTS}/par_x/x",
        "/v2",
        "/v2/core/events",
        "/V2/billing/meter_events",
        "/oauth/token",
    ):
        for response in (await records.get(path), await records.post(path)):
            require_contract(response.request.method, path, response)
            error = refusal(response, 404)
            assert error["message"].startswith("Unrecognized request URL (")
            assert path in error["message"]
            assert error["type"] == "invalid_request_error"
    for path in ("/v1/x", "/v1/%00", "/v1/" + "x" * 4000, "/v2/x", "/v2/%00"):  # whoever it is that asks
        error = refusal(await records.client.get(path), 404)
        assert len(error["message"]) < 2000
    assert "GET: /v1/x" in refusal(await records.get("/v1/x"), 404)["message"]


async def test_a_wrong_method_is_told_the_right_one(records: Records) -> None:
    for path, methods, allowed in (
        (RECORDS, ("POST", "DELETE", "PUT", "PATCH"), "GET"),
        (f"{RECORDS}/pr_x", ("POST", "DELETE"), "GET"),
        (f"{RECORDS}/pr_x/report_refund", ("GET", "DELETE"), "POST"),
        (REPORT, ("DELETE",), "POST"),
        (ATTEMPTS, ("POST", "DELETE"), "GET"),
        (f"{ATTEMPTS}/par_x", ("POST", "DELETE"), "GET"),
    ):
        for method in methods:
            response = await records.client.request(method, path, headers=records.auth)
            assert response.status_code == 405, (method, path)
            assert allowed in response.headers["allow"].split(", ")
            assert allowed in response.json()["error"]["message"]


async def test_a_trailing_slash_is_no_part_of_an_address(records: Records) -> None:
    made = answer(await records.post(f"{REPORT}/", a_payment()))

    assert answer(await records.get(f"{RECORDS}/{made['id']}/")) == made


@pytest.mark.parametrize("path", [f"{RECORDS}/", f"{ATTEMPTS}/"])
async def test_an_empty_id_is_not_taken_for_the_list(records: Records, path: str) -> None:
    response = await records.get(path)

    assert response.status_code == 404
    assert "send an id that is not empty" in response.json()["error"]["message"]


@pytest.mark.parametrize("identifier", ["pr_x", "a%00b", "%ED%A0%80", "pr_" + 24 * "%C3%A5", 300 * "x"])
@pytest.mark.parametrize("call", ["report_payment_attempt_failed", "report_refund"])
async def test_what_cannot_be_an_id_is_told_like_any_unknown_one(records: Records, identifier: str, call: str) -> None:
    form = a_refund() if call == "report_refund" else {"failed_at": LONG_AGO}

    response = await records.post(f"{RECORDS}/{identifier}/{call}", form)

    assert (response.status_code, response.json()["error"]["code"]) == (404, "resource_missing")
    assert response.json()["error"]["param"] == "id"


async def test_heads_are_answered_without_a_body(records: Records) -> None:
    record = (await records.report())["id"]

    for path, status in ((RECORDS, 200), (f"{RECORDS}/{record}", 200), (f"{RECORDS}/pr_x", 404), ("/v1/x", 404)):
        response = await records.client.head(path, headers=records.auth)
        assert response.status_code == status


async def test_who_has_no_key_is_told_nothing_else(records: Records) -> None:
    record = (await records.report())["id"]
    expired = await records.service.add_token(
        records.service.merchant, name="expired", expires_at=records.service.clock() + timedelta(seconds=1)
    )
    records.service.clock.advance(timedelta(seconds=2))
    for headers in ({}, {"Authorization": "Bearer dun_" + "x" * 43}, {"Authorization": f"Bearer {expired}"}):
        for method, path in (
            ("GET", RECORDS),
            ("GET", f"{RECORDS}/{record}"),
            ("GET", f"{RECORDS}/pr_x"),
            ("GET", f"{RECORDS}?limit=x"),
            ("GET", ATTEMPTS),
            ("POST", REPORT),
            ("POST", f"{RECORDS}/{record}/report_refund"),
        ):
            response = await records.client.request(method, path, headers=headers)
            error = refusal(response, 401)
            assert error["type"] == "invalid_request_error"
            assert "dun_x" not in error["message"]
            assert response.headers["www-authenticate"]


async def test_a_key_may_do_what_its_scopes_say(records: Records) -> None:
    reader = Records(
        records.service, await records.service.add_token(records.service.merchant, ["read"], name="reader")
    )
    writer = Records(
        records.service, await records.service.add_token(records.service.merchant, ["write"], name="writer")
    )
    sender = Records(
        records.service, await records.service.add_token(records.service.merchant, ["ingest"], name="sender")
    )
    record = (await writer.report())["id"]

    assert (await reader.retrieve(record))["id"] == record
    for refused, scope in (
        (await reader.post(REPORT, a_payment()), "write"),
        (await reader.post(f"{RECORDS}/{record}/report_payment_attempt_failed", {"failed_at": 1}), "write"),
        (await writer.get(RECORDS), "read"),
        (await writer.get(f"{RECORDS}/{record}"), "read"),
        (await writer.get(f"{ATTEMPTS}?payment_record={record}"), "read"),
        (await sender.get(RECORDS), "read"),
        (await sender.post(REPORT, a_payment()), "write"),
    ):
        assert scope in refusal(refused, 403)["message"]
    assert ids(await records.listed()) == [record]


async def test_bodies_too_large_are_refused(database_url: str) -> None:
    async with run_service(database_url, max_body_bytes=2000) as service:
        records = Records(service)
        answer(await records.post(REPORT, a_payment(description="x" * 1500)))
        error = refusal(await records.post(REPORT, a_payment(description="x" * 3000)), 413)

    assert "2000" in error["message"].replace(",", "")


async def test_compressed_bodies_are_refused(records: Records) -> None:
    response = await records.post(REPORT, a_payment(), headers={"Content-Encoding": "gzip"})

    assert "Content-Encoding" in refusal(response, 400)["message"]


async def test_a_crash_is_told_without_its_reason(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crash(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("dunning_service.merchants.directory.Directory.principal", crash)

    with capture_logs():
        for response in (await records.get(RECORDS), await records.post(REPORT, a_payment())):
            error = refusal(response, 500)
            assert "secret" not in response.text
            assert response.headers["request-id"] in error["message"]


async def test_a_database_that_is_gone_is_told_in_stripes_envelope(postgres_databases: PostgresDatabases) -> None:
    url = postgres_databases.create()
    async with run_service(url) as service:
        records = Records(service)
        record = (await records.report())["id"]
        admin = sa.create_engine(
            make_url(url).set(drivername="postgresql+psycopg", database="postgres"), isolation_level="AUTOCOMMIT"
        )
        with admin.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{make_url(url).database}" WITH (FORCE)')
        admin.dispose()
        for response in (
            await records.post(REPORT, a_payment()),
            await records.get(RECORDS),
            await records.get(f"{RECORDS}/{record}"),
            await records.get(ATTEMPTS, {"payment_record": record}),
            await records.post(f"{RECORDS}/{record}/report_refund", a_refund()),
        ):
            refusal(response, 503)
        refusal(await records.get("/v1/x"), 404)
