"""ARISE's numbers, each of which travels with a word: `statusId` 5 beside `status` "Terminated".

Of these, only the transaction types, the frequency units and "Terminated" stand in ARISE's document; the other numbers
are this service's own, so a client does better to read the words.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, TypeVar

from dunning_service.billing.states import (
    AttemptState,
    FrequencyUnit,
    PaymentState,
    SubscriptionState,
    TransactionType,
)

EnumT = TypeVar("EnumT", bound=Enum)

API_SOURCE: Final = (1, "Api")
"""`typeId` and `type` of a subscription's source: every one is created through this API."""

NUMBERS: Final[Mapping[type[Enum], Mapping[Any, int]]] = {
    SubscriptionState: {
        SubscriptionState.ACTIVE: 1,
        SubscriptionState.COMPLETED: 2,
        SubscriptionState.FAILED: 3,
        SubscriptionState.PAUSED: 4,
        SubscriptionState.TERMINATED: 5,
    },
    PaymentState: {
        PaymentState.SCHEDULED: 1,
        PaymentState.PROCESSING: 2,
        PaymentState.PAID: 3,
        PaymentState.FAILED: 4,
        PaymentState.CANCELLED: 5,
    },
    AttemptState: {
        AttemptState.PENDING: 1,
        AttemptState.SUCCEEDED: 2,
        AttemptState.DECLINED: 3,
        AttemptState.ERROR: 4,
        AttemptState.UNKNOWN: 5,
    },
    TransactionType: {
        TransactionType.AUTHORIZATION: 1,
        TransactionType.SALE: 2,
        TransactionType.ACH_DEBIT: 11,
    },
    FrequencyUnit: {FrequencyUnit.DAY: 1, FrequencyUnit.WEEK: 2, FrequencyUnit.MONTH: 3},
}


def number_of(member: Enum) -> int:
    """The number of a state or choice."""
    return NUMBERS[type(member)][member]


def word_of(member: Enum) -> str:
    """The word beside it: `ACH_DEBIT` is "AchDebit"."""
    return member.name.title().replace("_", "")


def member_of(kind: type[EnumT], number: int) -> EnumT:
    """The member with a number. Raises ValueError that names all of them."""
    found: EnumT | None = next((member for member, its in NUMBERS[kind].items() if its == number), None)
    if found is None:
        known = ", ".join(f"{its} ({word_of(member)})" for member, its in NUMBERS[kind].items())
        raise ValueError(f"must be one of {known}")
    return found
