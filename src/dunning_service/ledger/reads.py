"""Rows found by key, many of them asked for ahead, so that a remote database answers all in one round trip."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dunning_service.database.bulk import Bulk
from dunning_service.database.bulk_sql import Row, Through
from dunning_service.ledger.models import ActionRow, AttemptRow, PaymentRow

Key = tuple[Any, ...]

BY_PAYMENT = ("merchant_id", "provider", "provider_payment_id")
"""The sender's own key of a payment."""

OF_PAYMENT = ("merchant_id", "payment_id")
"""What the rows of a payment have in common."""

_PAYMENTS: Any = PaymentRow.__table__


class Reads:
    """The rows that one transaction reads by key. What was asked for `ahead` is not asked for again, so nothing that
    the transaction has written itself may be read here."""

    def __init__(self, bulk: Bulk) -> None:
        self._bulk = bulk
        self._known: dict[tuple[Any, tuple[str, ...]], dict[Key, list[Row]]] = {}
        self._wanted: list[tuple[Any, tuple[str, ...], Collection[Key], Sequence[Row]]] = []

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """Sends what the block wants, with the other statements of the transaction in it, in one round trip."""
        with self._bulk.together():
            yield
        wanted, self._wanted = self._wanted, []
        for model, by, keys, rows in wanted:
            self._learn(model, by, keys, rows)

    def want(self, model: Any, by: tuple[str, ...], keys: Collection[Key]) -> None:
        """The rows of a table whose columns `by` equal one of `keys`; read now only where that saves a round trip."""
        if keys and self._bulk.is_remote:
            self._wanted.append((model, by, keys, self._bulk.select(model.__table__, by, keys)))

    def want_payments(self, keys: Collection[Key]) -> None:
        """The payments of these (merchant_id, provider, provider_payment_id), with their attempts and actions."""
        if not keys or not self._bulk.is_remote:
            return
        payments = self._bulk.select(_PAYMENTS, BY_PAYMENT, keys)
        self._wanted.append((PaymentRow, BY_PAYMENT, keys, payments))
        through = Through(_PAYMENTS, (("merchant_id", "merchant_id"), ("payment_id", "id")))
        for model in (AttemptRow, ActionRow):
            table: Any = model.__table__
            rows = self._bulk.select(table, BY_PAYMENT, keys, through=through)
            self._wanted.append((model, OF_PAYMENT, _Numbers(payments), rows))

    def select(self, model: Any, by: tuple[str, ...], keys: Collection[Key]) -> list[Row]:
        """The rows of a table whose columns `by` equal one of `keys`."""
        known = self._known.get((model, by))
        if known is None:
            return list(self._bulk.select(model.__table__, by, keys))
        missing = [key for key in keys if key not in known]
        if missing:
            self._learn(model, by, missing, self._bulk.select(model.__table__, by, missing))
        return [row for key in keys for row in known[key]]

    def _learn(self, model: Any, by: tuple[str, ...], keys: Collection[Key], rows: Sequence[Row]) -> None:
        known = self._known.setdefault((model, by), {})
        for key in keys:
            known[key] = []
        for row in rows:
            known[tuple(row[name] for name in by)].append(row)


class _Numbers(Collection[Key]):
    """(merchant_id, id) of payments that are known only once their round trip is over."""

    def __init__(self, payments: Sequence[Row]) -> None:
        self._payments = payments

    def __iter__(self) -> Iterator[Key]:
        return ((row["merchant_id"], row["id"]) for row in self._payments)

    def __len__(self) -> int:
        return len(self._payments)

    def __contains__(self, key: object) -> bool:
        return key in list(self)
