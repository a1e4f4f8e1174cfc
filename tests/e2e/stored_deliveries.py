"""Deliveries put into a database as the service would, for the commands that show, replay, prune and erase them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from building import a_notice
from command_line import CommandLine
from dunning_service.database.engines import Database
from dunning_service.database.engines import database_url as parsed
from dunning_service.events import Delivery
from dunning_service.ledger.commit import Committer

NOW = datetime.now(UTC)


def maple_failure(**changes: Any) -> bytes:
    """A notice that Maple's adapter understands."""
    payment = {
        "id": "txn_1",
        "company_id": "cmp_1",
        "invoice_uuid": "inv_1",
        "total_amount": {"currency": "EUR", "value_in_cents": 4900},
        "status": "failed",
        "created_at": "2026-11-20T12:00:00Z",
        "updated_at": "2026-11-20T12:00:00Z",
        **changes,
    }
    return json.dumps({"event_type": "payment.failed", "data_type": "payment", "data": payment}).encode()


class Stored:
    """A database with two merchants, a Maple source, and deliveries put into it as the service would."""

    def __init__(self, url: str, dunning: CommandLine) -> None:
        self.dunning = dunning
        self.database = Database(parsed(url))
        self.sweden = dunning.json("merchant", "add", "Sweden", "--currency", "SEK")["id"]
        self.norway = dunning.json("merchant", "add", "Norway")["id"]
        self.source = dunning.json("source", "add", "--merchant", "Sweden", "--provider", "maple")["id"]

    def add(self, body: bytes, *, age: timedelta = timedelta(0), merchant_id: int | None = None, **fields: Any) -> str:
        """A delivery that arrived `age` ago; answers its id."""
        fields = {"outcome": "failed", "reason": "the mapping was wrong", "origin": self.source, **fields}
        headers = ((b"content-type", b"application/json"),)
        notice = a_notice(
            *fields.pop("events", ()),
            merchant_id=merchant_id or self.sweden,
            delivery=Delivery(body, headers, NOW - age),
            **fields,
        )
        Committer(self.database).commit([notice], NOW - age)
        return notice.digest.hex()

    def count(self, model: Any) -> int:
        with self.database.write() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(model)).scalar_one()

    def change(self, statement: sa.Executable) -> None:
        with self.database.write() as connection:
            connection.execute(statement)
