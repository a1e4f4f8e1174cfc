"""Whatever is charged, its parts add up and each is the exact share, half up."""

from __future__ import annotations

import ast
from decimal import Decimal
from fractions import Fraction
from math import floor
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency

import dunning_service.billing
from dunning_service.apis.arise.replies import payment_amount
from dunning_service.apis.arise.wire import PaymentAmount
from dunning_service.billing.pricing import (
    MAX_AMOUNT_MINOR,
    Price,
    base_amount,
    price,
)
from dunning_service.errors import InvalidInput
from dunning_service.values.exact_json import read_json
from dunning_service.values.money import Money, currency_exponent
from dunning_service.values.rates import rate_from_units, rate_units

CURRENCIES = st.sampled_from(sorted(one.code for one in Currency if one.exponent is not None))
MINORS = st.integers(1, MAX_AMOUNT_MINOR) | st.integers(1, 300)
RATES = st.integers(0, 1_000_000).map(rate_from_units)
BASES = st.builds(Money, MINORS, CURRENCIES)


def a_price(base: Money, off: Decimal, surcharge: Decimal, discount: Decimal) -> Price | None:
    """None where nothing would be left to charge."""
    try:
        return price(base, percentage_off_rate=off, surcharge_rate=surcharge, cash_discount_rate=discount)
    except InvalidInput as error:
        if [wrong.message for wrong in error.fields] != ["leaves nothing to charge"]:
            raise
        return None


def half_up(minor: int, rate: Decimal) -> int:
    return floor(minor * Fraction(rate) / 100 + Fraction(1, 2))


@given(base=BASES, off=RATES, surcharge=RATES, discount=RATES)
def test_parts_add_up_to_the_total(base: Money, off: Decimal, surcharge: Decimal, discount: Decimal) -> None:
    found = a_price(base, off, surcharge, discount)
    if found is None:
        # and only then: half a unit or less is left of a base that has come off by a share, half up
        left = Fraction(base.minor) * (1 - Fraction(off) / 100) * (1 + Fraction(surcharge - discount) / 100)
        assert left <= Fraction(3, 2)
        return
    assert found.base_minor == base.minor
    parts = (found.percentage_off_minor, found.cash_discount_minor, found.surcharge_minor)
    assert all(isinstance(part, int) and part >= 0 for part in parts)
    assert found.base_minor - parts[0] - parts[1] + parts[2] == found.total.minor > 0
    assert found.total.currency == base.currency


@given(base=BASES, off=RATES, surcharge=RATES, discount=RATES)
def test_each_part_is_the_exact_share_rounded_half_up(
    base: Money, off: Decimal, surcharge: Decimal, discount: Decimal
) -> None:
    found = a_price(base, off, surcharge, discount)
    if found is None:
        return
    assert found.percentage_off_minor == half_up(base.minor, off)
    rest = base.minor - found.percentage_off_minor
    assert found.cash_discount_minor == half_up(rest, discount)
    assert found.surcharge_minor == half_up(rest, surcharge)


@given(base=BASES, off=RATES, surcharge=RATES)
def test_a_price_is_read_back_from_the_wire_as_it_was(base: Money, off: Decimal, surcharge: Decimal) -> None:
    found = a_price(base, off, surcharge, Decimal(0))
    if found is None:
        return
    wire = PaymentAmount.model_validate(read_json(orjson.dumps(payment_amount(found))))
    currency = found.currency
    assert Money.from_major(wire.total_amount, currency).minor == found.total.minor
    assert wire.base_amount - wire.percentage_off_amount + wire.surcharge_amount == wire.total_amount
    assert (wire.percentage_off_rate, wire.surcharge_rate) == (off, surcharge)
    assert -int(wire.total_amount.as_tuple().exponent) <= currency_exponent(currency)


@given(base=BASES, off=RATES, surcharge=RATES)
def test_a_price_passes_unharmed_through_a_reader_that_knows_only_doubles(
    base: Money, off: Decimal, surcharge: Decimal
) -> None:
    found = a_price(base, off, surcharge, Decimal(0))
    if found is None:
        return
    seen = orjson.loads(orjson.dumps(payment_amount(found)))["totalAmount"]
    assert Money.from_major(Decimal(repr(seen)), found.currency).minor == found.total.minor


@given(base=BASES)
def test_no_rates_change_nothing(base: Money) -> None:
    assert price(base).total == base


@given(base=BASES)
def test_an_amount_is_taken_exactly(base: Money) -> None:
    assert base_amount(base.to_major(), base.currency) == base


@given(units=st.integers(0, 1_000_000))
def test_a_rate_survives_its_storage(units: int) -> None:
    assert rate_units(rate_from_units(units)) == units


@pytest.mark.parametrize(
    "path",
    sorted(Path(dunning_service.billing.__file__).parent.glob("*.py")),
    ids=lambda path: path.name,
)
def test_no_float_is_written_or_made(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), node.lineno
        assert not (isinstance(node, ast.Name) and node.id == "float"), node.lineno
        assert not (isinstance(node, ast.Attribute) and node.attr in ("timestamp", "total_seconds")), node.lineno
