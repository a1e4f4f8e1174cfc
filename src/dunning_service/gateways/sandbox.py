"""The sandbox gateway: moves no money; the payment method's id decides the outcome of a charge.

Any UUID is an active method that pays. Those of RESERVED have every other outcome, and those that look like them
without being listed are unknown, so that a slip of the finger does not pay. docs/gateways.md shows the table.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from enum import Enum, auto
from typing import ClassVar, Final, Protocol
from uuid import UUID

from dunning_service.events import Category, Decline
from dunning_service.gateways import Charged, ChargeOutcome, ChargeRequest, OutcomeUnknown, require_key
from dunning_service.values.clock import Clock

SLOW_SECONDS: Final = 3.0
SETTLES_AFTER: Final = timedelta(seconds=10)

_PREFIX = "00000000-0000-4000-8000-0000000000"


class ChargeBook(Protocol):
    """The storage of the sandbox's charges, shared by all processes. Keys are up to 140 characters
    long and belong to one merchant; values are short JSON texts."""

    async def get(self, key: str) -> str | None:
        """The record stored under `key`."""
        ...

    async def put(self, key: str, value: str) -> str:
        """Stores `value` unless there is a record already; returns the stored one, committed, also to a
        concurrent call."""
        ...


class _Course(Enum):
    """The course of a charge before its outcome."""

    PLAIN = auto()
    FAILS_TWICE = auto()
    SLOW = auto()
    TIMES_OUT_DONE = auto()
    TIMES_OUT_UNDONE = auto()
    SETTLES = auto()


_OTHERWISE_WHEN_REPEATED: Final = frozenset({_Course.SLOW, _Course.TIMES_OUT_DONE, _Course.TIMES_OUT_UNDONE})


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The behaviour of a reserved payment method."""

    words: str
    decline: Decline | None = None
    """How it is declined; None when it pays."""
    course: _Course = _Course.PLAIN
    problem: str | None = None
    """Why no subscription can be made with it."""


_NO_MONEY = Decline(provider="stripe", code="insufficient_funds")

_CODES: Final[Mapping[Category, tuple[str, str]]] = {
    Category.INSUFFICIENT_FUNDS: ("stripe", "insufficient_funds"),
    Category.LIMIT_EXCEEDED: ("stripe", "card_velocity_exceeded"),
    Category.EXPIRED_CARD: ("stripe", "expired_card"),
    Category.LOST_STOLEN: ("stripe", "stolen_card"),
    Category.INVALID_ACCOUNT: ("stripe", "invalid_account"),
    Category.INVALID_CARD_DETAILS: ("stripe", "incorrect_number"),
    Category.CVC_OR_PIN: ("stripe", "incorrect_cvc"),
    Category.DO_NOT_HONOR: ("stripe", "do_not_honor"),
    Category.GENERIC_DECLINE: ("stripe", "generic_decline"),
    Category.CALL_ISSUER: ("stripe", "call_issuer"),
    Category.AUTHENTICATION_REQUIRED: ("stripe", "authentication_required"),
    Category.PROCESSING_ERROR: ("stripe", "processing_error"),
    Category.ISSUER_UNAVAILABLE: ("stripe", "issuer_not_available"),
    Category.TRY_LATER: ("stripe", "try_again_later"),
    Category.FRAUD: ("stripe", "fraudulent"),
    Category.RESTRICTED: ("stripe", "restricted_card"),
    Category.NOT_PERMITTED: ("stripe", "transaction_not_allowed"),
    Category.AUTHORIZATION_REVOKED: ("stripe", "revocation_of_authorization"),
    Category.RETRY_BLOCKED: ("stripe", "do_not_try_again"),
    Category.DUPLICATE: ("stripe", "duplicate_transaction"),
    Category.MERCHANT_CONFIG: ("braintree", "2045"),
    Category.ACCOUNT_UPDATED: ("stripe", "new_account_information_available"),
    Category.CUSTOMER_CANCELLED: ("square", "BUYER_REFUSED_PAYMENT"),
}
"""A real code of a real provider for each category."""


def reserved_id(number: int) -> UUID:
    """The reserved payment method of that number, 0 to 99."""
    return UUID(f"{_PREFIX}{number:02d}")


PAYS: Final = reserved_id(1)
FAILS_TWICE_THEN_PAYS: Final = reserved_id(2)
SLOW: Final = reserved_id(3)
TIMES_OUT_DONE: Final = reserved_id(4)
TIMES_OUT_UNDONE: Final = reserved_id(5)
PENDING_THEN_PAYS: Final = reserved_id(6)
PENDING_THEN_DECLINED: Final = reserved_id(7)
UNKNOWN: Final = reserved_id(8)
INACTIVE: Final = reserved_id(9)
DECLINED_WITH_UNKNOWN_CODE: Final = reserved_id(10)
NETWORK_FORBIDS: Final = reserved_id(11)
NETWORK_ASKS_TO_WAIT: Final = reserved_id(12)
REVOKED_AT_VISA: Final = reserved_id(13)
DECLINED: Final[Mapping[Category, UUID]] = {
    category: reserved_id(20 + number) for number, category in enumerate(_CODES)
}

RESERVED: Final[Mapping[UUID, Behaviour]] = {
    PAYS: Behaviour("pays"),
    FAILS_TWICE_THEN_PAYS: Behaviour(
        "has no money for the first two tries of a payment, then pays", _NO_MONEY, _Course.FAILS_TWICE
    ),
    SLOW: Behaviour(f"pays, but answers only after {SLOW_SECONDS:g} seconds", course=_Course.SLOW),
    TIMES_OUT_DONE: Behaviour("times out, and the charge was made", course=_Course.TIMES_OUT_DONE),
    TIMES_OUT_UNDONE: Behaviour(
        "times out, and the charge was not made; it is when the same key is charged again",
        course=_Course.TIMES_OUT_UNDONE,
    ),
    PENDING_THEN_PAYS: Behaviour(
        f"is pending for {SETTLES_AFTER.total_seconds():g} seconds, then pays", course=_Course.SETTLES
    ),
    PENDING_THEN_DECLINED: Behaviour(
        f"is pending for {SETTLES_AFTER.total_seconds():g} seconds, then returned for lack of money",
        Decline(provider="ach", code="R01"),
        _Course.SETTLES,
    ),
    UNKNOWN: Behaviour(
        "does not exist",
        Decline(provider="recurly", code="gateway_token_not_found"),
        problem="the gateway has no payment method with this id",
    ),
    INACTIVE: Behaviour(
        "is not active",
        Decline(provider="razorpay", code="debit_instrument_inactive"),
        problem="this payment method is not active",
    ),
    DECLINED_WITH_UNKNOWN_CODE: Behaviour(
        "is declined with a code that nobody knows", Decline(provider="stripe", code="sandbox_mystery")
    ),
    NETWORK_FORBIDS: Behaviour(
        "has no money, and Mastercard forbids another try (advice 03)",
        replace(_NO_MONEY, network="mastercard", network_code="51", network_advice="03"),
    ),
    NETWORK_ASKS_TO_WAIT: Behaviour(
        "has no money, and Mastercard asks to wait 4 days (advice 27)",
        replace(_NO_MONEY, network="mastercard", network_code="51", network_advice="27"),
    ),
    REVOKED_AT_VISA: Behaviour(
        "is refused because the customer withdrew the permission (Visa R1)",
        Decline(provider="stripe", code="generic_decline", network="visa", network_code="R1"),
    ),
    **{
        DECLINED[category]: Behaviour(f"is declined: {category.value}", Decline(provider=provider, code=code))
        for category, (provider, code) in _CODES.items()
    },
}


def behaviour_of(payment_method_id: UUID) -> Behaviour:
    """The behaviour of a payment method."""
    if str(payment_method_id).startswith(_PREFIX):
        return RESERVED.get(payment_method_id, RESERVED[UNKNOWN])
    return RESERVED[PAYS]


class Sandbox:
    """The sandbox of one merchant, the same in every process that shares its charges."""

    name: ClassVar[str] = "sandbox"

    def __init__(
        self, book: ChargeBook, clock: Clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._book = book
        self._clock = clock
        self._sleep = sleep

    async def charge(self, key: str, request: ChargeRequest) -> Charged:
        """See Gateway. A time-out is reported at once, without waiting."""
        require_key(key)
        behaviour = behaviour_of(request.payment_method_id)
        if behaviour.course in _OTHERWISE_WHEN_REPEATED and (known := await self._book.get(key)) is not None:
            return self._told(known)
        if behaviour.course is _Course.TIMES_OUT_UNDONE and await self._is_first(key):
            raise OutcomeUnknown("the sandbox did not answer in time")
        settles_at = (self._clock() + SETTLES_AFTER).timestamp() if behaviour.course is _Course.SETTLES else None
        settled = self._settled(key, request, behaviour)
        kept = await self._book.put(key, json.dumps({"settled": settled.as_record(), "settles_at": settles_at}))
        if behaviour.course is _Course.SLOW:
            await self._sleep(SLOW_SECONDS)
        if behaviour.course is _Course.TIMES_OUT_DONE:
            raise OutcomeUnknown("the sandbox did not answer in time")
        return self._told(kept)

    async def lookup(self, key: str) -> Charged | None:
        """See Gateway."""
        require_key(key)
        kept = await self._book.get(key)
        return None if kept is None else self._told(kept)

    def method_problem(self, payment_method_id: UUID) -> str | None:
        """See Gateway."""
        return behaviour_of(payment_method_id).problem

    async def close(self) -> None:
        """See Gateway."""

    async def _is_first(self, key: str) -> bool:
        """True for the first charge under `key`; two concurrent calls get the same answer."""
        mark = f"{key}.lost"  # no key of a charge has a dot
        if await self._book.get(mark) is not None:
            return False
        await self._book.put(mark, "true")
        return True

    def _settled(self, key: str, request: ChargeRequest, behaviour: Behaviour) -> Charged:
        decline = behaviour.decline
        if behaviour.course is _Course.FAILS_TWICE and request.attempt_number > 2:
            decline = None
        transaction_id = f"sbx_{hashlib.sha256(key.encode()).hexdigest()[:24]}"
        paid = Charged(
            outcome=ChargeOutcome.SUCCEEDED, provider_transaction_id=transaction_id, occurred_at=self._clock()
        )
        if decline is None:
            return paid
        message = f"Sandbox: this payment method {behaviour.words}."
        return replace(paid, outcome=ChargeOutcome.DECLINED, message=message, **asdict(decline))

    def _told(self, kept: str) -> Charged:
        entry = json.loads(kept)
        settled = Charged.from_record(entry["settled"])
        if entry["settles_at"] is not None and self._clock().timestamp() < entry["settles_at"]:
            return Charged(
                outcome=ChargeOutcome.PENDING,
                provider_transaction_id=settled.provider_transaction_id,
                occurred_at=settled.occurred_at,
            )
        return settled
