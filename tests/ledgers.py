"""The ledger as a test sees it: a real committer on a real database, and what its tables say."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from building import NOON
from dunning_service.database.engines import Database, database_url
from dunning_service.erasure.check import returned
from dunning_service.ledger.check import differences
from dunning_service.ledger.commit import Committer
from dunning_service.ledger.models import ActionRow, AttemptRow, DailyCountRow, DeliveryRow, PaymentRow, ReceiptRow
from dunning_service.ledger.repair import Repaired, repair
from dunning_service.merchants import service as merchants
from dunning_service.merchants.directory import MerchantView
from dunning_service.values.progress import Unreported

Facts = dict[str, set[tuple[Any, ...]]]

_merchants = itertools.count(1)

_ARRIVAL = {"received_at", "last_received_at", "times_received", "created_at", "updated_at", "delivery_digest"}
_SURROGATE = {"merchant_id", "id", "payment_id", "to_payment_id", "number", "move", "resolved"}


MONEY = (
    "provider",
    "provider_payment_id",
    "status",
    "order_on",
    "first_failed_at",
    "last_failed_at",
    "attempt_count",
    "failed_attempt_count",
    "amount_minor",
    "currency",
    "paid_minor",
    "code",
    "category",
    "provider_subscription_id",
    "provider_receipt_id",
)
"""What a payment is about and what has become of it: all that stays when a customer is erased."""


def complaints(database: Database, merchant_id: int | None = None) -> list[str]:
    """What `dunning ledger check` has to say; nothing when all adds up."""
    with database.read_blocking() as connection:
        checked = [one for one in merchants.list_merchants(connection) if merchant_id in (None, one.id)]
        again = [line for merchant in checked for line in returned(connection, merchant)]
        return [*differences(connection, merchant_id), *again]


def every_row(connection: sa.Connection) -> Iterator[tuple[str, dict[str, Any]]]:
    """All rows of all tables that are there, also of those that no model has: the table's name and the values."""
    tables = sa.MetaData()
    tables.reflect(connection)
    for table in tables.sorted_tables:
        for row in connection.execute(sa.select(table)).mappings():
            values = {name: bytes(value) if isinstance(value, memoryview) else value for name, value in row.items()}
            yield table.name, values


class Ledger:
    """One database with a committer; every property-test example takes a merchant of its own in it."""

    def __init__(self, url: str) -> None:
        self.database = Database(database_url(url))
        self.committer = Committer(self.database)

    def new_merchant(self) -> int:
        """A number only: the ledger itself asks for no more."""
        return next(_merchants)

    def add_merchant(self, name: str | None = None, time_zone: str = "UTC") -> MerchantView:
        """One that the database knows, which the check, the lists and whatever else reads merchants need."""
        with self.database.write() as connection:
            return merchants.add_merchant(
                connection,
                name=name or f"merchant {self.new_merchant()}",
                default_currency=None,
                time_zone=time_zone,
                now=NOON,
            )

    def complaints(self, merchant_id: int | None = None) -> list[str]:
        return complaints(self.database, merchant_id)

    def repaired(self, merchant_id: int, time_zone: str = "UTC", now: datetime = NOON) -> Repaired:
        """What `dunning ledger check --repair` writes of one merchant."""
        done = Repaired()
        repair(self.database, merchant_id, time_zone, lambda: now, done, Unreported())
        return done

    def rows(self, model: Any, merchant_id: int) -> list[dict[str, Any]]:
        with self.database.write() as connection:
            table: sa.Table = model.__table__
            found = connection.execute(sa.select(table).where(table.c.merchant_id == merchant_id))
            return [dict(row) for row in found.mappings()]

    def payment_ids(self, merchant_id: int) -> dict[str, int]:
        return {row["provider_payment_id"]: row["id"] for row in self.rows(PaymentRow, merchant_id)}

    def payment(self, merchant_id: int, provider_payment_id: str = "in_1") -> dict[str, Any]:
        return next(
            row for row in self.rows(PaymentRow, merchant_id) if row["provider_payment_id"] == provider_payment_id
        )

    def counts(self, merchant_id: int) -> dict[tuple[Any, str], int]:
        """Failed payments by (order date, status), summed over the shards."""
        sums: dict[tuple[Any, str], int] = {}
        for row in self.rows(DailyCountRow, merchant_id):
            key = (row["order_on"], row["status"])
            sums[key] = sums.get(key, 0) + row["payments"]
        return {key: count for key, count in sums.items() if count}

    def contents(self, merchant_id: int) -> dict[str, Any]:
        """Everything the ledger knows, without surrogate numbers, arrival times and repeat counters."""
        names = {number: name for name, number in self.payment_ids(merchant_id).items()}
        return {
            "payments": _as_set(self.rows(PaymentRow, merchant_id), names),
            **self.facts(merchant_id),
            "counts": self.counts(merchant_id),
        }

    def facts(self, merchant_id: int) -> Facts:
        """What is only ever inserted."""
        names = {number: name for name, number in self.payment_ids(merchant_id).items()}
        return {
            model.__tablename__: _as_set(self.rows(model, merchant_id), names)
            for model in (AttemptRow, ActionRow, ReceiptRow)
        } | {"bodies": {(row["digest"], row["body"]) for row in self.rows(DeliveryRow, merchant_id)}}


def _as_set(rows: list[dict[str, Any]], names: dict[int, str]) -> set[tuple[Any, ...]]:
    return {
        (
            names.get(row.get("payment_id", -1)),
            names.get(row.get("to_payment_id") or -1),
            *((name, repr(value)) for name, value in row.items() if name not in _ARRIVAL | _SURROGATE),
        )
        for row in rows
    }
