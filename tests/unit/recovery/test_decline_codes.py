"""What decline codes mean."""

from __future__ import annotations

from collections import Counter

import pytest

from dunning_service.events import Category
from dunning_service.recovery.decline_codes import (
    MAPPING_VERSION,
    ROWS,
    UNKNOWN,
    RetryRule,
    category_words,
    meaning_of,
    normalise,
)


def test_the_edition_of_the_table_is_the_one_that_was_reviewed() -> None:
    assert MAPPING_VERSION == "3d25654409c3"
    assert len(ROWS) == 708


def test_every_category_but_unknown_has_a_code() -> None:
    assert {meaning.category for meaning in ROWS.values()} == set(Category) - {Category.UNKNOWN}


def test_every_code_is_found_as_it_is_written() -> None:
    for (provider, code), meaning in ROWS.items():
        if "-" not in code:
            assert normalise(provider, code) is meaning, (provider, code)


@pytest.mark.parametrize(
    ("provider", "code"),
    [
        ("stripe", "insufficient_funds"),
        ("Stripe", " INSUFFICIENT_FUNDS "),
        ("stripe", "Insufficient Funds"),
        ("stripe", "insufficient-funds"),
        ("visa", "51"),
        ("Checkout.com", "20051"),
        ("gocardless", "Insufficient funds"),
        ("ach", "r01"),
        ("adyen", "12"),
        (None, "insufficient_funds"),
        (None, " Insufficient funds"),
    ],
)
def test_a_code_is_known_however_it_is_spelled(provider: str | None, code: str) -> None:
    meaning = normalise(provider, code)
    assert meaning.category is Category.INSUFFICIENT_FUNDS
    assert meaning.retry is RetryRule.LATER
    assert meaning.is_known


@pytest.mark.parametrize(("provider", "lost", "whole"), [("visa", "5", "05"), ("paypal", "500", "0500")])
def test_zeros_lost_on_the_way_are_put_back(provider: str, lost: str, whole: str) -> None:
    assert normalise(provider, lost) is normalise(provider, whole)
    assert normalise(provider, whole).category is Category.DO_NOT_HONOR


@pytest.mark.parametrize(("provider", "code"), [("adyen", "05"), ("visa", "005"), ("bacs_arudd", "00")])
def test_a_zero_too_many_is_another_code(provider: str, code: str) -> None:
    assert normalise(provider, code) is UNKNOWN


def test_a_range_of_codes_holds_for_each_of_them() -> None:
    assert normalise("braintree", "2500").is_known
    assert normalise("braintree", "2109") is normalise("braintree", "2999")
    assert normalise("braintree", "2074") is not normalise("braintree", "2500")
    assert not normalise("braintree", "2109-2999x").is_known


@pytest.mark.parametrize(
    ("provider", "code"),
    [
        ("stripe", "mystery"),
        ("stripe", ""),
        ("stripe", None),
        ("nobody", "51"),
        ("", "51"),
        (None, "51"),
        (None, None),
        (None, "unknown"),
        ("visa", "9" * 400),
        ("visa", "５１"),
    ],
)
def test_what_the_table_does_not_have_is_unknown(provider: str | None, code: str | None) -> None:
    meaning = normalise(provider, code)
    assert meaning.category is Category.UNKNOWN
    assert not meaning.is_known


def test_a_category_alone_is_treated_as_most_of_its_codes_are() -> None:
    for category in set(Category) - {Category.UNKNOWN}:
        retries = Counter(meaning.retry for meaning in ROWS.values() if meaning.category is category)
        most = max(retries.values())
        assert retries[meaning_of(category).retry] == most, category
        assert meaning_of(category).is_known
    assert not meaning_of(Category.UNKNOWN).is_known


def test_every_category_can_be_said_in_words() -> None:
    words = [category_words(category) for category in Category]
    assert len(set(words)) == len(words)
    assert all(words)
