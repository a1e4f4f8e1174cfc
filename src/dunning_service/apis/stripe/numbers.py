"""Conversion between Stripe's minor units and ISO 4217's, for the currencies in which they differ.

Facts: Stripe's documentation of currencies, "zero-decimal currencies" and "special cases".
"""

from __future__ import annotations

from dunning_service.values.money import MAX_MINOR, InvalidAmount

_WRITTEN_WITH_TWO_DECIMALS = frozenset({"ISK", "UGX"})
"""Currencies without decimals that Stripe writes with two zeros: 500 is 5 krónur."""

_WRITTEN_WITHOUT_DECIMALS = frozenset({"MGA"})
"""Currencies with two decimals in ISO 4217 and none at Stripe: 5 is 5 ariary."""


def to_minor(value: int, currency: str) -> int:
    """Stripe's value in ISO 4217's minor units. `currency` is in upper case.

    Raises InvalidAmount for a fraction of what cannot be divided, and for what does not fit 64 bits.
    """
    if currency in _WRITTEN_WITH_TWO_DECIMALS:
        minor, rest = divmod(value, 100)
        if rest:
            raise InvalidAmount(f"{currency.lower()} has no decimals and is written with two zeros: 500 is 5")
        return minor
    if currency in _WRITTEN_WITHOUT_DECIMALS:
        if value > MAX_MINOR // 100:
            raise InvalidAmount("the amount is too large")
        return value * 100
    return value


def to_value(minor: int, currency: str) -> int:
    """ISO 4217's minor units as Stripe writes them."""
    if currency in _WRITTEN_WITH_TWO_DECIMALS:
        return minor * 100
    if currency in _WRITTEN_WITHOUT_DECIMALS:
        return minor // 100
    return minor
