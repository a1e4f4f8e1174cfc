"""Whom it is about: the names a sender has for a customer, and how they are recognised in bytes nobody has read."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote_plus

from dunning_service.errors import ConfigurationError
from dunning_service.ledger.fields import folded
from dunning_service.providers import MAX_IDENTIFIER

LEAST_WORD = 6
"""A shorter id is not looked for in raw bytes, where it would be found in other people's amounts and dates."""

_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True)
class Person:
    """A customer, by the ids and e-mail addresses that senders have for them; at least one of either."""

    customer_ids: frozenset[str] = frozenset()
    """The sender's own id of the customer, or the whole key by which it names a payer."""
    emails: frozenset[str] = frozenset()
    """Without regard to case."""

    @classmethod
    def named(cls, customer_ids: Iterable[str], emails: Iterable[str]) -> Person:
        """Raises ConfigurationError for what can be nobody's name, and when there is none at all."""
        ids, addresses = [_checked(text, "--customer") for text in customer_ids], []
        for text in emails:
            address = folded(_checked(text, "--email"))
            if address is None or "@" not in address:
                raise ConfigurationError(f"--email {text!r} is not an e-mail address; an id goes to --customer")
            addresses.append(address)
        if not ids and not addresses:
            raise ConfigurationError("say who: --customer with the sender's id, --email with an address, or both")
        return cls(frozenset(ids), frozenset(addresses))

    @property
    def short_ids(self) -> list[str]:
        """Those that cannot be looked for in raw bytes."""
        return sorted(text for text in self.customer_ids if len(text) < LEAST_WORD)

    @cached_property
    def words(self) -> frozenset[str]:
        """What raw bytes about this person hold."""
        return frozenset(text.casefold() for text in self.customer_ids if len(text) >= LEAST_WORD) | self.emails


class Words:
    """Looks for words in bytes, whatever the bytes are: JSON, a form, XML, or none of them."""

    def __init__(self, words: Iterable[str]) -> None:
        given = sorted({word.casefold() for word in words}, key=len, reverse=True)
        either = "|".join(map(re.escape, given))
        self._pattern = re.compile(rf"(?<![\w.+-])(?:{either})(?![\w-]|\.\w)") if given else None

    def are_in(self, body: bytes) -> bool:
        """True when one of them stands in it as a whole word, in any case and however it is escaped."""
        if self._pattern is None:
            return False
        text = body.decode("utf-8", "replace").casefold()
        return any(self._pattern.search(reading) for reading in _readings(text))


def _readings(text: str) -> Iterable[str]:
    """The text as it is, and as each format would read it that may have been meant."""
    yield text
    if "\\" in text:
        yield _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text).replace("\\/", "/").casefold()
    if "%" in text or "+" in text:
        yield unquote_plus(text, errors="replace").casefold()
    if "&" in text:
        yield html.unescape(text).casefold()


def _checked(text: str, option: str) -> str:
    text = text.strip()
    if not text or len(text) > MAX_IDENTIFIER or "\x00" in text:
        raise ConfigurationError(f"{option} must hold 1 to {MAX_IDENTIFIER} characters")
    return text
