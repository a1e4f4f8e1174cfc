"""A merchant's own book of charges, and its customers: what each of them can pay, and how badly it goes on the way.

The book is kept apart from the ledger and knows nothing of it, so that the two can be compared.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

LADDER = "1s 3s"
"""The retries of whoever charges these customers."""

_TRIES = 3  # the first, and a retry for each step of the ladder
_MISBEHAVES = (0.4, 0.06, 0.0)
"""How often something goes wrong the first time that a key is to be charged, the second, and any later one."""

_DECLINES: Mapping[tuple[str, ...], int] = {
    (): 72,
    ("insufficient_funds",): 12,
    ("processing_error", "insufficient_funds"): 5,
    ("insufficient_funds",) * _TRIES: 4,
    ("lost_stolen",): 4,
    ("authentication_required",): 3,
}
"""How the tries at one payment end before it is paid, and of how many customers in a hundred that holds."""

_FOR_GOOD = frozenset({"lost_stolen", "authentication_required"})


class Conduct(StrEnum):
    """What the endpoint makes of a charge that it is asked for."""

    ANSWERS = "answers"
    ANSWERS_LATE = "answers late"
    TIMES_OUT_DONE = "times out, and it is done"
    TIMES_OUT_UNDONE = "times out, and it is not done"
    HANGS_UP_DONE = "hangs up, and it is done"
    HANGS_UP_UNDONE = "hangs up, and it is not done"
    FAILS_DONE = "answers 500, and it is done"
    FAILS_UNDONE = "answers 500, and it is not done"

    @property
    def does_it(self) -> bool:
        return self not in (Conduct.TIMES_OUT_UNDONE, Conduct.HANGS_UP_UNDONE, Conduct.FAILS_UNDONE)


_MISBEHAVIOUR = tuple(conduct for conduct in Conduct if conduct is not Conduct.ANSWERS)


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody who is charged. The same customer is always treated the same, whenever and by whomever."""

    id: str
    declines: Sequence[str]
    """How the first tries end; the one after them is paid."""

    @property
    def pays(self) -> bool:
        """True when the payment is paid in the end."""
        return len(self.declines) < _TRIES and not _FOR_GOOD.intersection(self.declines)

    @property
    def tries(self) -> int:
        """How many tries at the payment there must be in the end."""
        return len(self.declines) + self.pays

    def code(self, number: int) -> str | None:
        """Why the try of that number is declined; None when it is paid."""
        return self.declines[number - 1] if number <= len(self.declines) else None

    def conduct(self, number: int, asked: int) -> Conduct:
        """What becomes of the try when it is asked for and was so `asked` times before."""
        chance = random.Random(f"{self.id} {number} {asked}")
        return chance.choice(_MISBEHAVIOUR) if chance.random() < _MISBEHAVES[min(asked, 2)] else Conduct.ANSWERS

    @classmethod
    def some(cls, count: int, seed: int) -> list[Customer]:
        """That many; the same for the same seed."""
        chance = random.Random(seed)
        kinds = chance.choices(list(_DECLINES), list(_DECLINES.values()), k=count)
        return [cls(str(UUID(int=chance.getrandbits(128), version=4)), declines) for declines in kinds]


@dataclass(slots=True)
class Entry:
    """All that happened under one key."""

    key: str
    charge: Mapping[str, Any] = field(default_factory=dict)
    """What was asked for; empty while that has only been looked up."""
    body: bytes = b""
    answer: dict[str, Any] | None = None
    """What is told about it, once it is written down."""
    conducts: list[Conduct] = field(default_factory=list)
    """What was made of each request to charge it."""
    not_found: int = 0
    """How often it was said that there is no such charge, which is permission to ask for it once more."""
    story: list[str] = field(default_factory=list)

    @property
    def number(self) -> int:
        return int(self.key.rpartition(":")[2])

    @property
    def payment_id(self) -> str:
        return self.key.rpartition(":")[0]

    @property
    def outcome(self) -> str | None:
        return None if self.answer is None else str(self.answer["outcome"])

    @property
    def transaction_id(self) -> str | None:
        return None if self.answer is None else self.answer.get("transaction_id")

    def was_looked_up_after(self, event: str) -> bool:
        """True when somebody asked what became of it after this had happened."""
        return event in self.story and any("looked up" in later for later in self.story[self.story.index(event) :])


class Book:
    """What was charged, by key; and what should not have been asked."""

    def __init__(self, customers: Sequence[Customer]) -> None:
        self.entries: dict[str, Entry] = {}
        self.money: list[tuple[str, str]] = []
        """Payment and key, each time that money was taken."""
        self.complaints: list[str] = []
        self.customers = {customer.id: customer for customer in customers}

    def entry(self, key: str) -> Entry:
        return self.entries.setdefault(key, Entry(key))

    def asked(self, body: bytes) -> tuple[Entry, Conduct]:
        """Somebody asks for a charge; answers what is to be made of it."""
        charge = json.loads(body)
        entry = self.entry(charge["key"])
        if entry.key != f"{charge['payment_id']}:{charge['attempt_number']}":
            self.complaints.append(f"{entry.key} is no key of payment and attempt number: {charge}")
        if entry.body not in (b"", body):
            self.complaints.append(f"{entry.key} was asked for with another body: {entry.body!r}, then {body!r}")
        if len(entry.conducts) > entry.not_found:
            self.complaints.append(f"{entry.key} was asked for again without permission: {entry.story}")
        entry.charge, entry.body = charge, body
        customer = self.customers[charge["customer_id"]]
        conduct = Conduct.ANSWERS
        if entry.answer is None:
            conduct = customer.conduct(entry.number, len(entry.conducts))
        entry.conducts.append(conduct)
        entry.story.append(f"asked: {conduct}")
        return entry, conduct

    def write_down(self, entry: Entry) -> None:
        """From now on it is there, without an outcome."""
        entry.answer = {"key": entry.key, "outcome": "pending"}

    def settle(self, entry: Entry) -> None:
        """Charges what was written down."""
        code = self.customers[entry.charge["customer_id"]].code(entry.number)
        transaction = str(UUID(int=random.getrandbits(128), version=4))
        answer: dict[str, Any] = {"key": entry.key, "outcome": "succeeded", "transaction_id": transaction}
        if code is None:
            self.money.append((entry.payment_id, entry.key))
        else:
            answer |= {"outcome": "declined", "code": code, "message": f"declined: {code}"}
        entry.answer = answer

    def of_payments(self) -> dict[str, list[Entry]]:
        """The entries of each payment in the order of its tries, those left out that came to nothing."""
        found: dict[str, list[Entry]] = {}
        for entry in sorted(self.entries.values(), key=lambda one: one.number):
            if entry.answer is not None:
                found.setdefault(entry.payment_id, []).append(entry)
        return found
