"""Exact amounts, in every currency there is."""

from __future__ import annotations

from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import given
from iso4217 import Currency

from dunning_service.values.money import (
    MAX_MINOR,
    InvalidAmount,
    Money,
    currency_exponent,
    currency_number,
    currency_with_number,
)
from dunning_service.values.withdrawn_currencies import WITHDRAWN

CURRENCIES = sorted({*(currency.code for currency in Currency if currency.exponent is not None), *WITHDRAWN})
WITHOUT_MINOR_UNIT = sorted(currency.code for currency in Currency if currency.exponent is None)


@given(minor=st.integers(-MAX_MINOR, MAX_MINOR), currency=st.sampled_from(CURRENCIES))
def test_it_survives_the_way_to_major_units_and_back(minor: int, currency: str) -> None:
    amount = Money(minor, currency)
    assert Money.from_major(amount.to_major(), currency) == amount
    # and through the text that stands in a JSON document
    assert Money.from_major(Decimal(str(amount.to_major())), currency) == amount


@pytest.mark.parametrize("currency", CURRENCIES)
def test_every_currency_takes_its_smallest_and_its_largest_amount(currency: str) -> None:
    smallest = Decimal(1).scaleb(-currency_exponent(currency))
    assert Money.from_major(smallest, currency) == Money(1, currency)
    with pytest.raises(InvalidAmount, match="more"):
        Money.from_major(smallest / 10, currency)
    for minor in (MAX_MINOR, -MAX_MINOR):
        assert Money.from_major(Money(minor, currency).to_major(), currency).minor == minor
        with pytest.raises(InvalidAmount, match="too large"):
            Money.from_major(Money(minor * 2, currency).to_major(), currency)


@pytest.mark.parametrize(
    ("major", "currency", "minor"),
    [
        ("19.99", "EUR", 1999),
        ("19.9", "EUR", 1990),
        ("19", "EUR", 1900),
        ("19.990000", "EUR", 1999),
        ("1E+3", "EUR", 100_000),
        ("0", "EUR", 0),
        ("-0.00", "EUR", 0),
        ("-5.5", "EUR", -550),
        ("500", "JPY", 500),
        ("500.0", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("92233720368547758.07", "NOK", MAX_MINOR),
        ("0E+999999", "NOK", 0),
        ("0E-999999", "NOK", 0),
    ],
)
def test_major_units_become_minor_units(major: str, currency: str, minor: int) -> None:
    assert Money.from_major(Decimal(major), currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("major", "currency"),
    [
        ("19.999", "EUR"),
        ("0.5", "JPY"),
        ("1.2345", "KWD"),
        ("19.990000000000000000000000000000000000001", "EUR"),  # more digits than the usual 28
        ("0.000000000000000000000000000000000000000000001", "EUR"),
        ("1E-999999", "EUR"),
        ("92233720368547758.08", "NOK"),
        ("9223372036854775808", "JPY"),
        ("1E+999999", "NOK"),
        ("NaN", "NOK"),
        ("sNaN", "NOK"),
        ("Infinity", "NOK"),
        ("-Infinity", "NOK"),
    ],
)
def test_what_is_not_an_exact_amount_is_refused(major: str, currency: str) -> None:
    with pytest.raises(InvalidAmount):
        Money.from_major(Decimal(major), currency)


@pytest.mark.parametrize("currency", ["", "NO", "nok", "NOKK", "ZZZ", "N0K", "bgn", *WITHOUT_MINOR_UNIT])
def test_a_currency_that_no_amount_can_be_in_is_refused(currency: str) -> None:
    with pytest.raises(InvalidAmount):
        currency_exponent(currency)
    with pytest.raises(InvalidAmount):
        Money.from_major(Decimal(1), currency)


@pytest.mark.parametrize(
    ("currency", "exponent", "number"),
    [("BGN", 2, 975), ("HRK", 2, 191), ("ANG", 2, 532), ("SLL", 2, 694), ("ZWL", 2, 932), ("BYR", 0, 974),
     ("ITL", 0, 380), ("MRO", 2, 478), ("DEM", 2, 276), ("LTL", 2, 440)],
)  # fmt: skip
def test_a_withdrawn_currency_has_the_decimals_it_had(currency: str, exponent: int, number: int) -> None:
    assert (currency_exponent(currency), currency_number(currency)) == (exponent, number)
    assert currency_with_number(number) == (currency if currency != "ANG" else "XCG")


def test_no_currency_that_is_in_use_is_listed_as_withdrawn() -> None:
    assert WITHDRAWN.keys().isdisjoint(currency.code for currency in Currency)


def test_a_number_is_of_the_currency_in_use_or_else_of_the_one_withdrawn_last() -> None:
    assert all(currency_with_number(int(currency.number)) == currency.code for currency in Currency)
    assert (WITHDRAWN["YUM"].number, currency_with_number(891)) == (891, "CSD")
    assert currency_with_number(1) is None


def test_amounts_of_one_currency_are_added() -> None:
    assert Money(1999, "EUR") + Money(1, "EUR") == Money(2000, "EUR")


def test_amounts_of_two_currencies_are_never_added() -> None:
    with pytest.raises(ValueError, match="cannot add SEK to NOK"):
        Money(1, "NOK") + Money(1, "SEK")
