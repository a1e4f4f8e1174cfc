"""Payments that fall due, put into the database of a process as the API would put them there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from dunning_service.billing import commands
from dunning_service.billing.models import ScheduledPaymentRow
from dunning_service.billing.pricing import price
from dunning_service.billing.schedule import FirstLease
from dunning_service.billing.states import FrequencyUnit
from dunning_service.billing.terms import Customer, NewSubscription
from dunning_service.database.engines import create_write_engine
from dunning_service.database.engines import database_url as parsed_url
from dunning_service.gateways import TransactionType
from dunning_service.gateways.sandbox import PAYS
from dunning_service.gateways.service import choose_sandbox
from dunning_service.ledger.work import CommandDone
from dunning_service.merchants.directory import MerchantView, Principal, Scope
from dunning_service.merchants.service import add_merchant
from dunning_service.values.money import Money
from ledgers import Ledger


def a_subscription(method: UUID = PAYS, **given: Any) -> NewSubscription:
    """One payment of 19.99 EUR, due a second ago."""
    known: dict[str, Any] = {
        "payment_processor_id": uuid4(),
        "transaction_type": TransactionType.SALE,
        "price": price(Money(1999, "EUR")),
        "unit": FrequencyUnit.MONTH,
        "every": 1,
        "start_at": datetime.now(UTC) - timedelta(seconds=1),
        "number_of_payments": 1,
        "customer_id": uuid4(),
        "payment_method_id": method,
        "is_faster_processing": None,
        "use_card_price": None,
        "customer": Customer(),
    }
    return NewSubscription(**(known | given))


class DuePayments:
    """A merchant that charges through the sandbox, and what it has scheduled."""

    def __init__(self, url: str, *, has_gateway: bool = True) -> None:
        self.url = url
        engine = create_write_engine(parsed_url(url))
        now = datetime.now(UTC)
        with engine.begin() as connection:
            self.merchant: MerchantView = add_merchant(
                connection, name="Sweden & Co", default_currency="EUR", time_zone="Europe/Oslo", now=now
            )
            if has_gateway:
                choose_sandbox(connection, self.merchant, now=now)
        engine.dispose()

    def subscribe(self, *subscriptions: NewSubscription) -> None:
        """Creates subscriptions."""
        ledger = Ledger(self.url)
        principal = Principal(self.merchant, "tok_1", "test", frozenset(Scope))
        now = datetime.now(UTC)
        first = FirstLease(1, timedelta(seconds=120))
        results = ledger.committer.commit(
            [
                commands.create(
                    principal,
                    new,
                    first,
                    commands.PostedRequest(
                        path="/", headers=(), body=str(number).encode(), idempotency_key=None, received_at=now
                    ),
                )
                for number, new in enumerate(subscriptions)
            ],
            now,
        )
        assert all(isinstance(result, CommandDone) for result in results), results
        ledger.database.write_engine.dispose()

    def payments(self) -> list[Mapping[str, Any]]:
        """Their rows, as they are now, by when they were due."""
        engine = create_write_engine(parsed_url(self.url))
        with engine.begin() as connection:
            table: Any = ScheduledPaymentRow.__table__
            found = connection.execute(
                sa.select(table).where(table.c.merchant_id == self.merchant.id).order_by(table.c.due_at)
            )
            rows = [dict(row) for row in found.mappings()]
        engine.dispose()
        return rows

    def statuses(self) -> list[str]:
        return [row["status"] for row in self.payments()]
