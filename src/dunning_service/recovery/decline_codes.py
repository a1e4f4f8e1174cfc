"""The table of decline codes: the category and the retry rule of each code of each provider and card network.

The table `decline_codes.csv` beside this file is the source; MAPPING_VERSION, its edition, is recorded with each
attempt; a replay reads the codes by the present one. Its columns `meaning` and `hard_or_soft` are for people only.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import Final

from dunning_service.events import Category


class RetryRule(StrEnum):
    """Whether the *same* payment method may be tried again."""

    NEVER = "never"
    LATER = "later"
    AFTER_CUSTOMER_ACTION = "after_customer_action"
    AFTER_AUTHENTICATION = "after_authentication"
    AFTER_MERCHANT_FIX = "after_merchant_fix"


@dataclass(frozen=True, slots=True)
class DeclineMeaning:
    """The meaning of one decline code."""

    category: Category
    retry: RetryRule
    is_known: bool
    """False when the table does not have the code."""


UNKNOWN: Final = DeclineMeaning(Category.UNKNOWN, RetryRule.LATER, is_known=False)

_CUSTOMER = RetryRule.AFTER_CUSTOMER_ACTION
_MERCHANT = RetryRule.AFTER_MERCHANT_FIX
_NEVER = RetryRule.NEVER
_LATER = RetryRule.LATER

_CATEGORIES: Final[Mapping[Category, tuple[RetryRule, str]]] = {
    Category.INSUFFICIENT_FUNDS: (_LATER, "not enough money on the account"),
    Category.LIMIT_EXCEEDED: (_LATER, "a limit of the card or account is reached"),
    Category.EXPIRED_CARD: (_CUSTOMER, "the card has expired"),
    Category.LOST_STOLEN: (_NEVER, "the card is reported lost or stolen"),
    Category.INVALID_ACCOUNT: (_NEVER, "the account is closed or does not exist"),
    Category.INVALID_CARD_DETAILS: (_CUSTOMER, "the details of the card are wrong"),
    Category.CVC_OR_PIN: (_CUSTOMER, "the security code or PIN is wrong or missing"),
    Category.DO_NOT_HONOR: (_LATER, "the bank refused without giving a reason (do not honor)"),
    Category.GENERIC_DECLINE: (_LATER, "the payment was refused without a particular reason"),
    Category.CALL_ISSUER: (_CUSTOMER, "the customer has to call the bank"),
    Category.AUTHENTICATION_REQUIRED: (
        RetryRule.AFTER_AUTHENTICATION,
        "the bank wants the customer to authenticate",
    ),
    Category.PROCESSING_ERROR: (_LATER, "a technical error on the way to the bank"),
    Category.ISSUER_UNAVAILABLE: (_LATER, "the bank could not be reached"),
    Category.TRY_LATER: (_LATER, "the bank asks to try again later"),
    Category.FRAUD: (_NEVER, "suspicion of fraud"),
    Category.RESTRICTED: (_CUSTOMER, "the card or account is blocked or restricted"),
    Category.NOT_PERMITTED: (_CUSTOMER, "the card or account does not allow this kind of payment"),
    Category.AUTHORIZATION_REVOKED: (_NEVER, "the customer has withdrawn the permission to charge"),
    Category.RETRY_BLOCKED: (_NEVER, "the bank or the network forbids another try"),
    Category.DUPLICATE: (_MERCHANT, "it was taken for a duplicate of another payment"),
    Category.MERCHANT_CONFIG: (_MERCHANT, "the merchant's set-up or request is wrong"),
    Category.ACCOUNT_UPDATED: (_CUSTOMER, "the account has new details that have to be asked for"),
    Category.CUSTOMER_CANCELLED: (_CUSTOMER, "the customer broke the payment off"),
    Category.UNKNOWN: (_LATER, "the reason is not known"),
}


def category_words(category: Category) -> str:
    """A category in words for people."""
    return _CATEGORIES[category][1]


def meaning_of(category: Category) -> DeclineMeaning:
    """The meaning of a category that was stated in place of a code."""
    if category is Category.UNKNOWN:
        return UNKNOWN
    return DeclineMeaning(category, _CATEGORIES[category][0], is_known=True)


def normalise(provider: str | None, code: str | None) -> DeclineMeaning:
    """The meaning of a provider's code; UNKNOWN for a code that the table does not have.

    Neither case nor surrounding white space counts, nor whether words are joined by blanks, hyphens or underscores.
    Zeros that a code has lost by becoming a number are put back (Visa's 5 is 05); a zero too many is another code.
    Without a provider the code is one of our own categories.
    """
    if code is None:
        return UNKNOWN
    key = _key(code)
    if provider is None:
        return meaning_of(Category(key)) if key in _CATEGORY_NAMES else UNKNOWN
    table = _TABLES.get(provider_key(provider))
    return UNKNOWN if table is None else table.find(key)


def provider_key(name: str) -> str:
    """A provider's name as the table spells it: `Checkout.com` is `checkout_com`."""
    return _NOT_IN_NAMES.sub("_", name.strip().casefold()).strip("_")


_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
_JOINTS = re.compile(r"[\s\-]+")
_DIGITS = re.compile(r"[0-9]{1,9}", re.ASCII)
_RANGE = re.compile(r"([0-9]{1,9})-([0-9]{1,9})", re.ASCII)
_CATEGORY_NAMES: Final = frozenset(category.value for category in Category)


def _key(code: str) -> str:
    return _JOINTS.sub("_", code.strip().casefold())


class _Table:
    """The codes of one provider."""

    def __init__(self) -> None:
        self._exact: dict[str, DeclineMeaning] = {}
        self._without_zeros: dict[str, DeclineMeaning] = {}
        self._ranges: list[tuple[range, DeclineMeaning]] = []

    def add(self, code: str, meaning: DeclineMeaning) -> None:
        span = _RANGE.fullmatch(code)
        if span is not None:
            self._ranges.append((range(int(span[1]), int(span[2]) + 1), meaning))
            return
        key = _key(code)
        if key in self._exact:
            raise ValueError(f"the code {code} is twice in the table of decline codes")
        self._exact[key] = meaning
        if _DIGITS.fullmatch(key):
            self._without_zeros.setdefault(str(int(key)), meaning)

    def find(self, key: str) -> DeclineMeaning:
        found = self._exact.get(key) or self._without_zeros.get(key)
        if found is None and self._ranges and _DIGITS.fullmatch(key):
            found = next((meaning for span, meaning in self._ranges if int(key) in span), None)
        return found or UNKNOWN


def _load() -> tuple[str, dict[tuple[str, str], DeclineMeaning], dict[str, _Table]]:
    text = resources.files(__package__).joinpath("decline_codes.csv").read_text("utf-8")
    text = text.replace("\r\n", "\n")  # a checkout may have changed them, which must not look like another edition
    rows: dict[tuple[str, str], DeclineMeaning] = {}
    tables: dict[str, _Table] = {}
    for row in csv.DictReader(io.StringIO(text)):
        meaning = DeclineMeaning(Category(row["category"]), RetryRule(row["retry"]), is_known=True)
        rows[row["provider"], row["code"]] = meaning
        tables.setdefault(row["provider"], _Table()).add(row["code"], meaning)
    return hashlib.sha256(text.encode()).hexdigest()[:12], rows, tables


MAPPING_VERSION, ROWS, _TABLES = _load()
"""The edition of the table, by the beginning of its SHA-256; its rows, by provider and code as they are written there;
and the table of each provider."""
