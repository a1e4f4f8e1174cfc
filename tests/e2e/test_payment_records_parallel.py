"""Everybody reports at once: the rules hold for one after the other, on one process or on several."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from databases import PostgresDatabases, SqliteDatabases
from e2e.processes import ServerProcess, serving
from e2e.reporters import (
    ATTEMPTS,
    RECORDS,
    FormLine,
    Report,
    a_payment,
    a_refund,
    a_report,
    accepted,
    an_attempt,
    error_of,
    everything,
    form_lines,
)
from e2e.senders import Account, Answer, complaints, open_account

AT_ONCE = 50


@dataclass(frozen=True)
class Service:
    """The processes that serve one database."""

    database_url: str
    servers: Sequence[ServerProcess]

    @property
    def ports(self) -> list[int]:
        return [server.port for server in self.servers]


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "two processes"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """One for all tests of the module, each of which opens an account of its own."""
    name = "sqlite_databases" if request.param == "sqlite" else "postgres_databases"
    databases: SqliteDatabases | PostgresDatabases = request.getfixturevalue(name)
    url = databases.create()
    with ExitStack() as stack:
        count = 2 if request.param == "two processes" else 1
        yield Service(url, [stack.enter_context(serving(url)) for _ in range(count)])
    databases.drop(url)


@pytest.fixture
def account(service: Service) -> Iterator[Account]:
    yield open_account(service.database_url)
    assert complaints(service.database_url) == []


async def _at_once(opened: Sequence[FormLine], reports: Sequence[Report]) -> list[Answer]:
    return await asyncio.gather(*(line.report(report) for line, report in zip(opened, reports, strict=True)))


def _statuses(answers: Sequence[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


def _attempts(service: Service, account: Account, record: str) -> list[str]:
    """Ids of a record's attempts, newest first, which every process tells alike."""
    told = [
        [one["id"] for one in everything(server.base_url, account, ATTEMPTS, payment_record=record)]
        for server in service.servers
    ]
    assert all(ids == told[0] for ids in told)
    return told[0]


def _require_refused(answers: Sequence[Answer], *named: str) -> None:
    for answer in answers:
        error = error_of(answer)
        assert error["type"] == "invalid_request_error", error
        assert all(name in error["message"] for name in named), error


async def test_one_new_attempt_is_accepted_and_it_is_in_the_way_of_the_others(
    service: Service, account: Account
) -> None:
    async with form_lines(service.ports, AT_ONCE) as opened:
        for _ in range(3):
            record = await accepted(opened[0], a_payment(account, outcome="failed"))
            first = record["latest_payment_attempt_record"]
            answers = await _at_once(opened, [an_attempt(account, record["id"])] * AT_ONCE)
            assert _statuses(answers) == {200: 1, 400: AT_ONCE - 1}
            newest, *others = _attempts(service, account, record["id"])
            assert others == [first]
            _require_refused([answer for answer in answers if answer.status == 400], newest)


async def test_new_attempts_that_have_failed_are_all_kept(service: Service, account: Account) -> None:
    async with form_lines(service.ports, AT_ONCE) as opened:
        record = await accepted(opened[0], a_payment(account, outcome="failed"))
        answers = await _at_once(opened, [an_attempt(account, record["id"], outcome="failed")] * AT_ONCE)
        assert _statuses(answers) == {200: AT_ONCE}
        assert len(_attempts(service, account, record["id"])) == AT_ONCE + 1


async def test_one_of_many_outcomes_is_accepted(service: Service, account: Account) -> None:
    async with form_lines(service.ports, AT_ONCE) as opened:
        record = await accepted(opened[0], a_payment(account))
        path = f"{RECORDS}/{record['id']}/report_payment_attempt"
        outcomes = ["failed", "guaranteed"] * (AT_ONCE // 2)
        reports = [a_report(account, f"{path}_{outcome}", **{f"{outcome}_at": 1_768_159_918}) for outcome in outcomes]
        answers = await _at_once(opened, reports)
        assert _statuses(answers) == {200: 1, 400: AT_ONCE - 1}
        (outcome,) = [outcomes[number] for number, answer in enumerate(answers) if answer.status == 200]
        for server in service.servers:
            (shown,) = everything(server.base_url, account, RECORDS)
            assert [shown[f"amount_{name}"]["value"] for name in ("failed", "guaranteed")] == (
                [1999, 0] if outcome == "failed" else [0, 1999]
            )


async def test_one_key_is_one_payment_and_one_answer(service: Service, account: Account) -> None:
    async with form_lines(service.ports, AT_ONCE) as opened:
        answers = await _at_once(opened, [a_payment(account, "key 1")] * AT_ONCE)
    _require_one_answer(answers, 200)
    for server in service.servers:
        assert len(everything(server.base_url, account, RECORDS)) == 1


async def test_one_key_is_one_attempt_and_one_answer(service: Service, account: Account) -> None:
    async with form_lines(service.ports, AT_ONCE) as opened:
        record = await accepted(opened[0], a_payment(account, outcome="failed"))
        answers = await _at_once(opened, [an_attempt(account, record["id"], "key 1")] * AT_ONCE)
        _require_one_answer(answers, 200)
        assert len(_attempts(service, account, record["id"])) == 2

        # it is open now, and one key is one refusal too
        answers = await _at_once(opened, [an_attempt(account, record["id"], "key 2")] * AT_ONCE)
        _require_one_answer(answers, 400)
        _require_refused(answers, _attempts(service, account, record["id"])[0])


async def test_one_key_with_many_requests_is_one_of_them(service: Service, account: Account) -> None:
    async with form_lines(service.ports, AT_ONCE) as opened:
        reports = [a_payment(account, "key 1", description=str(number)) for number in range(AT_ONCE)]
        answers = await _at_once(opened, reports)
    assert _statuses(answers) == {200: 1, 400: AT_ONCE - 1}
    assert {error_of(answer)["type"] for answer in answers if answer.status == 400} == {"idempotency_error"}
    (number,) = [number for number, answer in enumerate(answers) if answer.status == 200]
    for server in service.servers:
        assert [one["description"] for one in everything(server.base_url, account, RECORDS)] == [str(number)]


async def test_what_is_left_is_refunded_once(service: Service, account: Account) -> None:
    async with form_lines(service.ports, AT_ONCE) as opened:
        record = await accepted(opened[0], a_payment(account, outcome="guaranteed"))
        whole = {"currency": "nok", "value": 1999}
        reports = [a_refund(account, record["id"], f"ref {number}", amount=whole) for number in range(AT_ONCE)]
        answers = await _at_once(opened, reports)
    assert _statuses(answers) == {200: 1, 400: AT_ONCE - 1}
    _require_refused([answer for answer in answers if answer.status == 400])
    for server in service.servers:
        (shown,) = everything(server.base_url, account, RECORDS)
        assert shown["amount_refunded"] == shown["amount_guaranteed"] == whole


async def test_parts_are_refunded_as_long_as_something_is_left(service: Service, account: Account) -> None:
    async with form_lines(service.ports, AT_ONCE) as opened:
        record = await accepted(opened[0], a_payment(account, outcome="guaranteed"))
        part = {"currency": "nok", "value": 100}
        answers = await _at_once(opened, [a_refund(account, record["id"], amount=part)] * AT_ONCE)
    assert _statuses(answers) == {200: 19, 400: AT_ONCE - 19}
    for server in service.servers:
        (shown,) = everything(server.base_url, account, RECORDS)
        assert shown["amount_refunded"]["value"] == 1900


async def test_one_refund_reference_is_one_refund(service: Service, account: Account) -> None:
    async with form_lines(service.ports, AT_ONCE) as opened:
        records = [
            await accepted(line, report)
            for line, report in zip(opened, [a_payment(account, outcome="guaranteed")] * AT_ONCE, strict=True)
        ]
        answers = await _at_once(opened, [a_refund(account, record["id"], "ref_1") for record in records])
    assert _statuses(answers) == {200: 1, 400: AT_ONCE - 1}
    _require_refused([answer for answer in answers if answer.status == 400], "ref_1")
    refunded = [records[number]["id"] for number, answer in enumerate(answers) if answer.status == 200]
    for server in service.servers:
        shown = everything(server.base_url, account, RECORDS)
        assert [one["id"] for one in shown if one["amount_refunded"]["value"]] == refunded


def _require_one_answer(answers: Sequence[Answer], status: int) -> None:
    assert {(answer.status, answer.body) for answer in answers} == {(status, answers[0].body)}
    replays = [answer for answer in answers if answer.headers.get("idempotent-replayed") == "true"]
    assert len(replays) == len(answers) - 1
    (first,) = [answer for answer in answers if "idempotent-replayed" not in answer.headers]
    assert {answer.headers["original-request"] for answer in replays} == {first.headers["request-id"]}
