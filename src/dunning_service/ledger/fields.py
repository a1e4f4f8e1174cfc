"""Folding of texts for comparison: names, addresses, ids and phone numbers as filters compare them.

Everything is folded here, in Python, so that SQLite and PostgreSQL find the same whatever their version and locale.
After a change of the fold, `dunning ledger check --repair` writes the columns of older rows again.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final
from unicodedata import category, combining, decimal, normalize

import phonenumbers

# Letters and signs that do not decompose into what people type instead of them.
_LETTERS: Final = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ħ": "h", "ŧ": "t", "ŋ": "n", "ı": "i"}
)
_SIGNS: Final = str.maketrans(
    dict.fromkeys("\u2018\u2019\u02b9\u02bc\u2032\u00b4\u1ffd", "'") | dict.fromkeys("\u2010\u2013\u2014\u2212", "-")
)
_SELECTORS: Final = frozenset({"\u034f", *map(chr, range(0xFE00, 0xFE10))})

_TRUNK_ZERO: Final = re.compile(r"\(\s*0\s*\)")
_DIALLED_ABROAD: Final = re.compile(r"^([^\d+]*)00")
_PLUS_AND_DIGITS: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_BEGINS_WITH_PLUS: Final = re.compile(r"[^\d]*\+")


def folded(text: str | None) -> str | None:
    """An e-mail address or an identifier without regard to case.

    Nothing else is equal: an address or an id is a key, and two that differ in an accent, or in how it is encoded, may
    belong to two customers.
    """
    return None if text is None else text.casefold()


def folded_name(text: str | None) -> str | None:
    """A name or a description without regard to case, accents, kinds of blanks and invisible characters; None when
    nothing is left.

    NFKD without marks, casefold, and letters that do not decompose as people write them elsewhere (ø as o, æ as ae).
    The fold of a part is part of the fold of the whole.
    """
    if text is None:
        return None
    if text.isascii():
        return " ".join(text.casefold().split()) or None
    # casefold makes letters of some marks and marks of some letters, so it comes between two decompositions
    decomposed = normalize("NFKD", normalize("NFKD", text.translate(_SIGNS)).casefold())
    letters = "".join(letter for letter in decomposed if letter.isascii() or not _is_unseen(letter))
    return " ".join(letters.translate(_LETTERS).translate(_SIGNS).split()) or None


def folded_names(*names: str | None) -> str | None:
    """Several names of one customer, one a line; None when nothing is left of any."""
    return "\n".join(filter(None, map(folded_name, names))) or None


def _is_unseen(character: str) -> bool:
    """True for accents, and for what changes how text is laid out: joiners, bidi marks, soft hyphens."""
    return bool(combining(character)) or category(character) == "Cf" or character in _SELECTORS


def phone_key(text: str | None) -> str | None:
    """A phone number as E.164 when it names its country (+47..., 0047..., tel:+47...), else its digits as they were
    sent; None without digits.

    A number without its country stays national: which country it is of cannot be known from the number.
    """
    if text is None or _is_e164(text):
        return text
    written = normalize("NFKC", "".join(character for character in text if category(character) != "Cf"))
    written = "".join(str(decimal(character)) if character.isdecimal() else character for character in written)
    written = _DIALLED_ABROAD.sub(r"\1+", written)
    if "+" in written and (key := _e164(written)) is not None:
        return key
    digits = "".join(character for character in written.partition(";")[0] if character.isdecimal())
    if not digits:
        return None
    return f"+{digits}" if _BEGINS_WITH_PLUS.match(written) else digits


def _is_e164(text: str) -> bool:
    """Whether a text is E.164 already: as most senders write it, and to read and format it again takes 30 us."""
    if not _PLUS_AND_DIGITS.fullmatch(text):
        return False
    for end in (2, 3, 4):
        code = int(text[1:end])
        if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            trunk_prefix = _trunk_prefix(code)
            return trunk_prefix is None or trunk_prefix.match(text, end) is None
    return False


@cache
def _trunk_prefix(country_code: int) -> re.Pattern[str] | None:
    """What reading takes off the beginning of a country's national numbers; None when nothing."""
    region = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[country_code][0]
    metadata = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(country_code, region)
    prefix = None if metadata is None else metadata.national_prefix_for_parsing
    return re.compile(prefix) if prefix else None


def _e164(written: str) -> str | None:
    """The number with its country, without extension and trunk prefix; None when it is not one."""
    number = _read(written)
    if _TRUNK_ZERO.search(written) and (number is None or not phonenumbers.is_valid_number(number)):
        # "(0)" is not dialled from abroad, though some write it where the country has no trunk prefix at all
        without = _read(_TRUNK_ZERO.sub("", written))
        number = without if without is not None and phonenumbers.is_valid_number(without) else number
    return None if number is None else phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _read(written: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(written, None)
    except phonenumbers.NumberParseException:
        return None
