"""How a second merchant tries to see the rows of the first: for every place of every operation, at least once.

What is tried, and what with: something of theirs, and something that nobody has. Both have to be answered alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from contract._payment_records import LONG_AGO, a_payment, a_refund
from contract._subscriptions import a_request
from dunning_service.failed_payments.cursors import encode_cursor
from dunning_service.failed_payments.sorting import Position, Sort
from isolation.operations import Key
from isolation.tenants import (
    ATTEMPTS,
    BETWEEN,
    GOODPARTY,
    OUR_LIST,
    RECORDS,
    SUBSCRIPTIONS,
    THEIR_AMOUNT,
    THEIR_CUSTOMER,
    THEIR_DAY,
    THEIR_KEYS,
    THEIR_WORDS,
    World,
    their_event,
    their_notice,
    their_payment,
    their_subscription,
)
from isolation.tries import Base, Probe, Told, Try, nothing_else, one

CONNECT = "/api/v1/connect/subscriptions/failed"
TERMINATE = f"{SUBSCRIPTIONS}/{{id}}/terminate"


OPEN_TO_ALL: tuple[Key, ...] = (
    *(("GET", path) for path in ("/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc")),
    *(("GET", path) for path in ("/healthz", "/readyz", "/metrics")),
)
"""Needs no token, takes nothing, and shows no merchant's rows."""


_UNKNOWN_NUMBER = "ODR999999999"
_UNKNOWN_UUID = "3f0c9a52-77f1-4a1e-8f6e-0d1b2c3d4e5f"
_NOT_LONG_AGO = (THEIR_DAY - timedelta(days=1)).date().isoformat()
_SOME_DAY = date(2031, 5, 1).isoformat()
_NEXT_YEAR = date(2027, 11, 1).isoformat()


def _of_nobody(identifier: str) -> str:
    """An id of the same form."""
    return identifier[:-8] + "Z" * 8


def _foreign_cursor(_world: World) -> str:
    return encode_cursor(Sort.NEWEST_ORDER, "0" * 16, Position(date(2026, 11, 11), 100_000_099))


_WORDS = THEIR_WORDS
_FILTERS: dict[str, tuple[Try, ...]] = {
    "query.status": one("debt_collection", "invoiced", Told.NOTHING),
    "query.provider": one("maple", "nobody", Told.NOTHING),
    "query.subscription": (
        *one(_WORDS["subscription"], "sub_nobody", Told.NOTHING),
        *one(lambda world: world.subscription, _UNKNOWN_UUID, Told.NOTHING),
    ),
    "query.customer": one(_WORDS["customer"], "cus_nobody", Told.NOTHING),
    "query.email": one(_WORDS["email"], "nobody@nowhere.example", Told.NOTHING),
    "query.phone": one(_WORDS["phone"], "+46701234560", Told.NOTHING),
    "query.amount_min": one(str(THEIR_AMOUNT), str(THEIR_AMOUNT + 1), Told.NOTHING),
    "query.amount_max": one(str(THEIR_AMOUNT), str(THEIR_AMOUNT - 1), Told.OURS),
    "query.currency": one("SEK", "DKK", Told.NOTHING),
    "query.category": one("insufficient_funds", "fraud", Told.NOTHING),
    "query.order_from": one(_NOT_LONG_AGO, _SOME_DAY, Told.NOTHING),
    "query.order_to": one(_NEXT_YEAR, _SOME_DAY, Told.OURS),
    "query.last_failed_since": one(f"{_NOT_LONG_AGO}T00:00:00Z", f"{_SOME_DAY}T00:00:00Z", Told.NOTHING),
    "query.last_failed_before": one(f"{_NEXT_YEAR}T00:00:00Z", f"{_SOME_DAY}T00:00:00Z", Told.OURS),
    "query.updated_since": one(BETWEEN.isoformat(), f"{_SOME_DAY}T00:00:00Z", Told.NOTHING),
    "query.next_attempt": one("planned", None, Told.NOTHING),
    "query.next_attempt_since": one(f"{_NOT_LONG_AGO}T00:00:00Z", f"{_SOME_DAY}T00:00:00Z", Told.NOTHING),
    "query.next_attempt_before": one(f"{_NEXT_YEAR}T00:00:00Z", f"{_NOT_LONG_AGO}T00:00:00Z", Told.NOTHING),
    "query.next_attempt_rule": one("ladder", "customer_action", Told.NOTHING),
    "query.q": (
        *one("viktoria", "nobody", Told.NOTHING),
        *one(_WORDS["invoice"], "in_nobody", Told.NOTHING),
        *one(lambda world: world.number, _UNKNOWN_NUMBER, Told.NOTHING),
    ),
}
_CONNECT_FILTERS: dict[str, tuple[Try, ...]] = {
    "query.page": one("1", None, Told.OURS),
    "query.subscriptionUuid": one(_WORDS["subscription"], "sub_nobody", Told.NOTHING),
    "query.phone": one(_WORDS["phone"], "+46701234560", Told.NOTHING),
    "query.customerName": one("viktoria", "nobody", Told.NOTHING),
    "query.startDate query.endDate": one((_NOT_LONG_AGO, "2031-12-31"), (_SOME_DAY, "2031-12-31"), Told.NOTHING),
}
_MANDATE = "payment_method_details.us_bank_account.mandate"
_EXPANDED = one(f"data.{_MANDATE}", None, Told.OURS)
_numbers = itertools.count(1)


def _key(name: str) -> tuple[Try, ...]:
    return one(THEIR_KEYS[name], lambda _world: f"nobodys-{next(_numbers)}", Told.NEW)


def _nobodys(value: Any) -> Any:
    """The same with other words than theirs."""
    if isinstance(value, dict):
        return {name: _nobodys(inner) for name, inner in value.items()}
    return _OTHER_WORDS.get(value, value) if isinstance(value, str) else value


_OTHER_WORDS = {
    **{word: f"{word}x" for word in _WORDS.values()},
    f"pi_{_WORDS['invoice']}": "pi_nobody",
    _WORDS["phone"]: "+46701234560",
    THEIR_CUSTOMER: _UNKNOWN_UUID,
}


def _body(body: Any) -> tuple[Try, ...]:
    """What they sent, sent by us."""
    return one(body, _nobodys(body), Told.NEW)


def _deposit(user: int, customer: str, transaction: str) -> dict[str, Any]:
    amount = {"DepositAmount": THEIR_AMOUNT / 100, "Currency": "SEK"}
    return {"UserId": user, "StripeCustomerId": customer, "TransactionNo": transaction, **amount}


async def _our_failure(world: World) -> dict[str, Any]:
    number = await world.we.fails(f"in_ours_{next(_numbers)}")
    return {"path.id": number, "body": {"action": "send_to_collection", "reason": _WORDS["reason"]}}


async def _our_subscription(world: World) -> dict[str, Any]:
    return {"path.id": await world.we.subscribes()}


def _report(state: dict[str, Any], body: dict[str, Any]) -> Base:
    """What is reported of a fresh record of ours that is in this state."""

    async def base(world: World) -> dict[str, Any]:
        # each refund has a reference of its own
        told = {**body, **a_refund()} if "processor_details" in body else body
        return {"path.id": await world.we.reports(**state), "body": told}

    return base


_FAILED = {"outcome": "failed", "failed": {"failed_at": LONG_AGO + 5}}
_GUARANTEED = {"outcome": "guaranteed", "guaranteed": {"guaranteed_at": LONG_AGO + 5}}
_REPORTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "payment_attempt": (_FAILED, {"initiated_at": LONG_AGO + 60}),
    "payment_attempt_failed": ({}, {"failed_at": LONG_AGO + 60}),
    "payment_attempt_guaranteed": ({}, {"guaranteed_at": LONG_AGO + 60}),
    "payment_attempt_canceled": ({}, {"canceled_at": LONG_AGO + 60}),
    "payment_attempt_informational": ({}, {"description": _WORDS["description"]}),
    "refund": (_GUARANTEED, a_refund(_WORDS["reference"])),
}
"""In which state the record has to be, and what is reported."""


def _reports() -> Iterator[tuple[Key, Probe]]:
    for name, (state, body) in _REPORTS.items():
        tries = {
            "path.id": one(lambda world: world.record, lambda world: _of_nobody(world.record), Told.MISSING),
            "body": _body({**body, "metadata": {"subscription": _WORDS["subscription"]}}),
            "header.Idempotency-Key": _key(f"report_{name}"),
        }
        yield ("POST", f"{RECORDS}/{{id}}/report_{name}"), Probe(tries, _report(state, body))


async def _our_record(world: World) -> dict[str, Any]:
    return {"path.id": await world.we.reports()}


async def _our_attempt(world: World) -> dict[str, Any]:
    record = await world.we.get(f"{RECORDS}/{await world.we.reports()}")
    return {"path.id": record["latest_payment_attempt_record"]}


async def _our_attempts(world: World) -> dict[str, Any]:
    return {"query.payment_record": (await world.we.get(RECORDS))["data"][-1]["id"]}


def _termination(key: str) -> Probe:
    return Probe(_ONE_SUBSCRIPTION | {"header.Idempotency-Key": _key(key)}, _our_subscription)


_ONE_SUBSCRIPTION = {"path.id": one(lambda world: world.subscription, _UNKNOWN_UUID, Told.MISSING)}
_WHOLE = nothing_else()

PROBES: dict[Key, Probe] = {
    ("GET", OUR_LIST): Probe(
        _FILTERS
        | {
            "query.limit": one("1", "200", Told.OURS),
            "query.sort": one("-amount", "updated_at", Told.OURS),
            "query.cursor": one(lambda world: world.cursor, _foreign_cursor, Told.REFUSED),
        },
        _WHOLE,
    ),
    ("GET", f"{OUR_LIST}/summary"): Probe(_FILTERS, _WHOLE),
    ("GET", f"{OUR_LIST}/{{id}}"): Probe(
        {"path.id": one(lambda world: world.number, _UNKNOWN_NUMBER, Told.MISSING)}, _WHOLE
    ),
    ("GET", f"{CONNECT}/list"): Probe(_CONNECT_FILTERS, _WHOLE),
    ("GET", f"{CONNECT}/list/{{status}}"): Probe(
        _CONNECT_FILTERS | {"path.status": one("debtCollection", "invoiced", Told.NOTHING)},
        nothing_else(**{"path.status": "debtCollection"}),
    ),
    ("GET", f"{CONNECT}/details/{{orderUuid}}"): Probe(
        {"path.orderUuid": one(lambda world: world.number, _UNKNOWN_NUMBER, Told.MISSING)}, _WHOLE
    ),
    ("GET", SUBSCRIPTIONS): Probe(
        {
            "query.customerIds": one(THEIR_CUSTOMER, _UNKNOWN_UUID, Told.NOTHING),
            "query.search": one("viktoria", "nobody", Told.NOTHING),
            "query.statusIds": one("5", "4", Told.NOTHING),
            "query.page": one("1", None, Told.OURS),
            "query.pageSize": one("1", "200", Told.OURS),
            "query.orderBy": one("customerName", "status", Told.OURS),
            "query.asc": one("true", "false", Told.OURS),
        },
        _WHOLE,
    ),
    ("GET", f"{SUBSCRIPTIONS}/{{id}}"): Probe(_ONE_SUBSCRIPTION, _WHOLE),
    ("GET", f"{SUBSCRIPTIONS}/{{id}}/payments"): Probe(_ONE_SUBSCRIPTION, _WHOLE),
    ("GET", RECORDS): Probe(
        {
            "query.created_after": one(str(int(BETWEEN.timestamp())), "1935700000", Told.NOTHING),
            "query.created_before": one("1935700001", "1935700000", Told.OURS),
            "query.limit": one("1", "100", Told.OURS),
            "query.starting_after": one(lambda w: w.record, lambda w: _of_nobody(w.record), Told.MISSING),
            "query.ending_before": one(lambda w: w.record, lambda w: _of_nobody(w.record), Told.MISSING),
            "query.expand": _EXPANDED,
        },
        _WHOLE,
    ),
    ("GET", ATTEMPTS): Probe(
        {
            "query.payment_record": one(lambda w: w.record, lambda w: _of_nobody(w.record), Told.MISSING),
            "query.starting_after": one(lambda w: w.attempt, lambda w: _of_nobody(w.attempt), Told.MISSING),
            "query.limit": one("1", "100", Told.OURS),
            "query.expand": _EXPANDED,
        },
        _our_attempts,
    ),
    ("POST", f"{GOODPARTY}/GetInvoicePaymentFailed"): Probe(
        {
            "body": (
                Try({"UserId": 4242}, {"UserId": 4243}, Told.NOTHING),
                Try({"StatusId": 77}, {"StatusId": 78}, Told.NOTHING),
            )
        },
        _WHOLE,
    ),
    ("POST", f"{GOODPARTY}/InvoicePaymentSucceeded"): Probe(
        {"body": one(_deposit(4242, _WORDS["customer"], "1"), _deposit(4243, "cus_nobody", "2"), Told.NOTHING)},
        _WHOLE,
    ),
    ("GET", f"{RECORDS}/{{id}}"): Probe(
        {
            "path.id": one(lambda w: w.record, lambda w: _of_nobody(w.record), Told.MISSING),
            "query.expand": one(_MANDATE, None, Told.NEW),
        },
        _our_record,
    ),
    ("GET", f"{ATTEMPTS}/{{id}}"): Probe(
        {
            "path.id": one(lambda w: w.attempt, lambda w: _of_nobody(w.attempt), Told.MISSING),
            "query.expand": one(_MANDATE, None, Told.NEW),
        },
        _our_attempt,
    ),
    ("POST", f"{OUR_LIST}/{{id}}/actions"): Probe(
        {
            "path.id": one(lambda world: world.number, _UNKNOWN_NUMBER, Told.MISSING),
            "body": _body({"action": "invoice", "reason": _WORDS["reason"]}),
            "header.Idempotency-Key": _key("act"),
        },
        _our_failure,
    ),
    ("POST", SUBSCRIPTIONS): Probe(
        {
            "body": _body(a_request(**their_subscription())),
            "header.Idempotency-Key": _key("subscribe"),
        },
        nothing_else(body=a_request(**their_subscription())),
    ),
    ("POST", TERMINATE): _termination("terminate"),
    ("PUT", TERMINATE): _termination("terminate by PUT"),
    ("POST", f"{RECORDS}/report_payment"): Probe(
        {
            "body": _body(a_payment(**their_payment())),
            "header.Idempotency-Key": _key("report"),
        },
        nothing_else(body=a_payment(**their_payment())),
    ),
    **dict(_reports()),
    ("POST", f"{GOODPARTY}/LogInvoicePaymentFailed"): Probe({"body": _body(their_notice())}, _WHOLE),
    ("POST", "/webhooks/{source_id}"): Probe(
        {
            "path.source_id": one(lambda world: world.their_source.id, None, Told.ADDRESS),
            "body": one(their_event(), their_event().replace(b"theirs", b"nobody"), Told.NEW),
        },
        nothing_else(**{"path.source_id": lambda world: world.our_source.id, "body": their_event()}),
    ),
}
"""In an order in which what we tell the service ourselves is not found by what comes after."""
