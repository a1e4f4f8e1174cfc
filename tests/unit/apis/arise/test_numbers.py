"""Numbers and words of the wire, currencies and derived ids."""

from __future__ import annotations

from uuid import UUID

import pytest
from iso4217 import Currency

from dunning_service.apis.arise.numbers import (
    NUMBERS,
    currency_id_of,
    currency_of,
    member_of,
    number_of,
    word_of,
)
from dunning_service.apis.arise.replies import merchant_uuid, token_uuid, transaction_uuid
from dunning_service.billing.states import AttemptState, FrequencyUnit, PaymentState, SubscriptionState
from dunning_service.gateways import TransactionType
from dunning_service.values.money import InvalidAmount
from dunning_service.values.withdrawn_currencies import WITHDRAWN


def test_every_state_and_choice_has_a_number_and_a_word() -> None:
    spoken = {kind: {number_of(member): word_of(member) for member in kind} for kind in NUMBERS}
    assert spoken == {
        TransactionType: {1: "Authorization", 2: "Sale", 11: "AchDebit"},
        FrequencyUnit: {1: "Day", 2: "Week", 3: "Month"},
        SubscriptionState: {1: "Active", 2: "Completed", 3: "Failed", 4: "Paused", 5: "Terminated"},
        PaymentState: {1: "Scheduled", 2: "Processing", 3: "Paid", 4: "Failed", 5: "Cancelled"},
        AttemptState: {1: "Pending", 2: "Succeeded", 3: "Declined", 4: "Error", 5: "Unknown"},
    }
    assert all(member_of(kind, number_of(member)) is member for kind in NUMBERS for member in kind)


def test_only_ach_is_not_by_card() -> None:
    assert [kind for kind in TransactionType if not kind.is_card] == [TransactionType.ACH_DEBIT]


@pytest.mark.parametrize(("number", "code"), [(1, "USD"), (840, "USD"), (578, "NOK"), (978, "EUR"), (392, "JPY")])
def test_a_currency_is_known_by_its_number(number: int, code: str) -> None:
    assert currency_of(number) == code


def test_the_dollar_is_always_answered_as_1() -> None:
    assert currency_id_of("USD") == 1


@pytest.mark.parametrize(
    "code",
    sorted(
        {*(currency.code for currency in Currency if currency.exponent is not None and currency.number), *WITHDRAWN}
        - {"ANG", "YUM"}  # the currencies that came after them took their numbers over
    ),
)
def test_every_currency_comes_back_from_its_number(code: str) -> None:
    assert currency_of(currency_id_of(code)) == code


@pytest.mark.parametrize(("number", "complaint"), [(0, "578"), (-1, "578"), (2, "578"), (959, "no minor unit")])
def test_other_numbers_are_refused(number: int, complaint: str) -> None:
    with pytest.raises(InvalidAmount, match=complaint):
        currency_of(number)


def test_an_unknown_code_has_no_number() -> None:
    with pytest.raises(InvalidAmount, match="'ABC'"):
        currency_id_of("ABC")


def test_derived_ids_are_the_same_for_ever_and_of_one_thing_only() -> None:
    assert merchant_uuid(1) == UUID("15e28e95-89e0-55fc-bfcd-b5e884342c24")
    assert token_uuid(1, "tok_1") == UUID("2866e35c-233c-5c09-8f63-602ac87fac3b")
    made = {merchant_uuid(1), merchant_uuid(2), token_uuid(1, "tok_1"), token_uuid(2, "tok_1"), token_uuid(1, "tok_2")}
    made |= {transaction_uuid(1, "ch_1"), transaction_uuid(2, "ch_1"), transaction_uuid(1, "ch_2")}
    assert len(made) == 8


def test_a_reference_that_is_a_uuid_is_left_alone() -> None:
    reference = "2d915fbc-47a6-4bd2-98b3-735ccc1f8b9d"
    assert transaction_uuid(1, reference) == UUID(reference)
