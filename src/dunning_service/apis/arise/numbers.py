"""ARISE's numbers of states, choices and currencies: `statusId` 5 is `status` "Terminated", `currencyId` 1 is USD.

Of these, ARISE's document has the transaction types, the frequency units, "Terminated" and the US dollar alone. The
other numbers of states are this service's own, so a client does better to read the words. The other currencies have
their numeric codes of ISO 4217 (578 is NOK), none of which is 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, TypeVar

from dunning_service.billing.states import AttemptState, FrequencyUnit, PaymentState, SubscriptionState
from dunning_service.gateways import TransactionType
from dunning_service.values.money import InvalidAmount, currency_exponent, currency_number, currency_with_number
from dunning_service.values.reading import INT32, whole_number

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


def member_of(kind: type[EnumT], number: object) -> EnumT:
    """The member with a number of JSON. Raises ValueError that names all of them."""
    whole_number(number, INT32)
    found: EnumT | None = next((member for member, its in NUMBERS[kind].items() if its == number), None)
    if found is None:
        known = ", ".join(f"{its} ({word_of(member)})" for member, its in NUMBERS[kind].items())
        raise ValueError(f"must be one of {known}")
    return found


def currency_of(currency_id: int) -> str:
    """The ISO 4217 code of a number, such as "NOK" of 578.

    Raises InvalidAmount for a number of no currency, and of one without a minor unit (959 is gold).
    """
    code = "USD" if currency_id == 1 else currency_with_number(currency_id)
    if code is None:
        raise InvalidAmount(f"{currency_id} is not a currency; 1 is USD, others go by their ISO 4217 number (578: NOK)")
    currency_exponent(code)
    return code


def currency_id_of(currency: str) -> int:
    """The number of a currency in replies: 1 for USD, else that of ISO 4217. Raises InvalidAmount."""
    return 1 if currency == "USD" else currency_number(currency)
