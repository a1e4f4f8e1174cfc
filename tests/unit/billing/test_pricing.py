"""Prices by number."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dunning_service.billing.pricing import (
    MAX_AMOUNT_MINOR,
    base_amount,
    price,
)
from dunning_service.errors import InvalidInput
from dunning_service.values.money import InvalidAmount, Money

D = Decimal


@pytest.mark.parametrize(
    ("base", "off", "surcharge", "discount", "parts", "total"),
    [
        (10000, "10", "3", "0", (1000, 0, 270), 9270),  # the surcharge is of what is left
        (10000, "0", "0", "4", (0, 400, 0), 9600),
        (10000, "10", "0", "4", (1000, 360, 0), 8640),  # and so is the cash discount
        (10000, "0", "2.9375", "0", (0, 0, 294), 10294),
        (150, "1", "0", "0", (2, 0, 0), 148),  # 1.5 is rounded up
        (149, "1", "0", "0", (1, 0, 0), 148),
        (1, "0", "50", "0", (0, 0, 1), 2),
        (1999, "33.3333", "0", "0", (666, 0, 0), 1333),
        (2, "50", "0", "0", (1, 0, 0), 1),
        (100, "0", "100", "0", (0, 0, 100), 200),
    ],
)
def test_parts_are_reckoned_from_what_is_left(
    base: int, off: str, surcharge: str, discount: str, parts: tuple[int, int, int], total: int
) -> None:
    found = price(
        Money(base, "USD"),
        percentage_off_rate=D(off),
        surcharge_rate=D(surcharge),
        cash_discount_rate=D(discount),
    )
    assert (found.percentage_off_minor, found.cash_discount_minor, found.surcharge_minor) == parts
    assert found.total == Money(total, "USD")


@pytest.mark.parametrize(("currency", "amount", "minor"), [("JPY", "500", 500), ("KWD", "1.234", 1234)])
def test_minor_units_are_the_currencys(currency: str, amount: str, minor: int) -> None:
    assert base_amount(D(amount), currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("amount", "currency", "complaint"),
    [
        ("0", "USD", "more than 0"),
        ("-0.00", "USD", "more than 0"),
        ("-1", "USD", "more than 0"),
        ("0.001", "USD", "2 decimals"),
        ("1E-999999", "USD", "2 decimals"),
        ("500.5", "JPY", "0 decimals"),
        ("NaN", "USD", "not an amount"),
        ("sNaN", "USD", "not an amount"),
        ("-Infinity", "USD", "not an amount"),
        ("1000000000000.01", "USD", "more than 1000000000000.00 USD"),
        ("1E+999999", "USD", "more than 1000000000000.00 USD"),
        ("1", "XAU", "no minor unit"),
        ("1", "ABC", "not an ISO 4217"),
    ],
)
def test_amounts_that_cannot_be_charged_are_refused(amount: str, currency: str, complaint: str) -> None:
    with pytest.raises(InvalidAmount, match=complaint):
        base_amount(D(amount), currency)


def test_every_wrong_field_is_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        price(Money(0, "USD"), percentage_off_rate=D(101), surcharge_rate=D(-1), cash_discount_rate=D("0.00001"))
    assert [wrong.field for wrong in refused.value.fields] == [
        "amount",
        "percentageOffRate",
        "surchargeRate",
        "cashDiscountRate",
    ]


@pytest.mark.parametrize(
    ("minor", "rates", "field"),
    [
        (1000, {"percentage_off_rate": D(100)}, "percentageOffRate"),
        (1, {"percentage_off_rate": D(50)}, "percentageOffRate"),
        (1000, {"percentage_off_rate": D(100), "surcharge_rate": D(3)}, "percentageOffRate"),
        (1000, {"cash_discount_rate": D(100)}, "cashDiscountRate"),
    ],
)
def test_a_payment_of_nothing_is_refused(minor: int, rates: dict[str, Decimal], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        price(Money(minor, "USD"), **rates)
    assert [(wrong.field, wrong.message) for wrong in refused.value.fields] == [(field, "leaves nothing to charge")]


def test_the_largest_amount_is_charged_exactly() -> None:
    assert price(Money(MAX_AMOUNT_MINOR, "USD"), surcharge_rate=D(100)).total.minor == 2 * MAX_AMOUNT_MINOR
    with pytest.raises(InvalidInput, match=r"1000000000000\.00 USD"):
        price(Money(MAX_AMOUNT_MINOR + 1, "USD"))
