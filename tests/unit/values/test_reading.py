from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from uuid import UUID

import pytest
from pydantic import BaseModel, ValidationError

from dunning_service.errors import FieldError
from dunning_service.values import reading

NAME = partial(reading.text, longest=10)
ID = partial(reading.exact_text, longest=10)
PERCENT = partial(reading.whole_number, allowed=range(101))
WITH_OFFSET = "must be a date and time with its offset from UTC, such as 2027-01-31T09:00:00+01:00"


@pytest.mark.parametrize(
    ("read", "value", "found"),
    [
        (NAME, " Nafees ", "Nafees"),
        (NAME, " \t", None),
        (NAME, None, None),
        (ID, " a ", " a "),
        (reading.whole_number, 5, 5),
        (PERCENT, 100, 100),
        (reading.digits, "0", 0),
        (reading.digits, "9223372036854775807", 2**63 - 1),
        (reading.number, Decimal("0.07"), Decimal("0.07")),
        (reading.number, 7, Decimal(7)),
        (reading.minor_units, 1999, 1999),
        (reading.currency, "nok", "NOK"),
        (reading.day, "2024-02-29", date(2024, 2, 29)),
        (reading.moment, "2026-01-11 20:31 +01", datetime(2026, 1, 11, 19, 31, tzinfo=UTC)),
        (reading.moment, "0001-01-01T00:00:00", None),
        (reading.moment_with_offset, "2026-11-21T12:00:00Z", datetime(2026, 11, 21, 12, tzinfo=UTC)),
        (reading.moment_with_offset, "2026-11-21t13:00 +0100", datetime(2026, 11, 21, 12, tzinfo=UTC)),
        (reading.moment_with_offset, "20261121T120000.1234567Z", datetime(2026, 11, 21, 12, 0, 0, 123456, UTC)),
        (reading.flag, False, False),
        (reading.uuid, "B6DF8625-cd25-4123-b345-638aa7b5d011", UUID("b6df8625-cd25-4123-b345-638aa7b5d011")),
    ],
)
def test_a_right_value_is_read(read: Callable[[object], object], value: object, found: object) -> None:
    assert read(value) == found


@pytest.mark.parametrize(
    ("read", "value", "complaint"),
    [
        (NAME, 5, "must be text"),
        (NAME, "x" * 11, "must not be longer than 10 characters"),
        (ID, None, "must be text"),
        (ID, "", "must not be empty; leave it out instead"),
        (ID, "x" * 11, "must not be longer than 10 characters"),
        (reading.whole_number, "5", "must be a number, without quotes"),
        (reading.whole_number, True, "must be a whole number"),
        (reading.whole_number, Decimal("1.0"), "must be a whole number"),
        (reading.whole_number, 2**63, "must fit 64 bits"),
        (partial(reading.whole_number, allowed=reading.INT32), 2**31, "must fit 32 bits"),
        (PERCENT, 101, "must be from 0 to 100"),
        (reading.digits, "01", "must be a whole number, in digits only"),
        (reading.digits, "-1", "must be a whole number, in digits only"),
        (reading.digits, "\u0661", "must be a whole number, in digits only"),
        (reading.number, True, "must be a number"),
        (reading.number, "19.99", "must be a number, without quotes"),
        (reading.minor_units, Decimal("19.99"), "must be a whole number of minor units: 1999 for 19.99"),
        (reading.minor_units, -1, "must be from 0 to 9223372036854775807"),
        (reading.currency, 578, "must be a currency code such as NOK"),
        (reading.currency, "ABC", "'ABC' is not an ISO 4217 currency code"),
        (reading.currency, "\ufb01m", "'\ufb01m' is not an ISO 4217 currency code"),
        (reading.currency, "XAU", "XAU has no minor unit, so no amount can be stated in it"),
        (reading.day, "2026-02-29", "2026-02-29 is not a day of the calendar"),
        (reading.day, "20260228", "must be a date such as 2026-11-21 (YYYY-MM-DD)"),
        (reading.moment, 1_800_000_000, "must be a text such as 2026-01-11T19:31:58Z"),
        (reading.moment_with_offset, "2026-11-21T12:00:00", WITH_OFFSET),
        (reading.moment_with_offset, "2026-11-21", WITH_OFFSET),
        (reading.moment_with_offset, 1_800_000_000, WITH_OFFSET),
        (reading.moment_with_offset, "2027-02-29T09:00:00Z", "must be a date and time that exists"),
        (reading.moment_with_offset, "9999-12-31T23:00:00-02:00", "must be in the years 1 to 9999"),
        (reading.flag, 1, "must be true, false or null"),
        (
            reading.uuid,
            "b6df8625cd254123b345638aa7b5d011",
            "must be a UUID such as b6df8625-cd25-4123-b345-638aa7b5d011",
        ),
        (reading.uuid, str(UUID(int=0)), "must not be the empty UUID"),
    ],
)
def test_a_wrong_value_is_refused_with_what_would_be_right(
    read: Callable[[object], object], value: object, complaint: str
) -> None:
    with pytest.raises(ValueError, match=r"^") as refused:
        read(value)
    assert str(refused.value) == complaint


class Line(BaseModel):
    amount: int


class Order(BaseModel):
    lines: list[Line]


def test_a_wrong_field_is_named_by_its_path_without_positions() -> None:
    with pytest.raises(ValidationError) as refused:
        Order.model_validate({"lines": [{"amount": 1}, {}]})
    assert reading.field_errors(refused.value, "data.") == [FieldError("data.lines.amount", "Field required")]
