"""ARISE's `currencyId`: 1 is the US dollar, the only number in its document.

The numeric codes of ISO 4217 (578 is NOK) are taken beside it. None of them is 1, so the two cannot be confused.
"""

from __future__ import annotations

from dunning_service.values.money import InvalidAmount, currency_exponent, currency_number, currency_with_number

_DOCUMENTED = {1: "USD"}


class UnknownCurrency(ValueError):
    """A `currencyId` that stands for no currency that can be charged."""


def currency_of(currency_id: int) -> str:
    """The ISO 4217 code, such as "NOK" for 578.

    Raises UnknownCurrency for a number that is nobody's, and for what has no minor unit (959 is gold).
    """
    code = _DOCUMENTED.get(currency_id) or currency_with_number(currency_id)
    if code is None:
        raise UnknownCurrency(
            f"{currency_id} is not a currency; 1 is USD, others go by their ISO 4217 number (578: NOK)"
        )
    try:
        currency_exponent(code)
    except InvalidAmount as error:
        raise UnknownCurrency(str(error)) from None
    return code


def currency_id_of(currency: str) -> int:
    """The number that a currency is answered with: 1 for USD, else ISO 4217's. Raises UnknownCurrency."""
    for number, code in _DOCUMENTED.items():
        if code == currency:
            return number
    try:
        return currency_number(currency)
    except InvalidAmount as error:
        raise UnknownCurrency(str(error)) from None
