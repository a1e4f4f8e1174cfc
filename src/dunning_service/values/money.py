"""Exact money: whole minor units of one ISO 4217 currency."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal, Inexact
from functools import cache

from iso4217 import Currency

from dunning_service.values.withdrawn_currencies import WITHDRAWN

MAX_MINOR = 2**63 - 1
"""The largest amount a BIGINT column holds."""

_EXACT = Context(prec=60, traps=[Inexact])
"""Sums of money are never rounded: what does not fit is refused."""


class InvalidAmount(ValueError):
    """An amount that cannot be held exactly, or a currency that has none."""


class UnknownCurrency(InvalidAmount):
    """A currency that ISO 4217 does not list, or lists without minor units."""


@cache
def currency_exponent(currency: str) -> int:
    """How many decimals `currency` has (NOK 2, JPY 0, KWD 3).

    A withdrawn currency (BGN, HRK) has what it had, whatever the date of the payment: a late return of a payment made
    while it was in use, and a correction of one, come after it was withdrawn. Raises UnknownCurrency for a code that
    ISO 4217 does not list, and for one without minor units (XAU, XXX).
    """
    if currency in WITHDRAWN:
        return WITHDRAWN[currency].exponent
    try:
        exponent = Currency(currency).exponent
    except ValueError:
        raise UnknownCurrency(f"{currency!r} is not an ISO 4217 currency code") from None
    if exponent is None:
        raise UnknownCurrency(f"{currency} has no minor unit, so no amount can be stated in it")
    return int(exponent)


def currency_number(currency: str) -> int:
    """The numeric code of ISO 4217 (NOK 578). Raises UnknownCurrency for a code that it does not list."""
    if currency in WITHDRAWN:
        return WITHDRAWN[currency].number
    try:
        return int(Currency(currency).number)
    except ValueError:
        raise UnknownCurrency(f"{currency!r} is not an ISO 4217 currency code") from None


def currency_with_number(number: int) -> str | None:
    """The currency that a numeric code of ISO 4217 is of, or None.

    Of several that had it, one that is in use, else the one that was withdrawn last.
    """
    return _BY_NUMBER.get(number)


_BY_NUMBER = {WITHDRAWN[code].number: code for code in sorted(WITHDRAWN, key=lambda code: WITHDRAWN[code].month)} | {
    int(currency.number): str(currency.code) for currency in Currency
}


def decimal_text(value: Decimal) -> str:
    """A decimal with all its digits and without trailing zeros: `25`, `19.9`."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount: whole minor units of one ISO 4217 currency."""

    minor: int
    currency: str

    def __add__(self, other: Money) -> Money:
        if self.currency != other.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(self.minor + other.minor, self.currency)

    @classmethod
    def from_major(cls, amount: Decimal, currency: str) -> Money:
        """`Decimal("19.99")` of EUR as 1999 cents.

        Raises InvalidAmount when `amount` has more decimals than the currency, is not finite, or does not fit 64 bits.
        """
        exponent = currency_exponent(currency)
        if not amount.is_finite():
            raise InvalidAmount(f"{amount} is not an amount of money")
        if amount and amount.adjusted() > 18:  # before scaling: 1E+999999 must not become a number of a million digits
            raise InvalidAmount("the amount is too large")
        try:
            minor = _EXACT.scaleb(amount, exponent)
            is_whole = minor == _EXACT.to_integral_exact(minor)
        except Inexact:
            is_whole = False
        if not is_whole:
            raise InvalidAmount(f"{currency} has {exponent} decimals, and the amount has more")
        if abs(minor) > MAX_MINOR:
            raise InvalidAmount("the amount is too large")
        return cls(int(minor), currency)

    def to_major(self) -> Decimal:
        """1999 cents of EUR as `Decimal("19.99")`."""
        return _EXACT.scaleb(Decimal(self.minor), -currency_exponent(self.currency))
