"""Percentages from 0 to 100, in whole ten-thousandths."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact

RATE_DECIMALS = 4
"""Decimals that a rate may have: 2.9375 percent is as fine as rates are quoted."""

_EXACT = Context(prec=60, traps=[Inexact])


class InvalidRate(ValueError):
    """A rate that is no percentage from 0 to 100, or too fine."""


def rate_units(rate: Decimal) -> int:
    """A percentage in ten-thousandths, which is how it is stored: 2.9 is 29000.

    Raises InvalidRate unless it is from 0 to 100 and has at most four decimals.
    """
    if not rate.is_finite() or not 0 <= rate <= 100:
        raise InvalidRate("must be a percentage from 0 to 100")
    try:
        units = _EXACT.scaleb(rate, RATE_DECIMALS)
        if units == _EXACT.to_integral_exact(units):
            return int(units)
    except Inexact:
        pass
    raise InvalidRate(f"must not have more than {RATE_DECIMALS} decimals")


def rate_from_units(units: int) -> Decimal:
    """The percentage that `rate_units` made `units` of."""
    return Decimal(units).scaleb(-RATE_DECIMALS)
