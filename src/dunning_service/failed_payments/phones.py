"""Phone numbers as the lists show them and as filters find them.

The ledger keeps E.164, or bare digits when the sender did not name the country (`ledger/fields.py`: `phone_key`).
Nothing is guessed beyond that: a number sent without its country is shown without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from dunning_service.ledger.fields import phone_key as key_of

_MAIN_REGIONS = {str(code): regions[0] for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()}
_CALLING_CODES = tuple(sorted(_MAIN_REGIONS))


class ShownPhone(NamedTuple):
    """A number in two parts: `+47` and `46567468`. Either may be unknown."""

    country_code: str | None
    msisdn: str | None


def shown_phone(phone_key: str | None) -> ShownPhone:
    """A stored key in two parts. No calling code begins with another, so at most one fits."""
    if phone_key is None or not phone_key.startswith("+"):
        return ShownPhone(None, phone_key)
    digits = phone_key[1:]
    for length in (1, 2, 3):
        if digits[:length] in _MAIN_REGIONS:
            return ShownPhone(f"+{digits[:length]}", digits[length:] or None)
    return ShownPhone(None, digits)


@lru_cache(maxsize=16)  # a page and its total ask for the same, and reading it for every country takes 20 ms
def phone_candidates(phone_key: str) -> tuple[str, ...]:
    """The stored keys that a filter for a phone number matches.

    With its country (`+4746567468`) it means that number only. Bare digits may be the whole number as it was sent, a
    country code and a number without the +, or the number as it is dialled within any country, with the trunk prefix
    that is used there or without: each is an equality, so the index serves.
    """
    if phone_key.startswith("+"):
        return (phone_key,)
    found = dict.fromkeys((phone_key, f"0{phone_key}", phone_key.removeprefix("0") or phone_key, f"+{phone_key}"))
    found |= dict.fromkeys(f"+{code}{phone_key}" for code in _CALLING_CODES)
    found |= dict.fromkeys(filter(None, (key_of(f"+{phone_key}"), *_dialled_within_each_country(phone_key))))
    return tuple(found)


def _dialled_within_each_country(digits: str) -> Iterator[str]:
    """E.164 of what these digits dial in each country where they can be a number."""
    for region in _MAIN_REGIONS.values():
        try:
            number = phonenumbers.parse(digits, region)
        except phonenumbers.NumberParseException:
            continue
        yield phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
