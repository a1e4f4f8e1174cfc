"""How texts are written for comparing: the columns that filters look into."""

from __future__ import annotations


def folded(text: str | None) -> str | None:
    """A name or an address without regard to case."""
    return None if text is None else text.casefold()


def phone_key(text: str | None) -> str | None:
    """The digits of a phone number, with a leading + when it names its country (+47..., 0047...); None without digits.

    Only what comparing needs: the country code and the national number are told apart when the number is shown.
    """
    if text is None:
        return None
    digits = "".join(filter("0123456789".__contains__, text))
    if not digits:
        return None
    if text.lstrip().startswith("+"):
        return f"+{digits}"
    if digits.startswith("00"):
        return f"+{digits[2:]}" if len(digits) > 2 else None
    return digits
