"""A part of a customer's name finds the same payments in every way in which it can be looked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from building import NOON, a_failure, a_notice
from dunning_service.database import name_index as names
from dunning_service.failed_payments.queries import FailedPaymentsQuery
from dunning_service.ledger.fields import folded_name
from dunning_service.ledger.models import PaymentRow
from ledgers import Ledger

NAMES = [
    "Anna Hansen",
    "HANNA Berg",
    "Müller-Lüdenscheidt",
    'Jo "Ann" Ray',
    "100% Sound_Ltd",
    "Li",
    "ΣΊΣΥΦΟΣ",
    "O'Neil*",
]
PARTS = ["ann", "Ann", "ANNA", "an", "a", "ß", "MÜLLER", 'jo "ann"', '"', "100%", "_", "d_l", "li", "σίσυφος", "neil*"]
PARTS += ["nobody", "na h", "AND", "NEAR", "sen OR", "name:an", "-lü", "^ann", "Ann*"]
PARTS += ["muller lud", "MU\u0308LLER", "Anna\u00a0 H", "sisyphos", "\u03c3\u03b9\u03c3\u03c5\u03c6", "o\u2019neil"]


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[Ledger]:
    opened = Ledger(database_url)
    for merchant_id in (1, 2):
        works = [
            a_notice(
                a_failure(f"in_{number}", customer_name=name, occurred_at=NOON - timedelta(days=number % 3)),
                merchant_id=merchant_id,
            )
            for number, name in enumerate([*NAMES, None])
        ]
        opened.committer.commit(works, NOON)
    yield opened
    await opened.database.close()


async def found(ledger: Ledger, part: str) -> set[str]:
    """The names of what a search for `part` shows; total and page agree."""
    query = FailedPaymentsQuery(merchant_id=1, name=part)
    async with ledger.database.read() as connection:
        total = await query.total(connection)
        rows = await query.numbered_page(connection, offset=0, limit=50)
    assert total == len(rows)
    return {row.customer_name for row in rows}


@pytest.mark.parametrize("most", [0, 1, 2_000])
async def test_any_part_of_a_name_finds_it_in_any_case_with_any_accents(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(names, "_MOST", most)
    for part in PARTS:
        folded = folded_name(part) or ""
        assert await found(ledger, part) == {name for name in NAMES if folded in (folded_name(name) or "")}, part


async def test_corrected_name_is_found_and_the_former_one_is_not(ledger: Ledger) -> None:
    corrected = a_failure("in_0", "2", customer_name="Quintilian Zwart", occurred_at=NOON + timedelta(hours=1))
    ledger.committer.commit([a_notice(corrected)], NOON)
    assert await found(ledger, "intil") == {"Quintilian Zwart"}
    assert await found(ledger, "hansen") == set()

    with ledger.database.write() as connection:
        connection.execute(sa.update(PaymentRow).values(customer_name=None, customer_name_folded=None))
    assert await found(ledger, "intil") == set()
