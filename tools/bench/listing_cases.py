"""What is asked of the lists, and how long the answer takes: through a real server, by the query code alone, and by
COUNT(*) plus OFFSET under the same filters.

The small and the full database are asked in turn, so that whatever else the machine does slows both.
"""

from __future__ import annotations

import http.client
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bench.listing_rows import COMMON_NAME, FIRST_DAY, HEAVY_DAY, MERCHANT, RARE_NAME, msisdn_of, subscription_of
from dunning_service.apis.frontpayment.requests import FailedOrderParameters
from dunning_service.apis.frontpayment.routes import PATH as THEIRS
from dunning_service.apis.frontpayment.routes import PER_PAGE
from dunning_service.apis.own.routes import PATH as OURS
from dunning_service.database.engines import Database
from dunning_service.failed_payments.cursors import encode_cursor
from dunning_service.failed_payments.queries import LISTED, FailedPaymentsQuery
from dunning_service.failed_payments.sorting import Sort, position_of
from dunning_service.ledger.models import PaymentRow
from dunning_service.ledger.status import Status

FIRST, MIDDLE, LAST = "first", "middle", "last"
_TIMEOUT_S = 120
_KEPT_ALIVE_S = 20
_FEWEST, _MOST = 5, 60


class NotAnswered(Exception):
    """The server, or the database, gave up."""


@dataclass
class Subject:
    """One loaded database with a server on it."""

    database: Database
    rows: int
    token: str
    port: int
    http: http.client.HTTPConnection = field(init=False)
    idle_since: float = 0.0

    def __post_init__(self) -> None:
        self.http = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT_S)

    def get(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        """What the server answers."""
        if time.monotonic() > self.idle_since + _KEPT_ALIVE_S:
            self.http.close()  # and open another: the server hangs up on one that is idle for too long
        self.http.request("GET", f"{path}?{urlencode(query)}", headers={"Authorization": f"Bearer {self.token}"})
        answer = self.http.getresponse()
        body = answer.read()
        self.idle_since = time.monotonic()
        if answer.status != 200:
            raise NotAnswered(f"{path} with {query} was answered {answer.status}: {body[:300]!r}")
        found: dict[str, Any] = json.loads(body)
        return found


@dataclass(frozen=True)
class Case:
    """One way to ask, and which pages are asked for."""

    name: str
    parameters: dict[str, str]
    status: Status | None = None
    pages: tuple[str, ...] = (FIRST, MIDDLE, LAST)
    is_wanted: bool = False
    """True when it has to be as quick for many rows as for few."""

    @property
    def path(self) -> str:
        return f"{THEIRS}/list" if self.status is None else f"{THEIRS}/list/{self.status}"

    @property
    def query(self) -> FailedPaymentsQuery:
        return FailedOrderParameters.model_validate(self.parameters).query(MERCHANT, self.status)


@dataclass
class Line:
    """One line of the table: milliseconds with few rows and with all. None: not measured so."""

    case: str
    page: str
    is_wanted: bool
    total: int
    request_ms: tuple[float, float]
    query_ms: tuple[float, float] | None = None
    plain_ms: tuple[float, float] | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """How many times as long a request takes with all rows."""
        return self.request_ms[1] / self.request_ms[0]

    @property
    def query_growth(self) -> float | None:
        return None if self.query_ms is None else self.query_ms[1] / self.query_ms[0]

    @property
    def times_plain(self) -> float | None:
        """How many times as long COUNT plus OFFSET takes as the query code, with all rows."""
        return None if self.plain_ms is None or self.query_ms is None else self.plain_ms[1] / self.query_ms[1]


def numbered_cases() -> list[Case]:
    """What Front Payment's list is asked for."""
    tenth = FIRST_DAY.replace(month=12, day=1), FIRST_DAY.replace(year=FIRST_DAY.year + 1, month=2, day=1)
    around = HEAVY_DAY.replace(day=1), FIRST_DAY.replace(year=HEAVY_DAY.year, month=12, day=31)
    days = [{"startDate": str(start), "endDate": str(end)} for start, end in (tenth, around, (HEAVY_DAY, HEAVY_DAY))]
    return [
        Case("no filter", {}, is_wanted=True),
        Case("status failed", {}, Status.FAILED, is_wanted=True),
        Case("status debt_collection", {}, Status.DEBT_COLLECTION, is_wanted=True),
        Case("two months", days[0], is_wanted=True),
        Case("dates around the heavy day", days[1], is_wanted=True),
        Case("the heavy day", days[2], is_wanted=True),
        Case("the heavy day, paid", days[2], Status.PAID, is_wanted=True),
        Case("subscription", {"subscriptionUuid": subscription_of(7)}, pages=(FIRST,)),
        Case("phone", {"phone": msisdn_of(7)}, pages=(FIRST,)),
        Case("part of a rare name", {"customerName": RARE_NAME[2:9]}, pages=(FIRST,)),
        Case("a name that no one has", {"customerName": "Nobody Whatsoever"}, pages=(FIRST,)),
        Case("the name of half of them", {"customerName": COMMON_NAME[2:9]}),
    ]


async def measured_pages(small: Subject, full: Subject, case: Case, seconds: float) -> list[Line]:
    """The case's pages, each as a request, as the query code alone, and as COUNT plus OFFSET."""
    query, subjects = case.query, (small, full)
    totals = [int(one.get(case.path, case.parameters)["metaData"]["total"]) for one in subjects]
    lines = []
    for page in case.pages:
        last = [max(1, -(-total // PER_PAGE)) for total in totals]
        asked = [{FIRST: 1, MIDDLE: end // 2 + 1, LAST: end}[page] for end in last]

        def request(at: int, asked: list[int] = asked) -> dict[str, Any]:
            return subjects[at].get(case.path, case.parameters | {"page": str(asked[at])})

        async def ours(at: int, asked: list[int] = asked) -> tuple[int, list[int]]:
            async with subjects[at].database.read() as connection:
                return await _ours(connection, query, (asked[at] - 1) * PER_PAGE)

        async def plain(at: int, asked: list[int] = asked) -> tuple[int, list[int]]:
            async with subjects[at].database.read() as connection:
                return await _plain(connection, query, (asked[at] - 1) * PER_PAGE)

        line = Line(
            case.name,
            page,
            case.is_wanted,
            totals[1],
            await in_turn(_awaited(request), seconds),
            await in_turn(ours, seconds),
            await in_turn(plain, seconds),
        )
        for at in (0, 1):
            wanted, found = await plain(at), await ours(at)
            if found != wanted:
                line.problems.append(f"{case.name}, {page} page of {subjects[at].rows:,} rows: not what OFFSET gives")
            if [f"ODR{number}" for number in wanted[1]] != [item["orderUuid"] for item in request(at)["data"]]:
                line.problems.append(f"{case.name}, {page} page of {subjects[at].rows:,} rows: not what is answered")
        lines.append(line)
    return lines


async def measured_cursors(small: Subject, full: Subject, seconds: float) -> list[Line]:
    """Our own list: the first page, and the one after a row in the middle and near the end."""
    subjects, query = (small, full), FailedPaymentsQuery(merchant_id=MERCHANT)
    lines = []
    for sort in (Sort.NEWEST_ORDER, Sort.LATEST_CHANGE):
        for page, share in ((FIRST, None), (MIDDLE, 0.5), (LAST, 0.999)):
            cursors = [
                {} if share is None else {"cursor": await _cursor(one, query, sort, int(one.rows * share))}
                for one in subjects
            ]

            def request(at: int, sort: Sort = sort, cursors: list[dict[str, str]] = cursors) -> dict[str, Any]:
                return subjects[at].get(OURS, {"sort": sort} | cursors[at])

            total = int(request(1)["total"])
            is_wanted = sort is Sort.NEWEST_ORDER
            lines.append(
                Line(f"cursor, sort={sort}", page, is_wanted, total, await in_turn(_awaited(request), seconds))
            )
    return lines


async def measured_sums(small: Subject, full: Subject, seconds: float) -> list[Line]:
    """What `/summary` answers."""
    subjects = (small, full)
    everything = FailedPaymentsQuery(merchant_id=MERCHANT)
    day, theirs = str(HEAVY_DAY), subscription_of(7)
    cases: list[tuple[str, dict[str, str], FailedPaymentsQuery, bool]] = [
        ("summary", {}, everything, True),
        ("summary, status failed", {"status": "failed"}, replace(everything, statuses=frozenset({"failed"})), True),
        (
            "summary of the heavy day",
            {"order_from": day, "order_to": day},
            replace(everything, order_from=HEAVY_DAY, order_to=HEAVY_DAY),
            True,
        ),
        ("summary of a subscription", {"subscription": theirs}, replace(everything, subscription=theirs), False),
        ("summary of a provider", {"provider": "maple"}, replace(everything, providers=frozenset({"maple"})), False),
    ]
    lines = []
    for name, parameters, query, is_wanted in cases:

        def request(at: int, parameters: dict[str, str] = parameters) -> dict[str, Any]:
            return subjects[at].get(f"{OURS}/summary", parameters)

        line = Line(name, "", is_wanted, int(request(1)["total"]), await in_turn(_awaited(request), seconds))
        for at in (0, 1):
            async with subjects[at].database.read() as connection:
                counted = await _plain_total(connection, query)
            if int(request(at)["total"]) != counted:
                line.problems.append(f"{name} of {subjects[at].rows:,} rows: not what COUNT gives")
        lines.append(line)
    return lines


async def in_turn(ask: Callable[[int], Awaitable[Any]], seconds: float) -> tuple[float, float]:
    """Asks the small (0) and the full (1) database in turn, for about so many seconds; the medians in milliseconds."""
    taken: tuple[list[float], list[float]] = ([], [])
    for at in (0, 1):
        await ask(at)  # not measured: plans, caches
    until = time.perf_counter() + seconds
    while len(taken[0]) < _FEWEST or (time.perf_counter() < until and len(taken[0]) < _MOST):
        for at in (0, 1):
            began = time.perf_counter()
            await ask(at)
            taken[at].append(time.perf_counter() - began)
        if sum(taken[1]) > 5 * seconds:  # a scan takes no less the fifth time
            break
    return statistics.median(taken[0]) * 1000, statistics.median(taken[1]) * 1000


def _awaited(request: Callable[[int], Any]) -> Callable[[int], Awaitable[Any]]:
    async def ask(at: int) -> Any:
        return request(at)

    return ask


async def _ours(connection: AsyncConnection, query: FailedPaymentsQuery, offset: int) -> tuple[int, list[int]]:
    total = await query.total(connection)
    rows = await query.numbered_page(connection, offset=offset, limit=PER_PAGE)
    return total, [row.id for row in rows]


async def _plain(connection: AsyncConnection, query: FailedPaymentsQuery, offset: int) -> tuple[int, list[int]]:
    """COUNT and OFFSET under the same conditions, in the same order, with the same columns."""
    table = PaymentRow.__table__.c
    total = await _plain_total(connection, query)
    page = (
        sa.select(*LISTED)
        .where(*query.conditions())
        .order_by(table.order_on.desc(), table.id)
        .offset(offset)
        .limit(PER_PAGE)
    )
    return total, [row.id for row in await connection.execute(page)]


async def _plain_total(connection: AsyncConnection, query: FailedPaymentsQuery) -> int:
    count = sa.select(sa.func.count()).select_from(PaymentRow.__table__).where(*query.conditions())
    return int((await connection.execute(count)).scalar_one())


async def _cursor(subject: Subject, query: FailedPaymentsQuery, sort: Sort, offset: int) -> str:
    """As the list would have given it out after `offset` rows."""
    table = PaymentRow.__table__.c
    by = table.order_on.desc() if sort is Sort.NEWEST_ORDER else table.updated_at.desc()
    by_id = table.id if sort is Sort.NEWEST_ORDER else table.id.desc()
    async with subject.database.read() as connection:
        page = sa.select(*LISTED).where(*query.conditions()).order_by(by, by_id).offset(offset).limit(1)
        row = (await connection.execute(page)).one()
    return encode_cursor(sort, query.digest, position_of(sort, row))
