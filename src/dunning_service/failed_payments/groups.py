"""What failed payments add up to, by status and currency."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


class Group(NamedTuple):
    """What the failed payments of one status in one currency (None: unknown) add up to."""

    status: str
    currency: str | None
    payments: int
    amount_minor: int
    without_amount: int


def grouped(sums: Iterable[tuple[Any, ...]]) -> list[Group]:
    """Groups of (status, currency, payments, upper halves, lower halves, without amount), in the order of status and
    currency, unknown currency last. Amounts are added up in halves of 32 bits, because SQLite refuses a sum beyond 64.
    """
    groups = [
        Group(status, currency, int(payments), (int(high) << 32) + int(low), int(without_amount))
        for status, currency, payments, high, low, without_amount in sums
    ]
    return sorted(groups, key=lambda group: (group.status, group.currency is None, group.currency or ""))
