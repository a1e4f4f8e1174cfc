"""Wrong parameters of Stripe's payment records: named as they were written, with what would be right."""

from __future__ import annotations

from typing import Any

import pytest

from contract._payment_records import (
    ATTEMPTS,
    CANCELED,
    FAILED,
    GUARANTEED,
    LONG_AGO,
    RECORDS,
    REPORT,
    Records,
    a_payment,
    a_refund,
    an_attempt,
    answer,
    encoded,
    ids,
    refusal,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

LARGEST = 2**63 - 1
YEAR_9999 = 253_402_300_799

ADDRESS = {"city": "Oslo", "country": "NO", "line1": "a", "line2": "b", "postal_code": "0155", "state": "c"}


def custom(**stated: Any) -> dict[str, Any]:
    return {"payment_method_details": {"type": "custom", **stated}}


MISSING: list[tuple[str, dict[str, Any], str]] = [
    (REPORT, a_payment(amount_requested=None), "amount_requested"),
    (REPORT, a_payment(amount_requested={"value": 1}), "amount_requested[currency]"),
    (REPORT, a_payment(amount_requested={"currency": "usd"}), "amount_requested[value]"),
    (REPORT, a_payment(initiated_at=None), "initiated_at"),
    (REPORT, a_payment(payment_method_details=None), "payment_method_details"),
    (REPORT, a_payment(processor_details={"custom": {"payment_reference": "x"}}), "processor_details[type]"),
    ("report_payment_attempt", {}, "initiated_at"),
    ("report_payment_attempt_failed", {}, "failed_at"),
    ("report_payment_attempt_guaranteed", {}, "guaranteed_at"),
    ("report_payment_attempt_canceled", {}, "canceled_at"),
    ("report_refund", {"processor_details": {"type": "custom"}}, "outcome"),
    ("report_refund", {"outcome": "refunded"}, "processor_details"),
    ("report_refund", a_refund(amount={"value": 1}), "amount[currency]"),
    ("report_refund", a_refund(amount={"currency": "usd"}), "amount[value]"),
]


async def test_what_is_missing_is_named(records: Records) -> None:
    record = (await records.report())["id"]
    for path, form, param in MISSING:
        refused = refusal(await records.post(_path(record, path), form))
        assert (refused["code"], refused["param"]) == ("parameter_missing", param), (path, form)
        assert param in refused["message"]
    refused = refusal(await records.get(ATTEMPTS))
    assert (refused["code"], refused["param"]) == ("parameter_missing", "payment_record")
    assert ids(await records.listed()) == [record]


UNKNOWN: list[tuple[str, dict[str, Any], str]] = [
    (REPORT, a_payment(amount=5), "amount"),
    (REPORT, a_payment(Description="x"), "Description"),
    (REPORT, a_payment(customer_details={"age": 5}), "customer_details[age]"),
    (REPORT, a_payment(amount_requested={"currency": "usd", "value": 1, "exact": 1}), "amount_requested[exact]"),
    (REPORT, a_payment(shipping_details={"address": {"street": "x"}}), "shipping_details[address][street]"),
    (REPORT, a_payment(payment_method_details={"card": {"brand": "visa"}}), "payment_method_details[card]"),
    (REPORT, a_payment(**FAILED | {"failed": {"failed_at": 1, "failure_code": "x"}}), "failed[failure_code]"),
    ("report_payment_attempt", an_attempt(amount_requested={"value": 1}), "amount_requested"),
    ("report_payment_attempt", an_attempt(customer_details={"name": "x"}), "customer_details"),
    ("report_payment_attempt", an_attempt(customer_presence="on_session"), "customer_presence"),
    ("report_payment_attempt", an_attempt(processor_details={"type": "custom"}), "processor_details"),
    ("report_payment_attempt_failed", {"failed_at": 1, "description": "x"}, "description"),
    ("report_payment_attempt_guaranteed", {"guaranteed_at": 1, "failed_at": 1}, "failed_at"),
    ("report_payment_attempt_canceled", {"canceled_at": 1, "reason": "x"}, "reason"),
    ("report_payment_attempt_informational", {"customer_presence": "on_session"}, "customer_presence"),
    ("report_refund", a_refund(reason="fraud"), "reason"),
    ("report_refund", a_refund(processor_details={"type": "custom", "custom": {"payment_reference": "x"}}), ""),
]


async def test_what_is_unknown_is_named(records: Records) -> None:
    record = (await records.report())["id"]
    for path, form, param in UNKNOWN:
        refused = refusal(await records.post(_path(record, path), form))
        if param:
            assert (refused["code"], refused["param"]) == ("parameter_unknown", param), (path, form)
            assert param in refused["message"]
    for path, query, param in (
        (RECORDS, {"customer": "cus_1"}, "customer"),
        (RECORDS, {"created": {"gte": 1}}, "created"),
        (f"{RECORDS}/{record}", {"limit": 1}, "limit"),
        (ATTEMPTS, {"payment_record": record, "ending_before": "par_x"}, "ending_before"),
    ):
        refused = refusal(await records.get(path, query))
        assert refused["code"] == "parameter_unknown", (path, query)
        assert refused["param"].startswith(param)
    assert ids(await records.listed()) == [record]


WRONG: list[tuple[dict[str, Any], str, str | None]] = [
    *(
        (
            {"amount_requested": {"currency": "usd", "value": value}},
            "amount_requested[value]",
            "parameter_invalid_integer",
        )
        for value in ("abc", "1.5", "1e3", "0x10", "1_000", "٥", "true", "1 000")
    ),
    *(
        ({"amount_requested": {"currency": "usd", "value": value}}, "amount_requested[value]", None)
        for value in ("0", "-1", str(LARGEST + 1), "9" * 400)
    ),
    *(
        ({"amount_requested": {"currency": currency, "value": 1}}, "amount_requested[currency]", None)
        for currency in ("zzz", "us", "dollar", "xau", "usd ", "578", "€")
    ),
    *(
        ({"initiated_at": moment}, "initiated_at", "parameter_invalid_integer")
        for moment in ("now", "2026-11-21", "1.5")
    ),
    *(({"initiated_at": moment}, "initiated_at", None) for moment in ("-1", str(YEAR_9999 + 1), "9" * 400)),
    ({**FAILED, "failed": {"failed_at": "soon"}}, "failed[failed_at]", "parameter_invalid_integer"),
    ({"outcome": "lost"}, "outcome", None),
    ({"customer_presence": "maybe"}, "customer_presence", None),
    (custom(type="card"), "payment_method_details[type]", None),
    ({"processor_details": {"type": "stripe"}}, "processor_details[type]", None),
    ({"description": "x" * 5001}, "description", None),
    ({"customer_details": {"name": "x" * 5001}}, "customer_details[name]", None),
    ({"customer_details": {"email": "x" * 256}}, "customer_details[email]", None),
    ({"customer_details": {"phone": "1" * 256}}, "customer_details[phone]", None),
    ({"customer_details": {"customer": "c" * 256}}, "customer_details[customer]", None),
    (custom(billing_details={"email": "x" * 256}), "payment_method_details[billing_details][email]", None),
    (
        custom(billing_details={"address": {"line1": "x" * 5001}}),
        "payment_method_details[billing_details][address][line1]",
        None,
    ),
    (custom(custom={"display_name": "x" * 5001}), "payment_method_details[custom][display_name]", None),
    ({"metadata": {"k" * 41: "v"}}, "metadata", None),
    ({"metadata": {"k": "v" * 501}}, "metadata[k]", None),
    ({"metadata": {f"k{number}": "v" for number in range(51)}}, "metadata", None),
    ({"expand": ["customer"]}, "expand[0]", None),
    ({"expand": ["payment_method_details.us_bank_account.mandate", "x"]}, "expand[1]", None),
    ({"expand": ["data.payment_method_details.us_bank_account.mandate"]}, "expand[0]", None),
]


async def test_what_is_wrong_is_named(records: Records) -> None:
    for stated, param, code in WRONG:
        refused = refusal(await records.post(REPORT, a_payment(**stated)))
        assert refused["param"].startswith(param), (stated, refused)
        assert param in refused["message"]
        assert len(refused["message"]) < 1000
        if code is not None:
            assert refused["code"] == code, (stated, refused)
    assert ids(await records.listed()) == []


async def test_references_of_refunds_are_short_enough_to_look_for(records: Records) -> None:
    record = (await records.report(**GUARANTEED))["id"]

    refused = refusal(await records.post(_path(record, "report_refund"), a_refund("r" * 256)))

    assert refused["param"] == "processor_details[custom][refund_reference]"
    assert "255" in refused["message"]
    await records.refund(record, reference="☕" * 255)


async def test_milliseconds_are_recognized(records: Records) -> None:
    for stated, param in (
        ({"initiated_at": LONG_AGO * 1000}, "initiated_at"),
        (FAILED | {"failed": {"failed_at": LONG_AGO * 1000}}, "failed[failed_at]"),
    ):
        refused = refusal(await records.post(REPORT, a_payment(**stated)))
        assert refused["param"] == param
        assert "seconds, not milliseconds" in refused["message"]
    assert refusal(await records.get(RECORDS, {"created_after": LONG_AGO * 1000}))["param"] == "created_after"


async def test_an_empty_value_is_refused_where_one_is_needed(records: Records) -> None:
    record = (await records.report())["id"]
    for path, form, param in (
        (REPORT, a_payment(initiated_at=""), "initiated_at"),
        (REPORT, a_payment(amount_requested=""), "amount_requested"),
        (REPORT, a_payment(amount_requested={"currency": "", "value": 1}), "amount_requested[currency]"),
        (REPORT, a_payment(amount_requested={"currency": "usd", "value": ""}), "amount_requested[value]"),
        (REPORT, a_payment(payment_method_details=""), "payment_method_details"),
        ("report_payment_attempt_failed", {"failed_at": ""}, "failed_at"),
        ("report_refund", a_refund(outcome=""), "outcome"),
    ):
        refused = refusal(await records.post(_path(record, path), form))
        assert (refused["code"], refused["param"]) == ("parameter_invalid_empty", param), (path, form)


async def test_an_empty_value_is_none_where_none_is_needed(records: Records) -> None:
    nothing = dict.fromkeys(("outcome", "customer_details", "customer_presence", "description", "metadata"), "")

    made = await records.report(
        **nothing, processor_details="", shipping_details="", failed="", **custom(custom="", billing_details="")
    )

    for name in ("customer_details", "customer_presence", "description", "shipping_details"):
        assert made[name] is None
    assert made["metadata"] == {}
    assert made["payment_method_details"]["custom"] is None
    assert made["payment_method_details"]["billing_details"] is None


async def test_all_that_is_wrong_is_told_at_once(records: Records) -> None:
    refused = refusal(
        await records.post(REPORT, {"description": "x" * 5001, "amount_requested": {"value": "abc"}, "colour": "red"})
    )

    wrong = ("description", "amount_requested[value]", "amount_requested[currency]", "initiated_at", "colour")
    for param in (*wrong, "payment_method_details"):
        assert param in refused["message"], param
    assert refused["message"].index(refused["param"]) == min(refused["message"].index(param) for param in wrong)


OUT_OF_STEP: list[tuple[dict[str, Any], set[str]]] = [
    ({"outcome": "failed"}, {"failed"}),
    ({"outcome": "guaranteed"}, {"guaranteed"}),
    ({"outcome": "canceled"}, {"canceled"}),
    ({"failed": FAILED["failed"]}, {"outcome"}),
    ({"guaranteed": GUARANTEED["guaranteed"]}, {"outcome"}),
    ({"outcome": "failed", "guaranteed": GUARANTEED["guaranteed"]}, {"failed", "guaranteed"}),
    ({**FAILED, "guaranteed": GUARANTEED["guaranteed"]}, {"guaranteed"}),
    ({**CANCELED, "failed": FAILED["failed"]}, {"failed"}),
    ({"outcome": "", "failed": FAILED["failed"]}, {"outcome"}),
    ({"outcome": "failed", "failed": ""}, {"failed"}),
    ({"outcome": "failed", "failed": {"failed_at": ""}}, {"failed[failed_at]"}),
]


async def test_an_outcome_and_its_moment_come_together(records: Records) -> None:
    record = (await records.report(**FAILED))["id"]
    for stated, params in OUT_OF_STEP:
        for path, form in (
            (REPORT, a_payment(**stated)),
            (_path(record, "report_payment_attempt"), an_attempt(**stated)),
        ):
            refused = refusal(await records.post(path, form))
            assert refused["param"] in params | {f"{param}[{param}_at]" for param in params}, (stated, refused)
            assert refused["param"] in refused["message"]
    assert len(ids(await records.attempts(record))) == 1


async def test_the_largest_that_is_allowed_is_kept(records: Records) -> None:
    long = "é" * 5000
    stated: dict[str, Any] = {
        "amount_requested": {"currency": "KWD", "value": LARGEST},
        "initiated_at": YEAR_9999,
        "outcome": "failed",
        "failed": {"failed_at": 0},
        "description": long,
        "customer_details": {"name": long, "email": "e" * 255, "phone": "1" * 255, "customer": "c" * 255},
        "shipping_details": {"name": long, "phone": "1" * 255, "address": dict.fromkeys(ADDRESS, long)},
        "metadata": {f"{number:040}": "v" * 500 for number in range(50)},
        "processor_details": {"type": "custom", "custom": {"payment_reference": "p" * 255}},
        **custom(custom={"display_name": long}, billing_details={"name": long, "address": ADDRESS}),
    }

    made = await records.report(**stated)

    assert made["amount_failed"] == {"currency": "kwd", "value": LARGEST}
    assert await records.retrieve(made["id"]) == made
    for name in ("description", "customer_details", "shipping_details", "metadata", "processor_details"):
        assert made[name] == stated[name]


async def test_lists_name_what_is_wrong(records: Records) -> None:
    record = (await records.report())["id"]
    for query, param in (
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=1&limit=2", "limit"),
        ("limit[]=1", "limit"),
        ("created_after=yesterday", "created_after"),
        ("created_before=-1", "created_before"),
        (f"starting_after={record}&ending_before={record}", "ending_before"),
        ("expand[]=payment_method_details.us_bank_account.mandate", "expand"),
        ("expand[]=data.customer", "expand"),
    ):
        refused = refusal(await records.get(RECORDS, query))
        assert refused["param"].startswith(param) or "starting_after" in query, (query, refused)
        assert refused["param"] in refused["message"]
    for query in ("limit=0", "limit=101", "limit=x"):
        assert refusal(await records.get(ATTEMPTS, f"payment_record={record}&{query}"))["param"] == "limit"


async def test_a_field_that_is_unset_by_an_empty_value_needs_no_limit(records: Records) -> None:
    made = await records.report(metadata={"a": "1"}, customer_details={"name": "Kari", "email": ""})

    assert made["customer_details"] == {"customer": None, "email": None, "name": "Kari", "phone": None}
    assert answer(await records.get(RECORDS, "limit=&starting_after=&expand="))["data"] == [made]
    assert encoded({"limit": ""}) == "limit="


def _path(record: str, path: str) -> str:
    return path if path.startswith("/") else f"{RECORDS}/{record}/{path}"
