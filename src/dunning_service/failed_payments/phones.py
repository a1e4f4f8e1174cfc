"""Phone numbers as the lists show them and as filters look for them.

The ledger keeps digits, with a leading + when the sender named the country (`ledger/fields.py`: `phone_key`). Nothing
is guessed beyond that: a number sent without its country is shown without one.
"""

from __future__ import annotations

from typing import NamedTuple

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

_CALLING_CODES = tuple(sorted(str(code) for code in COUNTRY_CODE_TO_REGION_CODE))
_KNOWN_CODES = frozenset(_CALLING_CODES)


class ShownPhone(NamedTuple):
    """A number in two parts: `+47` and `46567468`. Either may be unknown."""

    country_code: str | None
    msisdn: str | None


def shown_phone(phone_key: str | None) -> ShownPhone:
    """Splits a stored key. No calling code begins with another, so at most one fits."""
    if phone_key is None or not phone_key.startswith("+"):
        return ShownPhone(None, phone_key)
    digits = phone_key[1:]
    for length in (1, 2, 3):
        if digits[:length] in _KNOWN_CODES:
            return ShownPhone(f"+{digits[:length]}", digits[length:] or None)
    return ShownPhone(None, digits)


def phone_candidates(phone_key: str) -> tuple[str, ...]:
    """The stored keys that a filter means.

    With its country (`+4746567468`) it means that number only. Bare digits may be the whole number as it was sent, a
    country code and a number without the +, or a number of any country: each is an equality, so the index serves.
    """
    if phone_key.startswith("+"):
        return (phone_key,)
    return (phone_key, f"+{phone_key}", *(f"+{code}{phone_key}" for code in _CALLING_CODES))
