"""The price of one payment of a subscription, in parts that add up.

Everything is whole minor units and whole ten-thousandths of a percent, so nothing is ever rounded but the parts
themselves, each half up.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from dunning_service.errors import FieldError, InvalidInput
from dunning_service.values.money import InvalidAmount, Money, currency_exponent
from dunning_service.values.rates import InvalidRate, rate_from_units, rate_units

MAX_AMOUNT_MINOR = 10**14
"""The largest amount of one payment: a trillion of a currency with cents. Twice it, with a surcharge of 100 percent,
is still exact in the doubles that many JSON readers make of numbers, and 1,200 times that fits 64 bits."""

_NOTHING = Decimal(0)
_WHOLE = rate_units(Decimal(100))


@dataclass(frozen=True, slots=True)
class Price:
    """One payment's amount and its parts, in minor units of `currency`; rates are in percent.

    base - percentage off - cash discount + surcharge is the total, exactly, and the total is more than nothing.
    """

    currency: str
    base_minor: int
    percentage_off_minor: int
    percentage_off_rate: Decimal
    cash_discount_minor: int
    cash_discount_rate: Decimal
    surcharge_minor: int
    surcharge_rate: Decimal

    @property
    def total(self) -> Money:
        """What is charged."""
        minor = self.base_minor - self.percentage_off_minor - self.cash_discount_minor + self.surcharge_minor
        return Money(minor, self.currency)


def base_amount(amount: Decimal, currency: str) -> Money:
    """An amount in major units as money that may be charged.

    Raises InvalidAmount for one that is not more than zero, has more decimals than its currency, or is too large.
    """
    if not amount.is_finite():
        raise InvalidAmount(f"{amount} is not an amount of money")
    if amount <= 0:
        raise InvalidAmount("must be more than 0")
    if amount.adjusted() > 18:
        raise InvalidAmount(_too_large(currency))
    money = Money.from_major(amount, currency)
    if money.minor > MAX_AMOUNT_MINOR:
        raise InvalidAmount(_too_large(currency))
    return money


def price(
    base: Money,
    *,
    percentage_off_rate: Decimal = _NOTHING,
    surcharge_rate: Decimal = _NOTHING,
    cash_discount_rate: Decimal = _NOTHING,
) -> Price:
    """The price of a payment of `base`. The percentage comes off first; cash discount and surcharge are shares of the
    rest.

    Raises InvalidInput naming each wrong field as the wire does, also when nothing would be left to charge.
    """
    wrong: list[FieldError] = []
    if not 0 < base.minor <= MAX_AMOUNT_MINOR:
        wrong.append(FieldError("amount", "must be more than 0" if base.minor <= 0 else _too_large(base.currency)))
    units = {}
    for field, rate in (
        ("percentageOffRate", percentage_off_rate),
        ("surchargeRate", surcharge_rate),
        ("cashDiscountRate", cash_discount_rate),
    ):
        try:
            units[field] = rate_units(rate)
        except InvalidRate as error:
            wrong.append(FieldError(field, str(error)))
    if wrong:
        raise _refused(wrong)
    off = _share(base.minor, units["percentageOffRate"])
    rest = base.minor - off
    priced = Price(
        currency=base.currency,
        base_minor=base.minor,
        percentage_off_minor=off,
        percentage_off_rate=rate_from_units(units["percentageOffRate"]),
        cash_discount_minor=_share(rest, units["cashDiscountRate"]),
        cash_discount_rate=rate_from_units(units["cashDiscountRate"]),
        surcharge_minor=_share(rest, units["surchargeRate"]),
        surcharge_rate=rate_from_units(units["surchargeRate"]),
    )
    if priced.total.minor <= 0:
        culprit = "percentageOffRate" if off else "cashDiscountRate"
        raise _refused([FieldError(culprit, "leaves nothing to charge")])
    return priced


def _share(minor: int, units: int) -> int:
    """A percentage of an amount, half up."""
    return (2 * minor * units + _WHOLE) // (2 * _WHOLE)


def _too_large(currency: str) -> str:
    largest = Decimal(MAX_AMOUNT_MINOR).scaleb(-currency_exponent(currency))
    return f"must not be more than {largest:f} {currency}"


def _refused(wrong: list[FieldError]) -> InvalidInput:
    return InvalidInput("; ".join(f"{one.field} {one.message}" for one in wrong), wrong)
