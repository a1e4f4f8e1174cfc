"""What the reporting calls do to one merchant's payment records: small, in memory, and written from the rules alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

Form = dict[str, Any]

OUTCOMES = ("failed", "guaranteed", "canceled")
KEPT_FOR = timedelta(hours=24)
_NOBODY = {"customer": None, "email": None, "name": None, "phone": None}


@dataclass
class Attempt:
    """One try. `id` is learnt from the answer that made it."""

    description: str | None
    metadata: dict[str, str]
    customer: dict[str, str | None]
    outcome: str | None = None
    refunded: int = 0
    id: str | None = None


@dataclass
class Record:
    """What was asked for, and the tries at it, oldest first. `id` is learnt from the answer that made it."""

    amount: int
    currency: str
    """As it was written."""
    created: int
    attempts: list[Attempt] = field(default_factory=list)
    id: str | None = None

    @property
    def latest(self) -> Attempt:
        return self.attempts[-1]

    def shown(self) -> dict[str, Any]:
        return self._shown(self.latest) | {
            "id": self.id,
            "object": "payment_record",
            "created": self.created,
            "latest_payment_attempt_record": self.latest.id,
        }

    def shown_attempt(self, attempt: Attempt) -> dict[str, Any]:
        return self._shown(attempt) | {
            "id": attempt.id,
            "object": "payment_attempt_record",
            "payment_record": self.id,
        }

    def _shown(self, attempt: Attempt) -> dict[str, Any]:
        amounts = {
            "amount": self.amount,
            "amount_requested": self.amount,
            "amount_authorized": 0,
            "amount_refunded": attempt.refunded,
            **{f"amount_{outcome}": self.amount if outcome == attempt.outcome else 0 for outcome in OUTCOMES},
        }
        return {
            **{name: {"currency": self.currency.lower(), "value": value} for name, value in amounts.items()},
            "metadata": attempt.metadata,
            "description": attempt.description,
            "customer_details": attempt.customer if any(attempt.customer.values()) else None,
            "livemode": True,
            "reported_by": "self",
        }

    def listed(self) -> dict[str, Any] | None:
        """The line of the failed payments' list; None when no attempt has failed."""
        outcomes = [attempt.outcome for attempt in self.attempts]
        if "failed" not in outcomes:
            return None
        decided = [outcome for outcome in outcomes if outcome is not None]
        is_paid = "guaranteed" in outcomes
        who = dict(self.latest.customer)
        return {
            "provider": "payment_records",
            "customer": {"id": who.pop("customer")} | who,
            "description": self.latest.description,
            "subscription": self.latest.metadata.get("subscription"),
            "status": "paid" if is_paid else "cancelled" if decided[-1] == "canceled" else "failed",
            "amount_minor": self.amount,
            "currency": self.currency.upper(),
            "paid_minor": self.amount if is_paid else 0,
            "attempt_count": len(outcomes),
            "failed_attempt_count": outcomes.count("failed"),
        }


@dataclass(frozen=True)
class Refused:
    """An answer in the envelope of errors."""

    status: int = 400
    type: str = "invalid_request_error"
    names: tuple[str | None, ...] = ()
    """Of these the message must name one: the attempt in the way, or the reference that is taken."""


@dataclass(frozen=True)
class Kept:
    """What is answered to the same request under the same key."""

    request: tuple[str, bytes]
    status: int
    body: bytes
    request_id: str
    at: datetime


@dataclass
class Books:
    """One merchant's records, oldest first, and what its keys and references are taken by."""

    records: list[Record] = field(default_factory=list)
    references: set[str] = field(default_factory=set)
    answers: dict[str, Kept] = field(default_factory=dict)

    def kept(self, key: str | None, now: datetime) -> Kept | None:
        found = self.answers.get(key or "")
        return found if found is not None and now - found.at < KEPT_FOR else None

    def apply(self, verb: str, record: Record | None, form: Form, now: datetime) -> Record | Refused:
        """The record as it is after the call, or why there was none. The call is well formed."""
        if verb == "report_payment":
            asked = form["amount_requested"]
            created = int(now.astimezone(UTC).timestamp())
            record = Record(int(asked["value"]), asked["currency"], created)
            record.attempts.append(_begun(Attempt(None, {}, dict(_NOBODY)), form))
            self.records.append(record)
            return record
        assert record is not None
        latest = record.latest
        if verb == "report_payment_attempt":
            if latest.outcome not in ("failed", "canceled"):
                return Refused(names=(latest.id,))
            record.attempts.append(_begun(replace(latest, outcome=None, refunded=0, id=None), form))
        elif verb == "report_payment_attempt_informational":
            latest.customer = _with(latest.customer, form.get("customer_details", {}))
            _describe(latest, form)
        elif verb == "report_refund":
            return self._refund(record, form)
        else:
            if latest.outcome is not None:
                return Refused(names=(latest.id,))
            latest.outcome = verb.removeprefix("report_payment_attempt_")
            _describe(latest, form)
        return record

    def _refund(self, record: Record, form: Form) -> Record | Refused:
        latest = record.latest
        left = record.amount - latest.refunded
        amount = form.get("amount", {"value": left, "currency": record.currency})
        reference = form["processor_details"].get("custom", {}).get("refund_reference")
        in_the_way = []
        if latest.outcome != "guaranteed" or amount["value"] > left or left == 0:
            in_the_way.append(latest.id)
        if amount["currency"].lower() != record.currency.lower():
            in_the_way.append(latest.id)
        if reference in self.references:
            in_the_way.append(reference)
        if in_the_way:
            return Refused(names=tuple(in_the_way))
        if reference is not None:
            self.references.add(reference)
        latest.refunded += amount["value"]
        _describe(latest, form)
        return record


def _begun(attempt: Attempt, form: Form) -> Attempt:
    attempt.outcome = form.get("outcome")
    attempt.customer = _with(attempt.customer, form.get("customer_details", {}))
    _describe(attempt, form)
    return attempt


def _describe(attempt: Attempt, form: Form) -> None:
    if "description" in form:
        attempt.description = form["description"] or None
    if "metadata" in form:
        posted = form["metadata"]
        attempt.metadata = {k: v for k, v in {**attempt.metadata, **posted}.items() if v} if posted else {}


def _with(customer: dict[str, str | None], posted: dict[str, str]) -> dict[str, str | None]:
    return {**customer, **{name: value or None for name, value in posted.items()}}
