"""No payment record is reachable with another merchant's token: not by id, cursor, filter, key or reference."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from property._stories import several_examples
from running import RunningService

RECORDS = "/v1/payment_records"
ATTEMPTS = "/v1/payment_attempt_records"
MOMENT = "1768159918"
_names = itertools.count(1)

REPORTS: dict[str, dict[str, str]] = {
    "report_payment_attempt": {"initiated_at": MOMENT},
    "report_payment_attempt_failed": {"failed_at": MOMENT},
    "report_payment_attempt_guaranteed": {"guaranteed_at": MOMENT},
    "report_payment_attempt_canceled": {"canceled_at": MOMENT},
    "report_payment_attempt_informational": {"description": "stolen"},
    "report_refund": {"outcome": "refunded", "processor_details[type]": "custom"},
}


@dataclass(frozen=True)
class Told:
    """A payment, as it was reported."""

    outcome: str | None
    name: str | None
    is_refunded: bool
    is_retried: bool


# both merchants draw from the same few words, so that whatever is not told apart by merchant gets mixed up
stories = st.lists(
    st.builds(
        Told,
        outcome=st.sampled_from(["failed", "guaranteed", None]),
        name=st.sampled_from(["Anna", None]),
        is_refunded=st.booleans(),
        is_retried=st.booleans(),
    ),
    min_size=1,
    max_size=3,
)


@dataclass
class Caller:
    """A merchant's own back end."""

    client: httpx.AsyncClient
    auth: dict[str, str]
    records: list[str] = field(default_factory=list)
    """Newest first."""
    attempts: dict[str, list[str]] = field(default_factory=dict)

    @property
    def identifiers(self) -> set[str]:
        """Of all its records and attempts."""
        return {*self.records, *(attempt for attempts in self.attempts.values() for attempt in attempts)}

    async def get(self, path: str, **query: str) -> httpx.Response:
        return await self.client.get(path, params=query, headers=self.auth)

    async def post(self, path: str, form: dict[str, str], key: str | None = None) -> httpx.Response:
        headers = self.auth | {"Content-Type": "application/x-www-form-urlencoded"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self.client.post(path, content=urlencode(form), headers=headers)

    async def tell(self, story: list[Told]) -> None:
        """Reports under keys, and with references, that the other merchant uses too."""
        for number, told in enumerate(story):
            response = await self.post(f"{RECORDS}/report_payment", _payment(told), f"key {number}")
            assert response.status_code == 200, response.text
            assert "Idempotent-Replayed" not in response.headers
            record = response.json()["id"]
            if told.outcome == "failed" and told.is_retried:
                await self.post(f"{RECORDS}/{record}/report_payment_attempt", {"initiated_at": MOMENT})
            if told.outcome == "guaranteed" and told.is_refunded:
                reference = {"processor_details[custom][refund_reference]": f"ref {number}"}
                refunded = await self.post(f"{RECORDS}/{record}/report_refund", REPORTS["report_refund"] | reference)
                assert refunded.status_code == 200, refunded.text
        self.records = await self.listed(RECORDS)
        for record in self.records:
            self.attempts[record] = await self.listed(ATTEMPTS, payment_record=record)

    async def listed(self, path: str, **query: str) -> list[str]:
        response = await self.get(path, limit="100", **query)
        assert response.status_code == 200, response.text
        return [one["id"] for one in response.json()["data"]]

    async def everything(self) -> list[Any]:
        """All that this merchant can see of its records and of its failed payments."""
        records = (await self.get(RECORDS, limit="100")).json()
        attempts = [(await self.get(ATTEMPTS, payment_record=record)).json() for record in self.records]
        return [records, attempts, (await self.get("/api/v1/failed-payments")).json()]


def _payment(told: Told) -> dict[str, str]:
    form = {
        "amount_requested[currency]": "nok",
        "amount_requested[value]": "1999",
        "initiated_at": MOMENT,
        "payment_method_details[type]": "custom",
        "metadata[subscription]": "sub_1",
    }
    if told.name is not None:
        form |= {"customer_details[name]": told.name, "customer_details[customer]": "cus_1"}
    if told.outcome is not None:
        form |= {"outcome": told.outcome, f"{told.outcome}[{told.outcome}_at]": MOMENT}
    return form


async def _caller(service: RunningService) -> Caller:
    merchant = await service.add_merchant(f"merchant {next(_names)}", "NOK")
    return Caller(service.client, {"Authorization": f"Bearer {await service.add_token(merchant)}"})


@settings(several_examples, max_examples=8)
@given(ours=stories, theirs=stories)
async def test_another_merchants_records_are_not_there(
    service: RunningService, ours: list[Told], theirs: list[Told]
) -> None:
    we, they = await _caller(service), await _caller(service)
    await we.tell(ours)
    await they.tell(theirs)
    assert (len(we.records), len(they.records)) == (len(ours), len(theirs))
    assert not we.identifiers & they.identifiers
    ours_before, theirs_before = await we.everything(), await they.everything()

    for record, attempts in they.attempts.items():
        await _require_unknown(we, "id", record, f"{RECORDS}/{{}}")
        await _require_unknown(we, "starting_after", record, f"{RECORDS}?starting_after={{}}")
        await _require_unknown(we, "ending_before", record, f"{RECORDS}?ending_before={{}}")
        await _require_unknown(we, "payment_record", record, f"{ATTEMPTS}?payment_record={{}}")
        for verb, form in REPORTS.items():
            await _require_unknown(we, "id", record, f"{RECORDS}/{{}}/{verb}", form)
        for attempt in attempts:
            await _require_unknown(we, "id", attempt, f"{ATTEMPTS}/{{}}")
            query = f"payment_record={we.records[0]}&starting_after={{}}"
            await _require_unknown(we, "starting_after", attempt, f"{ATTEMPTS}?{query}")

    assert await we.everything() == ours_before
    assert await they.everything() == theirs_before


async def _require_unknown(
    we: Caller, parameter: str, identifier: str, address: str, form: dict[str, str] | None = None
) -> None:
    """It is answered as one that nobody has, and leaves nothing behind under its key."""
    answers = []
    for tried in (identifier, identifier[:-8] + "Z" * 8):
        path = address.format(tried)
        response = await we.client.get(path, headers=we.auth) if form is None else await we.post(path, form, "stolen")
        assert response.status_code == 404, response.text
        error = response.json()["error"]
        assert error["code"] == "resource_missing"
        assert error["param"] == parameter
        answers.append((response.text.replace(tried, "..."), response.headers.keys(), response.headers["content-type"]))
    assert answers[0] == answers[1]
