"""The reading of a decline: the codes that came with it, weighed against each other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from dunning_service.events import Category, Decline
from dunning_service.recovery import decline_codes
from dunning_service.recovery.decline_codes import (
    UNKNOWN,
    DeclineMeaning,
    RetryRule,
    category_words,
    meaning_of,
    normalise,
    provider_key,
)

VISA: Final = "visa"
MASTERCARD: Final = "mastercard"

_NETWORK_NAMES: Final[Mapping[str, str]] = {"mc": MASTERCARD, "master_card": MASTERCARD, "visa_electron": VISA}
_TITLES: Final[Mapping[str, str]] = {VISA: "Visa", MASTERCARD: "Mastercard"}
_VISA_ADVICE: Final = frozenset({"R0", "R1", "R3"})
"""Visa has no advice field of its own: these response codes are its advice."""

_SHARED_CODES = "01 02 03 04 05 07 12 13 14 15 19 30 41 43 51 54 55 57 58 59 61 62 75 91 92 94 96"
_ISO_8583: Final = frozenset(_SHARED_CODES.split())
"""Response codes that mean the same on every network. Where a network has no row for one, Visa's names the category,
and the category decides about trying again: Visa's own classes are Visa's. 65 is not among them, as on Mastercard it
may also ask for authentication."""

ADVISED_WAITS: Final[Mapping[str, timedelta]] = {
    "02": timedelta(hours=72),
    "24": timedelta(hours=1),
    "25": timedelta(hours=24),
    "26": timedelta(days=2),
    "27": timedelta(days=4),
    "28": timedelta(days=6),
    "29": timedelta(days=8),
    "30": timedelta(days=10),
}
"""How long Mastercard's merchant advice codes ask to wait, from the decline on."""

_ONLY_ABOUT_RETRYING: Final = frozenset({Category.TRY_LATER, Category.RETRY_BLOCKED})
"""They say when to try again, not why it was declined: a code that says why names the category."""

_MAX_QUOTED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The category and the retry rule of a decline, from all its codes together."""

    category: Category
    retry: RetryRule
    edition: str
    """Of the table of decline codes that it was read by."""
    is_known: bool
    """False when no code that came is known."""
    because: str
    """What decided about trying again, in words and with the code: "the card has expired (stripe expired_card)"."""
    is_network_advice: bool = False
    """True when the network itself decided."""
    wait: timedelta | None = None
    """How long the network asks to wait, counted from the decline."""
    wait_because: str = ""
    network: str | None = None
    """The network by the name that its rules go by."""
    unmapped: tuple[str, ...] = ()
    """Codes that the table does not have, as "sender code", or alone where the sender is unknown: they are logged, to
    be added to the table."""


@dataclass(frozen=True, slots=True)
class _Code:
    """One code, its sender (empty where that is unknown), and its meaning."""

    sender: str
    code: str
    meaning: DeclineMeaning
    is_network_advice: bool = False

    @property
    def wait(self) -> timedelta | None:
        if not self.is_network_advice or self.meaning.category is not Category.TRY_LATER:
            return None
        return ADVISED_WAITS.get(self.code.zfill(2))

    @property
    def quoted(self) -> str:
        return f"{self.sender} {_printable(self.code)}".lstrip()

    @property
    def because(self) -> str:
        return f"{category_words(self.meaning.category)} ({self.quoted})"


def read_decline(decline: Decline) -> Reading:
    """Reads the codes of a decline together.

    The strictest stop wins, from any sender. Otherwise the first of these that is known decides about trying again:
    the network's advice, the provider's advice, the network's code, the provider's code, the category that the sender
    states. A wait that the network advises holds beside any of them.
    """
    network = network_name(decline.network)
    codes = list(_codes(decline, network))
    known = [one for one in codes if one.meaning.is_known]
    unmapped = tuple(one.quoted for one in codes if not one.meaning.is_known)
    waiting = next((one for one in known if one.wait is not None), None)
    if not known:
        meaning = UNKNOWN
        because = f"the code {unmapped[-1]} is not a known one" if unmapped else "no reason was given"
        return Reading(
            category=meaning.category,
            retry=meaning.retry,
            edition=decline_codes.MAPPING_VERSION,
            is_known=False,
            because=because,
            network=network,
            unmapped=unmapped,
        )
    decisive = next((one for one in known if one.meaning.retry is RetryRule.NEVER), known[0])
    reason = next((one for one in known if one.meaning.category not in _ONLY_ABOUT_RETRYING), decisive)
    tells_enough = reason.meaning.retry is decisive.meaning.retry is not RetryRule.NEVER
    return Reading(
        category=reason.meaning.category,
        retry=decisive.meaning.retry,
        edition=decline_codes.MAPPING_VERSION,
        is_known=True,
        because=(reason if tells_enough else decisive).because,
        is_network_advice=decisive.is_network_advice,
        wait=waiting.wait if waiting else None,
        wait_because=waiting.quoted if waiting else "",
        network=network,
        unmapped=unmapped,
    )


def network_name(text: str | None) -> str | None:
    """A card network's name as the rules spell it: `Visa` and `MC` as VISA and MASTERCARD; None for none."""
    if text is None:
        return None
    name = provider_key(text)
    return _NETWORK_NAMES.get(name, name) or None


def _codes(decline: Decline, network: str | None) -> Iterator[_Code]:
    """The codes that came, in the order in which they decide."""
    provider = None if decline.provider is None else provider_key(decline.provider)
    network_code = _code_of_network(decline.network_code, network)
    is_decisive = network_code is not None and network_code.meaning.retry is RetryRule.NEVER
    if (advice := _said(decline.network_advice)) is not None:
        yield _advice_of_network(advice, provider, network)
    if network_code is not None and is_decisive:
        yield network_code
    if provider is not None and (advice := _said(decline.provider_advice)) is not None:
        yield _looked_up(f"{provider} advice", f"{provider}_advice", advice)
    if network_code is not None and not is_decisive:
        yield network_code
    if (code := _said(decline.code)) is not None:
        yield _looked_up(provider or "", provider, code)
    if decline.category is not None and decline.category is not Category.UNKNOWN:
        yield _Code("category", decline.category.value, meaning_of(decline.category))


def _code_of_network(text: str | None, network: str | None) -> _Code | None:
    code = _said(text)
    if code is None:
        return None
    title = _TITLES.get(network or "", network or "network")
    found = _looked_up(title, network or "", code)
    if not found.meaning.is_known and network != VISA and code.zfill(2) in _ISO_8583:
        found = replace(found, meaning=meaning_of(normalise(VISA, code).category))
    return replace(found, is_network_advice=network == VISA and code.upper() in _VISA_ADVICE)


def _advice_of_network(advice: str, provider: str | None, network: str | None) -> _Code:
    """Merchant advice codes are Mastercard's, so one without a network is read as hers: that only stops or waits more.

    PayPal gives Visa's advice in numbers of its own.
    """
    if advice.upper() in _VISA_ADVICE:
        found = _looked_up("Visa advice", VISA, advice)
    elif network == VISA:
        found = _looked_up("Visa advice", "paypal_advice_visa" if provider == "paypal" else "visa_advice", advice)
    elif network in (MASTERCARD, None):
        found = _looked_up("Mastercard advice", "mastercard_mac", advice)
    else:
        found = _looked_up(f"{network} advice", f"{network}_advice", advice)
    return replace(found, is_network_advice=True)


def _looked_up(sender: str, table: str | None, code: str) -> _Code:
    return _Code(sender, code, normalise(table, code))


def _said(text: str | None) -> str | None:
    return (text.strip() or None) if text else None


def _printable(code: str) -> str:
    """A code as a sentence may quote it: codes come from outside."""
    return _UNPRINTABLE.sub("?", code)[:_MAX_QUOTED]


_UNPRINTABLE = re.compile(r"[^\w .:/+-]")
