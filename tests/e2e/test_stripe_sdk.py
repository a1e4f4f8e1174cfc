"""Stripe's own Python client, unchanged, against a real server: in each of its forms, with each of its exceptions."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import pytest
import stripe
from sqlalchemy.engine import make_url

from databases import PostgresDatabases
from dunning_service.database.engines import Database, database_url
from dunning_service.merchants import service as merchants
from dunning_service.merchants.directory import Scope
from dunning_service.values.clock import utc_now
from e2e.processes import serving
from e2e.senders import complaints, listed, open_account
from e2e.stripe_clients import (
    ByClient,
    ByClientAwaited,
    ByModule,
    ByModuleAwaited,
    Client,
    stripe_client,
    stripe_module,
)

# httpx says this of how Stripe's client calls it
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

NOW = int(time.time())
USD = {"currency": "usd", "value": 1999}
PAYMENT: dict[str, Any] = {
    "amount_requested": USD,
    "initiated_at": NOW - 60,
    "payment_method_details": {
        "type": "custom",
        "custom": {"display_name": "Vipps", "type": "cpmt_1"},
        "billing_details": {"address": {"city": "Oslo", "country": "NO"}},
    },
    "customer_details": {"customer": "cus_1", "email": "kari+1@example.com", "name": "Kari Æ", "phone": "+4746567468"},
    "customer_presence": "off_session",
    "processor_details": {"type": "custom", "custom": {"payment_reference": "ref_1"}},
    "description": "Membership [December] & more",
    "metadata": {"subscription": "SUB1"},
}
FAILED: dict[str, Any] = {"outcome": "failed", "failed": {"failed_at": NOW - 59}}
MANDATE = "payment_method_details.us_bank_account.mandate"


async def tell_a_story(by: Client) -> str:
    """Fails twice, is paid at last and given back in two parts; answers the record's id."""
    made = await by.call("payment_record", "report_payment", **PAYMENT, **FAILED)
    assert isinstance(made, stripe.PaymentRecord)
    assert made.amount_failed.value == 1999
    assert made.amount_guaranteed.value == 0
    assert made.customer_details.name == "Kari Æ"
    assert made.payment_method_details.custom.display_name == "Vipps"
    assert made.description == PAYMENT["description"]
    assert made.last_response.request_id

    again = await by.call("payment_record", "report_payment_attempt", made.id, initiated_at=NOW - 50)
    assert again.id == made.id
    assert again.amount_failed.value == 0
    settled = await by.call("payment_record", "report_payment_attempt_failed", made.id, failed_at=NOW - 49)
    assert settled.amount_failed.value == 1999

    given_up = await by.call("payment_record", "report_payment_attempt", made.id, initiated_at=NOW - 40)
    given_up = await by.call("payment_record", "report_payment_attempt_canceled", made.id, canceled_at=NOW - 39)
    assert given_up.amount_canceled.value == 1999

    last = await by.call(
        "payment_record",
        "report_payment_attempt",
        made.id,
        initiated_at=NOW - 30,
        payment_method_details={"type": "custom", "custom": {"display_name": "Bank"}},
        shipping_details={"name": "Ola", "address": {"line1": "Storgata 1"}},
        expand=[MANDATE, "payment_method_details.ideal.generated_sepa_debit"],
    )
    assert last.payment_method_details.custom.display_name == "Bank"
    learned = await by.call(
        "payment_record",
        "report_payment_attempt_informational",
        made.id,
        description="",
        shipping_details="",
        metadata={"subscription": "", "order": "7"},
        customer_details={"phone": "+4798765432"},
    )
    assert (learned.description, learned.shipping_details) == (None, None)
    assert learned.metadata.to_dict() == {"order": "7"}
    paid = await by.call("payment_record", "report_payment_attempt_guaranteed", made.id, guaranteed_at=NOW - 29)
    assert paid.amount_guaranteed.value == 1999

    part = await by.call(
        "payment_record", "report_refund", made.id, **a_refund("a", made.id), amount={**USD, "value": 999}
    )
    rest = await by.call("payment_record", "report_refund", made.id, **a_refund("b", made.id))
    assert [part.amount_refunded.value, rest.amount_refunded.value] == [999, 1999]

    found = await by.call("payment_record", "retrieve", made.id, expand=[MANDATE])
    assert found.to_dict() == rest.to_dict()
    await look_at_attempts(by, found)
    return str(made.id)


def a_refund(name: str, record: str) -> dict[str, Any]:
    custom = {"refund_reference": f"{name}/{record}"}
    return {
        "outcome": "refunded",
        "processor_details": {"type": "custom", "custom": custom},
        "initiated_at": NOW,
        "refunded": {"refunded_at": NOW},
    }


async def look_at_attempts(by: Client, record: Any) -> None:
    page = await by.call("payment_attempt_record", "list", payment_record=record.id, limit=2)
    assert len(page.data) == 2
    assert page.has_more
    attempts = await by.all_of(page)
    assert len(attempts) == 4
    assert attempts[0].id == record.latest_payment_attempt_record
    assert {attempt.payment_record for attempt in attempts} == {record.id}
    assert [attempt.amount_failed.value for attempt in attempts] == [0, 0, 1999, 1999]
    attempt = await by.call("payment_attempt_record", "retrieve", attempts[0].id)
    assert isinstance(attempt, stripe.PaymentAttemptRecord)
    assert attempt.to_dict() == attempts[0].to_dict()


async def test_the_whole_story_in_each_form_of_the_client(database_url: str) -> None:
    account = open_account(database_url)
    with serving(database_url) as server:
        async with (
            stripe_client(account.token, server.base_url) as client,
            stripe_module(account.token, server.base_url),
        ):
            forms: list[Client] = [ByClient(client), ByClientAwaited(client), ByModule(), ByModuleAwaited()]
            told = [await tell_a_story(by) for by in forms]
            open_one = await forms[0].call("payment_record", "report_payment", **PAYMENT)
            for by in forms:
                page = await by.call("payment_record", "list", limit=2, expand=[f"data.{MANDATE}"])
                assert len(page.data) == 2
                everything = [record.id for record in await by.all_of(page)]
                assert everything == [open_one.id, *reversed(told)]
                back = await by.call("payment_record", "list", limit=2, ending_before=told[0])
                assert [record.id for record in await by.all_of(back)] == everything[-2::-1]
                recent = await by.call("payment_record", "list", created_after=NOW - 3600, created_before=NOW + 3600)
                assert len(recent.data) == 5
        found = listed(server.base_url, account)
        assert [(one["status"], one["attempt_count"], one["amount_minor"]) for one in found] == [("paid", 4, 1999)] * 4
    assert complaints(database_url) == []


async def test_a_record_reports_about_itself(database_url: str) -> None:
    """The methods of an object that was received, as older programs call them."""
    account = open_account(database_url)
    with serving(database_url) as server:
        async with stripe_module(account.token, server.base_url):
            record = stripe.PaymentRecord.report_payment(**PAYMENT)
            record = record.report_payment_attempt_failed(failed_at=NOW)
            record = await record.report_payment_attempt_async(initiated_at=NOW)
            record = await record.report_payment_attempt_guaranteed_async(guaranteed_at=NOW)
            record.report_refund(**a_refund("a", record.id), amount={**USD, "value": 1})
            record.refresh()
            assert (record.amount_guaranteed.value, record.amount_refunded.value) == (1999, 1)


async def test_each_of_its_exceptions_is_raised(database_url: str) -> None:
    account = open_account(database_url)
    reader = a_token(database_url, account.merchant_id, Scope.READ)
    with serving(database_url, max_body_bytes=20_000) as server:
        async with stripe_client(account.token, server.base_url) as client:
            for by in (ByClient(client), ByClientAwaited(client)):
                await _require_invalid_requests(by)
                await _require_idempotency(by)
                for key, kind, status in (
                    ("sk_test_wrong", stripe.AuthenticationError, 401),
                    (reader, stripe.PermissionError, 403),
                ):
                    with pytest.raises(kind) as caught:
                        await by.call("payment_record", "report_payment", **PAYMENT, options={"api_key": key})
                    assert (caught.value.http_status, bool(caught.value.request_id)) == (status, True)
                    assert caught.value.user_message
                with pytest.raises(stripe.APIError) as too_large:
                    await by.call("payment_record", "report_payment", **(PAYMENT | {"description": "x" * 30_000}))
                assert too_large.value.http_status == 413
            for method, path, status, kind in (
                ("delete", "/v1/payment_records", 405, stripe.APIError),
                ("post", "/v1/payment_records", 405, stripe.APIError),
                ("get", "/v1/charges", 404, stripe.InvalidRequestError),
                ("get", "/v2/core/events", 404, stripe.InvalidRequestError),
                ("post", "/v2/core/event_destinations", 404, stripe.InvalidRequestError),
            ):
                with pytest.raises(kind) as refused:
                    client.raw_request(method, path)
                assert refused.value.http_status == status
                assert path in str(refused.value) or status == 405


async def _require_invalid_requests(by: Client) -> None:
    record = (await by.call("payment_record", "report_payment", **PAYMENT)).id
    for verb, ids, params, status, code, param in (
        ("report_payment", [], {"initiated_at": 1}, 400, "parameter_missing", None),
        ("report_payment", [], PAYMENT | {"colour": "red"}, 400, "parameter_unknown", "colour"),
        ("report_payment", [], PAYMENT | {"initiated_at": "soon"}, 400, "parameter_invalid_integer", "initiated_at"),
        ("report_payment", [], PAYMENT | {"outcome": "failed"}, 400, None, "failed"),
        ("report_payment_attempt", [record], {"initiated_at": NOW}, 400, None, None),
        ("report_refund", [record], a_refund("x", record), 400, None, None),
        ("retrieve", ["pr_x"], {}, 404, "resource_missing", "id"),
        ("retrieve", [record], {"expand": ["customer"]}, 400, None, "expand[0]"),
        ("list", [], {"limit": 1000}, 400, None, "limit"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await by.call("payment_record", verb, *ids, **params)  # type: ignore[arg-type]
        error = caught.value
        assert error.http_status == status, error
        assert code is None or error.code == code
        assert param is None or error.param == param
        assert error.user_message
        assert error.request_id


async def _require_idempotency(by: Client) -> None:
    options = {"idempotency_key": f"k{time.monotonic_ns()}"}
    first = await by.call("payment_record", "report_payment", **PAYMENT, options=options)
    again = await by.call("payment_record", "report_payment", **PAYMENT, options=options)
    assert again.to_dict() == first.to_dict()
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert again.last_response.headers["Original-Request"] == first.last_response.request_id
    with pytest.raises(stripe.IdempotencyError) as caught:
        await by.call("payment_record", "report_payment", **(PAYMENT | {"description": "x"}), options=options)
    assert caught.value.http_status == 400


async def test_it_tries_again_by_itself_until_the_database_is_free(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = open_account(sqlite_url)
    other = sqlite3.connect(str(make_url(sqlite_url).database), isolation_level=None)
    waits = []

    def wait(_client: stripe.HTTPClient, retries: int) -> float:
        waits.append(retries)
        other.execute("ROLLBACK")  # the other process is done while the client waits
        return 0.0

    monkeypatch.setattr(stripe.HTTPClient, "_sleep_time_seconds", wait)
    with serving(sqlite_url) as server:
        async with stripe_client(account.token, server.base_url, max_network_retries=2) as client:
            by = ByClient(client)
            other.execute("BEGIN IMMEDIATE")
            made = await by.call("payment_record", "report_payment", **PAYMENT)
            assert waits == [1]
            assert [one.id for one in await by.all_of(await by.call("payment_record", "list"))] == [made.id]
    other.close()


async def test_a_database_that_is_gone_is_an_api_error(postgres_databases: PostgresDatabases) -> None:
    url = postgres_databases.create()
    account = open_account(url)
    with serving(url) as server:
        async with stripe_client(account.token, server.base_url) as client:
            by: Client = ByClientAwaited(client)
            await by.call("payment_record", "report_payment", **PAYMENT)
            postgres_databases.drop(url)
            for verb, params in (("report_payment", PAYMENT), ("list", {})):
                with pytest.raises(stripe.APIError) as caught:
                    await by.call("payment_record", verb, **params)
                assert caught.value.http_status == 503


def a_token(url: str, merchant_id: int, scope: Scope) -> str:
    """Another token of this merchant, for this one scope."""
    database = Database(database_url(url))
    try:
        with database.write() as connection:
            (merchant,) = (one for one in merchants.list_merchants(connection) if one.id == merchant_id)
            return merchants.add_token(
                connection,
                merchant=merchant,
                name=f"only {scope}",
                scopes=frozenset({scope}),
                expires_at=None,
                now=utc_now(),
            ).token
    finally:
        database.write_engine.dispose()
