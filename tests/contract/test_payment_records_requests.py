"""Requests to Stripe's payment records, in every form that Stripe's clients and curl give them."""

from __future__ import annotations

import base64
import uuid
from typing import Any
from urllib.parse import quote

import pytest
from stripe._encode import _api_encode

from contract._payment_records import (
    ATTEMPTS,
    FAILED,
    NOW,
    RECORDS,
    REPORT,
    Records,
    a_payment,
    answer,
    encoded,
    ids,
    pairs,
    refusal,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVERYTHING = a_payment(
    **FAILED,
    customer_details={"customer": "cus_1", "email": "a+b@example.com", "name": "Åse & Ægir = 100 %", "phone": "+47 1"},
    customer_presence="off_session",
    description="Membership ☕ a[b]=c&d;e+f",
    metadata={"subscription": "SUB1", "a b": "c d"},
    processor_details={"type": "custom", "custom": {"payment_reference": "ref/1"}},
    shipping_details={"name": "Åse", "address": {"line1": "Storgata 1", "postal_code": "0155", "country": "NO"}},
)


def told(shown: dict[str, Any]) -> dict[str, Any]:
    """Of a record, what does not differ from one record to the next."""
    return {name: value for name, value in shown.items() if name not in ("id", "latest_payment_attempt_record")}


async def test_the_tests_write_forms_as_the_sdk_does() -> None:
    form = {**EVERYTHING, "expand": ["a", "b"]}

    assert list(pairs(form)) == [(name, str(value)) for name, value in _api_encode(form)]


async def test_brackets_may_come_encoded_or_not_and_in_any_order(records: Records) -> None:
    raw = encoded(EVERYTHING)
    assert isinstance(raw, str)
    assert "customer_details[email]=a%2Bb%40example.com" in raw

    plain = answer(await records.post(REPORT, raw))
    for same in (
        raw.replace("[", "%5B").replace("]", "%5D"),
        raw.replace("[", "%5b").replace("]", "%5d"),
        "&".join(reversed(raw.split("&"))),
        f"&&{raw}&",
    ):
        assert told(answer(await records.post(REPORT, same))) == told(plain)

    assert plain["customer_details"] == EVERYTHING["customer_details"]
    assert plain["description"] == EVERYTHING["description"]
    assert plain["metadata"] == EVERYTHING["metadata"]


async def test_expand_is_an_array_with_indexes_or_without(records: Records) -> None:
    method = "payment_method_details"
    for expand in (
        f"expand[0]={method}.ideal.generated_sepa_debit",
        f"expand[]={method}.ideal.generated_sepa_debit",
        f"expand[]={method}.sofort.generated_sepa_debit_mandate&expand[]={method}.us_bank_account.mandate",
        f"expand[0]={method}.bancontact.generated_sepa_debit&expand[1]={method}.us_bank_account.mandate",
        f"expand[1]={method}.us_bank_account.mandate&expand[0]={method}.us_bank_account.mandate",
        f"expand%5B%5D={method}.us_bank_account.mandate",
    ):
        made = answer(await records.post(REPORT, f"{encoded(a_payment())}&{expand}"))
        assert answer(await records.get(f"{RECORDS}/{made['id']}", expand)) == made
        listed = answer(await records.get(RECORDS, f"limit=1&{expand.replace(method, f'data.{method}')}"))
        assert listed["data"] == [made]
        attempts = f"payment_record={made['id']}&{expand.replace(method, f'data.{method}')}"
        assert len(answer(await records.get(ATTEMPTS, attempts))["data"]) == 1


async def test_parameters_of_a_post_may_stand_in_the_query(records: Records) -> None:
    form = encoded(a_payment(amount_requested=None, description="in the body"))

    made = answer(await records.post(f"{REPORT}?amount_requested[currency]=eur&amount_requested%5Bvalue%5D=5", form))
    refused = refusal(await records.post(f"{REPORT}?description=in%20both&{encoded(a_payment())}", "description=x"))

    assert (made["amount"], made["description"]) == ({"currency": "eur", "value": 5}, "in the body")
    assert refused["param"] == "description"


async def test_a_form_is_taken_whatever_its_content_type_is_spelled_like(records: Records) -> None:
    for content_type in (
        "application/x-www-form-urlencoded; charset=utf-8",
        "Application/X-WWW-Form-URLencoded",
    ):
        answer(await records.post(REPORT, a_payment(), headers={"Content-Type": content_type}))


async def test_nothing_but_a_form_is_read(records: Records) -> None:
    for content_type in ("application/json", "multipart/form-data; boundary=x", "text/plain"):
        refused = await records.post(REPORT, b'{"description": "x"}', headers={"Content-Type": content_type})
        assert refused.status_code in (400, 415), content_type
        assert "application/x-www-form-urlencoded" in refused.json()["error"]["message"]


async def test_a_post_without_a_body_is_a_post_without_parameters(records: Records) -> None:
    record = (await records.report(**FAILED))["id"]

    told_nothing = await records.client.post(
        f"{RECORDS}/{record}/report_payment_attempt_informational", headers=records.auth
    )
    assert answer(told_nothing) == await records.retrieve(record)
    missing = refusal(await records.client.post(REPORT, headers=records.auth))
    assert (missing["code"], missing["param"]) == ("parameter_missing", "amount_requested")


UNREADABLE: list[tuple[str, str | None]] = [
    ("description=a&description=b", "description"),
    ("amount_requested[value]=1&amount_requested[value]=2", "amount_requested[value]"),
    ("amount_requested=5", "amount_requested"),
    ("amount_requested[currency]=usd&amount_requested[value][x]=5", "amount_requested[value]"),
    ("amount_requested[]=5", "amount_requested"),
    ("description[x]=5", "description"),
    ("description[]=5", "description"),
    ("metadata=x", "metadata"),
    ("metadata=&metadata[a]=b", "metadata"),
    ("metadata[a][b]=c", "metadata[a]"),
    ("metadata[]=c", "metadata"),
    ("customer_details=Kari", "customer_details"),
    ("customer_details[name][]=Kari", "customer_details[name]"),
    ("expand=payment_method_details.us_bank_account.mandate", "expand"),
    ("expand[a]=payment_method_details.us_bank_account.mandate", "expand"),
    ("expand[0][x]=payment_method_details.us_bank_account.mandate", "expand"),
    ("description[=x", "description["),
    ("description]=x", "description]"),
    ("[description]=x", "[description]"),
    ("description[a]b=x", "description[a]b"),
    ("amount_requested[[value]]=1", "amount_requested[[value]]"),
    ("=x", None),
    ("description", None),
    ("description=a%00b", "description"),
    ("description=%FF", "description"),
    ("description=%ED%A0%80", "description"),
    ("%FF=x", None),
    ("a" + "[a]" * 2000 + "=x", None),
    ("&".join(f"metadata[{number}]=x" for number in range(5000)), None),
]


async def test_a_form_that_cannot_be_read_is_told_where(records: Records) -> None:
    for form, param in UNREADABLE:
        rest = encoded(a_payment(amount_requested=None) if form.startswith("amount_requested") else a_payment())

        refused = refusal(await records.post(REPORT, f"{rest}&{form}"))

        if param is not None:
            assert refused["param"].startswith(param), (form[:100], refused)
            assert refused["param"] in refused["message"]
        assert len(refused["message"]) < 2000
    assert ids(await records.listed()) == []


async def test_the_key_comes_as_bearer_or_as_the_user_of_basic(records: Records) -> None:
    def basic(text: str) -> str:
        return f"Basic {base64.b64encode(text.encode()).decode()}"

    for given in (
        f"Bearer {records.service.token}",
        f"bearer {records.service.token}",
        basic(f"{records.service.token}:"),
        basic(f"{records.service.token}:anything"),
        basic(f"{records.service.token}:").replace("Basic", "basic"),
    ):
        answer(await records.get(RECORDS, headers={"Authorization": given}))
        answer(await records.post(REPORT, a_payment(), headers={"Authorization": given}))
    for given in (
        basic(f":{records.service.token}"),
        basic(f"x:{records.service.token}"),
        basic(""),
        "Basic",
        "Basic !!!",
        f"Basic {records.service.token}",
        f"Digest {records.service.token}",
        "Bearer",
        "Bearer dun_wrong",
        "",
    ):
        error = refusal(await records.get(RECORDS, headers={"Authorization": given}), 401)
        assert "Bearer" in error["message"] or "token" in error["message"], given


async def test_headers_of_stripes_clients_are_taken(records: Records) -> None:
    sent = {
        "Stripe-Version": "2026-10-28.endive",
        "Stripe-Account": "acct_1",
        "Stripe-Context": "ctx_1",
        "User-Agent": "Stripe/v1 PythonBindings/16.1.0",
        "X-Stripe-Client-User-Agent": '{"lang": "python"}',
        "X-Stripe-Client-Telemetry": "{}",
    }

    made = await records.post(REPORT, a_payment(), headers=sent)
    refused = await records.get(f"{RECORDS}/pr_x", headers=sent)
    bare = await records.get(RECORDS)

    assert answer(made)["created"] == NOW
    refusal(refused, 404)
    assert made.headers["stripe-version"] == refused.headers["stripe-version"] == "2026-10-28.endive"
    assert "stripe-version" not in bare.headers
    assert len({response.headers["request-id"] for response in (made, refused, bare)}) == 3


async def test_a_request_id_of_the_callers_own_comes_back(records: Records) -> None:
    response = await records.get(RECORDS, headers={"X-Request-Id": "mine-1"})

    assert response.headers["request-id"] == response.headers["x-request-id"] == "mine-1"


async def test_the_sdks_own_keys_are_taken_as_they_are(records: Records) -> None:
    for key in (str(uuid.uuid4()), "00000000-zzzz", "a", "x" * 255, "!~"):
        answer(await records.post(REPORT, a_payment(), key=key))


async def test_ids_in_the_path_may_be_escaped_or_absurd(records: Records) -> None:
    record = (await records.report())["id"]

    assert answer(await records.get(f"{RECORDS}/{record.replace('_', '%5F')}"))["id"] == record
    for absurd in (
        quote("Ærlig talt"),
        "%00",
        "%FF",
        "..%2f..",
        "pr_" + "x" * 4000,
        f"{record}%00",
        "%20",
        record[:-1],
    ):
        refused = refusal(await records.get(f"{RECORDS}/{absurd}"), 404)
        assert len(refused["message"]) < 6000
