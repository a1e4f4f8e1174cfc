"""Maple's adapter by itself: what it reads, what it refuses, and which signatures it takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract._webhooks import a_payment, an_event, signature
from dunning_service.errors import BadSignature, UnreadableNotice
from dunning_service.events import MAX_TEXT, AttemptReported, Delivery, Outcome
from dunning_service.providers.maple import PROVIDER, MapleOptions

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
SECRET = "whsec_1"
BODY = b'{"event_type":"payment.failed"}'


def verify(
    header: str | bytes | None, *, body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,), **options: Any
) -> None:
    value = header.encode() if isinstance(header, str) else header
    headers = [] if value is None else [(b"x-maple-signature", value)]
    PROVIDER.verify(Delivery(body, headers, NOW), [secret.encode() for secret in secrets], MapleOptions(**options), NOW)


def read(body: bytes, **options: Any) -> AttemptReported:
    (event,) = PROVIDER.parse(Delivery(body, (), NOW), MapleOptions(**options))
    assert isinstance(event, AttemptReported)
    return event


def refusal(body: bytes) -> UnreadableNotice:
    with pytest.raises(UnreadableNotice) as refused:
        PROVIDER.parse(Delivery(body, (), NOW), MapleOptions())
    return refused.value


GOOD: dict[str, Callable[[], str]] = {
    "one hash": lambda: f"t={AT},v1={signature(SECRET, BODY, AT)}",
    "white space after commas": lambda: f"t={AT}, v1={signature(SECRET, BODY, AT)},\t v0=00",
    "the second of two hashes": lambda: f"t={AT},v1={'0' * 64},v0={signature(SECRET, BODY, AT)}",
    "upper-case hex": lambda: f"t={AT},v1={signature(SECRET, BODY, AT).upper()}",
    "the time at the end": lambda: f"v1={signature(SECRET, BODY, AT)},t={AT}",
    "as old as is tolerated": lambda: f"t={AT - 300},v1={signature(SECRET, BODY, AT - 300)}",
    "as far ahead as is tolerated": lambda: f"t={AT + 300},v1={signature(SECRET, BODY, AT + 300)}",
    "the simple form": lambda: signature(SECRET, BODY, None),
    "the simple form with a version": lambda: f"v1={signature(SECRET, BODY, None)}",
}


@pytest.mark.parametrize("header", GOOD.values(), ids=GOOD)
def test_signature_is_good(header: Callable[[], str]) -> None:
    verify(header())


BAD: dict[str, Callable[[], str | bytes | None]] = {
    "missing": lambda: None,
    "empty": lambda: "",
    "only a time": lambda: f"t={AT}",
    "only commas": lambda: ",,,",
    "of another body": lambda: f"t={AT},v1={signature(SECRET, BODY + b' ', AT)}",
    "with another secret": lambda: f"t={AT},v1={signature('other', BODY, AT)}",
    "of another time": lambda: f"t={AT},v1={signature(SECRET, BODY, AT - 1)}",
    "joined with a dot": lambda: f"t={AT},v1={signature(SECRET, f'{AT}.'.encode() + BODY, None)}",
    "too old": lambda: f"t={AT - 301},v1={signature(SECRET, BODY, AT - 301)}",
    "from the future": lambda: f"t={AT + 301},v1={signature(SECRET, BODY, AT + 301)}",
    "with two times": lambda: f"t={AT},t={AT},v1={signature(SECRET, BODY, AT)}",
    "with a time that is none": lambda: f"t=now,v1={signature(SECRET, BODY, AT)}",
    "with a huge time": lambda: f"t={'9' * 4000},v1={signature(SECRET, BODY, AT)}",
    "with a negative time": lambda: f"t=-1,v1={signature(SECRET, BODY, AT)}",
    "with the time taken off": lambda: f"v1={signature(SECRET, BODY, AT)}",
    "not ASCII": lambda: "t=1,v1=æøå".encode(),
    "not even UTF-8": lambda: b"t=1,v1=\xff\xfe",
    "Arabic digits": lambda: "t=١٢٣,v1=00".encode(),
    "64 KB long": lambda: f"t={AT},v1=" + "0" * 65_536,
    "of a thousand parts": lambda: f"t={AT}," + ",".join(["v1=0"] * 1000) + f",v1={signature(SECRET, BODY, AT)}",
    "in base64 where hex is wanted": lambda: f"t={AT},v1={signature(SECRET, BODY, AT, encoding='base64')}",
    "of another hash": lambda: f"t={AT},v1={signature(SECRET, BODY, AT, hashing='sha512')}",
}


@pytest.mark.parametrize("header", BAD.values(), ids=BAD)
def test_signature_is_refused(header: Callable[[], str | bytes | None]) -> None:
    with pytest.raises(BadSignature):
        verify(header())


def test_signature_sent_twice_is_refused() -> None:
    good = f"t={AT},v1={signature(SECRET, BODY, AT)}".encode()
    delivery = Delivery(BODY, [(b"x-maple-signature", good)] * 2, NOW)
    with pytest.raises(BadSignature):
        PROVIDER.verify(delivery, [SECRET.encode()], MapleOptions(), NOW)


def test_what_is_signed_with_a_time_does_not_pass_for_a_body() -> None:
    with pytest.raises(BadSignature):
        verify(signature(SECRET, BODY, AT), body=f"{AT},".encode() + BODY)


@pytest.mark.parametrize("hashing", ["sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_hash_and_encoding_are_options_of_the_source(hashing: str, encoding: str) -> None:
    given = signature(SECRET, BODY, AT, hashing=hashing, encoding=encoding)
    verify(f"t={AT},v1={given}", signature_hash=hashing, signature_encoding=encoding)


def test_any_secret_of_the_source_may_match() -> None:
    verify(f"t={AT},v1={signature('old', BODY, AT)}", secrets=("new", "old"))


def test_tolerance_is_an_option_of_the_source() -> None:
    header = f"t={AT - 600},v1={signature(SECRET, BODY, AT - 600)}"
    verify(header, tolerance_seconds=600)
    with pytest.raises(BadSignature):
        verify(header, tolerance_seconds=599)


def test_source_can_require_a_time() -> None:
    verify(f"t={AT},v1={signature(SECRET, BODY, AT)}", require_timestamp=True)
    with pytest.raises(BadSignature):
        verify(signature(SECRET, BODY, None), require_timestamp=True)


def test_refusal_never_repeats_a_secret_or_a_hash() -> None:
    given = signature("other", BODY, AT)
    with pytest.raises(BadSignature) as refused:
        verify(f"t={AT},v1={given}")
    assert SECRET not in refused.value.message
    assert given not in refused.value.message


def test_success_is_read_as_one() -> None:
    assert read(an_event("payment.success")).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("status", ["succeeded", "PAID", "", None])
def test_event_type_decides_and_not_the_status(status: str | None) -> None:
    assert read(an_event("payment.failed", status=status)).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    "body",
    [
        b'{"event_type":"payment.refunded","data":{"id":"x"}}',
        b'{"event_type":"customer.created","data":null}',
        b'{"event_type":"ping"}',
    ],
)
def test_other_events_say_nothing(body: bytes) -> None:
    assert PROVIDER.parse(Delivery(body, (), NOW), MapleOptions()) == ()


def test_payment_is_named_by_its_invoice_and_the_attempt_by_itself() -> None:
    event = read(an_event(id="txn_2", invoice_uuid="inv-9"))
    assert (event.provider_payment_id, event.provider_attempt_id) == ("cmp_1/inv-9", "txn_2")


@pytest.mark.parametrize("missing", [None, "", "  "])
def test_payment_without_an_invoice_is_named_by_itself(missing: str | None) -> None:
    assert read(an_event(invoice_uuid=missing)).provider_payment_id == "cmp_1/txn_1"


def test_two_payments_never_get_one_name() -> None:
    one = read(an_event(company_id="a/b", invoice_uuid="c")).provider_payment_id
    other = read(an_event(company_id="a", invoice_uuid="b/c")).provider_payment_id
    assert one != other


def test_times_fall_back() -> None:
    at = datetime(2026, 11, 21, 11, 30, tzinfo=UTC)
    both = read(an_event())
    assert (both.occurred_at, both.stated_at) == (at, at + timedelta(seconds=1))
    updated = read(an_event(created_at=None))
    assert (updated.occurred_at, updated.stated_at) == (at + timedelta(seconds=1), at + timedelta(seconds=1))
    neither = read(an_event(created_at=None, updated_at=None))
    assert (neither.occurred_at, neither.stated_at) == (at + timedelta(seconds=2), at + timedelta(seconds=2))
    flat = read(json.dumps(a_payment(created_at=None, updated_at=None)).encode())
    assert (flat.occurred_at, flat.stated_at) == (None, None)


@pytest.mark.parametrize(
    ("total", "default", "amount", "currency"),
    [
        ({"currency": "usd", "value_in_cents": 1}, "NOK", 1, "USD"),
        ({"currency": "JPY", "value_in_cents": 500}, None, 500, "JPY"),
        ({"currency": None, "value_in_cents": 5}, "NOK", 5, "NOK"),
        ({"value_in_cents": 5}, None, 5, None),
        ({"currency": "EUR"}, "NOK", None, "EUR"),
        ({"currency": "EUR", "value_in_cents": 2**63 - 1}, None, 2**63 - 1, "EUR"),
        (None, "NOK", None, "NOK"),
        (None, None, None, None),
    ],
)
def test_amount_is_never_a_guess(total: Any, default: str | None, amount: int | None, currency: str | None) -> None:
    event = read(
        an_event(total_amount=total, net_amount={"currency": "GBP", "value_in_cents": 9}), default_currency=default
    )
    assert (event.amount_minor, event.currency) == (amount, currency)


def test_customer_falls_back_to_the_organisation() -> None:
    event = read(an_event(customer={"id": "cus_2", "name": " ", "org_name": "Org"}, customer_id=None))
    assert (event.customer_name, event.provider_customer_id, event.customer_email) == ("Org", "cus_2", None)
    assert read(an_event(customer=None, customer_id=None)).customer_name is None


def test_long_text_is_cut() -> None:
    event = read(an_event(status_message="x" * 5000, customer={"name": "y" * 5000}))
    assert event.message == "x" * MAX_TEXT
    assert event.customer_name == "y" * MAX_TEXT


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"id": None}, "data.id"),
        ({"id": 5}, "data.id"),
        ({"id": " "}, "data.id"),
        ({"id": "x" * 256}, "data.id"),
        ({"company_id": None}, "data.company_id"),
        ({"company_id": "x" * 256}, "data.company_id"),
        ({"invoice_uuid": "x" * 256}, "data.invoice_uuid"),
        ({"invoice_uuid": "x" * 250}, "data.invoice_uuid"),
        ({"customer": []}, "data.customer"),
        ({"customer": {"name": 1}}, "data.customer.name"),
        ({"customer": {"email": "x" * 256}}, "data.customer.email"),
        ({"customer": {"id": "x" * 256}}, "data.customer.id"),
        ({"customer_id": "x" * 256}, "data.customer_id"),
        ({"payment_method": "visa"}, "data.payment_method"),
        ({"total_amount": 1250}, "data.total_amount"),
        ({"total_amount": {"currency": "USD", "value_in_cents": "1250"}}, "data.total_amount.value_in_cents"),
        ({"total_amount": {"currency": "USD", "value_in_cents": 12.5}}, "data.total_amount.value_in_cents"),
        ({"total_amount": {"currency": "USD", "value_in_cents": 12.0}}, "data.total_amount.value_in_cents"),
        ({"total_amount": {"currency": "USD", "value_in_cents": True}}, "data.total_amount.value_in_cents"),
        ({"total_amount": {"currency": "USD", "value_in_cents": -1}}, "data.total_amount.value_in_cents"),
        ({"total_amount": {"currency": "XYZ", "value_in_cents": 1}}, "data.total_amount.currency"),
        ({"total_amount": {"currency": "", "value_in_cents": 1}}, "data.total_amount.currency"),
        ({"total_amount": {"currency": 840, "value_in_cents": 1}}, "data.total_amount.currency"),
        ({"created_at": "2026-02-30T00:00:00Z"}, "data.created_at"),
        ({"created_at": "9999-12-31T23:00:00-14:00"}, "data.created_at"),
        ({"created_at": "yesterday"}, "data.created_at"),
        ({"created_at": 1794029516}, "data.created_at"),
        ({"created_at": "2026-11-22T12:00:01Z"}, "data.created_at"),
        ({"updated_at": "2026-11-22T12:00:01Z"}, "data.updated_at"),
        ({"updated_at": ""}, "data.updated_at"),
    ],
    ids=lambda value: json.dumps(value).replace("x" * 200, "x..") if isinstance(value, dict) else value,
)
def test_refusal_names_the_field(fields: dict[str, Any], field: str) -> None:
    refused = refusal(an_event(**fields))
    assert [wrong.field for wrong in refused.fields] == [field]
    assert field in refused.message


def test_refusal_names_every_wrong_field() -> None:
    refused = refusal(an_event(id=None, created_at="x", total_amount=[]))
    assert {wrong.field for wrong in refused.fields} == {"data.id", "data.created_at", "data.total_amount"}


def test_refusal_never_repeats_what_was_sent() -> None:
    refused = refusal(an_event(customer="kari@example.com"))
    assert "kari" not in refused.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"payment.failed"',
        b"{}",
        b'{"hello":"world"}',
        b'{"event_type":"payment.failed"}',
        b'{"event_type":"payment.failed","data":[]}',
        b'{"event_type":5,"data":{}}',
        b'{"event_type":null,"data":{}}',
        b"\xef\xbb\xbf\xef\xbb\xbf" + an_event(),
        an_event()[:-5],
        b'{"id":"a","id":"b","company_id":"c"}',
        b'{"id":"\\ud800","company_id":"c"}',
        b'{"id":"\\u0000","company_id":"c"}',
        b'{"id":"a","company_id":"c","note":NaN}',
        b'{"id":"a","company_id":"c","note":Infinity}',
        b'{"id":"a","company_id":"c","total_amount":{"value_in_cents":9223372036854775808}}',
        b'{"id":"\xff","company_id":"c"}',
        b"[" * 10_000 + b"]" * 10_000,
        b'{"data":' * 10_000 + b"1" + b"}" * 10_000,
    ],
    ids=lambda body: repr(body[:40]),
)
def test_what_cannot_be_understood_is_refused(body: bytes) -> None:
    assert refusal(body).message


def test_fields_it_does_not_know_are_ignored() -> None:
    assert read(an_event(brand_new={"deep": [1.5, None]}, net_amount="whatever")).amount_minor == 1250
