"""Any sequence of reporting calls does what the rules say, and what is read back says the same."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dunning_service.merchants.directory import MerchantView
from ledgers import complaints
from property._records import OUTCOMES, Books, Form, Kept, Record, Refused
from running import NOON, RunningService

PATH = "/v1/payment_records"
ATTEMPTS_PATH = "/v1/payment_attempt_records"
_names = itertools.count(1)


@dataclass(frozen=True)
class Call:
    """One report, of a new record or of that record of `who`."""

    who: int
    verb: str
    form: Form
    pick: int
    key: str | None
    is_strange: bool
    """True: under the other merchant's token."""


@dataclass(frozen=True)
class Again:
    """An earlier request that carried a key, once more."""

    pick: int


@dataclass(frozen=True)
class Wait:
    seconds: int


@dataclass(frozen=True)
class Look:
    """A page of a merchant's records or, if `at_attempts`, of the attempts at one of them."""

    who: int
    pick: int
    limit: int = 100
    cursor: str | None = None
    created: str | None = None
    at_attempts: bool = False


Step = Call | Again | Wait | Look

# neither in order nor apart: what was posted later holds, whatever time it names
moments = st.sampled_from([int((NOON - timedelta(hours=hours)).timestamp()) for hours in (0, 1, 48, 1000)])
metadata: st.SearchStrategy[Form] = st.sampled_from(
    [
        {},
        {},
        {"metadata": ""},
        {"metadata": {"a": "1"}},
        {"metadata": {"a": "", "b": "2 & 3"}},
        {"metadata": {"b": "", "c": ""}},
        {"metadata": {"subscription": "sub_1"}},
        {"metadata": {"subscription": ""}},
    ]
)
descriptions: st.SearchStrategy[Form] = st.sampled_from(
    [{}, {}, {"description": "Gull & sølv ☃"}, {"description": "x"}, {"description": ""}]
)
customers: st.SearchStrategy[Form] = st.sampled_from(
    [
        {},
        {"customer_details": {"name": "Anna", "customer": "cus_1"}},
        {"customer_details": {"name": "", "email": "anna@example.com"}},
        {"customer_details": {"customer": "", "email": "", "phone": "+47 46 56 74 68"}},
    ]
)
outcomes: st.SearchStrategy[Form] = st.one_of(
    st.just({}),
    st.builds(
        lambda outcome, at: {"outcome": outcome, outcome: {f"{outcome}_at": at}},
        st.sampled_from(["failed", *OUTCOMES]),
        moments,
    ),
)
outcomes_that_contradict: st.SearchStrategy[Form] = st.sampled_from(
    [
        {"outcome": "failed"},
        {"failed": {"failed_at": 1}},
        {"outcome": "failed", "guaranteed": {"guaranteed_at": 1}},
        {"outcome": "failed", "failed": {"failed_at": 1}, "canceled": {"canceled_at": 1}},
    ]
)
amounts: st.SearchStrategy[Form] = st.builds(
    lambda value, currency: {"value": value, "currency": currency},
    st.sampled_from([1, 1000, 1000, 2**63 - 1]),
    st.sampled_from(["nok", "NOK", "jpy"]),
)
refunds: st.SearchStrategy[Form] = st.builds(
    lambda amount, reference, more: (
        ({} if amount is None else {"amount": amount})
        | {"outcome": "refunded", "processor_details": {"type": "custom"} | reference}
        | more
    ),
    st.none() | st.builds(lambda amount, part: amount | {"value": part}, amounts, st.sampled_from([1, 400, 600, 1000])),
    st.sampled_from([{}, {"custom": {"refund_reference": "ref 1"}}, {"custom": {"refund_reference": "ref_2"}}]),
    metadata,
)


def _joined(*parts: st.SearchStrategy[Form]) -> st.SearchStrategy[Form]:
    return st.tuples(*parts).map(lambda found: {name: value for part in found for name, value in part.items()})


FORMS: dict[str, st.SearchStrategy[Form]] = {
    "report_payment": _joined(
        st.builds(lambda amount, at: {"amount_requested": amount, "initiated_at": at}, amounts, moments),
        st.just({"payment_method_details": {"type": "custom", "custom": {"display_name": "Vipps"}}}),
        outcomes | outcomes | outcomes | outcomes_that_contradict,
        descriptions,
        metadata,
        customers,
    ),
    "report_payment_attempt": _joined(
        st.builds(lambda at: {"initiated_at": at}, moments),
        outcomes | outcomes | outcomes | outcomes_that_contradict,
        descriptions,
        metadata,
    ),
    "report_payment_attempt_informational": _joined(descriptions, metadata, customers),
    "report_refund": refunds,
    **{
        f"report_payment_attempt_{outcome}": _joined(moments.map(lambda at, o=outcome: {f"{o}_at": at}), metadata)
        for outcome in OUTCOMES
    },
}
SETTLING = [f"report_payment_attempt_{outcome}" for outcome in OUTCOMES]
FITTING: dict[str | None, list[str]] = {
    None: SETTLING,
    "failed": ["report_payment_attempt"],
    "canceled": ["report_payment_attempt"],
    "guaranteed": ["report_refund"],
}
"""What the rules allow, by the outcome of the latest attempt."""


@st.composite
def steps(draw: st.DrawFn, books: Sequence[Books]) -> Step:
    """What may come next: mostly what the rules allow, and often not."""
    kind = draw(st.sampled_from(["call"] * 7 + ["again", "again", "look", "look", "wait"]))
    if kind == "again":
        return Again(draw(st.integers(0, 30)))
    if kind == "wait":
        return Wait(draw(st.sampled_from([1, 1, 1, 24 * 3600])))
    who = draw(st.integers(0, 1))
    records = books[who].records
    pick = draw(st.integers(0, len(records)))
    if kind == "look":
        cursor = draw(st.sampled_from([None, "starting_after", "ending_before"]))
        created = draw(st.sampled_from([None, None, "created_after", "created_before"]))
        return Look(who, pick, draw(st.integers(1, 3)), cursor, created, at_attempts=draw(st.booleans()))
    if pick == len(records):
        verb = "report_payment"
    else:
        fitting = FITTING[records[pick].latest.outcome]
        verb = draw(
            st.sampled_from([*fitting * (12 // len(fitting)), *[verb for verb in FORMS if verb != "report_payment"]])
        )
    key = draw(st.none() | st.integers(0, 15).map("key-{}".format))
    return Call(who, verb, draw(FORMS[verb]), pick, key, draw(st.sampled_from([False] * 9 + [True])))


@dataclass
class World:
    """Two merchants on a running service, and the books that say what they must see."""

    service: RunningService
    merchants: Sequence[MerchantView]
    headers: Sequence[dict[str, str]]
    books: Sequence[Books] = field(default_factory=lambda: (Books(), Books()))
    keyed: list[tuple[Call, Record | None]] = field(default_factory=list)

    async def take(self, step: Step) -> None:
        if isinstance(step, Wait):
            self.service.clock.advance(timedelta(seconds=step.seconds))
        elif isinstance(step, Look):
            await self.look(step)
        elif isinstance(step, Call):
            records = self.books[step.who].records
            await self.call(step, None if step.verb == "report_payment" else records[step.pick])
        elif self.keyed:
            await self.call(*self.keyed[step.pick % len(self.keyed)])

    async def call(self, call: Call, record: Record | None) -> None:
        """Posts it and requires the answer that the books give."""
        who = call.who ^ call.is_strange
        books, now = self.books[who], self.service.clock()
        is_missing = record is not None and call.is_strange
        is_wrong = _is_contradictory(call.form)
        key = call.key
        if is_missing or is_wrong:
            # which of two errors is told is not laid down
            key = None if books.kept(key, now) else key
        elif key is not None:
            self.keyed.append((call, record))

        path = f"{PATH}/{call.verb}" if record is None else f"{PATH}/{record.id}/{call.verb}"
        body = urlencode(_pairs(call.form)).encode()
        response = await self.post(who, path, body, key)
        kept = books.kept(key, now)
        if kept is not None and kept.request == (path, body):
            assert (response.status_code, response.content) == (kept.status, kept.body)
            assert response.headers["Idempotent-Replayed"] == "true"
            assert response.headers["Original-Request"] == kept.request_id
            return
        assert "Idempotent-Replayed" not in response.headers
        if is_wrong:
            _require_error(response, Refused())
            assert response.json()["error"]["param"].partition("[")[0] in ("outcome", *OUTCOMES)
        elif is_missing:
            _require_error(response, Refused(404), code="resource_missing", param="id")
        elif kept is not None:
            _require_error(response, Refused(type="idempotency_error"))
        else:
            self.require(response, books.apply(call.verb, record, call.form, now), record)
            if key is not None:
                answered = (response.status_code, response.content, response.headers["Request-Id"])
                books.answers[key] = Kept((path, body), *answered, now)
        if record is not None:
            await self.require_same(call.who, f"{PATH}/{record.id}", record.shown())

    async def post(self, who: int, path: str, body: bytes, key: str | None) -> httpx.Response:
        headers = self.headers[who] | {"Content-Type": "application/x-www-form-urlencoded"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self.service.client.post(path, content=body, headers=headers)

    def require(self, response: httpx.Response, expected: Record | Refused, record: Record | None) -> None:
        if isinstance(expected, Refused):
            _require_error(response, expected)
            return
        assert response.status_code == 200, response.text
        answer = response.json()
        known = {attempt.id for books in self.books for one in books.records for attempt in one.attempts}
        if expected.latest.id is None:
            assert answer["latest_payment_attempt_record"] not in known
            expected.latest.id = answer["latest_payment_attempt_record"]
        if record is None:
            assert answer["id"] not in {one.id for books in self.books for one in books.records}
            expected.id = answer["id"]
        _require_shown(answer, expected.shown())

    async def require_same(self, who: int, path: str, expected: dict[str, Any]) -> None:
        response = await self.service.client.get(path, headers=self.headers[who])
        assert response.status_code == 200, response.text
        _require_shown(response.json(), expected)

    async def look(self, look: Look) -> None:
        """Requires the page to be that slice of the whole, newest first."""
        path, query = PATH, {"limit": str(look.limit)}
        records = self.books[look.who].records[::-1]
        shown = [record.shown() for record in records]
        cursor = look.cursor
        if not records:
            cursor = None
        elif look.at_attempts:
            record = records[look.pick % len(records)]
            path, query["payment_record"] = ATTEMPTS_PATH, str(record.id)
            shown = [record.shown_attempt(attempt) for attempt in record.attempts[::-1]]
            cursor = None if cursor == "ending_before" else cursor
        elif look.created is not None:
            moment = records[look.pick % len(records)].created
            query[look.created] = str(moment)
            shown = [
                one
                for one in shown
                if (one["created"] > moment if look.created == "created_after" else one["created"] < moment)
            ]
        first, last = 0, look.limit
        if cursor is not None and shown:
            at = look.pick % len(shown)
            query[cursor] = shown[at]["id"]
            first, last = (at + 1, at + 1 + look.limit) if cursor == "starting_after" else (at - look.limit, at)
        response = await self.service.client.get(path, params=query, headers=self.headers[look.who])
        assert response.status_code == 200, response.text
        page = response.json()
        has_more = first > 0 if cursor == "ending_before" and shown else last < len(shown)
        assert (page["object"], page["url"], page["has_more"]) == ("list", path, has_more)
        expected = shown[max(0, first) : last]
        assert [one["id"] for one in page["data"]] == [one["id"] for one in expected]
        for one, wanted in zip(page["data"], expected, strict=True):
            _require_shown(one, wanted)

    async def require_all(self) -> None:
        """Every list holds everything, one by one too, and the ledger adds up."""
        for who, books in enumerate(self.books):
            await self.look(Look(who, 0))
            await self.look(Look(who, 0, limit=max(1, len(books.records))))
            for pick, record in enumerate(books.records[::-1]):
                await self.look(Look(who, pick, at_attempts=True))
                for attempt in record.attempts:
                    await self.require_same(who, f"{ATTEMPTS_PATH}/{attempt.id}", record.shown_attempt(attempt))
            response = await self.service.client.get(
                "/api/v1/failed-payments", params={"limit": "200"}, headers=self.headers[who]
            )
            listed = {item["provider_payment_id"]: item for item in response.json()["data"]}
            expected = {record.id: line for record in books.records if (line := record.listed()) is not None}
            assert {name: {key: item[key] for key in expected[name]} for name, item in listed.items()} == expected
            assert response.json()["total"] == len(expected)
            assert complaints(self.service.database, self.merchants[who].id) == []


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(choices=st.data(), count=st.integers(20, 40))
async def test_any_sequence_of_reports_ends_as_the_rules_say(
    service: RunningService, choices: st.DataObject, count: int
) -> None:
    merchants = [await service.add_merchant(f"merchant {next(_names)}", time_zone="Europe/Oslo") for _ in range(2)]
    tokens = [await service.add_token(merchant) for merchant in merchants]
    world = World(service, merchants, [{"Authorization": f"Bearer {token}"} for token in tokens])
    for _ in range(count):
        await world.take(choices.draw(steps(world.books)))
    await world.require_all()


def _is_contradictory(form: Form) -> bool:
    """It says two things about the outcome, or half of one."""
    told = {outcome for outcome in OUTCOMES if outcome in form}
    return told != {form["outcome"]} - {"refunded"} if "outcome" in form else bool(told)


def _pairs(form: Form, inside: str = "") -> list[tuple[str, str]]:
    """`{"a": {"b": 1}}` as `a[b]=1`."""
    pairs: list[tuple[str, str]] = []
    for name, value in form.items():
        written = f"{inside}[{name}]" if inside else name
        pairs += _pairs(value, written) if isinstance(value, dict) else [(written, str(value))]
    return pairs


def _require_shown(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    assert {name: answer[name] for name in expected} == expected


def _require_error(response: httpx.Response, refused: Refused, **more: str) -> None:
    assert response.status_code == refused.status, response.text
    error = response.json()["error"]
    assert error.items() >= ({"type": refused.type} | more).items(), error
    assert not refused.names or any(name in error["message"] for name in refused.names if name), error
