"""Answers to requests that carried an Idempotency-Key: found again before anything is done, kept with what was done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dunning_service.errors import IdempotencyKeyReused, RuleBroken
from dunning_service.ledger.work import Command, Decision

ANSWER_LIFETIME = timedelta(hours=24)
"""How long the answer to an idempotent request is kept."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered: `response`, or the refusal."""

    response: Row
    refusal: RuleBroken | None
    request_id: str | None
    """That of the request it was first given to."""


class Answers:
    """The answers that a batch may have to give again, and those that it gives for the first time.

    Two requests under one key are never in two transactions at once: each holds the key's lock (see `reading.py`).
    """

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._rows: dict[tuple[int, str], Row] = {}
        self.expired: list[tuple[int, str]] = []
        """(merchant_id, key) of those among the batch's keys whose time is over."""
        self.new: list[Row] = []
        """Rows of `idempotency_keys` to be inserted."""

    def hold(self, row: Row) -> None:
        """Takes in what the database has, unless it is too old to count."""
        key = (row["merchant_id"], row["key"])
        if row["created_at"] > self._now - ANSWER_LIFETIME:
            self._rows[key] = row
        else:
            self.expired.append(key)

    def earlier(self, work: Decision | Command) -> Answer | None:
        """What the same request was answered before; None for a new one, and for one without a key.

        Raises IdempotencyKeyReused when the key came with another request.
        """
        given = work.idempotency_key
        if given is None or (row := self._rows.get((work.merchant_id, given.key))) is None:
            return None
        if row["request_digest"] != given.request_digest:
            raise IdempotencyKeyReused(
                "this Idempotency-Key came with another request before; use a new key for a new one"
            )
        refusal = None if row["refusal"] is None else RuleBroken(row["refusal"])
        return Answer(row["response"], refusal, row["request_id"])

    def keep(self, work: Decision | Command, response: Row, refusal: RuleBroken | None = None) -> None:
        """Keeps the answer for whoever sends the request again. Nothing is kept without a key."""
        given = work.idempotency_key
        if given is None:
            return
        row: Row = {
            "merchant_id": work.merchant_id,
            "key": given.key,
            "request_digest": given.request_digest,
            "response": response,
            "refusal": None if refusal is None else refusal.message,
            "request_id": given.request_id,
            "created_at": self._now,
        }
        self._rows[work.merchant_id, given.key] = row
        self.new.append(row)
