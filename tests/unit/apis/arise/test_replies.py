"""What is answered, against the bodies of ARISE's document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from pydantic import BaseModel

from dunning_service.apis.arise import replies
from dunning_service.apis.arise.replies import merchant_uuid, token_uuid
from dunning_service.apis.arise.wire import (
    CreateSubscription,
    PayNowResponse,
    Subscription,
    SubscriptionCreated,
    SubscriptionPage,
    SubscriptionPayment,
    SubscriptionTerminated,
)
from dunning_service.billing import views
from dunning_service.billing.pricing import price
from dunning_service.billing.states import AttemptState, FrequencyUnit, PaymentState, SubscriptionState
from dunning_service.billing.terms import Customer
from dunning_service.gateways import TransactionType
from dunning_service.values.exact_json import read_json
from dunning_service.values.money import Money

DOCUMENT = json.loads((Path(__file__).parents[3] / "fixtures" / "subscriptions" / "document.json").read_text())
NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)
ONE = UUID(int=1)

ACTIVE = views.SubscriptionView(
    id=UUID(int=10),
    merchant_id=11,
    payment_processor_id=UUID(int=12),
    state=SubscriptionState.ACTIVE,
    transaction_type=TransactionType.SALE,
    customer_id=UUID(int=13),
    payment_method_id=UUID(int=14),
    price=price(Money(19990, "NOK"), percentage_off_rate=Decimal(10), surcharge_rate=Decimal("2.5")),
    already_paid_minor=36882,
    unit=FrequencyUnit.MONTH,
    every=1,
    created_at=NOON,
    starts_at=NOON,
    ends_at=NOON + timedelta(days=334),
    last_paid_at=NOON + timedelta(days=28),
    next_due_at=NOON + timedelta(days=59),
    paid_count=2,
    number_of_payments=12,
    customer=Customer(name="Nafees", email="nafees@example.com"),
    token_id="tok_1",
    token_name="billing",
)

DECLINED = views.AttemptView(
    id=ONE, merchant_id=11, executed_at=NOON, state=AttemptState.DECLINED, transaction_reference=None
)


def written(answer: Any) -> Any:
    return read_json(orjson.dumps(answer))


def names(body: Any) -> Any:
    """Names and their order, at every depth."""
    if isinstance(body, Mapping):
        return [(name, names(value)) for name, value in body.items()]
    if isinstance(body, list):
        return [names(item) for item in body]
    return None


@pytest.mark.parametrize(
    ("sample", "model"),
    [
        ("created", SubscriptionCreated),
        ("subscription", Subscription),
        ("payment", SubscriptionPayment),
        ("terminated", SubscriptionTerminated),
    ],
)
def test_the_documents_bodies_come_back_as_they_went_in(sample: str, model: type[BaseModel]) -> None:
    read = model.model_validate(DOCUMENT[sample])
    dumped = orjson.dumps(read.model_dump(by_alias=True), default=int, option=orjson.OPT_UTC_Z)
    assert json.loads(dumped) == DOCUMENT[sample]
    assert names(read.model_dump(by_alias=True)) == names(DOCUMENT[sample])


@pytest.mark.parametrize("model", [CreateSubscription, SubscriptionCreated, SubscriptionPage, SubscriptionPayment])
def test_openapi_tells_amounts_as_numbers_and_names_as_on_the_wire(model: type[BaseModel]) -> None:
    stated = model.model_json_schema(mode="validation")
    text = json.dumps(stated)
    assert "_id" not in text.replace("model_id", "")
    assert "pattern" not in text  # which a Decimal that may be text would have


def test_the_documents_request_has_the_fields_that_are_read() -> None:
    listed = [str(field.alias) for field in CreateSubscription.model_fields.values()]
    assert sorted(listed) == sorted([*DOCUMENT["create_request"], "customer"])


def test_a_subscription_is_answered_field_by_field() -> None:
    body = replies.subscription(ACTIVE)
    assert names(body) == names(DOCUMENT["subscription"])
    assert written(body) == {
        "id": str(ACTIVE.id),
        "merchantId": str(merchant_uuid(11)),
        "paymentProcessorId": str(ACTIVE.payment_processor_id),
        "statusId": 1,
        "status": "Active",
        "transactionTypeId": 2,
        "transactionType": "Sale",
        "customerId": str(ACTIVE.customer_id),
        "paymentMethodId": str(ACTIVE.payment_method_id),
        "paymentAmount": {
            "baseAmount": Decimal("199.9"),
            "percentageOffAmount": Decimal("19.99"),
            "percentageOffRate": 10,
            "cashDiscountAmount": 0,
            "cashDiscountRate": 0,
            "surchargeAmount": Decimal("4.5"),
            "surchargeRate": Decimal("2.5"),
            "totalAmount": Decimal("184.41"),
        },
        "alreadyPaidAmount": Decimal("368.82"),
        "allPaymentsAmount": Decimal("2212.92"),
        "currencyId": 578,
        "paymentFrequencyUnitId": 3,
        "paymentFrequencyUnit": "Month",
        "paymentFrequency": 1,
        "creationDate": "2027-01-31T12:00:00Z",
        "subscriptionStartDate": "2027-01-31T12:00:00Z",
        "subscriptionEndDate": "2027-12-31T12:00:00Z",
        "lastPaymentDate": "2027-02-28T12:00:00Z",
        "nextPaymentDate": "2027-03-31T12:00:00Z",
        "successfulPaymentsCount": 2,
        "numberOfPayments": 12,
        "customer": {
            "customerName": "Nafees",
            "companyName": None,
            "panMask": None,
            "emailAddress": "nafees@example.com",
            "phoneNumber": None,
        },
        "source": {"typeId": 1, "type": "Api", "id": str(token_uuid(11, "tok_1")), "name": "billing"},
    }
    Subscription.model_validate(written(body))


def test_a_subscription_without_an_end_says_so() -> None:
    body = written(replies.subscription(replace(ACTIVE, number_of_payments=None, ends_at=None)))
    assert (body["numberOfPayments"], body["allPaymentsAmount"], body["subscriptionEndDate"]) == (0, None, None)
    Subscription.model_validate(body)


def test_a_page_holds_what_reading_each_would_answer() -> None:
    body = replies.subscription_page([ACTIVE, ACTIVE], 7)
    assert written(body) == {"items": [written(replies.subscription(ACTIVE))] * 2, "total": 7}
    SubscriptionPage.model_validate(written(body))


def test_a_payment_is_answered_with_its_attempts() -> None:
    paid = views.AttemptView(
        merchant_id=11,
        id=UUID(int=3),
        executed_at=NOON + timedelta(days=2, microseconds=500_000),
        state=AttemptState.SUCCEEDED,
        transaction_reference=str(UUID(int=4)),
    )
    view = views.PaymentView(
        id=UUID(int=2),
        due_at=NOON,
        state=PaymentState.PAID,
        amount=Money(18441, "NOK"),
        number=1,
        attempts=[DECLINED, paid],
    )
    body = replies.subscription_payment(view)
    assert names(replies.subscription_payment(replace(view, attempts=[paid]))) == names(DOCUMENT["payment"])
    SubscriptionPayment.model_validate(written(body))
    assert written(body) == {
        "id": str(view.id),
        "initialExecutionDateTime": "2027-01-31T12:00:00Z",
        "statusId": 3,
        "status": "Paid",
        "amount": Decimal("184.41"),
        "paymentOrder": 1,
        "attempts": [
            {
                "id": str(DECLINED.id),
                "executionDateTime": "2027-01-31T12:00:00Z",
                "statusId": 3,
                "status": "Declined",
                "transactionStatusId": 3,
                "transactionStatus": "Declined",
                "transactionId": None,
            },
            {
                "id": str(paid.id),
                "executionDateTime": "2027-02-02T12:00:00.5Z",
                "statusId": 2,
                "status": "Succeeded",
                "transactionStatusId": 2,
                "transactionStatus": "Succeeded",
                "transactionId": paid.transaction_reference,
            },
        ],
    }


def test_a_later_start_leaves_the_pay_now_fields_empty() -> None:
    assert written(replies.subscription_created(ONE, None)) == {
        "id": str(ONE),
        "payNowSuccess": None,
        "transactionId": None,
        "payNowResponse": None,
    }


def test_a_pay_now_that_was_declined_says_why_and_what_comes_next() -> None:
    paid = views.PayNowView(
        transaction_type=TransactionType.SALE,
        attempt=DECLINED,
        amount=Money(18441, "NOK"),
        code="51",
        message="Insufficient funds",
        category="insufficient_funds",
        next_attempt_at=NOON + timedelta(days=1),
    )
    body = replies.subscription_created(ONE, paid)
    assert list(body) == list(DOCUMENT["created"])
    SubscriptionCreated.model_validate(written(body))
    assert written(body) == {
        "id": str(ONE),
        "payNowSuccess": False,
        "transactionId": None,
        "payNowResponse": {
            "transactionId": None,
            "transactionDateTime": "2027-01-31T12:00:00Z",
            "typeId": 2,
            "type": "Sale",
            "statusId": 3,
            "status": "Declined",
            "processedAmount": 0,
            "details": {
                "hostResponseCode": "51",
                "hostResponseMessage": "Insufficient funds",
                "category": "insufficient_funds",
            },
            "nextAttemptDateTime": "2027-02-01T12:00:00Z",
        },
    }


def test_a_pay_now_that_succeeded_says_how_much_was_taken() -> None:
    attempt = replace(DECLINED, state=AttemptState.SUCCEEDED, transaction_reference=str(UUID(int=9)))
    paid = views.PayNowView(
        transaction_type=TransactionType.SALE,
        attempt=attempt,
        amount=Money(1500, "JPY"),
        code=None,
        message=None,
        category=None,
        next_attempt_at=None,
    )
    body = written(replies.subscription_created(ONE, paid))
    assert (body["payNowSuccess"], body["transactionId"]) == (True, attempt.transaction_reference)
    assert body["payNowResponse"]["processedAmount"] == 1500
    PayNowResponse.model_validate(body["payNowResponse"])


def test_a_termination_is_answered_in_the_documents_words() -> None:
    sample = DOCUMENT["terminated"]
    assert written(replies.subscription_terminated(UUID(sample["id"]))) == sample


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (0, "USD", b"0"),
        (2500, "USD", b"25"),
        (1990, "USD", b"19.9"),
        (1, "USD", b"0.01"),
        (1500, "JPY", b"1500"),
        (1000, "JPY", b"1000"),
        (1001, "KWD", b"1.001"),
        (9_007_199_254_740_993, "USD", b"90071992547409.93"),
        (2**63 - 1, "USD", b"92233720368547758.07"),
    ],
)
def test_amounts_are_numbers_with_every_digit(minor: int, currency: str, text: bytes) -> None:
    assert orjson.dumps(replies.major(minor, currency)) == text


def test_times_are_answered_in_utc() -> None:
    assert replies.moment(NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))) == "2027-01-31T12:00:00Z"
    with pytest.raises(ValueError, match="offset"):
        replies.moment(NOON.replace(tzinfo=None))
