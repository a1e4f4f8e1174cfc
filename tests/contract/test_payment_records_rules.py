"""What may be reported of a payment when: Stripe's rules, and what is said when one is broken."""

from __future__ import annotations

from typing import Any

import pytest

from contract._payment_records import (
    CANCELED,
    FAILED,
    GUARANTEED,
    LONG_AGO,
    OUTCOMES,
    RECORDS,
    REPORT,
    Records,
    a_payment,
    a_refund,
    amounts,
    an_attempt,
    answer,
    ids,
    refusal,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def broken(records: Records, shown: dict[str, Any], call: str, form: dict[str, Any]) -> str:
    """What is said of a rule that was broken; the record is what it was."""
    error = refusal(await records.post(f"{RECORDS}/{shown['id']}/{call}", form))
    assert error["type"] == "invalid_request_error"
    assert "code" not in error
    assert await records.retrieve(shown["id"]) == shown
    message: str = error["message"]
    return message


@pytest.mark.parametrize("outcome", ["failed", "canceled"])
async def test_another_attempt_follows_one_that_came_to_nothing(records: Records, outcome: str) -> None:
    made = await records.report(**OUTCOMES[outcome])

    again = await records.attempt(made["id"], **OUTCOMES[outcome])
    last = await records.attempt(made["id"])

    assert amounts(again) == {outcome: 1999}
    assert amounts(last) == {}
    assert len(ids(await records.attempts(made["id"]))) == 3


@pytest.mark.parametrize("stated", [{}, GUARANTEED], ids=["open", "guaranteed"])
async def test_no_other_attempt_while_one_may_yet_pay_or_has(records: Records, stated: dict[str, Any]) -> None:
    made = await records.report(**stated)

    for form in (an_attempt(), an_attempt(**FAILED), an_attempt(**GUARANTEED)):
        said = await broken(records, made, "report_payment_attempt", form)
        assert made["latest_payment_attempt_record"] in said
    assert len(ids(await records.attempts(made["id"]))) == 1


@pytest.mark.parametrize("known", ["failed", "guaranteed", "canceled"])
async def test_an_attempt_ends_once(records: Records, known: str) -> None:
    at_once = await records.report(**OUTCOMES[known])
    later = await records.settle((await records.report())["id"], known)
    again = await records.attempt((await records.report(**FAILED))["id"], **OUTCOMES[known])

    for shown in (at_once, later, again):
        for outcome in OUTCOMES:
            said = await broken(
                records, shown, f"report_payment_attempt_{outcome}", {f"{outcome}_at": LONG_AGO, "metadata[a]": "b"}
            )
            assert shown["latest_payment_attempt_record"] in said
            assert known in said


async def test_outcomes_are_of_the_latest_attempt(records: Records) -> None:
    first = await records.report(**FAILED)
    await records.attempt(first["id"])

    paid = await records.settle(first["id"], "guaranteed")

    assert amounts(paid) == {"guaranteed": 1999}
    assert amounts(await records.retrieve(first["latest_payment_attempt_record"])) == {"failed": 1999}


@pytest.mark.parametrize("stated", [{}, FAILED, GUARANTEED, CANCELED], ids=["open", "failed", "guaranteed", "canceled"])
async def test_anything_may_be_learned_of_the_latest_attempt_at_any_time(
    records: Records, stated: dict[str, Any]
) -> None:
    first = await records.report(**FAILED, description="first")
    await records.attempt(first["id"], **stated)

    told = await records.inform(first["id"], description="learned", customer_details={"name": "Kari"})

    assert told["description"] == "learned"
    latest, oldest = (await records.attempts(first["id"]))["data"]
    assert (latest["description"], latest["customer_details"]["name"]) == ("learned", "Kari")
    assert (oldest["description"], oldest["customer_details"]) == ("first", None)


@pytest.mark.parametrize("stated", [{}, FAILED, CANCELED], ids=["open", "failed", "canceled"])
async def test_only_what_was_guaranteed_is_refunded(records: Records, stated: dict[str, Any]) -> None:
    made = await records.report(**stated)

    said = await broken(records, made, "report_refund", a_refund())

    assert made["latest_payment_attempt_record"] in said


async def test_no_more_is_refunded_than_is_left(records: Records) -> None:
    made = await records.report(**GUARANTEED)
    await broken(records, made, "report_refund", a_refund(amount={"currency": "usd", "value": 2000}))

    part = await records.refund(made["id"], amount={"currency": "usd", "value": 1500})
    said = await broken(records, part, "report_refund", a_refund(amount={"currency": "usd", "value": 500}))
    all_of_it = await records.refund(made["id"], amount={"currency": "USD", "value": 499})

    assert "499" in said
    assert amounts(all_of_it) == {"guaranteed": 1999, "refunded": 1999}
    await broken(records, all_of_it, "report_refund", a_refund())
    await broken(records, all_of_it, "report_refund", a_refund(amount={"currency": "usd", "value": 1}))


@pytest.mark.parametrize("stated", [{"amount": ""}, {"amount": {"currency": "usd", "value": ""}}])
async def test_a_blank_amount_does_not_refund_everything(records: Records, stated: dict[str, Any]) -> None:
    made = await records.report(**GUARANTEED)

    response = await records.post(f"{RECORDS}/{made['id']}/report_refund", a_refund(**stated))

    assert response.status_code == 400
    assert response.json()["error"]["param"].startswith("amount")
    assert "refunded" not in amounts(await records.retrieve(made["id"]))


@pytest.mark.parametrize(("currency", "value", "major"), [("isk", 50_000, "500"), ("ugx", 300, "3"), ("mga", 7, "7")])
async def test_currencies_that_stripe_counts_its_own_way_are_the_same_money(
    records: Records, currency: str, value: int, major: str
) -> None:
    made = await records.report(amount_requested={"currency": currency, "value": value}, **FAILED)
    assert made["amount_requested"] == {"currency": currency, "value": value}

    front = await records.client.get("/api/v1/connect/subscriptions/failed/list", headers=records.auth)

    assert str(front.json()["data"][0]["amount"]) == major
    paid = await records.attempt(made["id"], **GUARANTEED)
    part = 100 if currency != "mga" else 1
    refunded = await records.refund(paid["id"], amount={"currency": currency, "value": part})
    assert amounts(refunded)["refunded"] == part


async def test_a_fraction_of_what_has_no_decimals_is_refused(records: Records) -> None:
    response = await records.post(REPORT, a_payment(amount_requested={"currency": "isk", "value": 550}))

    assert response.status_code == 400
    assert "written with two zeros" in response.json()["error"]["message"]


async def test_a_refund_is_in_the_currency_of_the_payment(records: Records) -> None:
    made = await records.report(**GUARANTEED)

    said = await broken(records, made, "report_refund", a_refund(amount={"currency": "eur", "value": 1}))

    assert "usd" in said.lower()


async def test_a_refund_reference_is_used_once(records: Records) -> None:
    one = await records.report(**GUARANTEED)
    another = await records.report(**GUARANTEED)
    one = await records.refund(one["id"], reference="re_same", amount={"currency": "usd", "value": 1})

    for shown in (one, another):
        said = await broken(
            records, shown, "report_refund", a_refund("re_same", amount={"currency": "usd", "value": 1})
        )
        assert "re_same" in said
    others = await records.of_another_merchant()
    theirs = await others.report(**GUARANTEED)
    assert amounts(await others.refund(theirs["id"], reference="re_same"))["refunded"] == 1999


async def test_refunds_need_no_reference(records: Records) -> None:
    record = (await records.report(**GUARANTEED))["id"]
    form = {"outcome": "refunded", "processor_details": {"type": "custom"}, "amount": {"currency": "usd", "value": 1}}

    for _ in range(2):
        answer(await records.post(f"{RECORDS}/{record}/report_refund", form))

    assert amounts(await records.retrieve(record)) == {"guaranteed": 1999, "refunded": 2}


async def test_a_refunded_payment_takes_no_other_attempt(records: Records) -> None:
    record = (await records.report(**GUARANTEED))["id"]
    refunded = await records.refund(record)

    await broken(records, refunded, "report_payment_attempt", an_attempt())
    for outcome in OUTCOMES:
        await broken(records, refunded, f"report_payment_attempt_{outcome}", {f"{outcome}_at": LONG_AGO})


async def test_the_largest_amount_is_refunded_bit_by_bit(records: Records) -> None:
    largest = {"currency": "usd", "value": 2**63 - 1}
    record = (await records.report(**GUARANTEED, amount_requested=largest))["id"]

    assert amounts(await records.refund(record, amount={**largest, "value": 2**63 - 2}))["refunded"] == 2**63 - 2
    assert amounts(await records.refund(record)) == {"guaranteed": 2**63 - 1, "refunded": 2**63 - 1}
