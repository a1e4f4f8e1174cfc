from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from dunning_service.errors import BadSignature, UnreadableNotice
from dunning_service.events import AttemptReported, Delivery, Outcome, ReceiptReported
from dunning_service.providers import Options, provider_named
from dunning_service.providers.goodparty import ACTION_HEADER, LOG_FAILURE, PROVIDER, RECORD_SUCCESS

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def a_delivery(body: Any, action: str = LOG_FAILURE, content_type: str = "application/json") -> Delivery:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = [(b"content-type", content_type.encode()), (ACTION_HEADER.encode(), action.encode())]
    return Delivery(raw, headers, NOW)


def attempt(body: Any, currency: str | None = "NOK", **how: str) -> AttemptReported:
    (event,) = PROVIDER.parse(a_delivery(body, **how), Options(default_currency=currency))
    assert isinstance(event, AttemptReported)
    return event


def receipt(body: Any, currency: str | None = "NOK") -> ReceiptReported:
    (event,) = PROVIDER.parse(a_delivery(body, RECORD_SUCCESS), Options(default_currency=currency))
    assert isinstance(event, ReceiptReported)
    return event


def refusal(body: Any, action: str = LOG_FAILURE, currency: str | None = "NOK") -> UnreadableNotice:
    with pytest.raises(UnreadableNotice) as caught:
        PROVIDER.parse(a_delivery(body, action), Options(default_currency=currency))
    return caught.value


def wrong_fields(body: Any, action: str = LOG_FAILURE, currency: str | None = "NOK") -> set[str]:
    return {problem.field for problem in refusal(body, action, currency).fields}


A_FAILURE: dict[str, Any] = {
    "Id": 1,
    "InvoiceId": "in_1",
    "PaymentIntentId": "pi_1",
    "PaymentMethodId": "pm_1",
    "AmountDue": 1999,
    "StripeCustomerId": "cus_1",
    "CustomerEmail": "kari@example.com",
    "SubscriptionId": "sub_1",
    "UserId": 9,
    "FailedTimeStamp": "2026-01-11T19:31:58.0620744+00:00",
    "AttemptCount": 2,
    "StatusId": 12,
    "ArtistName": "Kari",
    "PackageID": 14,
    "PackageExpiryDate": "2027-01-11T00:00:00",
    "PhoneNumber": "+4791234567",
    "ProfileUrl": "https://example.com/kari",
}


def test_it_is_found_by_its_name() -> None:
    assert provider_named("goodparty") is PROVIDER
    assert not PROVIDER.takes_webhooks


def test_it_verifies_no_signature() -> None:
    with pytest.raises(BadSignature):
        PROVIDER.verify(a_delivery(A_FAILURE), [b"secret"], Options(), NOW)


def test_every_field_finds_its_place() -> None:
    failed_at = datetime(2026, 1, 11, 19, 31, 58, 62074, UTC)

    assert attempt(A_FAILURE) == AttemptReported(
        provider_payment_id="in_1",
        provider_attempt_id="2",
        outcome=Outcome.FAILED,
        occurred_at=failed_at,
        stated_at=failed_at,
        sequence=2,
        amount_minor=1999,
        currency="NOK",
        provider_customer_id="cus_1",
        provider_subscription_id="sub_1",
        customer_name="Kari",
        customer_email="kari@example.com",
        customer_phone="+4791234567",
        payer_key="9:cus_1",
        details={
            **{name: value for name, value in A_FAILURE.items() if name != "Id"},
            "FailedTimeStamp": "2026-01-11T19:31:58.0620740+00:00",
            "PackageExpiryDate": "2027-01-11T00:00:00.0000000+00:00",
        },
    )


def test_currency_is_never_guessed() -> None:
    assert attempt(A_FAILURE, currency=None).currency is None


@pytest.mark.parametrize(
    ("body", "payment"),
    [
        ({"InvoiceId": "in_1", "PaymentIntentId": "pi_1"}, "in_1"),
        ({"InvoiceId": "", "PaymentIntentId": "pi_1"}, "pi_1"),
        ({"InvoiceId": " ", "PaymentIntentId": "pi_1"}, "pi_1"),
        ({"InvoiceId": None, "PaymentIntentId": "pi_1"}, "pi_1"),
        ({"UserId": 9, "FailedTimeStamp": "2026-01-11T19:31:58+01:00"}, "9@2026-01-11T18:31:58.0000000+00:00"),
    ],
)
def test_payment_is_named_by_what_is_there(body: dict[str, Any], payment: str) -> None:
    assert attempt(body).provider_payment_id == payment


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"AmountDue": 5},
        {"InvoiceId": "", "PaymentIntentId": ""},
        {"UserId": 9},
        {"FailedTimeStamp": "2026-01-11T19:31:58Z"},
        {"UserId": 0, "FailedTimeStamp": "2026-01-11T19:31:58Z"},
        {"UserId": 9, "FailedTimeStamp": "0001-01-01T00:00:00"},
    ],
)
def test_payment_without_a_name_is_refused(body: dict[str, Any]) -> None:
    assert wrong_fields(body) == {"InvoiceId", "PaymentIntentId", "UserId", "FailedTimeStamp"}


def test_attempt_is_numbered_by_its_sender() -> None:
    assert attempt({"InvoiceId": "in_1", "AttemptCount": 3}).provider_attempt_id == "3"


@pytest.mark.parametrize("count", [0, -1])
def test_attempt_without_a_number_is_told_by_its_time(count: int) -> None:
    body = {"InvoiceId": "in_1", "AttemptCount": count, "FailedTimeStamp": "2026-01-11T20:31:58+01:00"}

    assert attempt(body).provider_attempt_id == "2026-01-11T19:31:58.0000000+00:00"


@pytest.mark.parametrize("more", [{}, {"FailedTimeStamp": "0001-01-01T00:00:00"}])
def test_attempt_without_number_and_time_is_told_by_its_bytes(more: dict[str, str]) -> None:
    body = json.dumps({"InvoiceId": "in_1", **more}).encode()
    event = attempt(body)

    assert event.provider_attempt_id == hashlib.sha256(body).hexdigest()
    assert event.occurred_at is None
    assert event.stated_at is None


def test_missing_amount_is_unknown_and_missing_numbers_are_zero() -> None:
    event = attempt({"InvoiceId": "in_1"})

    assert event.amount_minor is None
    assert event.sequence == 0
    assert event.payer_key is None
    assert (event.details["AmountDue"], event.details["UserId"], event.details["StatusId"]) == (None, 0, 0)


@pytest.mark.parametrize(("amount", "minor"), [(0, 0), ("5", 5), (" 5 ", 5), (2**63 - 1, 2**63 - 1)])
def test_amount_is_minor_units(amount: object, minor: int) -> None:
    assert attempt({"InvoiceId": "in_1", "AmountDue": amount}).amount_minor == minor


@pytest.mark.parametrize("amount", [b"5.0", b"5.5", b'"5.0"', b"5e0", b"-1", b"null", b"true", b'""', b"[5]", b'"5 0"'])
def test_amount_that_is_not_whole_minor_units_is_refused(amount: bytes) -> None:
    assert wrong_fields(b'{"InvoiceId": "in_1", "AmountDue": %s}' % amount) == {"AmountDue"}


@pytest.mark.parametrize("name", ["UserId", "AttemptCount", "StatusId", "PackageID", "Id"])
@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, None, 1.5, "1.0", "x", True, "٣"])
def test_whole_number_that_net_could_not_hold_is_refused(name: str, value: object) -> None:
    assert wrong_fields({"InvoiceId": "in_1", name: value}) == {name}


@pytest.mark.parametrize("name", ["FailedTimeStamp", "PackageExpiryDate"])
@pytest.mark.parametrize("value", ["2026-02-30T00:00:00Z", "9999-12-31T23:00:00-05:00", "", "soon", None, 5])
def test_date_that_does_not_exist_is_refused(name: str, value: object) -> None:
    assert wrong_fields({"InvoiceId": "in_1", name: value}) == {name}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (r"/Date(1768159918062)/", datetime(2026, 1, 11, 19, 31, 58, 62000, UTC)),
        (r"/Date(1768159918062+0200)/", datetime(2026, 1, 11, 19, 31, 58, 62000, UTC)),
        (r"/Date(1000)/", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        ("2026-01-11T20:31:58 +01:00", datetime(2026, 1, 11, 19, 31, 58, tzinfo=UTC)),
        ("Sun, 11 Jan 2026 19:31:58 GMT", datetime(2026, 1, 11, 19, 31, 58, tzinfo=UTC)),
    ],
)
def test_dates_of_other_forms_are_read(text: str, moment: datetime) -> None:
    assert attempt({"InvoiceId": "in_1", "FailedTimeStamp": text}).occurred_at == moment


@pytest.mark.parametrize("text", ["/Date()/", "/Date(1e3)/", "/Date(999999999999999999)/", "/Date(1)/x"])
def test_microsoft_date_that_is_none_is_refused(text: str) -> None:
    assert wrong_fields({"InvoiceId": "in_1", "FailedTimeStamp": text}) == {"FailedTimeStamp"}


def test_failure_of_tomorrow_is_refused_but_an_expiry_is_not() -> None:
    assert attempt({"InvoiceId": "in_1", "FailedTimeStamp": "2026-11-22T12:00:00Z"}).occurred_at is not None
    assert wrong_fields({"InvoiceId": "in_1", "FailedTimeStamp": "2026-11-22T12:00:01Z"}) == {"FailedTimeStamp"}
    late = "9999-12-31T00:00:00"
    assert attempt({"InvoiceId": "in_1", "PackageExpiryDate": late}).details["PackageExpiryDate"] == (
        "9999-12-31T00:00:00.0000000+00:00"
    )


@pytest.mark.parametrize("text", ["1969-12-31T23:59:59Z", "/Date(-1000)/", "0001-01-02T00:00:00"])
def test_failure_before_1970_is_refused(text: str) -> None:
    assert wrong_fields({"InvoiceId": "in_1", "FailedTimeStamp": text}) == {"FailedTimeStamp"}
    assert attempt({"InvoiceId": "in_1", "PackageExpiryDate": text}).details["PackageExpiryDate"] is not None


UNSET = [
    "0001-01-01T00:00:00",
    "0001-01-01T00:00:00+05:00",
    "0001-01-01T05:00:00Z",
    "9999-12-31T23:59:59.9999999",
    "9999-12-31T23:59:59.9999999-05:00",
    "/Date(-62135596800000)/",
    "/Date(253402300800000)/",
    "/Date(253402300799999+0200)/",
]


@pytest.mark.parametrize("text", UNSET)
def test_date_that_was_never_set_is_read_as_missing(text: str) -> None:
    event = attempt({"InvoiceId": "in_1", "FailedTimeStamp": text, "PackageExpiryDate": text})

    assert (event.occurred_at, event.stated_at) == (None, None)
    assert (event.details["FailedTimeStamp"], event.details["PackageExpiryDate"]) == (None, None)
    assert wrong_fields({"UserId": 9, "FailedTimeStamp": text}) >= {"UserId", "FailedTimeStamp"}


IDENTIFIERS = {
    "InvoiceId", "PaymentIntentId", "PaymentMethodId", "StripeCustomerId", "CustomerEmail", "SubscriptionId",
    "PhoneNumber",
}  # fmt: skip


@pytest.mark.parametrize("character", ["\ud800", "\x00"])
def test_character_that_cannot_be_kept_is_replaced_unless_it_is_of_an_identifier(character: str) -> None:
    for name in ("ArtistName", "ProfileUrl"):
        assert attempt({"InvoiceId": "in_1", name: f"a{character}b"}).details[name] == "a\ufffdb"
    ignored = {"Unknown": [character, {character: character}], f"x{character}": 1}
    assert attempt({"InvoiceId": "in_1", **ignored}).provider_payment_id == "in_1"
    for name in IDENTIFIERS:
        assert wrong_fields({"InvoiceId": "in_1", name.upper(): f"a{character}b"} if name != "InvoiceId" else
                            {"invoiceid": f"a{character}b"}) <= {name.upper(), "invoiceid"}  # fmt: skip


def test_every_wrong_field_is_named_at_once() -> None:
    body = {
        "InvoiceId": "x" * 256,
        "AmountDue": 5.5,
        "UserId": "nine",
        "FailedTimeStamp": "2027-01-01T00:00:00Z",
        "PackageExpiryDate": None,
        "ArtistName": ["Kari"],
    }

    assert wrong_fields(body) == set(body)


def test_wrong_number_does_not_hide_a_missing_name() -> None:
    assert wrong_fields({"AmountDue": 5.5}) == {
        "AmountDue", "InvoiceId", "PaymentIntentId", "UserId", "FailedTimeStamp"
    }  # fmt: skip


def test_names_are_read_in_any_case_and_unknown_ones_are_ignored() -> None:
    event = attempt({"invoiceid": "in_1", "AMOUNTDUE": 5, "packageId": 3, "Nonsense": {"deep": [1]}})

    assert (event.provider_payment_id, event.amount_minor, event.details["PackageID"]) == ("in_1", 5, 3)
    assert "Nonsense" not in event.details


def test_property_in_two_spellings_is_refused() -> None:
    assert wrong_fields({"InvoiceId": "in_1", "UserId": 1, "userid": 2}) == {"UserId"}


def test_numbers_are_read_as_text_where_text_is_wanted() -> None:
    event = attempt({"InvoiceId": 17, "PhoneNumber": 4791234567})

    assert (event.provider_payment_id, event.customer_phone) == ("17", "4791234567")


def test_blank_text_says_nothing_but_is_given_back() -> None:
    event = attempt({"InvoiceId": "in_1", "CustomerEmail": "", "SubscriptionId": " "})

    assert (event.customer_email, event.provider_subscription_id) == (None, None)
    assert event.details["CustomerEmail"] == ""


def test_long_name_is_cut_for_the_list_only() -> None:
    event = attempt({"InvoiceId": "in_1", "ArtistName": "å" * 1001})

    assert event.customer_name == "å" * 1000
    assert event.details["ArtistName"] == "å" * 1001


def test_form_is_read() -> None:
    body = b"InvoiceId=in_1&amountDue=5&ArtistName=Kari+N%C3%B8rd&&FailedTimeStamp=2026-01-11T19%3A31%3A58%2B01:00"
    event = attempt(body, content_type="application/x-www-form-urlencoded; charset=UTF-8")

    assert (event.provider_payment_id, event.amount_minor, event.customer_name) == ("in_1", 5, "Kari Nørd")
    assert event.occurred_at == datetime(2026, 1, 11, 18, 31, 58, tzinfo=UTC)


# --- InvoicePaymentSucceeded

A_DEPOSIT: dict[str, Any] = {
    "UserId": 9, "StripeCustomerId": "cus_1", "DepositAmount": 19.99, "Currency": "nok", "TransactionNo": "ch_1"
}  # fmt: skip


def test_deposit_names_its_payer_and_its_money() -> None:
    assert receipt(A_DEPOSIT, currency=None) == ReceiptReported(
        provider_receipt_id="ch_1", payer_key="9:cus_1", amount_minor=1999, currency="NOK"
    )


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [(b"2.0", "JPY", 2), (b"2", "KWD", 2000), (b'"2.50"', "EUR", 250), (b"1E2", "NOK", 10000), (b"0", "NOK", 0)],
)
def test_deposit_is_in_major_units_of_its_currency(amount: bytes, currency: str, minor: int) -> None:
    body = b'{"UserId": 9, "DepositAmount": %s, "Currency": "%s"}' % (amount, currency.encode())

    assert receipt(body).amount_minor == minor


def test_deposit_without_a_currency_is_in_the_merchants() -> None:
    body = {"UserId": 9, "DepositAmount": 2}

    assert (receipt(body, "NOK").amount_minor, receipt(body, "NOK").currency) == (200, "NOK")
    assert (receipt(body, None).amount_minor, receipt(body, None).currency) == (None, None)


def test_deposit_in_a_currency_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnreadableNotice) as refused:
        receipt({"UserId": 9, "DepositAmount": 2, "Currency": "ZZZ"})

    assert [problem.field for problem in refused.value.fields] == ["Currency"]


@pytest.mark.parametrize(
    "amount",
    [b"-1", b"1.999", b"null", b"true", b'"1,5"', b'"NaN"', b"1e40", b"1.00000000000000000000000000000001", b"1e-400"],
)
def test_deposit_that_is_not_money_is_refused(amount: bytes) -> None:
    body = b'{"UserId": 9, "DepositAmount": %s, "Currency": "NOK"}' % amount

    assert wrong_fields(body, RECORD_SUCCESS) == {"DepositAmount"}


def test_deposit_without_a_payer_is_refused() -> None:
    assert wrong_fields({"DepositAmount": 2, "UserId": 0}, RECORD_SUCCESS) == {"UserId", "StripeCustomerId"}


def test_deposit_without_a_number_is_told_by_its_bytes() -> None:
    body = b'{"UserId": 9, "DepositAmount": 2, "TransactionNo": ""}'

    assert receipt(body).provider_receipt_id == hashlib.sha256(body).hexdigest()
    assert receipt(body).payer_key == "9:"
