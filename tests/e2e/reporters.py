"""Who reports payments in Stripe's words to a running service, over plain sockets: forms up, JSON down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx

from e2e.processes import HOST
from e2e.senders import Account, Answer, Line, Posted

RECORDS = "/v1/payment_records"
ATTEMPTS = "/v1/payment_attempt_records"
REPORT = f"{RECORDS}/report_payment"

FORM = "application/x-www-form-urlencoded"

INITIATED_AT = 1_768_159_918


@dataclass(frozen=True, slots=True)
class Report:
    """One POST of a form."""

    path: str
    headers: dict[str, str]
    body: bytes


def a_report(account: Account, path: str, key: str | None = None, **form: Any) -> Report:
    """`form` in Python's brackets: `failed={"failed_at": 1}` is sent as `failed[failed_at]=1`."""
    headers = account.auth | ({} if key is None else {"Idempotency-Key": key})
    return Report(path, headers, urlencode(list(_pairs(form))).encode())


def a_payment(account: Account, key: str | None = None, outcome: str | None = None, **form: Any) -> Report:
    """The report of a payment of 19.99, whose first attempt ended like this."""
    told = {
        "amount_requested": {"currency": "nok", "value": 1999},
        "initiated_at": INITIATED_AT,
        "payment_method_details": {"type": "custom", "custom": {"display_name": "Vipps"}},
    }
    return a_report(account, REPORT, key, **(told | _ended(outcome) | form))


def an_attempt(
    account: Account, record: str, key: str | None = None, outcome: str | None = None, **form: Any
) -> Report:
    """The report of another attempt at a payment."""
    path = f"{RECORDS}/{record}/report_payment_attempt"
    return a_report(account, path, key, initiated_at=INITIATED_AT, **_ended(outcome), **form)


def a_refund(
    account: Account, record: str, reference: str | None = None, key: str | None = None, **form: Any
) -> Report:
    """The report of a refund of all that is left."""
    processor: dict[str, Any] = {"type": "custom"}
    if reference is not None:
        processor["custom"] = {"refund_reference": reference}
    path = f"{RECORDS}/{record}/report_refund"
    return a_report(account, path, key, outcome="refunded", processor_details=processor, **form)


def _ended(outcome: str | None) -> dict[str, Any]:
    return {} if outcome is None else {"outcome": outcome, outcome: {f"{outcome}_at": INITIATED_AT}}


def _pairs(form: dict[str, Any], inside: str = "") -> Iterable[tuple[str, str]]:
    for name, value in form.items():
        written = f"{inside}[{name}]" if inside else name
        if isinstance(value, dict):
            yield from _pairs(value, written)
        else:
            yield written, str(value)


class FormLine(Line):
    """One keep-alive connection on which forms are posted."""

    async def report(self, report: Report) -> Answer:
        """Raises HungUpError when no whole answer came."""
        return await self.post(Posted("", report.path, report.headers, report.body, FORM))


@asynccontextmanager
async def form_lines(ports: Sequence[int], count: int) -> AsyncIterator[list[FormLine]]:
    """That many open connections, shared out among the ports."""
    async with AsyncExitStack() as stack:
        opened = []
        for number in range(count):
            line = FormLine(*await asyncio.open_connection(HOST, ports[number % len(ports)]))
            stack.callback(line.close)
            opened.append(line)
        yield opened


async def accepted(line: FormLine, report: Report) -> dict[str, Any]:
    """The payment record that the report was answered with."""
    answer = await line.report(report)
    assert answer.status == 200, answer
    record: dict[str, Any] = json.loads(answer.body)
    return record


def error_of(answer: Answer) -> dict[str, Any]:
    """What the envelope holds."""
    error: dict[str, Any] = json.loads(answer.body)["error"]
    return error


def everything(base_url: str, account: Account, path: str, **query: str) -> list[dict[str, Any]]:
    """All objects of a list, newest first, page by page as Stripe's own client would read it."""
    found: list[dict[str, Any]] = []
    parameters = {"limit": "100", **query}
    with httpx.Client(base_url=base_url, headers=account.auth, trust_env=False, timeout=30) as client:
        while True:
            response = client.get(path, params=parameters)
            assert response.status_code == 200, response.text
            page = response.json()
            found += page["data"]
            if not page["has_more"]:
                assert len({one["id"] for one in found}) == len(found)
                return found
            parameters["starting_after"] = page["data"][-1]["id"]
