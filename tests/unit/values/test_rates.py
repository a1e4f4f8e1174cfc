"""Percentages by number."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dunning_service.values.rates import InvalidRate, rate_units


@pytest.mark.parametrize("rate", ["-0.0001", "100.0001", "1E+999999", "NaN", "sNaN", "Infinity"])
def test_rates_are_percentages(rate: str) -> None:
    with pytest.raises(InvalidRate, match="from 0 to 100"):
        rate_units(Decimal(rate))


@pytest.mark.parametrize("rate", ["0.00001", "2.99999", "1E-999999", f"2.{'0' * 70}1"])
def test_rates_have_four_decimals(rate: str) -> None:
    with pytest.raises(InvalidRate, match="4 decimals"):
        rate_units(Decimal(rate))


@pytest.mark.parametrize(
    ("rate", "units"), [("0", 0), ("-0", 0), ("0E-999999", 0), ("1E+2", 1_000_000), ("2.90", 29_000)]
)
def test_rates_are_stored_whole(rate: str, units: int) -> None:
    assert rate_units(Decimal(rate)) == units
