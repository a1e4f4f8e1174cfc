"""What `make bench-list` measures with is a ledger that adds up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from bench.listing_loading import load
from dunning_service.ledger.models import BlockCountRow, PaymentRow
from ledgers import Ledger


@pytest.fixture
def loaded(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("DUNNING_TEST_DATABASE_URL", "")  # the server is not the benchmark's own
    load(database_url, 600, lambda _: None)
    opened = Ledger(database_url)
    yield opened
    opened.database.write_engine.dispose()


def test_loaded_payments_are_what_their_facts_say_and_so_are_the_counts(loaded: Ledger) -> None:
    assert loaded.complaints() == []
    with loaded.database.write() as connection:
        by_merchant = sa.select(PaymentRow.merchant_id, sa.func.count()).group_by(PaymentRow.merchant_id)
        counts = {row[0]: row[1] for row in connection.execute(by_merchant)}
        busiest = sa.select(sa.func.count(PaymentRow.id)).group_by(PaymentRow.merchant_id, PaymentRow.order_on)
        assert (counts.pop(1), sum(counts.values())) == (600, 60)
        assert max(connection.scalars(busiest)) == 59  # one of the tenth is told of late, for an earlier day
        assert connection.scalar(sa.select(sa.func.sum(BlockCountRow.payments))) == 660
