"""The states of subscriptions, payments and attempts, and the unit of a frequency."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class SubscriptionState(StrEnum):
    """The state of a subscription."""

    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    """Its first payment never succeeded, and nothing more is tried."""
    PAUSED = "paused"
    TERMINATED = "terminated"


class PaymentState(StrEnum):
    """The state of one payment of a subscription."""

    SCHEDULED = "scheduled"
    PROCESSING = "processing"
    PAID = "paid"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AttemptState(StrEnum):
    """The state of one attempt at a payment."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    ERROR = "error"
    """The attempt itself went wrong: the payment method was not asked, or did not decide."""
    UNKNOWN = "unknown"
    """Whether money moved is not known yet."""


class FrequencyUnit(IntEnum):
    """The unit in which the time between two payments is counted."""

    DAY = 1
    WEEK = 2
    MONTH = 3
