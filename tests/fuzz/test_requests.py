"""Requests that nobody honest sends, to a running service: every one is answered soon, in the words of its path, and
never with a 500."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract import _goodparty as goodparty
from contract._payment_records import RECORDS, a_payment, a_refund, an_attempt, pairs
from contract._subscriptions import a_request
from contract._webhooks import an_event, signature
from dialects import is_the_servers_own, wrong_with
from dunning_service.ledger.status import ActionKind
from fuzz.conftest import BOTH
from fuzz.hostile import METHODS, hostile_paths, hostile_values, odd_headers
from fuzz.near_real import content_types, near_forms, near_json, near_xml
from fuzz.tally import EXAMPLES
from fuzz.target import SUBSCRIPTIONS, Heard, Target, request

DATABASE = "postgresql"
"""Where `make test` does this: it refuses more than SQLite does."""

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not BOTH,
    database=None,
    suppress_health_check=list(HealthCheck),
)

MAX_BODY = 1_048_576

JSON = (b"Content-Type", b"application/json")
FORM = (b"Content-Type", b"application/x-www-form-urlencoded")


def post(attacked: Target, path: str, body: bytes, *headers: tuple[bytes, bytes]) -> Heard:
    """Posts exactly this, with the merchant's token."""
    length = (b"Content-Length", b"%d" % len(body))
    token = (b"Authorization", b"Bearer " + attacked.account.token.encode())
    given = [token, length, *headers] if not path.startswith("/webhooks") else [length, *headers]
    return attacked.ask(request(b"POST", path.encode(), given), body)


def require(attacked: Target, target: str, heard: Heard, *statuses: int) -> None:
    """Fails for a status that is none of these, where some are named, and for an error that is told in other words than
    those of its path."""
    attacked.require_discretion(heard)
    assert heard.status < 500, heard
    assert not statuses or heard.status in statuses, heard
    if heard.status >= 400 and not is_the_servers_own(heard):
        assert (wrong := wrong_with(target, heard)) is None, wrong


@fuzzed
@given(body=near_json(json.loads(an_event())))
def test_whatever_is_signed_is_acknowledged(attacked: Target, body: bytes) -> None:
    at = int(time.time())
    signed = b"t=%d,v1=%b" % (at, signature(attacked.account.secret, body, at).encode())
    path = f"/webhooks/{attacked.account.source_id}"
    wanted = 200 if len(body) <= MAX_BODY else 413
    require(attacked, path, post(attacked, path, body, JSON, (b"X-Maple-Signature", signed)), wanted)


@fuzzed
@given(values=st.lists(hostile_values(b"t=1795262400,v1=" + b"0" * 64), max_size=3))
def test_a_hostile_signature_is_refused(attacked: Target, values: list[bytes]) -> None:
    path, body = f"/webhooks/{attacked.account.source_id}", an_event()
    headers = [(b"X-Maple-Signature", _as_a_header(value)) for value in values]
    require(attacked, path, post(attacked, path, body, JSON, *headers), 400, 401, 431)


def _as_a_header(value: bytes) -> bytes:
    """Without what would be another header, or no HTTP."""
    return value.translate(None, b"\r\n\x00")


NOTICES = {
    "LogInvoicePaymentFailed": ("PaymentIntentFailed", goodparty.A_FAILURE),
    "InvoicePaymentSucceeded": ("DepositMoneyRequest", goodparty.A_DEPOSIT),
    "GetInvoicePaymentFailed": ("PaymentIntentStatusRequest", {"UserId": 9, "StatusId": 12}),
}


@pytest.mark.parametrize("action", NOTICES)
@fuzzed
@given(data=st.data())
def test_goodpartys_calls_are_recorded_or_refused(attacked: Target, action: str, data: st.DataObject) -> None:
    root, real = NOTICES[action]
    kinds = {
        "application/json": near_json(real),
        "text/xml": near_xml(goodparty.as_xml(real, root)),
        "application/x-www-form-urlencoded": near_forms([(name, str(value)) for name, value in real.items()]),
    }
    named = data.draw(st.sampled_from([*kinds]))
    body = data.draw(kinds[named])
    sent = (b"Content-Type", data.draw(st.sampled_from([named] * 5) | content_types).encode().translate(None, b"\x0b"))
    accept = (b"Accept", data.draw(st.sampled_from([b"*/*", b"application/xml", b"text/json", b"image/png", b"\xff"])))
    path = f"/api/ActionService/{action}"
    require(attacked, path, post(attacked, path, body, sent, accept), 200, 400, 413, 415)


@fuzzed
@given(data=st.data())
def test_an_action_is_done_or_refused(attacked: Target, data: st.DataObject) -> None:
    verb = data.draw(st.sampled_from([*ActionKind, "x"]))
    numbers = attacked.ids["numbers"]
    names = {"mark_paid": {"receipt": "expected"}, "move_receipt": {"receipt_id": "T-1", "to": numbers[0]}}
    body = data.draw(near_json({"action": verb, "reason": "called", **names.get(verb, {})}))
    path = f"/api/v1/failed-payments/{data.draw(st.sampled_from(numbers))}/actions"
    require(attacked, path, post(attacked, path, body, JSON), 200, 400, 404, 409, 413, 415, 422)


@fuzzed
@given(body=near_json(a_request()))
def test_a_subscription_is_created_or_refused(attacked: Target, body: bytes) -> None:
    require(attacked, SUBSCRIPTIONS, post(attacked, SUBSCRIPTIONS, body, JSON), 200, 400, 409, 413, 415, 422)


REPORTS: dict[str, tuple[str, dict[str, Any]]] = {
    "report_payment_attempt": ("failed", an_attempt()),
    "report_payment_attempt_failed": ("open_failed", {"failed_at": 1_768_159_990, "metadata": {"a": "b"}}),
    "report_payment_attempt_informational": ("records", {"description": "a", "customer_details": {"name": "b"}}),
    "report_refund": ("guaranteed", a_refund("ref", amount={"value": 1, "currency": "usd"})),
}


@fuzzed
@given(data=st.data())
def test_a_report_is_recorded_or_refused(attacked: Target, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["report_payment", *REPORTS]))
    if name == "report_payment":
        path, real = f"{RECORDS}/{name}", a_payment()
    else:
        kind, real = REPORTS[name]
        path = f"{RECORDS}/{data.draw(st.sampled_from(attacked.ids[kind]))}/{name}"
    require(attacked, path, post(attacked, path, data.draw(near_forms(list(pairs(real)))), FORM), 200, 400, 404, 413)


def _paths(attacked: Target) -> list[bytes]:
    ids = {name: known[0] for name, known in attacked.ids.items() if known}
    number, record, attempt = ids["numbers"], ids["records"], ids["attempts"]
    paths = [
        *("/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/webhooks", f"/webhooks/{ids['sources']}"),
        *("/api/v1/failed-payments", "/api/v1/failed-payments/summary", f"/api/v1/failed-payments/{number}"),
        *(f"/api/v1/failed-payments/{number}/actions", f"{SUBSCRIPTIONS}/{ids['subscriptions']}/payments"),
        *(
            SUBSCRIPTIONS,
            f"{SUBSCRIPTIONS}/{ids['subscriptions']}",
            f"{SUBSCRIPTIONS}/{ids['subscriptions']}/terminate",
        ),
        *("/api/v1/connect/subscriptions/failed/list", "/api/v1/connect/subscriptions/failed/list/failed"),
        *(f"/api/v1/connect/subscriptions/failed/details/{number}", "/api/ActionService/LogInvoicePaymentFailed"),
        *(RECORDS, f"{RECORDS}/{record}", f"{RECORDS}/{record}/report_refund", "/v1/payment_attempt_records"),
        *(f"/v1/payment_attempt_records/{attempt}", "/v1/customers", "/api/ActionService/Other", "/sub-api/v1"),
        "/v2/core/events",
    ]
    return [path.encode() for path in paths]


@fuzzed
@given(data=st.data())
def test_a_hostile_path_is_answered(attacked: Target, data: st.DataObject) -> None:
    path = data.draw(hostile_paths(_paths(attacked)))
    method = data.draw(st.sampled_from([b"GET"] * 6 + [b"POST"] * 3 + list(METHODS)))
    token = (b"Authorization", b"Bearer " + attacked.account.token.encode())
    headers = [(b"Content-Length", b"0"), *([token] if data.draw(st.integers(0, 9)) else [])]
    heard = attacked.ask(request(method, path, headers))
    assert heard.status, (method, path)
    if method != b"HEAD":
        require(attacked, path.decode("latin-1"), heard)
    else:
        assert heard.status < 500


@fuzzed
@given(data=st.data())
def test_a_hostile_header_is_answered(attacked: Target, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(_paths(attacked)))
    odd = [(name, _as_a_header(value)) for name, value in data.draw(odd_headers)]
    named = {name.lower() for name, _ in odd}
    method = data.draw(st.sampled_from([b"GET", b"POST", b"PUT", b"HEAD"]))
    body = (
        data.draw(st.sampled_from([b"", b"{}", b"a=b", b"2\r\n{}\r\n0\r\n\r\n"]))
        if method in (b"POST", b"PUT")
        else b""
    )
    headers = [*odd]
    if b"authorization" not in named:
        headers.append((b"Authorization", b"Bearer " + attacked.account.token.encode()))
    frames_itself = named & {b"content-length", b"transfer-encoding"}
    if not frames_itself:
        headers.append((b"Content-Length", b"%d" % len(body)))
    whole = request(method, path, headers)
    heard = attacked.ask(whole, body, may_want_more=bool(frames_itself))
    if heard.status and method != b"HEAD":
        require(attacked, path.decode(), heard)
    assert heard.status or frames_itself, whole
