"""A year of two merchants' lives, in seconds: every date in it is written down here.

Nothing waits. The clock is put to whatever falls due next, and a worker does it, until the year is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from contract._gateways import NO_MONEY, STOLEN, charges, use_sandbox
from contract._subscriptions import created, get, send, work
from dunning_service.billing.models import ScheduledPaymentRow
from dunning_service.gateways.sandbox import FAILS_TWICE_THEN_PAYS, PAYS
from ledgers import complaints
from running import RunningService

WEEK, MONTH = 2, 3

BEGIN = datetime(2027, 1, 20, 10, tzinfo=UTC)
END = datetime(2028, 2, 1, tzinfo=UTC)


async def live(service: RunningService, until: datetime) -> None:
    """Does all that falls due, each at the moment when it does."""
    while True:
        with service.database.write() as connection:
            at = connection.scalar(sa.select(sa.func.min(ScheduledPaymentRow.wake_at)))
        if at is None or at > until:
            break
        assert at >= service.clock.now, "something was left behind"
        assert await work(service, at)
    service.clock.now = until


@dataclass(frozen=True)
class Merchant:
    """One who lives through the year, as an API client sees it."""

    service: RunningService
    token: str
    currency: int

    async def sells(self, start: str, unit: int, method: UUID, *, every: int = 1, count: int | None = None) -> str:
        """A subscription to 250 a time; answers its id."""
        answer = await created(
            self.service,
            token=self.token,
            paymentStartDateTime=start,
            paymentFrequencyUnit=unit,
            paymentFrequency=every,
            numberOfPayments=count,
            paymentMethodId=method,
            currencyId=self.currency,
        )
        return str(answer["id"])

    async def reads(self, subscription: str) -> Any:
        return await get(self.service, f"/{subscription}", token=self.token)

    async def payments(self, subscription: str) -> list[tuple[str, str, list[tuple[str, str]]]]:
        """When each fell due, what became of it, and when it was tried with what outcome."""
        return [
            (
                _short(payment["initialExecutionDateTime"]),
                payment["status"],
                [(_short(attempt["executionDateTime"]), attempt["status"]) for attempt in payment["attempts"]],
            )
            for payment in await get(self.service, f"/{subscription}/payments", token=self.token)
        ]

    async def failures(self, query: str = "") -> list[dict[str, Any]]:
        """The failed list, the oldest first."""
        response = await self.service.client.get(
            f"/api/v1/failed-payments?sort=order_date&{query}", headers={"Authorization": f"Bearer {self.token}"}
        )
        assert response.status_code == 200, response.text
        body = response.json()
        assert body["total"] == len(body["data"])
        return sorted(body["data"], key=lambda item: item["first_failed_at"])

    async def failures_of(self, subscription: str) -> list[tuple[str, str, int]]:
        """Order date, status and attempts of each failed payment."""
        return [
            (item["order_date"], item["status"], item["attempt_count"])
            for item in await self.failures(f"subscription={subscription}")
        ]


def _short(moment: str) -> str:
    """`2027-01-31 08:00` of `2027-01-31T08:00:00Z`: every second in this story is zero."""
    assert moment.endswith(":00Z"), moment
    return moment.removesuffix(":00Z").replace("T", " ")


def at_once(*due: str) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Payments that were paid when they fell due."""
    return [(moment, "Paid", [(moment, "Succeeded")]) for moment in due]


def third_time(due: str, again: str, paid: str) -> tuple[str, str, list[tuple[str, str]]]:
    """A payment that failed twice and was paid then."""
    return due, "Paid", [(due, "Declined"), (again, "Declined"), (paid, "Succeeded")]


async def test_a_year(service: RunningService) -> None:
    service.clock.now = BEGIN
    use_sandbox(service)
    oslo = Merchant(service, service.token, 578)
    there = await service.add_merchant("Hudson Weekly", "USD", "America/New_York")
    use_sandbox(service, there)
    new_york = Merchant(service, await service.add_token(there), 1)

    always = await oslo.sells("2027-01-31T08:00:00Z", MONTH, PAYS)
    stolen = await oslo.sells("2027-02-05T23:30:00Z", MONTH, STOLEN, count=6)
    later = await oslo.sells("2027-06-15T10:00:00Z", WEEK, STOLEN, count=2)
    third = await oslo.sells("2027-02-26T12:30:00Z", MONTH, FAILS_TWICE_THEN_PAYS, count=3)
    left = await oslo.sells("2027-03-01T10:00:00Z", WEEK, NO_MONEY)
    poor = await oslo.sells("2027-08-31T07:00:00Z", MONTH, NO_MONEY, count=3)
    sundays = await new_york.sells("2027-02-07T15:00:00Z", WEEK, PAYS)
    night = await new_york.sells("2027-03-07T07:30:00Z", WEEK, PAYS, count=3)
    fridays = await new_york.sells("2027-03-12T15:00:00Z", WEEK, FAILS_TWICE_THEN_PAYS, every=34, count=2)

    await live(service, datetime(2027, 3, 3, 12, tzinfo=UTC))
    await require_mid_ladder(oslo, left)
    await live(service, datetime(2027, 3, 5, 9, tzinfo=UTC))
    assert (await send(service, "POST", f"/{left}/terminate")).status_code == 200
    await live(service, END)

    await require_always_paid(oslo, always)
    await require_paid_at_the_third_try(oslo, third)
    await require_never_tried_again(oslo, stolen, later)
    await require_dropped(oslo, left)
    await require_used_up(oslo, poor)
    await require_wall_clock(new_york, sundays, night)
    await require_retries_across_the_changes(new_york, fridays)

    assert [item["subscription"] for item in await oslo.failures()] == [stolen, third, left, third, third, later, poor]
    assert [item["subscription"] for item in await new_york.failures()] == [fridays, fridays]
    for merchant in (oslo, new_york):
        assert await merchant.failures("next_attempt=planned") == []
    # each attempt was one charge, but for the one that was not asked
    assert await charges(service) == 13 + 9 + 1 + 3 + 5 + 52 + 3 + 6
    assert complaints(service.database) == []


async def require_always_paid(oslo: Merchant, subscription: str) -> None:
    """On the last day of every month at nine, in winter and in summer; February does not pull the others along."""
    assert await oslo.payments(subscription) == [
        *at_once("2027-01-31 08:00", "2027-02-28 08:00"),
        *at_once("2027-03-31 07:00", "2027-04-30 07:00", "2027-05-31 07:00", "2027-06-30 07:00", "2027-07-31 07:00"),
        *at_once("2027-08-31 07:00", "2027-09-30 07:00"),
        *at_once("2027-10-31 08:00", "2027-11-30 08:00", "2027-12-31 08:00", "2028-01-31 08:00"),
        ("2028-02-29 08:00", "Scheduled", []),
    ]
    read = await oslo.reads(subscription)
    assert (read["status"], read["successfulPaymentsCount"], read["alreadyPaidAmount"]) == ("Active", 13, 3250)
    assert (read["lastPaymentDate"], read["nextPaymentDate"]) == ("2028-01-31T08:00:00Z", "2028-02-29T08:00:00Z")
    assert read["subscriptionEndDate"] is None
    assert await oslo.failures_of(subscription) == []


async def require_paid_at_the_third_try(oslo: Merchant, subscription: str) -> None:
    """At nine in the morning, one and three days later; the clocks change between
    the second and the third try in March."""
    assert await oslo.payments(subscription) == [
        third_time("2027-02-26 12:30", "2027-02-27 08:00", "2027-03-01 08:00"),
        third_time("2027-03-26 12:30", "2027-03-27 08:00", "2027-03-29 07:00"),
        third_time("2027-04-26 11:30", "2027-04-27 07:00", "2027-04-29 07:00"),
    ]
    assert (await oslo.reads(subscription))["status"] == "Completed"
    assert await oslo.failures_of(subscription) == [
        ("2027-02-26", "paid", 3),
        ("2027-03-26", "paid", 3),
        ("2027-04-26", "paid", 3),
    ]
    first = (await oslo.failures(f"subscription={subscription}"))[0]
    assert (first["first_failed_at"], first["last_failed_at"]) == ("2027-02-26T12:30:00Z", "2027-02-27T08:00:00Z")
    assert (first["failed_attempt_count"], first["paid_minor"], first["amount_minor"]) == (2, 25_000, 25_000)
    assert first["updated_at"] == "2027-03-01T08:00:00Z"


async def require_never_tried_again(oslo: Merchant, stolen: str, later: str) -> None:
    """A stolen card fails its subscription at the first try, and another subscription with it unasked."""
    assert await oslo.payments(stolen) == [
        ("2027-02-05 23:30", "Failed", [("2027-02-05 23:30", "Declined")]),
        ("2027-03-05 23:30", "Cancelled", []),
        ("2027-04-05 22:30", "Cancelled", []),
        ("2027-05-05 22:30", "Cancelled", []),
        ("2027-06-05 22:30", "Cancelled", []),
        ("2027-07-05 22:30", "Cancelled", []),
    ]
    assert await oslo.payments(later) == [
        ("2027-06-15 10:00", "Failed", [("2027-06-15 10:00", "Error")]),
        ("2027-06-22 10:00", "Cancelled", []),
    ]
    for subscription, ordered, rule in (
        (stolen, "2027-02-06", "never_retry"),  # half past midnight in Oslo
        (later, "2027-06-15", "method_blocked"),
    ):
        assert (await oslo.reads(subscription))["status"] == "Failed"
        assert await oslo.failures_of(subscription) == [(ordered, "failed", 1)]
        (failure,) = await oslo.failures(f"subscription={subscription}")
        assert (failure["next_attempt_at"], failure["next_attempt_rule"]) == (None, rule)
        assert "(stripe stolen_card)" in failure["next_attempt_reason"]


async def require_mid_ladder(oslo: Merchant, subscription: str) -> None:
    """On the third of March the second retry is a night away."""
    (failure,) = await oslo.failures(f"subscription={subscription}")
    assert (failure["status"], failure["attempt_count"]) == ("failed", 2)
    assert failure["next_attempt_at"] == "2027-03-04T08:00:00Z"
    assert "retry 2 of 4 is 3 days after the first failure" in failure["next_attempt_reason"]


async def require_dropped(oslo: Merchant, subscription: str) -> None:
    """Terminated on the fifth of March, between the second retry and the third."""
    tried = ["2027-03-01 10:00", "2027-03-02 08:00", "2027-03-04 08:00"]
    assert await oslo.payments(subscription) == [
        ("2027-03-01 10:00", "Cancelled", [(moment, "Declined") for moment in tried]),
        ("2027-03-08 10:00", "Cancelled", []),
    ]
    assert (await oslo.reads(subscription))["status"] == "Terminated"
    assert await oslo.failures_of(subscription) == [("2027-03-01", "cancelled", 3)]
    (failure,) = await oslo.failures(f"subscription={subscription}")
    assert failure["next_attempt_at"] is None
    assert failure["next_attempt_reason"] == "the subscription was terminated"
    response = await oslo.service.client.get(f"/api/v1/failed-payments/{failure['id']}", headers=oslo.service.auth)
    *attempts, cancelled = response.json()["timeline"]
    assert [(entry["at"], entry["next_attempt_at"]) for entry in attempts] == [
        ("2027-03-01T10:00:00Z", "2027-03-02T08:00:00Z"),
        ("2027-03-02T08:00:00Z", "2027-03-04T08:00:00Z"),
        ("2027-03-04T08:00:00Z", "2027-03-06T08:00:00Z"),  # which was not to be
    ]
    assert (cancelled["action"], cancelled["at"]) == ("cancel", "2027-03-05T09:00:00Z")
    assert cancelled["reason"] == "the subscription was terminated"


async def require_used_up(oslo: Merchant, subscription: str) -> None:
    """Nine o'clock on the first, third, fifth and seventh day; then the subscription has failed."""
    days = ("08-31", "09-01", "09-03", "09-05", "09-07")
    assert await oslo.payments(subscription) == [
        ("2027-08-31 07:00", "Failed", [(f"2027-{day} 07:00", "Declined") for day in days]),
        ("2027-09-30 07:00", "Cancelled", []),
        ("2027-10-31 08:00", "Cancelled", []),
    ]
    assert (await oslo.reads(subscription))["status"] == "Failed"
    assert await oslo.failures_of(subscription) == [("2027-08-31", "failed", 5)]
    (failure,) = await oslo.failures(f"subscription={subscription}")
    assert (failure["next_attempt_at"], failure["next_attempt_rule"]) == (None, "ladder_used_up")
    assert failure["last_failed_at"] == failure["updated_at"] == "2027-09-07T07:00:00Z"


async def require_wall_clock(new_york: Merchant, sundays: str, night: str) -> None:
    """Ten in the morning on every Sunday, and half past two in the night, also when that hour is left out."""
    moments = []
    for week in range(52):
        day = date(2027, 2, 7) + timedelta(weeks=week)
        is_summer = date(2027, 3, 14) <= day < date(2027, 11, 7)
        moments.append(f"{day} {14 if is_summer else 15}:00")
    assert moments[-1] == "2028-01-30 15:00"
    assert await new_york.payments(sundays) == [*at_once(*moments), ("2028-02-06 15:00", "Scheduled", [])]
    assert await new_york.failures_of(sundays) == []

    assert await new_york.payments(night) == at_once("2027-03-07 07:30", "2027-03-14 07:30", "2027-03-21 06:30")
    assert (await new_york.reads(night))["status"] == "Completed"


async def require_retries_across_the_changes(new_york: Merchant, subscription: str) -> None:
    """The clocks change on the 14th of March and on the 7th of November, each time between two retries at nine."""
    assert await new_york.payments(subscription) == [
        third_time("2027-03-12 15:00", "2027-03-13 14:00", "2027-03-15 13:00"),
        third_time("2027-11-05 14:00", "2027-11-06 13:00", "2027-11-08 14:00"),
    ]
    assert (await new_york.reads(subscription))["status"] == "Completed"
    assert await new_york.failures_of(subscription) == [("2027-03-12", "paid", 3), ("2027-11-05", "paid", 3)]
