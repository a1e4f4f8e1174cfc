"""The numbers and words that travel together on the wire: `statusId` 5 beside `status` "Terminated".

Of these, only the transaction types, the frequency units and "Terminated" stand in ARISE's document; the other numbers
are this service's own, so a client does better to read the words. A status of the wire is a state of the database.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class SubscriptionState(StrEnum):
    """What has become of a subscription, as the database has it."""

    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    PAUSED = "paused"
    TERMINATED = "terminated"


class PaymentState(StrEnum):
    """What has become of one payment of a subscription, as the database has it."""

    SCHEDULED = "scheduled"
    PROCESSING = "processing"
    PAID = "paid"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Numbered(IntEnum):
    """A number on the wire that has a word beside it."""

    @property
    def text(self) -> str:
        """The word: `ACH_DEBIT` is "AchDebit"."""
        return self.name.title().replace("_", "")


class TransactionType(Numbered):
    """What each payment asks of the payment method."""

    AUTHORIZATION = 1
    SALE = 2
    ACH_DEBIT = 11

    @property
    def is_card(self) -> bool:
        return self is not TransactionType.ACH_DEBIT


class FrequencyUnit(Numbered):
    """What `paymentFrequency` counts."""

    DAY = 1
    WEEK = 2
    MONTH = 3


class SubscriptionStatus(Numbered):
    """What has become of a subscription."""

    ACTIVE = 1
    COMPLETED = 2
    FAILED = 3
    """Its first payment never succeeded, and nothing more is tried."""
    PAUSED = 4
    TERMINATED = 5


class PaymentStatus(Numbered):
    """What has become of one payment of a subscription."""

    SCHEDULED = 1
    PROCESSING = 2
    PAID = 3
    FAILED = 4
    CANCELLED = 5


class AttemptStatus(Numbered):
    """What has become of one try at a payment."""

    PENDING = 1
    SUCCEEDED = 2
    DECLINED = 3
    ERROR = 4
    """The try itself went wrong: the method was not asked, or did not decide."""
    UNKNOWN = 5
    """Nobody knows yet whether the money moved."""


class SourceType(Numbered):
    """How a subscription came to be."""

    API = 1
