"""Pages of the lists against counting and sorting the same payments in Python."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contract._payments import an_attempt, record
from dunning_service.events import Outcome
from property._stories import several_examples
from running import NOON, RunningService

OURS = "/api/v1/failed-payments"
THEIRS = "/api/v1/connect/subscriptions/failed/list"
TODAY = NOON.date()

_merchants = itertools.count(1)


@dataclass(frozen=True)
class Told:
    """What was told about one payment."""

    days_ago: int
    amount: int | None
    currency: str | None
    name: str | None
    is_paid: bool


TOLD = st.builds(
    Told,
    days_ago=st.integers(0, 4),
    amount=st.sampled_from([None, 0, 100, 100, 2**63 - 1]),
    currency=st.sampled_from([None, "NOK", "JPY"]),
    name=st.sampled_from([None, "Anna", "HANNA", "Bert"]),
    is_paid=st.booleans(),
)


@dataclass(frozen=True)
class Asked:
    """Filters, as a query and as a claim."""

    status: str | None
    name: str | None
    currency: str | None
    amount_min: int | None
    days: tuple[int, int] | None

    def holds(self, payment: Told) -> bool:
        return (
            (self.status is None or (self.status == "paid") == payment.is_paid)
            and (self.name is None or self.name in (payment.name or "").casefold())
            and (self.currency is None or self.currency == (payment.currency or "unknown"))
            and (self.amount_min is None or (payment.amount is not None and payment.amount >= self.amount_min))
            and (self.days is None or self.days[0] <= payment.days_ago <= self.days[1])
        )

    def dates(self) -> tuple[date, date] | None:
        return None if self.days is None else (_day(self.days[1]), _day(self.days[0]))


ASKED = st.builds(
    Asked,
    status=st.sampled_from([None, "failed", "paid"]),
    name=st.sampled_from([None, None, "anna", "x"]),
    currency=st.sampled_from([None, None, "NOK", "unknown"]),
    amount_min=st.sampled_from([None, None, 100]),
    days=st.none() | st.tuples(st.integers(0, 4), st.integers(0, 4)).map(lambda pair: (min(pair), max(pair))),
)
SORTS = st.sampled_from(["-order_date", "order_date", "-updated_at", "updated_at", "-amount", "amount"])


def _day(days_ago: int) -> date:
    return TODAY - timedelta(days=days_ago)


@settings(several_examples, max_examples=25)
@given(told=st.lists(TOLD, max_size=12), asked=ASKED, sort=SORTS, limit=st.integers(1, 5))
async def test_pages_neither_skip_nor_repeat_and_totals_are_what_counting_gives(
    service: RunningService, told: list[Told], asked: Asked, sort: str, limit: int
) -> None:
    auth = await _tell(service, told)
    expected = [payment for payment in told if asked.holds(payment)]

    query = {"limit": str(limit), "sort": sort} | {
        name: str(value)
        for name, value in (
            ("status", asked.status),
            ("q", asked.name),
            ("currency", asked.currency),
            ("amount_min", asked.amount_min),
        )
        if value is not None
    }
    if (dates := asked.dates()) is not None:
        query |= {"order_from": str(dates[0]), "order_to": str(dates[1])}
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        response = await service.client.get(
            OURS, params=query if cursor is None else {**query, "cursor": cursor}, headers=auth
        )
        assert response.status_code == 200, response.text
        page = response.json()
        assert page["total"] == len(expected)
        items += page["data"]
        cursor = page["next"]
        if cursor is None:
            break
        assert len(page["data"]) == limit

    assert sorted(int(item["provider_payment_id"]) for item in items) == [
        number for number, payment in enumerate(told) if asked.holds(payment)
    ]
    assert items == _sorted(items, sort)


@settings(several_examples, max_examples=15)
@given(
    told=st.lists(TOLD, min_size=1, max_size=3),
    times=st.integers(20, 60),
    asked=ASKED,
)
async def test_numbered_pages_are_what_slicing_gives(
    service: RunningService, told: list[Told], times: int, asked: Asked
) -> None:
    told = told * times
    auth = await _tell(service, told)
    asked = Asked(asked.status, asked.name, None, None, asked.days)
    expected = sorted(
        (_day(payment.days_ago) for payment in told if asked.holds(payment)),
        reverse=True,
    )

    query = {} if asked.name is None else {"customerName": asked.name}
    if (dates := asked.dates()) is not None:
        query |= {"startDate": str(dates[0]), "endDate": str(dates[1])}
    seen: list[str] = []
    for page in range(1, 6):
        response = await service.client.get(
            THEIRS if asked.status is None else f"{THEIRS}/{asked.status}",
            params={**query, "page": str(page)},
            headers=auth,
        )
        body = response.json()
        shown = expected[(page - 1) * 50 : page * 50]
        assert body["metaData"]["total"] == len(expected)
        assert [item["orderDate"] for item in body["data"]] == [f"{day:%d.%m.%Y}" for day in shown]
        assert body["is_data"] == bool(shown)
        seen += [item["orderUuid"] for item in body["data"]]
    assert len(seen) == len(set(seen)) == min(len(expected), 250)


async def _tell(service: RunningService, told: list[Told]) -> dict[str, str]:
    """Records the payments for a merchant of their own, whose token it answers. Some change at the same moment."""
    merchant = await service.add_merchant(f"merchant {next(_merchants)}")
    together = 3 if len(told) < 20 else 50
    for start in range(0, len(told), together):
        service.clock.now += timedelta(microseconds=1)
        events = []
        for number, payment in enumerate(told[start : start + together], start):
            stated = {
                "provider_payment_id": str(number),
                "amount_minor": payment.amount,
                "currency": payment.currency,
                "customer_name": payment.name,
            }
            events.append(an_attempt(occurred_at=NOON - timedelta(days=payment.days_ago), **stated))
            if payment.is_paid:
                events.append(
                    an_attempt(
                        provider_attempt_id="2",
                        outcome=Outcome.SUCCEEDED,
                        occurred_at=NOON - timedelta(days=9),
                        **stated,
                    )
                )
        await record(service, events, merchant=merchant)
    return {"Authorization": f"Bearer {await service.add_token(merchant)}"}


def _sorted(items: list[dict[str, Any]], sort: str) -> list[dict[str, Any]]:
    """The items in the order that was asked for, ties and unknown values where the list promises them."""
    name = {"order_date": "order_date", "updated_at": "updated_at", "amount": "amount_minor"}[sort.removeprefix("-")]
    known = [item for item in items if item[name] is not None]
    is_id_descending = sort in ("order_date", "-updated_at")
    known.sort(key=lambda item: int(item["id"][3:]), reverse=is_id_descending)
    known.sort(key=lambda item: item[name], reverse=sort.startswith("-"))
    unknown = sorted((item for item in items if item[name] is None), key=lambda item: int(item["id"][3:]))
    return known + unknown
