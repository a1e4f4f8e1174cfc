from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from dunning_service.errors import FieldError, UnreadableNotice
from dunning_service.providers._fields import (
    Currency,
    Identifier,
    MinorUnits,
    Moment,
    OptionalIdentifier,
    Part,
    read_part,
    require_possible_times,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Amount(Part):
    value: MinorUnits | None = None
    currency: Currency | None = None


class Payment(Part):
    id: Identifier
    customer: OptionalIdentifier = None
    failed_at: Moment = None
    amount: Amount | None = None


def test_fields_of_a_notice_are_read() -> None:
    notice: dict[str, Any] = {
        "id": "pay_1",
        "customer": "",
        "failed_at": "2026-11-20T13:00:00+01:00",
        "amount": {"value": 1999, "currency": "nok", "note": "ignored"},
    }
    assert read_part(Payment, notice) == Payment(
        id="pay_1",
        customer="",
        failed_at="2026-11-20T12:00:00Z",  # type: ignore[arg-type]
        amount=Amount(value=1999, currency="NOK"),
    )


def test_every_wrong_field_is_named_by_its_path() -> None:
    notice = {"id": 5, "failed_at": "yesterday", "amount": {"value": "19.99", "currency": "XYZ"}}
    with pytest.raises(UnreadableNotice) as refused:
        read_part(Payment, notice, "data.")
    assert refused.value.fields == (
        FieldError("data.id", "Input should be a valid string"),
        FieldError("data.failed_at", "'yesterday' is not an ISO 8601 date and time such as 2026-01-11T19:31:58Z"),
        FieldError("data.amount.value", "must be a whole number of minor units: 1999 for 19.99"),
        FieldError("data.amount.currency", "'XYZ' is not an ISO 4217 currency code"),
    )
    assert refused.value.message.startswith("data.id: Input should be a valid string; data.failed_at: 'yesterday'")


def test_every_time_that_cannot_be_is_named() -> None:
    times = {
        "failed_at": datetime(1969, 1, 1, tzinfo=UTC),
        "created_at": NOW,
        "paid_at": None,
        "sent_at": datetime(2026, 11, 23, tzinfo=UTC),
    }
    with pytest.raises(UnreadableNotice) as refused:
        require_possible_times(times, NOW)
    assert [wrong.field for wrong in refused.value.fields] == ["failed_at", "sent_at"]
