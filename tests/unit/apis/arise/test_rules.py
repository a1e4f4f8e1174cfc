"""Reading the request that creates a subscription."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from dunning_service.apis.arise.rules import read_new_subscription
from dunning_service.apis.arise.wire import CreateSubscription
from dunning_service.billing.states import FrequencyUnit
from dunning_service.billing.terms import Customer, MerchantTerms, NewSubscription
from dunning_service.errors import InvalidInput
from dunning_service.gateways import TransactionType
from dunning_service.values.money import Money

DOCUMENT = json.loads((Path(__file__).parents[3] / "fixtures" / "subscriptions" / "document.json").read_text())
NOW = datetime(2027, 1, 31, 11, 30, tzinfo=UTC)
OSLO = MerchantTerms(ZoneInfo("Europe/Oslo"))
DUAL = MerchantTerms(ZoneInfo("Europe/Oslo"), cash_discount_rate=Decimal(4))
METHOD = UUID("b6df8625-cd25-4123-b345-638aa7b5d011")

RIGHT = {
    "paymentProcessorId": "a7699db0-1e16-4616-b2cf-4e8d4a5320cb",
    "transactionType": 2,
    "amount": 199.9,
    "currencyId": 578,
    "paymentFrequencyUnit": 3,
    "paymentFrequency": 1,
    "numberOfPayments": 12,
    "customerId": "87d8e330-2878-4742-a86f-dbbb3bf522ac",
    "paymentMethodId": str(METHOD),
}
MISSING = object()


def a_body(**changes: Any) -> bytes:
    return json.dumps({name: value for name, value in {**RIGHT, **changes}.items() if value is not MISSING}).encode()


class Methods:
    """A gateway with the same to say of every method."""

    def __init__(self, problem: str | None = None) -> None:
        self._problem = problem
        self.asked: list[UUID] = []

    def __call__(self, method: UUID) -> str | None:
        self.asked.append(method)
        return self._problem


def read(body: bytes, terms: MerchantTerms = OSLO, methods: Methods | None = None) -> NewSubscription:
    return read_new_subscription(body, None, terms, NOW, methods or Methods())


def complaints(body: bytes, terms: MerchantTerms = OSLO, methods: Methods | None = None) -> dict[str, list[str]]:
    with pytest.raises(InvalidInput) as refused:
        read(body, terms, methods)
    found: dict[str, list[str]] = {}
    for wrong in refused.value.fields:
        found.setdefault(wrong.field, []).append(wrong.message)
    return found


def test_everything_that_was_sent_is_read() -> None:
    found = read(
        a_body(
            percentageOffRate=10,
            surchargeRate=2.5,
            paymentStartDateTime="2027-02-28T09:00:00.1234567+01:00",
            customer={
                "customerName": " Nafees ",
                "companyName": "",
                "emailAddress": "nafees@example.com",
                "phoneNumber": None,
                "panMask": "4111********1111",
            },
            requesterIpAddress="127.0.0.1",
        )
    )
    assert found.payment_processor_id == UUID("a7699db0-1e16-4616-b2cf-4e8d4a5320cb")
    assert found.transaction_type is TransactionType.SALE
    assert found.price.total == Money(18441, "NOK")
    assert (found.unit, found.every, found.number_of_payments) == (FrequencyUnit.MONTH, 1, 12)
    assert found.start_at == datetime(2027, 2, 28, 8, 0, 0, 123456, tzinfo=UTC)
    assert found.customer_id == UUID("87d8e330-2878-4742-a86f-dbbb3bf522ac")
    assert found.payment_method_id == METHOD
    assert (found.is_faster_processing, found.use_card_price) == (None, None)
    assert found.customer == Customer(name="Nafees", email="nafees@example.com")


def test_no_start_means_now_and_no_count_means_no_end() -> None:
    for nothing in (MISSING, None):
        found = read(a_body(paymentStartDateTime=nothing, numberOfPayments=nothing, customer=nothing))
        assert (found.start_at, found.number_of_payments, found.customer) == (None, None, Customer())
    assert (read(a_body(numberOfPayments=0))).number_of_payments is None


def test_amounts_are_read_digit_by_digit() -> None:
    body = a_body(amount="AMOUNT").replace(b'"AMOUNT"', b"0.07")
    assert (read(body)).price.total == Money(7, "NOK")
    body = a_body(amount="AMOUNT").replace(b'"AMOUNT"', b"1.9990E+2")
    assert (read(body)).price.total == Money(19990, "NOK")


def test_every_field_that_is_missing_is_named() -> None:
    found = complaints(b"{}")
    required = CreateSubscription.model_json_schema()["required"]
    assert found == {name: ["is required"] for name in required}
    assert complaints(json.dumps(dict.fromkeys(required)).encode()) == found


def test_everything_that_is_wrong_is_named_at_once() -> None:
    found = complaints(
        a_body(
            paymentProcessorId="processor",
            transactionType=11,
            amount=-5,
            percentageOffRate=101,
            surchargeRate="3",
            useCardPrice=True,
            currencyId=0,
            paymentFrequencyUnit=4,
            paymentFrequency=0,
            paymentStartDateTime="2027-02-28",
            numberOfPayments=1.5,
            customerId="00000000-0000-0000-0000-000000000000",
            customer={"emailAddress": "nobody", "customerName": 5, "phoneNumber": "4" * 256},
        ),
        methods=Methods("is not active"),
    )
    assert {field: messages[0] for field, messages in found.items()} == {
        "paymentProcessorId": "must be a UUID such as b6df8625-cd25-4123-b345-638aa7b5d011",
        "isFasterProcessing": "is required for AchDebit: true or false",
        "amount": "must be more than 0",
        "percentageOffRate": "must be a percentage from 0 to 100",
        "surchargeRate": "must be a number, without quotes",
        "useCardPrice": "must be null: the merchant has no dual pricing",
        "currencyId": "0 is not a currency; 1 is USD, others go by their ISO 4217 number (578: NOK)",
        "paymentFrequencyUnit": "must be one of 1 (Day), 2 (Week), 3 (Month)",
        "paymentFrequency": "must be 1 or more",
        "paymentStartDateTime": "must be a date and time with its offset from UTC, such as 2027-01-31T09:00:00+01:00",
        "numberOfPayments": "must be a whole number",
        "customerId": "must not be the empty UUID",
        "paymentMethodId": "is not active",
        "customer.emailAddress": "must be an e-mail address",
        "customer.customerName": "must be text",
        "customer.phoneNumber": "must not be longer than 255 characters",
    }
    assert all(len(messages) == 1 for messages in found.values())


def test_the_documents_own_sample_is_refused_for_its_placeholders() -> None:
    found = complaints(json.dumps(DOCUMENT["create_request"]).encode())
    assert set(found) == {
        "amount",
        "currencyId",
        "useCardPrice",
        "paymentFrequency",
        "paymentStartDateTime",
        "isFasterProcessing",
    }


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("amount", 1.001, "NOK has 2 decimals, and the amount has more"),
        ("amount", 10**13, "must not be more than 1000000000000.00 NOK"),
        ("amount", "199.9", "must be a number, without quotes"),
        ("amount", True, "must be a number"),
        ("amount", [], "must be a number"),
        ("percentageOffRate", 100, "leaves nothing to charge"),
        ("percentageOffRate", 3.33333, "must not have more than 4 decimals"),
        ("surchargeRate", -1, "must be a percentage from 0 to 100"),
        ("currencyId", 959, "XAU has no minor unit, so no amount can be stated in it"),
        ("currencyId", True, "must be a whole number"),
        ("currencyId", 2**40, "must fit 32 bits"),
        ("transactionType", 3, "must be one of 1 (Authorization), 2 (Sale), 11 (AchDebit)"),
        ("transactionType", "Sale", "must be a number, without quotes"),
        ("paymentFrequency", -1, "must be 1 or more"),
        ("paymentFrequency", 121, "must be from 1 to 120 when it counts months"),
        ("numberOfPayments", -1, "must not be negative; 0 or null: until terminated"),
        ("numberOfPayments", 1201, "must not be more than 1200; 0 or null: until terminated"),
        ("paymentStartDateTime", 1_800_000_000, "must be a date and time with its offset"),
        ("paymentStartDateTime", "2027-02-28T09:00:00", "must be a date and time with its offset"),
        ("paymentStartDateTime", "2027-02-29T09:00:00Z", "must be a date and time that exists"),
        ("paymentStartDateTime", "2027-02-28T09:00:00+25:00", "must be a date and time that exists"),
        ("paymentStartDateTime", "0001-01-02T00:00:00+25:00", "must be a date and time that exists"),
        ("paymentStartDateTime", "9999-12-31T23:00:00-02:00", "must be in the years 1 to 9999"),
        ("paymentStartDateTime", "Sun, 28 Feb 2027 09:00", "must be a date and time with its offset"),
        ("paymentStartDateTime", "Mon, 28 Feb 2027 09:00:00 GMT", "must be a date and time that exists"),
        ("paymentStartDateTime", "2037-02-28T09:00:00Z", "must not be more than ten years ahead"),
        ("paymentStartDateTime", "2027-01-30T22:59:59Z", "must not be on an earlier day than today; null: now"),
        ("useCardPrice", 1, "must be true, false or null"),
        ("isFasterProcessing", False, "must be null for Sale; it is for AchDebit"),
        ("isFasterProcessing", "no", "must be true, false or null"),
        ("customer", "Nafees", "must be an object"),
        ("customer", ["Nafees"], "must be an object"),
        ("paymentMethodId", METHOD.hex, "must be a UUID such as"),
        ("paymentMethodId", 5, "must be a UUID such as"),
    ],
)
def test_one_wrong_value_is_one_complaint(field: str, value: Any, complaint: str) -> None:
    found = complaints(a_body(**{field: value}))
    assert list(found) == [field]
    assert len(found[field]) == 1
    assert found[field][0].startswith(complaint)


def test_an_earlier_hour_of_the_merchants_today_is_no_past() -> None:
    midnight_in_oslo = "2027-01-30T23:00:00Z"
    assert (read(a_body(paymentStartDateTime=midnight_in_oslo))).start_at == NOW - timedelta(hours=12.5)


def test_a_clock_that_is_a_little_behind_is_no_past_at_midnight() -> None:
    just_after = datetime(2027, 1, 30, 23, 1, tzinfo=UTC)
    sent = a_body(paymentStartDateTime="2027-01-30T22:58:00Z")
    found = read_new_subscription(sent, None, OSLO, just_after, Methods())
    assert found.start_at == just_after - timedelta(minutes=3)


def test_a_schedule_past_the_end_of_the_calendar_is_refused() -> None:
    found = complaints(a_body(paymentFrequency=120, numberOfPayments=1200))
    assert found == {"numberOfPayments": ["payment 1200 would fall due outside the years 1 to 9999"]}


@pytest.mark.parametrize("faster", [True, False])
def test_ach_says_whether_it_is_to_be_faster(faster: bool) -> None:
    assert (read(a_body(transactionType=11, isFasterProcessing=faster))).is_faster_processing is faster
    found = complaints(a_body(transactionType=11))
    assert found == {"isFasterProcessing": ["is required for AchDebit: true or false"]}


def test_dual_pricing_wants_to_know_which_price() -> None:
    assert (read(a_body(useCardPrice=True), DUAL)).price.total == Money(19990, "NOK")
    cash = (read(a_body(useCardPrice=False), DUAL)).price
    assert (cash.cash_discount_minor, cash.cash_discount_rate, cash.total.minor) == (800, 4, 19190)
    for nothing in (MISSING, None):
        assert complaints(a_body(useCardPrice=nothing), DUAL) == {
            "useCardPrice": ["is required, because the merchant has dual pricing: true or false"]
        }


def test_no_dual_pricing_wants_no_choice() -> None:
    for choice in (True, False):
        assert list(complaints(a_body(useCardPrice=choice))) == ["useCardPrice"]


def test_a_cash_discount_that_leaves_nothing_is_told_by_what_the_caller_chose() -> None:
    terms = MerchantTerms(ZoneInfo("UTC"), cash_discount_rate=Decimal(60))
    found = complaints(a_body(amount=0.01, useCardPrice=False), terms)
    assert found == {"useCardPrice": ["false: the merchant's cash discount leaves nothing to charge"]}


def test_the_gateway_is_asked_for_the_method() -> None:
    methods = Methods("is not active")
    assert complaints(a_body(), methods=methods) == {"paymentMethodId": ["is not active"]}
    assert methods.asked == [METHOD]


def test_the_gateway_is_not_asked_for_what_is_no_method() -> None:
    methods = Methods("is not active")
    assert list(complaints(a_body(paymentMethodId="pm_1"), methods=methods)) == ["paymentMethodId"]
    assert methods.asked == []


def test_names_are_found_whatever_their_case_and_told_as_written() -> None:
    found = read(a_body(paymentStartDateTime=MISSING, PAYMENTSTARTDATETIME="2027-03-01T00:00:00Z"))
    assert found.start_at == datetime(2027, 3, 1, tzinfo=UTC)
    found = complaints(
        a_body(amount=MISSING, Amount=0, numberOfPayments=MISSING, NumberOfPayments="x", PercentageOffRate=100)
    )
    assert set(found) == {"Amount", "NumberOfPayments"}
    found = complaints(a_body(PercentageOffRate=100, Customer={"EmailAddress": "x"}))
    assert set(found) == {"PercentageOffRate", "Customer.EmailAddress"}


def test_a_name_that_is_sent_twice_in_different_cases_is_refused() -> None:
    assert complaints(a_body(Amount=5)) == {"Amount": ["was sent as amount too; send it once"]}


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "the body is not valid JSON"),
        (b"[]", "the body must be a JSON object"),
        (b"null", "the body must be a JSON object"),
        (b'{"amount": NaN}', "the body holds NaN"),
        (b'{"amount": 1, "amount": 2}', "the name 'amount' stands twice"),
        (b'{"amount": 1e9999999999999999999999}', "the body holds a number whose exponent"),
        (b"\xff", "the body is not valid UTF-8"),
        ('{"amount": 1}'.encode("utf-16-le"), "the body is not valid JSON"),
        (b"[" * 100_000, "the body is nested too deeply"),
    ],
)
def test_what_is_no_json_object_is_refused_as_a_whole(body: bytes, complaint: str) -> None:
    found = complaints(body)
    assert list(found) == [""]
    assert found[""][0].startswith(complaint)


@pytest.mark.parametrize("number", ["1E+999999", "1E-999999", "-1E+999999", "0E+999999", "1" * 4000 + ".5"])
def test_numbers_of_any_size_are_answered(number: str) -> None:
    found = complaints(a_body(amount="N", percentageOffRate="N").replace(b'"N"', number.encode()))
    assert "amount" in found
