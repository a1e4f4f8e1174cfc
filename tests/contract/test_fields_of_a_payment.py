"""A field of a payment on its way: event, row of the attempt, row of the payment, list, API. No two change places."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from contract._failed_payments import listed, read
from contract._payments import an_attempt, public_number_of, record
from dunning_service.apis.own.wire import FailedPayment
from dunning_service.events import AttemptReported, Category, Outcome
from dunning_service.failed_payments.queries import LISTED
from dunning_service.ledger.erasing import PERSONAL
from dunning_service.ledger.models import AttemptRow, PaymentRow
from dunning_service.recovery.decline_codes import MAPPING_VERSION
from running import NOON, RunningService

_ROOT = Path(__file__).parents[2]

EVENT = an_attempt(
    provider_payment_id="the provider_payment_id",
    provider_attempt_id="the provider_attempt_id",
    occurred_at=NOON - timedelta(hours=2),
    stated_at=NOON - timedelta(hours=1),
    sequence=7,
    amount_minor=12345,
    currency="SEK",
    code="the code",
    message="the message",
    category=Category.EXPIRED_CARD,
    provider_customer_id="the provider_customer_id",
    provider_subscription_id="the provider_subscription_id",
    customer_name="the customer_name",
    customer_email="the customer_email",
    customer_phone="the customer_phone",
    description="the description",
    payer_key="the payer_key",
    details={"the": "details"},
)

STATED = {field.name: getattr(EVENT, field.name) for field in fields(AttemptReported) if field.name != "decline"} | {
    "category": Category.EXPIRED_CARD,
    "details": {
        "the": "details",
        "mapping": MAPPING_VERSION,
        "is_known": True,
        "because": "the card has expired (category expired_card)",
    },
}

OF_ATTEMPT = STATED | {
    "number": 1,
    "is_superseded": False,
    "occurred_at_known": True,
    "received_at": NOON,
    "erased_at": None,
}
DIGESTS = {"digest", "delivery_digest"}

OF_PAYMENT = STATED | {
    "status": "failed",
    "order_on": EVENT.occurred_at and EVENT.occurred_at.date(),
    "first_failed_at": EVENT.occurred_at,
    "last_failed_at": EVENT.occurred_at,
    "attempt_count": 1,
    "failed_attempt_count": 1,
    "paid_minor": 0,
    "provider_receipt_id": None,
    "created_at": NOON,
    "updated_at": NOON,
    "customer_name_folded": "the customer_name",
    "customer_email_folded": "the customer_email",
    "customer_phone_key": None,
    "description_folded": "the description",
}

IN_API = {
    "order_date": "order_on",
    "customer.id": "provider_customer_id",
    "customer.name": "customer_name",
    "customer.email": "customer_email",
    "customer.phone": "customer_phone",
    "subscription": "provider_subscription_id",
}
"""What the API calls otherwise than the column is called."""

OF_THE_SCHEDULE = {"next_attempt_at", "next_attempt_rule", "next_attempt_reason"}


def test_no_two_fields_of_the_event_are_alike() -> None:
    """So that two which changed places would be seen."""
    values = [value for name, value in STATED.items() if name != "details"]
    assert len(set(values)) == len(values)
    assert not [name for name, value in STATED.items() if value is None]


@pytest.mark.parametrize("is_single", [True, False], ids=["one attempt", "values of several attempts"])
async def test_each_field_reaches_its_own_column_and_member(service: RunningService, is_single: bool) -> None:
    await record(service, [EVENT])
    if not is_single:
        later = an_attempt(
            provider_payment_id=EVENT.provider_payment_id,
            provider_attempt_id="2",
            outcome=Outcome.PENDING,
            occurred_at=EVENT.occurred_at,
            sequence=8,
            amount_minor=None,
            currency=None,
            details=STATED["details"],
        )
        await record(service, [later])
    number = await public_number_of(service, EVENT.provider_payment_id)

    attempt = await _row_of(service, AttemptRow, AttemptRow.number == 1)
    assert attempt.keys() - OF_ATTEMPT.keys() == {"merchant_id", "payment_id", *DIGESTS}
    assert {name: value for name, value in attempt.items() if name in OF_ATTEMPT} == {
        name: value for name, value in OF_ATTEMPT.items() if name in attempt
    }

    expected = OF_PAYMENT | ({} if is_single else {"attempt_count": 2})
    payment = await _row_of(service, PaymentRow)
    assert payment.keys() - OF_PAYMENT.keys() == {"merchant_id", "id", "provider", "identifiers_folded"}
    assert {name: value for name, value in payment.items() if name in OF_PAYMENT} == {
        name: value for name, value in expected.items() if name in payment
    }

    shown = await read(service, number)
    (in_list,) = (await listed(service))["data"]
    expected |= {"id": number, "provider": "maple"}
    for answer in (shown, in_list):
        members = dict(_members(answer))
        assert {name: value for name, value in members.items() if name not in OF_THE_SCHEDULE} == {
            name: _as_json(expected[IN_API.get(name, name)]) for name in members if name not in OF_THE_SCHEDULE
        }
    assert in_list.keys() == FailedPayment.model_fields.keys()
    assert {IN_API.get(name, name) for name in dict(_members(in_list))} - OF_THE_SCHEDULE <= {
        column.name for column in LISTED
    }


@pytest.mark.parametrize("kind", ["Attempt", "FoldedPayment", "Counted", "DeliveryRecord"])
def test_no_call_gives_neighbouring_fields_by_place(kind: str) -> None:
    """The type checker lets two texts change places, so tuples of many fields are made by name alone."""
    for path in (*_ROOT.glob("src/**/*.py"), *_ROOT.glob("tests/**/*.py")):
        text = path.read_text()
        calls = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)) if f"{kind}(" in text else ()
        for call in calls:
            if isinstance(call.func, ast.Name) and call.func.id == kind and "_records" not in path.name:
                assert not call.args, f"{path}:{call.lineno} calls {kind} by place"


IMPERSONAL = {
    "provider_attempt_id",
    "outcome",
    "currency",
    "code",
    "category",
    "provider_subscription_id",
}
"""The texts of an attempt that say nothing of a person."""


def test_every_text_of_an_attempt_is_erased_or_says_nothing_of_a_person() -> None:
    table: Any = AttemptRow.__table__
    texts = {column.name for column in table.c if isinstance(column.type, sa.String)}
    assert texts - IMPERSONAL == {*PERSONAL, "payer_key"}, "add it to PERSONAL, or to IMPERSONAL here"


async def _row_of(service: RunningService, model: Any, *conditions: sa.ColumnElement[bool]) -> dict[str, Any]:
    statement = sa.select(*model.__table__.c).where(*conditions)
    async with service.database.read() as connection:
        return dict((await connection.execute(statement)).mappings().one())


def _members(answer: dict[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in answer.items():
        if name == "timeline":
            continue
        if isinstance(value, dict):
            yield from _members(value, f"{name}.")
        else:
            yield within + name, value


def _as_json(value: Any) -> Any:
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else value
