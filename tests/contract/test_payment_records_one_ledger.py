"""What is reported in Stripe's words is in the one ledger: in both lists of failed payments, and nowhere twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contract._payment_records import CANCELED, FAILED, GUARANTEED, LONG_AGO, Records, amounts
from contract._payments import a_failed_payment, act
from ledgers import complaints

pytestmark = pytest.mark.asyncio(loop_scope="session")

OURS = "/api/v1/failed-payments"
FRONT_PAYMENT = "/api/v1/connect/subscriptions/failed/list"

KARI: dict[str, Any] = {
    "amount_requested": {"currency": "nok", "value": 250_000},
    "customer_details": {"customer": "cus_1", "email": "kari@example.com", "name": "Kari", "phone": "+47 465 67 468"},
    "description": "Membership, December",
    "metadata": {"subscription": "SUB1"},
}


class Lists:
    """Both lists, as the merchant's dashboards see them."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def ours(self, query: str = "") -> list[dict[str, Any]]:
        return await self._listed(f"{OURS}{query}")

    async def front_payment(self, query: str = "") -> list[dict[str, Any]]:
        return await self._listed(f"{FRONT_PAYMENT}{query}")

    async def statuses(self) -> tuple[list[str], list[str]]:
        return [one["status"] for one in await self.ours()], [one["status"] for one in await self.front_payment()]

    def complaints(self) -> list[str]:
        """What `dunning ledger check` has to say of this merchant."""
        service = self._records.service
        return complaints(service.database, service.merchant.id)

    async def _listed(self, path: str) -> list[dict[str, Any]]:
        response = await self._records.client.get(path, headers=self._records.auth)
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()["data"]
        return found


@pytest.fixture
def lists(records: Records) -> Lists:
    return Lists(records)


async def test_a_failed_attempt_is_in_both_lists(records: Records, lists: Lists) -> None:
    await records.report(**FAILED, **KARI)

    (own,) = await lists.ours()
    assert own["customer"] == {"id": "cus_1", "name": "Kari", "email": "kari@example.com", "phone": "+47 465 67 468"}
    assert (own["amount_minor"], own["currency"], own["paid_minor"]) == (250_000, "NOK", 0)
    assert (own["description"], own["subscription"]) == ("Membership, December", "SUB1")
    assert (own["provider"], own["status"]) == ("payment_records", "failed")
    assert (own["attempt_count"], own["failed_attempt_count"]) == (1, 1)
    (order,) = await lists.front_payment()
    assert order["customerName"] == "Kari"
    assert (order["countryCode"], order["msisdn"]) == ("+47", "46567468")
    assert (order["amount"], order["currency"], order["status"]) == (2500, "NOK", "FAILED")
    assert order["subscriptionUuid"] == "SUB1"
    assert order["orderUuid"] == own["id"]
    assert lists.complaints() == []


async def test_it_is_found_by_what_it_is_about(records: Records, lists: Lists) -> None:
    await records.report(**FAILED, **KARI)
    await records.report(**FAILED)

    for query in (
        "?customer=cus_1",
        "?email=kari@example.com",
        "?phone=46567468",
        "?subscription=SUB1",
        "?q=kari",
        "?currency=NOK",
    ):
        assert [one["customer"]["id"] for one in await lists.ours(query)] == ["cus_1"], query
    assert len(await lists.ours("?provider=payment_records")) == 2
    assert await lists.ours("?provider=maple") == []
    for query in ("?phone=46567468", "?customerName=kari", "?subscriptionUuid=SUB1"):
        assert [one["customerName"] for one in await lists.front_payment(query)] == ["Kari"], query


async def test_billing_details_stand_in_for_the_customer(records: Records, lists: Lists) -> None:
    billing = {"name": "Kari N", "email": "kn@example.com", "phone": "+4791234567"}
    method = {"payment_method_details": {"billing_details": billing}}

    await records.report(**FAILED, **method)
    (own,) = await lists.ours()
    assert own["customer"] == {"id": None, **billing}

    await records.report(**FAILED, **method, customer_details={"name": "Kari"})
    mixed = [one["customer"] for one in await lists.ours()]
    assert {"id": None, **billing, "name": "Kari"} in mixed


async def test_an_open_attempt_is_no_failure(records: Records, lists: Lists) -> None:
    record = (await records.report(**KARI))["id"]
    assert await lists.statuses() == ([], [])

    await records.settle(record, "failed")

    assert await lists.statuses() == (["failed"], ["FAILED"])


@pytest.mark.parametrize("stated", [GUARANTEED, CANCELED], ids=["guaranteed", "canceled"])
async def test_what_never_failed_is_in_no_list(records: Records, lists: Lists, stated: dict[str, Any]) -> None:
    await records.report(**KARI, **stated)
    await records.settle((await records.report(**KARI))["id"], str(stated["outcome"]))

    assert await lists.statuses() == ([], [])


async def test_a_payment_that_works_in_the_end_is_paid(records: Records, lists: Lists) -> None:
    record = (await records.report(**FAILED, **KARI))["id"]
    await records.attempt(record)
    assert await lists.statuses() == (["failed"], ["FAILED"])  # one more try is not a result

    await records.settle(record, "guaranteed")

    (own,) = await lists.ours()
    assert (own["status"], own["paid_minor"], own["attempt_count"], own["failed_attempt_count"]) == (
        "paid",
        250_000,
        2,
        1,
    )
    assert [order["status"] for order in await lists.front_payment()] == ["PAID"]
    assert lists.complaints() == []


async def test_a_payment_that_is_given_up_is_cancelled(records: Records, lists: Lists) -> None:
    record = (await records.report(**FAILED, **KARI))["id"]

    await records.attempt(record, **CANCELED)

    assert (await lists.statuses())[0] == ["cancelled"]
    assert lists.complaints() == []


async def test_each_failure_is_counted(records: Records, lists: Lists) -> None:
    record = (await records.report(**FAILED, **KARI))["id"]
    for number in range(3):
        records.service.clock.advance(timedelta(days=1))
        await records.attempt(record, outcome="failed", failed={"failed_at": LONG_AGO + 86_400 * (number + 1)})

    (own,) = await lists.ours()

    assert (own["status"], own["attempt_count"], own["failed_attempt_count"]) == ("failed", 4, 4)
    assert own["first_failed_at"] < own["last_failed_at"]
    assert lists.complaints() == []


async def test_a_failure_dates_from_when_it_failed(records: Records, lists: Lists) -> None:
    await records.report(initiated_at=1_734_560_000, outcome="failed", failed={"failed_at": 1_734_564_600})

    (own,) = await lists.ours()

    assert own["first_failed_at"].startswith("2024-12-18T23:30:00")
    assert own["order_date"] == "2024-12-19"  # in Oslo


async def test_what_is_learned_later_is_listed(records: Records, lists: Lists) -> None:
    record = (await records.report(**FAILED))["id"]
    assert (await lists.ours())[0]["customer"] == dict.fromkeys(("id", "name", "email", "phone"))

    await records.inform(
        record,
        customer_details={"name": "Kari", "phone": "+4746567468"},
        description="x",
        metadata={"subscription": "S"},
    )

    (own,) = await lists.ours()
    assert (own["customer"]["name"], own["customer"]["phone"]) == ("Kari", "+4746567468")
    assert (own["description"], own["subscription"]) == ("x", "S")
    assert [order["customerName"] for order in await lists.front_payment("?phone=46567468")] == ["Kari"]
    assert lists.complaints() == []


async def test_what_is_unset_later_is_listed_no_more(records: Records, lists: Lists) -> None:
    billing = {"payment_method_details": {"billing_details": {"name": "Kari N"}}}
    record = (await records.report(**FAILED, **KARI, **billing))["id"]

    nobody = dict.fromkeys(("customer", "name", "email", "phone"), "")
    await records.inform(record, customer_details=nobody, description="", metadata="")

    (own,) = await lists.ours()
    assert own["customer"] == {"id": None, "name": "Kari N", "email": None, "phone": None}
    assert (own["description"], own["subscription"]) == (None, None)
    assert await lists.ours("?customer=cus_1") == []
    assert await lists.front_payment("?phone=46567468") == []
    assert lists.complaints() == []


async def test_what_is_said_to_happen_in_the_future_counts_as_happening_now(records: Records, lists: Lists) -> None:
    made = await records.report(outcome="canceled", canceled={"canceled_at": 253_402_300_799})
    await records.attempt(made["id"], **FAILED)

    (own,) = await lists.ours()

    # the attempt before it was made no later than it was heard of, and so the failure is not in the year 9999
    assert (own["first_failed_at"], own["order_date"]) == ("2026-11-21T12:00:00Z", "2026-11-21")
    assert len(await lists.front_payment()) == 1


async def test_what_is_cleared_is_not_shown_or_found_any_more(records: Records, lists: Lists) -> None:
    made = await records.report(**FAILED, **KARI)
    await records.attempt(made["id"], **FAILED)
    nothing = {"customer": "", "email": "", "name": "", "phone": ""}
    record = await records.inform(made["id"], customer_details=nothing, description="", metadata={"subscription": ""})

    (own,) = await lists.ours()

    assert record["customer_details"] is None
    assert own["customer"] == {"id": None, "name": None, "email": None, "phone": None}
    assert (own["description"], own["subscription"]) == (None, None)
    assert await lists.ours("?email=kari@example.com") == await lists.ours("?subscription=SUB1") == []
    assert lists.complaints() == []

    await records.inform(made["id"], customer_details={"email": "ada@example.com"})
    assert len(await lists.ours("?email=ada@example.com")) == 1


async def test_a_refund_is_seen_by_whoever_polls_for_changes(records: Records, lists: Lists) -> None:
    made = await records.report(**FAILED)
    await records.attempt(made["id"], **GUARANTEED)
    records.service.clock.advance(timedelta(hours=1))
    since = f"?updated_since={records.service.clock():%Y-%m-%dT%H:%M:%SZ}"
    assert await lists.ours(since) == []

    await records.refund(made["id"])

    assert [one["status"] for one in await lists.ours(since)] == ["paid"]


async def test_a_subscription_too_long_to_look_for_is_left_out(records: Records, lists: Lists) -> None:
    made = await records.report(**FAILED, metadata={"subscription": "s" * 256})

    assert made["metadata"] == {"subscription": "s" * 256}
    assert (await lists.ours())[0]["subscription"] is None


async def test_what_was_refunded_had_been_paid(records: Records, lists: Lists) -> None:
    record = (await records.report(**FAILED, **KARI))["id"]
    await records.attempt(record, **GUARANTEED)

    await records.refund(record)

    assert (await lists.statuses())[0] == ["paid"]
    assert lists.complaints() == []


async def test_decisions_are_taken_about_it_as_about_any_other(records: Records, lists: Lists) -> None:
    record = (await records.report(**FAILED, **KARI))["id"]
    (own,) = await lists.ours()
    await act(records.service, own["id"], "invoice")
    assert await lists.statuses() == (["invoiced"], ["INVOICED"])

    await records.attempt(record, **GUARANTEED)

    assert await lists.statuses() == (["paid"], ["PAID"])
    assert amounts(await records.retrieve(record)) == {"guaranteed": 250_000}
    assert lists.complaints() == []


async def test_its_details_tell_the_whole_story(records: Records, lists: Lists) -> None:
    record = (await records.report(**FAILED, **KARI))["id"]
    await records.attempt(record, **CANCELED)
    await records.attempt(record, **GUARANTEED)
    (own,) = await lists.ours()

    detail = await records.client.get(f"{OURS}/{own['id']}", headers=records.auth)
    front = await records.client.get(f"/api/v1/connect/subscriptions/failed/details/{own['id']}", headers=records.auth)

    assert detail.status_code == front.status_code == 200
    assert record in detail.text
    outcomes = [entry.get("outcome") for entry in detail.json()["timeline"] if "outcome" in entry]
    assert sorted(outcomes) == ["canceled", "failed", "guaranteed"]


async def test_payments_of_other_providers_are_no_records(records: Records) -> None:
    await a_failed_payment(records.service)

    assert (await records.listed())["data"] == []


async def test_another_merchant_sees_nothing_of_it(records: Records) -> None:
    await records.report(**FAILED, **KARI)

    assert await Lists(await records.of_another_merchant()).statuses() == ([], [])
