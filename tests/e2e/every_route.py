"""One request for every route of the application, of the kind that its callers send."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI

from dialects import wrong_with
from dunning_service.values.clock import utc_now
from e2e.processes import ServerProcess
from e2e.reporters import ATTEMPTS, FORM, RECORDS, Report, a_payment, a_refund, a_report, an_attempt
from e2e.senders import LOG_FAILURE, Account, Answer, Line, a_goodparty_notice, a_maple_notice, lines

SUBSCRIPTIONS = "/sub-api/v1/subscriptions"
OURS = "/api/v1/failed-payments"
CONNECT = "/api/v1/connect/subscriptions/failed"
DEPOSIT = "/api/ActionService/InvoicePaymentSucceeded"
LOGGED = "/api/ActionService/GetInvoicePaymentFailed"

WITHOUT_DATABASE = {
    ("GET", path) for path in ("/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc", "/healthz", "/metrics")
}
"""What answers 200 whatever the database does."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request for one route, named by its template."""

    method: str
    route: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    media_type: str | None = None

    @property
    def content_headers(self) -> dict[str, str]:
        return self.headers | ({} if self.media_type is None else {"Content-Type": self.media_type})


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    """Every method and path of the application, whether its OpenAPI document shows it or not."""
    return {(method, path) for method, path in _walked(app.router.routes) if method != "HEAD"}


def _walked(routes: Sequence[Any]) -> Iterator[tuple[str, str]]:
    for route in routes:
        if hasattr(route, "original_router"):
            yield from _walked(route.original_router.routes)
        else:
            for method in route.methods:
                yield method, route.path


async def calls_for(line: Line, account: Account) -> list[Call]:
    """A valid request for every route but those that need no database, about rows that are made for it here.

    What writes has a key of its own each and may be sent again.
    """
    await _accepted(line, _posted("", LOG_FAILURE, a_goodparty_notice(account, "in_known")))
    await _accepted(line, _subscription(account, "a known one"))
    numbers = (await _read(line, account, OURS))["data"][0]["id"]
    subscription = (await _read(line, account, SUBSCRIPTIONS))["items"][0]["id"]
    pending = [await _accepted(line, _reported("", a_payment(account, f"pending {n}"))) for n in range(4)]
    failed = await _accepted(line, _reported("", a_payment(account, "failed", "failed")))
    paid = await _accepted(line, _reported("", a_payment(account, "paid", "guaranteed")))
    auth, order = account.auth, {"action": "invoice"}
    keyed = auth | {"Idempotency-Key": "decide"}
    ends = ("failed", "guaranteed", "canceled")
    report = f"{RECORDS}/{{id}}/report_"
    deposit = {"UserId": 7, "DepositAmount": 1, "Currency": "NOK", "TransactionNo": "ch_1"}
    return [
        _posted("/webhooks/{source_id}", "", a_maple_notice(account, "txn_new")),
        _posted("", LOG_FAILURE, a_goodparty_notice(account, "in_new")),
        Call("POST", DEPOSIT, DEPOSIT, auth, json.dumps(deposit).encode(), "application/json"),
        Call("POST", LOGGED, LOGGED, auth, b"{}", "application/json"),
        Call("GET", OURS, OURS, auth),
        Call("GET", f"{OURS}/summary", f"{OURS}/summary", auth),
        Call("GET", f"{OURS}/{{id}}", f"{OURS}/{numbers}", auth),
        Call("POST", f"{OURS}/{{id}}/actions", f"{OURS}/{numbers}/actions", keyed, json.dumps(order).encode(), _JSON),
        Call("GET", f"{CONNECT}/list", f"{CONNECT}/list", auth),
        Call("GET", f"{CONNECT}/list/{{status}}", f"{CONNECT}/list/failed", auth),
        Call("GET", f"{CONNECT}/details/{{orderUuid}}", f"{CONNECT}/details/{numbers}", auth),
        _subscription(account, "a new one"),
        Call("GET", SUBSCRIPTIONS, SUBSCRIPTIONS, auth),
        Call("GET", f"{SUBSCRIPTIONS}/{{id}}", f"{SUBSCRIPTIONS}/{subscription}", auth),
        Call("GET", f"{SUBSCRIPTIONS}/{{id}}/payments", f"{SUBSCRIPTIONS}/{subscription}/payments", auth),
        Call("POST", f"{SUBSCRIPTIONS}/{{id}}/terminate", f"{SUBSCRIPTIONS}/{subscription}/terminate", auth),
        Call("PUT", f"{SUBSCRIPTIONS}/{{id}}/terminate", f"{SUBSCRIPTIONS}/{subscription}/terminate", auth),
        Call("GET", RECORDS, RECORDS, auth),
        Call("GET", f"{RECORDS}/{{id}}", f"{RECORDS}/{failed['id']}", auth),
        Call("GET", ATTEMPTS, f"{ATTEMPTS}?{urlencode({'payment_record': failed['id']})}", auth),
        Call("GET", f"{ATTEMPTS}/{{id}}", f"{ATTEMPTS}/{failed['latest_payment_attempt_record']}", auth),
        _reported(f"{RECORDS}/report_payment", a_payment(account, "new", "failed")),
        _reported(f"{report}payment_attempt", an_attempt(account, failed["id"], "again")),
        *(
            _reported(f"{report}payment_attempt_{end}", _end(account, record["id"], end))
            for end, record in zip(ends, pending, strict=False)
        ),
        _reported(f"{report}payment_attempt_informational", _told(account, pending[3]["id"])),
        _reported(f"{report}refund", a_refund(account, paid["id"], "refund", "refund")),
        Call("GET", "/readyz", "/readyz", {}),
    ]


def says_unavailable(call: Call, answer: Answer) -> str | None:
    """What is wrong with an answer that should be 503 in the words of the caller's API; None when nothing is."""
    wrong = wrong_with(call.path, answer, 503)
    if wrong is None and json.loads(answer.body).get("code", "service_unavailable") != "service_unavailable":
        wrong = f"{call.method} {call.path} was answered {answer}"
    return wrong


_JSON = "application/json"


def _posted(route: str, path: str, posted: Any) -> Call:
    return Call("POST", route or path, posted.path, posted.headers, posted.body, posted.media_type)


def _reported(route: str, report: Report) -> Call:
    return Call("POST", route, report.path, report.headers, report.body, FORM)


def _end(account: Account, record: str, outcome: str) -> Report:
    when = {f"{outcome}_at": int(utc_now().timestamp()) - 1}
    return a_report(account, f"{RECORDS}/{record}/report_payment_attempt_{outcome}", f"end {outcome}", **when)


def _told(account: Account, record: str) -> Report:
    path = f"{RECORDS}/{record}/report_payment_attempt_informational"
    return a_report(account, path, "informational", description="a note")


def _subscription(account: Account, key: str) -> Call:
    asked = {
        "paymentProcessorId": "a7699db0-1e16-4616-b2cf-4e8d4a5320cb",
        "transactionType": 2,
        "amount": 250,
        "currencyId": 578,
        "paymentFrequencyUnit": 3,
        "paymentFrequency": 1,
        "paymentStartDateTime": None,
        "numberOfPayments": 2,
        "customerId": "87d8e330-2878-4742-a86f-dbbb3bf522ac",
        "paymentMethodId": "b6df8625-cd25-4123-b345-638aa7b5d011",
    }
    headers = account.auth | {"Idempotency-Key": key}
    return Call("POST", SUBSCRIPTIONS, SUBSCRIPTIONS, headers, json.dumps(asked).encode(), _JSON)


async def send(line: Line, call: Call) -> Answer:
    """Raises HungUpError when no whole answer came."""
    return await line.ask(call.method, call.path, call.content_headers, call.body)


async def require_that_all_is_well(server: ServerProcess, calls: Sequence[Call]) -> None:
    """Each is done, one after the other, without a restart."""
    async with lines(server.port, 1) as (line,):
        for call in calls:
            answer = await send(line, call)
            assert answer.status == 200, (call, answer)


async def _accepted(line: Line, call: Call) -> Any:
    answer = await send(line, call)
    assert answer.status == 200, answer
    return json.loads(answer.body)


async def _read(line: Line, account: Account, path: str) -> Any:
    answer = await line.get(path, account.auth)
    assert answer.status == 200, answer
    return json.loads(answer.body)
