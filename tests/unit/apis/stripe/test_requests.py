"""The parameters of Stripe's calls."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from dunning_service.apis.stripe.errors import InvalidParameters
from dunning_service.apis.stripe.forms import FORM_TYPE, Parameters, ParametersT, read_form, read_query
from dunning_service.apis.stripe.requests import (
    ListAttempts,
    ListRecords,
    ReportAttempt,
    ReportCanceled,
    ReportFailed,
    ReportGuaranteed,
    ReportInformational,
    ReportPayment,
    ReportRefund,
    Retrieve,
    form_of,
)
from dunning_service.errors import BodyTooLarge
from dunning_service.server.bodies import Bodies

MANDATE = "payment_method_details.us_bank_account.mandate"
PAYMENT = (
    "amount_requested[currency]=nok&amount_requested[value]=49900&initiated_at=1794398400"
    "&payment_method_details[type]=custom"
)
REFUND = "outcome=refunded&processor_details[type]=custom"


def a_request(query: str = "", body: bytes = b"", content_type: str | None = FORM_TYPE) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    services = SimpleNamespace(bodies=Bodies(max_bytes=20_000, timeout_s=10, max_arriving_bytes=20_000))
    headers = [] if content_type is None else [(b"content-type", content_type.encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1", "headers": headers, "query_string": query.encode()}
    return Request({**scope, "app": SimpleNamespace(state=SimpleNamespace(services=services))}, receive)


def read(model: type[ParametersT], query: str) -> ParametersT:
    return read_query(a_request(query), model)


def refused(model: type[Parameters], query: str) -> InvalidParameters:
    with pytest.raises(InvalidParameters) as caught:
        read(model, query)
    return caught.value


def test_everything_is_read_as_what_it_is() -> None:
    given = read(
        ReportPayment,
        f"{PAYMENT}&payment_method_details[custom][display_name]=Vipps&outcome=failed&failed[failed_at]=1794398460"
        "&payment_method_details[billing_details][address][city]=Oslo&customer_details[email]=kari@example.com"
        "&customer_presence=off_session&processor_details[type]=custom&description=x&shipping_details[name]=Kari"
        f"&processor_details[custom][payment_reference]=r1&metadata[0]=a&metadata[b]=&expand[0]={MANDATE}",
    )

    assert (given.amount_requested.currency, given.amount_requested.value) == ("NOK", 49900)
    assert given.initiated_at == 1794398400
    assert given.outcome == "failed"
    assert given.failed is not None
    assert given.failed.failed_at == 1794398460
    method = given.payment_method_details
    assert method.custom is not None
    assert (method.type, method.custom.display_name, method.custom.type) == ("custom", "Vipps", None)
    assert method.billing_details is not None
    assert method.billing_details.address is not None
    assert method.billing_details.address.city == "Oslo"
    assert given.metadata == {"0": "a", "b": ""}
    assert given.expand == (MANDATE,)
    assert given.model_dump(mode="json", exclude_unset=True)["expand"] == [MANDATE]


def test_what_is_sent_empty_is_none_and_known_to_be_sent() -> None:
    given = read(
        ReportInformational, "description=&shipping_details=&customer_details[name]=&customer_details[email]=a@b.c"
    )

    assert given.description is None
    assert given.shipping_details is None
    assert given.model_fields_set == {"description", "shipping_details", "customer_details"}
    assert given.customer_details is not None
    assert given.customer_details.name is None
    assert given.customer_details.model_fields_set == {"name", "email"}
    nothing = read(ReportInformational, "")
    assert nothing.model_fields_set == set()
    assert (nothing.description, nothing.metadata, nothing.expand) == (None, None, ())


def test_metadata_is_cleared_by_an_empty_value_and_else_has_keys() -> None:
    assert read(ReportFailed, "failed_at=1&metadata=").metadata == ""
    assert read(ReportFailed, "failed_at=1&metadata[a]=").metadata == {"a": ""}
    unset = "&".join(f"metadata[k{number}]=" for number in range(60))
    assert len(read(ReportFailed, f"failed_at=1&{unset}").metadata or ()) == 60
    for query, param in (
        ("metadata=x", "metadata"),
        ("metadata[]=x", "metadata"),
        ("metadata[a][b]=x", "metadata[a]"),
        ("metadata[a][]=x", "metadata[a]"),
        (f"metadata[{'k' * 41}]=x", f"metadata[{'k' * 41}]"),
        (f"metadata[k]={'v' * 501}", "metadata[k]"),
        (unset.replace("=", "=v"), "metadata"),
    ):
        assert refused(ReportFailed, f"failed_at=1&{query}").fields[0].field == param
    assert read(ReportFailed, f"failed_at=1&metadata[{'æ' * 40}]={'æ' * 500}")


@pytest.mark.parametrize("text", ["1", "007", "253402300799"])
def test_numbers_are_digits(text: str) -> None:
    assert read(ReportFailed, f"failed_at={text.replace('+', '%2B')}").failed_at == int(text.replace("%2B", ""))


@pytest.mark.parametrize("text", ["1.0", "1_000", "1e3", "0x1", "%D9%A5", "%201", "1%0A", "--1", "true", "now"])
def test_what_is_no_number_in_digits_is_refused(text: str) -> None:
    for model, query, param in (
        (ReportFailed, f"failed_at={text}", "failed_at"),
        (ListRecords, f"limit={text}", "limit"),
        (ReportRefund, f"{REFUND}&amount[currency]=usd&amount[value]={text}", "amount[value]"),
    ):
        refusal = refused(model, query)
        assert (refusal.code, refusal.fields[0].field) == ("parameter_invalid_integer", param)


def test_milliseconds_are_recognized() -> None:
    for text in ("1796212800000", "253402300800", "9" * 5000):
        refusal = refused(ReportFailed, f"failed_at={text}")
        assert "seconds, not milliseconds" in refusal.message
        assert len(refusal.message) < 300
    assert "before" in refused(ReportFailed, "failed_at=-1").message


def test_amounts_fit_64_bits_and_are_positive() -> None:
    def value(text: str) -> str:
        return f"{REFUND}&amount[currency]=jpy&amount[value]={text}"

    largest = read(ReportRefund, value("9223372036854775807")).amount
    assert largest is not None
    assert largest.value == 2**63 - 1
    for text in ("0", "-1", "9223372036854775808", "1" * 4000):
        assert refused(ReportRefund, value(text)).code == "parameter_invalid_integer"


@pytest.mark.parametrize("currency", ["usd", "USD", "uSd"])
def test_currencies_are_taken_in_any_case(currency: str) -> None:
    assert read(ReportPayment, PAYMENT.replace("nok", currency)).amount_requested.currency == "USD"


@pytest.mark.parametrize("currency", ["xau", "xxx", "zzz", "us", "usdd", "578", "%C3%9Fd", "usd%20", "Norwegian+krone"])
def test_currencies_without_a_minor_unit_are_refused(currency: str) -> None:
    refusal = refused(ReportPayment, PAYMENT.replace("nok", currency))

    assert refusal.fields[0].field == "amount_requested[currency]"
    assert "ISO 4217" in refusal.message


@pytest.mark.parametrize(
    ("model", "query", "code", "param", "told"),
    [
        (ReportFailed, "", "parameter_missing", "failed_at", "Unix seconds"),
        (ReportPayment, "", "parameter_missing", "amount_requested", "amount_requested[currency]"),
        (ReportRefund, "outcome=refunded", "parameter_missing", "processor_details", "processor_details[type]"),
        (ReportRefund, "processor_details[type]=custom", "parameter_missing", "outcome", "send refunded"),
        (ListAttempts, "", "parameter_missing", "payment_record", "payment record"),
        (ReportFailed, "failed_at=", "parameter_invalid_empty", "failed_at", "Unix seconds"),
        (ListAttempts, "payment_record=", "parameter_invalid_empty", "payment_record", "empty"),
        (
            ReportRefund,
            f"{REFUND}&processor_details[custom][refund_reference]=",
            "parameter_invalid_empty",
            "processor_details[custom][refund_reference]",
            "empty",
        ),
        (
            ReportRefund,
            f"{REFUND}&processor_details[custom][refund_reference]=+",
            "parameter_invalid_string_blank",
            "processor_details[custom][refund_reference]",
            "blank",
        ),
        (ReportFailed, "faild_at=1", "parameter_unknown", "faild_at", "did you mean failed_at?"),
        (ReportPayment, f"{PAYMENT}&failed.failed_at=1", "parameter_unknown", "failed.failed_at", "failed[failed_at]"),
        (
            ReportPayment,
            f"{PAYMENT}&shipping_details[address][citty]=x",
            "parameter_unknown",
            "shipping_details[address][citty]",
            "did you mean shipping_details[address][city]?",
        ),
        (
            ReportPayment,
            f"{PAYMENT}&customer_details[age]=5",
            "parameter_unknown",
            "customer_details[age]",
            "customer_details takes customer, email, name, phone",
        ),
        (Retrieve, "limit=1", "parameter_unknown", "limit", "it takes expand"),
        (ReportPayment, f"{PAYMENT}&customer_details=x", None, "customer_details", "customer_details[email]"),
        (ReportPayment, f"{PAYMENT}&description[a]=x", None, "description", "without brackets"),
        (ReportPayment, f"{PAYMENT}&description[]=x", None, "description", "without brackets"),
        (ReportPayment, f"{PAYMENT}&outcome[a]=x", None, "outcome", "without brackets"),
        (ReportPayment, "amount_requested[value][x]=1", None, "amount_requested[value]", "without brackets"),
        (ReportPayment, f"{PAYMENT}&outcome=paid", None, "outcome", "'failed', 'guaranteed' or 'canceled'"),
        (ReportPayment, f"{PAYMENT}&description={'x' * 5001}", None, "description", "5,000"),
        (
            ReportPayment,
            f"{PAYMENT}&customer_details[email]={'x' * 256}",
            None,
            "customer_details[email]",
            "255",
        ),
        (Retrieve, "expand[0]=customer", None, "expand[0]", MANDATE),
        (Retrieve, f"expand[0]={MANDATE}&expand[1]=x", None, "expand[1]", MANDATE),
        (Retrieve, "expand[]=customer", None, "expand[]", MANDATE),
        (Retrieve, f"expand={MANDATE}", None, "expand", "expand[0]"),
        (Retrieve, f"expand[x]={MANDATE}", None, "expand", "array"),
        (Retrieve, f"expand[0][x]={MANDATE}", None, "expand[0]", "path"),
        (Retrieve, f"expand[0]=data.{MANDATE}", None, "expand[0]", "must not begin with data."),
        (ListRecords, f"expand[0]={MANDATE}", None, "expand[0]", f"data.{MANDATE}"),
        (ListRecords, "starting_after=a&ending_before=b", "parameters_exclusive", "ending_before", "starting_after"),
        (ListRecords, "limit=101", "parameter_invalid_integer", "limit", "from 1 to 100"),
    ],
)
def test_what_is_wrong_is_told_with_what_would_be_right(
    model: type[Parameters], query: str, code: str | None, param: str, told: str
) -> None:
    refusal = refused(model, query)

    assert refusal.fields[0].field == param
    assert refusal.code == (code or InvalidParameters.code)
    assert refusal.message.startswith(param)
    assert told in refusal.message


def test_everything_that_is_wrong_is_told_at_once() -> None:
    refusal = refused(ReportPayment, "initated_at=1&amount_requested[value]=0&outcome=failed&metadata=x")

    assert [wrong.field for wrong in refusal.fields] == [
        "initated_at",
        "amount_requested[currency]",
        "payment_method_details",
        "initiated_at",
        "failed",
        "amount_requested[value]",
        "metadata",
    ]
    assert refusal.code == "parameter_unknown"
    assert all(wrong.field in refusal.message for wrong in refusal.fields)


def test_many_errors_make_a_short_message() -> None:
    refusal = refused(Retrieve, "&".join(f"{'x' * 200}{number}=1" for number in range(900)))

    assert "890 more" in refusal.message
    assert len(refusal.message) < 3000


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ("outcome=failed", "parameter_missing", "failed"),
        ("outcome=failed&failed=", "parameter_missing", "failed"),
        ("outcome=guaranteed", "parameter_missing", "guaranteed"),
        ("outcome=canceled", "parameter_missing", "canceled"),
        ("failed[failed_at]=1", "parameter_missing", "outcome"),
        ("failed[failed_at]=1&outcome=", "parameter_missing", "outcome"),
        ("failed[failed_at]=1&outcome=failed&canceled[canceled_at]=1", "parameters_exclusive", "canceled"),
        ("failed[failed_at]=1&outcome=canceled", "parameter_missing", "canceled"),
    ],
)
def test_an_outcome_and_its_hash_come_together(query: str, code: str, param: str) -> None:
    for model, rest in ((ReportAttempt, "initiated_at=1"), (ReportPayment, PAYMENT)):
        refusal = refused(model, f"{rest}&{query}")
        assert (refusal.code, refusal.fields[0].field) == (code, param)


def test_an_outcome_may_come_with_the_others_hashes_empty() -> None:
    given = read(ReportAttempt, "initiated_at=1&outcome=failed&failed[failed_at]=2&guaranteed=&canceled=")

    assert (given.outcome, given.guaranteed, given.canceled) == ("failed", None, None)


def test_lists_have_defaults() -> None:
    for query in ("", "limit=&starting_after=&ending_before=&created_after=&expand="):
        wanted = read(ListRecords, query)
        assert (wanted.limit, wanted.starting_after, wanted.created_after, wanted.expand) == (10, None, None, ())


async def test_query_and_body_of_a_post_are_one() -> None:
    given, body = await read_form(a_request("metadata[a]=1", b"failed_at=5&metadata[b]=2"), ReportFailed)

    assert (given.failed_at, given.metadata) == (5, {"a": "1", "b": "2"})
    assert body == b"metadata[a]=1&failed_at=5&metadata[b]=2"
    with pytest.raises(InvalidParameters, match="twice"):
        await read_form(a_request("failed_at=5", b"failed_at=5"), ReportFailed)


@pytest.mark.parametrize(
    "content_type",
    [
        FORM_TYPE,
        "Application/X-WWW-form-urlencoded",
        f"{FORM_TYPE}; charset=UTF-8",
        f'{FORM_TYPE};charset="utf-8"; a=b',
    ],
)
async def test_forms_are_read(content_type: str) -> None:
    assert (await read_form(a_request(body=b"failed_at=1", content_type=content_type), ReportFailed))[0].failed_at == 1


@pytest.mark.parametrize(
    ("content_type", "told"),
    [
        (None, "no Content-Type"),
        ("", "no Content-Type"),
        ("application/json", "application/json"),
        ("multipart/form-data; boundary=x", "multipart/form-data"),
        ("text/plain", "text/plain"),
        (f"{FORM_TYPE}; charset=utf-16", "utf-16"),
        (f"{FORM_TYPE}, application/json", "application/json"),
    ],
)
async def test_no_other_body_is_read(content_type: str | None, told: str) -> None:
    with pytest.raises(InvalidParameters) as caught:
        await read_form(a_request(body=b"failed_at=1", content_type=content_type), ReportFailed)

    assert told in caught.value.message
    assert f"Content-Type: {FORM_TYPE}" in caught.value.message


@pytest.mark.parametrize("content_type", [None, "application/json", FORM_TYPE])
async def test_nothing_is_a_form_without_parameters(content_type: str | None) -> None:
    assert (await read_form(a_request(content_type=content_type), ReportInformational))[0].model_fields_set == set()


async def test_a_body_that_is_too_large_is_refused() -> None:
    with pytest.raises(BodyTooLarge):
        await read_form(a_request(body=b"a" * 20_001), ReportFailed)


@pytest.mark.parametrize(
    "model",
    [
        ReportPayment,
        ReportAttempt,
        ReportFailed,
        ReportGuaranteed,
        ReportCanceled,
        ReportInformational,
        ReportRefund,
    ],
)
def test_forms_are_documented_as_they_are_sent(model: type[Parameters]) -> None:
    form = form_of(model)["requestBody"]["content"][FORM_TYPE]

    assert "$ref" not in str(form)
    assert "null" not in str(form["schema"])
    assert all(form["encoding"][name] == {"style": "deepObject", "explode": True} for name in ("metadata", "expand"))
