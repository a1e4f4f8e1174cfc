"""Stored answers to requests with an Idempotency-Key: looked up before a request has an effect, committed with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_service.errors import IdempotencyKeyReused, RuleBroken
from dunning_service.ledger.models import IdempotencyRow
from dunning_service.ledger.work import ActionRequest, Command, IdempotencyKey

ANSWER_LIFETIME = timedelta(hours=24)
"""How long the answer to an idempotent request is kept."""

Row = dict[str, Any]
_ANSWERS = IdempotencyRow.__table__.c


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request: `response`, or the refusal."""

    response: Row
    refusal: RuleBroken | None
    request_id: str
    """That of the request it was first given to."""


class Answers:
    """The answers of one batch: those stored before, and those it gives for the first time.

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
        if _counts(row, self._now):
            self._rows[key] = row
        else:
            self.expired.append(key)

    def earlier(self, work: ActionRequest | Command) -> Answer | None:
        """What the same request was answered before; None for a new one, and for one without a key.

        Raises IdempotencyKeyReused when the key came with another request.
        """
        given = work.idempotency_key
        if given is None or (row := self._rows.get((work.merchant_id, given.key))) is None:
            return None
        return _answer(row, given)

    def keep(self, work: ActionRequest | Command, response: Row, refusal: RuleBroken | None = None) -> None:
        """Keeps the answer for a repeat of the request. Nothing is kept without a key."""
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


async def find_answer(
    connection: AsyncConnection, merchant_id: int, given: IdempotencyKey, now: datetime
) -> Answer | None:
    """The stored answer to the same request, so that a repeat costs no second look-up.

    None says nothing for certain, for the same request may be under way. Raises IdempotencyKeyReused when the key came
    with another request.
    """
    this = (_ANSWERS.merchant_id == merchant_id, _ANSWERS.key == given.key)
    found = (await connection.execute(sa.select(*_ANSWERS).where(*this))).mappings().one_or_none()
    if found is None or not _counts(row := dict(found), now):
        return None
    return _answer(row, given)


def _counts(row: Mapping[str, Any], now: datetime) -> bool:
    """False for an answer that is too old."""
    created_at: datetime = row["created_at"]
    return created_at > now - ANSWER_LIFETIME


def _answer(row: Mapping[str, Any], given: IdempotencyKey) -> Answer:
    if row["request_digest"] != given.request_digest:
        raise IdempotencyKeyReused("this Idempotency-Key came with another request before; use a new key for a new one")
    refusal = None if row["refusal"] is None else RuleBroken(row["refusal"])
    return Answer(row["response"], refusal, row["request_id"])
