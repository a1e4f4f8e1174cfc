"""What Stripe's payment records and their attempts show after each call."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contract._payment_records import (
    CANCELED,
    FAILED,
    GUARANTEED,
    NOW,
    OUTCOMES,
    RECORDS,
    Records,
    amounts,
    answer,
    ids,
    refusal,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOWHERE = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
NOBODY = dict.fromkeys(("customer", "email", "name", "phone"))


def usd(value: int) -> dict[str, Any]:
    return {"currency": "usd", "value": value}


async def test_a_bare_record_says_null_where_nothing_is_known(records: Records) -> None:
    made = await records.report(payment_method_details={"payment_method": "pm_1"})

    assert made == {
        "id": made["id"],
        "object": "payment_record",
        "amount": usd(1999),
        "amount_authorized": usd(0),
        "amount_canceled": usd(0),
        "amount_failed": usd(0),
        "amount_guaranteed": usd(0),
        "amount_refunded": usd(0),
        "amount_requested": usd(1999),
        "application": None,
        "created": NOW,
        "customer_details": None,
        "customer_presence": None,
        "description": None,
        "latest_payment_attempt_record": made["latest_payment_attempt_record"],
        "livemode": True,
        "metadata": {},
        "payment_method_details": {
            "type": "custom",
            "custom": None,
            "billing_details": None,
            "payment_method": "pm_1",
        },
        "processor_details": {"type": "custom", "custom": None},
        "reported_by": "self",
        "shipping_details": None,
    }


async def test_all_that_was_said_is_shown(records: Records) -> None:
    stated: dict[str, Any] = {
        "customer_details": {"customer": "cus_1", "email": "kari@example.com", "name": "Kari", "phone": "+4791234567"},
        "customer_presence": "off_session",
        "description": "Membership, December",
        "metadata": {"subscription": "SUB1", "order": "7"},
        "processor_details": {"type": "custom", "custom": {"payment_reference": "ref_1"}},
        "shipping_details": {"name": "Ola", "phone": "+4798765432", "address": {"city": "Oslo", "country": "NO"}},
        "payment_method_details": {
            "type": "custom",
            "custom": {"display_name": "Vipps", "type": "cpmt_1"},
            "payment_method": "pm_1",
            "billing_details": {"name": "Kari N", "address": {"line1": "Storgata 1", "line2": "Oppg. B"}},
        },
    }

    made = await records.report(**FAILED, **stated, amount_requested={"currency": "NOK", "value": 250_000})

    method = stated["payment_method_details"]
    assert made["customer_details"] == stated["customer_details"]
    assert made["customer_presence"] == "off_session"
    assert made["description"] == "Membership, December"
    assert made["metadata"] == stated["metadata"]
    assert made["processor_details"] == stated["processor_details"]
    assert made["shipping_details"] == {
        **stated["shipping_details"],
        "address": {**NOWHERE, "city": "Oslo", "country": "NO"},
    }
    assert made["payment_method_details"] == {
        **method,
        "billing_details": {
            "address": {**NOWHERE, "line1": "Storgata 1", "line2": "Oppg. B"},
            "email": None,
            "name": "Kari N",
            "phone": None,
        },
    }
    assert made["amount_failed"] == {"currency": "nok", "value": 250_000}
    assert await records.retrieve(made["id"]) == made


async def test_a_custom_method_always_has_a_name_to_show(records: Records) -> None:
    for custom, shown in (
        ({"display_name": "Vipps"}, {"display_name": "Vipps", "type": None}),
        ({"type": "cpmt_1"}, {"display_name": "cpmt_1", "type": "cpmt_1"}),
        ({"display_name": "", "type": "cpmt_1"}, {"display_name": "cpmt_1", "type": "cpmt_1"}),
        ({"display_name": "", "type": ""}, None),
    ):
        made = await records.report(payment_method_details={"custom": custom})
        assert made["payment_method_details"]["custom"] == shown


@pytest.mark.parametrize("outcome", ["failed", "guaranteed", "canceled"])
async def test_the_amounts_tell_the_outcome_whenever_it_is_reported(records: Records, outcome: str) -> None:
    at_once = await records.report(**OUTCOMES[outcome])
    still_open = await records.report()
    later = await records.settle(still_open["id"], outcome)

    assert amounts(still_open) == {}
    assert amounts(at_once) == amounts(later) == {outcome: 1999}
    for shown in (at_once, later):
        attempt = await records.retrieve(shown["latest_payment_attempt_record"])
        assert attempt["payment_record"] == shown["id"]
        assert {**attempt, **shown, "id": "", "object": ""} == {**shown, **attempt, "id": "", "object": ""}


async def test_a_record_shows_its_latest_attempt(records: Records) -> None:
    first = await records.report(**FAILED, description="first", metadata={"a": "1", "b": "1"})
    records.service.clock.advance(timedelta(seconds=7))

    second = await records.attempt(
        first["id"], **CANCELED, description="second", metadata={"b": "", "c": "3"}, shipping_details={"name": "Ola"}
    )

    assert second["id"] == first["id"]
    assert amounts(second) == {"canceled": 1999}
    assert (second["description"], second["metadata"]) == ("second", {"a": "1", "c": "3"})
    assert second["shipping_details"] == {"name": "Ola", "phone": None, "address": NOWHERE}
    newest, oldest = (await records.attempts(first["id"]))["data"]
    assert [newest["id"], oldest["id"]] == [
        second["latest_payment_attempt_record"],
        first["latest_payment_attempt_record"],
    ]
    assert (newest["description"], oldest["description"]) == ("second", "first")
    assert (newest["created"], oldest["created"]) == (NOW + 7, NOW)
    assert amounts(oldest) == {"failed": 1999}
    assert oldest["metadata"] == {"a": "1", "b": "1"}


async def test_another_attempt_begins_with_what_is_known(records: Records) -> None:
    first = await records.report(
        **FAILED,
        customer_details={"name": "Kari"},
        customer_presence="on_session",
        description="Membership",
        metadata={"a": "1"},
        processor_details={"type": "custom", "custom": {"payment_reference": "ref_1"}},
        shipping_details={"name": "Ola", "address": {"city": "Oslo"}},
        payment_method_details={"payment_method": "pm_1", "billing_details": {"name": "Kari"}},
    )

    second = await records.attempt(first["id"])

    assert amounts(second) == {}
    same = {"latest_payment_attempt_record", "amount_failed"}
    assert {name: value for name, value in second.items() if name not in same} == {
        name: value for name, value in first.items() if name not in same
    }


async def test_an_attempt_may_come_with_another_method(records: Records) -> None:
    first = await records.report(**FAILED, payment_method_details={"custom": {"display_name": "Vipps"}})

    second = await records.attempt(first["id"], payment_method_details={"custom": {"display_name": "Bank"}})

    assert second["payment_method_details"]["custom"]["display_name"] == "Bank"
    first_attempt = await records.retrieve(first["latest_payment_attempt_record"])
    assert first_attempt["payment_method_details"]["custom"]["display_name"] == "Vipps"


async def test_metadata_is_merged_key_by_key_by_every_call(records: Records) -> None:
    record = (await records.report(metadata={"a": "1", "b": "1"}))["id"]

    assert (await records.settle(record, "failed", metadata={"b": "2", "c": "2"}))["metadata"] == {
        "a": "1",
        "b": "2",
        "c": "2",
    }
    assert (await records.attempt(record, metadata={"a": "", "d": "3"}))["metadata"] == {"b": "2", "c": "2", "d": "3"}
    assert (await records.settle(record, "guaranteed", metadata={"none": ""}))["metadata"] == {
        "b": "2",
        "c": "2",
        "d": "3",
    }
    assert (await records.refund(record, amount=usd(1), metadata={"e": "4"}))["metadata"]["e"] == "4"
    assert (await records.inform(record, metadata=""))["metadata"] == {}
    assert (await records.inform(record, metadata={"f": "5"}))["metadata"] == {"f": "5"}
    assert (await records.retrieve(record))["metadata"] == {"f": "5"}


async def test_metadata_grows_to_50_keys_and_no_further(records: Records) -> None:
    record = (await records.report(metadata={f"k{number}": "v" for number in range(49)}))["id"]

    assert len((await records.inform(record, metadata={"k49": "v"}))["metadata"]) == 50
    path = f"{RECORDS}/{record}/report_payment_attempt_informational"
    error = refusal(await records.post(path, {"metadata": {"k50": "v"}}))
    assert "metadata" in error["message"]
    assert "50" in error["message"]
    swapped = await records.inform(record, metadata={"k50": "v", "k0": ""})
    assert len(swapped["metadata"]) == 50


async def test_a_customer_is_learned_field_by_field(records: Records) -> None:
    record = (await records.report())["id"]

    assert (await records.inform(record, customer_details={"name": "Kari", "email": "k@example.com"}))[
        "customer_details"
    ] == {**NOBODY, "name": "Kari", "email": "k@example.com"}
    assert (await records.inform(record, customer_details={"email": "", "phone": "+47 91234567"}))[
        "customer_details"
    ] == {**NOBODY, "name": "Kari", "phone": "+47 91234567"}
    assert (await records.inform(record))["customer_details"]["name"] == "Kari"


async def test_shipping_is_learned_part_by_part_and_its_address_as_a_whole(records: Records) -> None:
    record = (await records.report(shipping_details={"name": "Ola", "address": {"city": "Oslo", "line1": "a"}}))["id"]

    assert (await records.inform(record, shipping_details={"phone": "1"}))["shipping_details"] == {
        "name": "Ola",
        "phone": "1",
        "address": {**NOWHERE, "city": "Oslo", "line1": "a"},
    }
    assert (await records.inform(record, shipping_details={"name": "Kari", "address": {"city": "Bergen"}}))[
        "shipping_details"
    ] == {"name": "Kari", "phone": "1", "address": {**NOWHERE, "city": "Bergen"}}
    assert (await records.inform(record, shipping_details=""))["shipping_details"] is None


async def test_a_description_is_replaced_or_cleared(records: Records) -> None:
    record = (await records.report(description="first"))["id"]

    assert (await records.inform(record, metadata={"a": "1"}))["description"] == "first"
    assert (await records.inform(record, description="second"))["description"] == "second"
    assert (await records.inform(record, description=""))["description"] is None


async def test_refunds_are_added_up(records: Records) -> None:
    record = (await records.report(**GUARANTEED))["id"]

    first = await records.refund(record, amount=usd(500), initiated_at=NOW, refunded={"refunded_at": NOW})
    rest = await records.refund(record)

    assert amounts(first) == {"guaranteed": 1999, "refunded": 500}
    assert amounts(rest) == {"guaranteed": 1999, "refunded": 1999}
    attempt = await records.retrieve(rest["latest_payment_attempt_record"])
    assert amounts(attempt) == amounts(rest)
    assert ids(await records.attempts(record)) == [attempt["id"]]


async def test_currencies_are_lower_case_whatever_they_were(records: Records) -> None:
    for currency in ("JPY", "Eur", "kwd"):
        made = await records.report(amount_requested={"currency": currency, "value": 5})
        assert made["amount"] == {"currency": currency.lower(), "value": 5}


async def test_moments_may_be_any_and_in_any_order(records: Records) -> None:
    record = (await records.report(initiated_at=0, outcome="failed", failed={"failed_at": 0}))["id"]

    last = await records.attempt(record, initiated_at=NOW * 2, outcome="failed", failed={"failed_at": 1})

    assert last["created"] == NOW
    assert ids(await records.attempts(record))[0] == last["latest_payment_attempt_record"]


async def test_an_answer_is_what_is_read_afterwards(records: Records) -> None:
    made = await records.report()
    for path, form in (
        ("report_payment_attempt_informational", {"description": "x"}),
        ("report_payment_attempt_failed", {"failed_at": NOW}),
        ("report_payment_attempt", {"initiated_at": NOW}),
        ("report_payment_attempt_guaranteed", {"guaranteed_at": NOW}),
    ):
        said = answer(await records.post(f"{RECORDS}/{made['id']}/{path}", form))
        assert said == await records.retrieve(made["id"])
        assert (await records.listed())["data"] == [said]
