"""A customer's ids and e-mail addresses: how they compare, and how they are recognised in raw bytes."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote_plus

from dunning_service.errors import ConfigurationError
from dunning_service.events import MAX_IDENTIFIER

LEAST_WORD = 6
"""A shorter id is not looked for in raw bytes, where it would be found in other people's amounts and dates."""

_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


def caseless(text: str) -> str:
    """A text for comparing without regard to case, by Unicode's canonical caseless matching. A database's `lower()`
    would not do: what it changes depends on the database and its locale."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


@dataclass(frozen=True)
class Person:
    """A customer, by the ids and e-mail addresses that senders have for them; at least one of either."""

    customer_ids: frozenset[str] = frozenset()
    """The sender's own id of the customer, or the whole key by which it names a payer."""
    emails: frozenset[str] = frozenset()
    """As `caseless` writes them."""

    @classmethod
    def named(cls, customer_ids: Iterable[str], emails: Iterable[str]) -> Person:
        """The customer of these names. Raises ConfigurationError without one, and for a text that can be none."""
        ids, addresses = [_checked(text, "--customer") for text in customer_ids], []
        for text in emails:
            address = caseless(_checked(text, "--email"))
            if "@" not in address:
                raise ConfigurationError(f"--email {text!r} is not an e-mail address; an id goes to --customer")
            addresses.append(address)
        if not ids and not addresses:
            raise ConfigurationError("say who: --customer with the sender's id, --email with an address, or both")
        return cls(frozenset(ids), frozenset(addresses))

    @property
    def short_ids(self) -> list[str]:
        """The ids that are too short to be searched for in raw bytes."""
        return sorted(text for text in self.customer_ids if len(text) < LEAST_WORD)

    @cached_property
    def words(self) -> frozenset[str]:
        """The words by which raw bytes about this customer are recognised."""
        return frozenset(caseless(text) for text in self.customer_ids if len(text) >= LEAST_WORD) | self.emails

    def has_email(self, text: str | None) -> bool:
        """True for one of the addresses, in any case."""
        return text is not None and caseless(text) in self.emails


class Words:
    """A search for words in bytes of any format: JSON, a form, XML, or none of them."""

    def __init__(self, words: Iterable[str]) -> None:
        given = sorted({caseless(word) for word in words}, key=len, reverse=True)
        either = "|".join(map(re.escape, given))
        self._pattern = re.compile(rf"(?<![\w.+-])(?:{either})(?![\w-]|\.\w)") if given else None

    def are_in(self, body: bytes) -> bool:
        """True when one of them is in the bytes as a whole word, in any case and however it is escaped."""
        if self._pattern is None:
            return False
        return any(self._pattern.search(reading) for text in _texts(body) for reading in _readings(text))


def _texts(body: bytes) -> Iterable[str]:
    """The bytes as text: in UTF-8, and in what else may have been meant where they are not."""
    text = body.decode("utf-8", "replace")
    yield text
    if "\ufffd" in text:
        yield body.decode("latin-1")
    if b"\x00" in body:
        yield body.decode("utf-16-le", "replace")
        yield body.decode("utf-16-be", "replace")


def _readings(text: str) -> Iterable[str]:
    """The text as it is, and as each format would read it that may have been meant."""
    yield caseless(text)
    if "\\" in text:
        yield caseless(_ESCAPED.sub(lambda found: chr(int(found[1], 16)), text).replace("\\/", "/"))
    if "%" in text or "+" in text:
        yield caseless(unquote_plus(text, errors="replace"))
    if "&" in text:
        yield caseless(html.unescape(text))


def _checked(text: str, option: str) -> str:
    text = text.strip()
    if not text or len(text) > MAX_IDENTIFIER or "\x00" in text:
        raise ConfigurationError(f"{option} must hold 1 to {MAX_IDENTIFIER} characters")
    return text
