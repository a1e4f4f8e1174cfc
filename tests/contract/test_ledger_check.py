"""`dunning ledger check`: silent when all is well, and it names what is not."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
import sqlalchemy as sa

from building import NOON, a_decision, a_failure, a_notice, a_receipt, a_success, in_batches
from dunning_service.events import Delivery, Event, Outcome
from dunning_service.ledger.models import AttemptRow, PaymentRow, RefundRow
from dunning_service.ledger.status import ActionKind, ReceiptDue
from ledgers import Ledger

PAYER = "7:cus_7"


@pytest.fixture
def merchant_id(ledger: Ledger) -> int:
    return ledger.add_merchant("Sweden & Co", "Europe/Oslo").id


def test_it_is_silent_about_an_empty_ledger(ledger: Ledger) -> None:
    assert ledger.complaints() == []


@pytest.mark.parametrize("seed", range(5))
def test_it_is_silent_after_anything_the_writer_did(ledger: Ledger, merchant_id: int, seed: int) -> None:
    chance = random.Random(seed)
    for works in in_batches([_something(chance, merchant_id) for _ in range(60)], [7, 1, 20]):
        ledger.committer.commit(works, NOON)
    for payment_id in ledger.payment_ids(merchant_id).values():
        decision = a_decision(
            payment_id,
            chance.choice(list(ActionKind)),
            merchant_id=merchant_id,
            time_zone="Europe/Oslo",
            must_apply=False,
        )
        ledger.committer.commit([decision], NOON)
    assert len(ledger.payment_ids(merchant_id)) > 5
    assert ledger.complaints() == []


def _something(chance: random.Random, merchant_id: int) -> object:
    """A notice as `merchant_id`'s systems might send it."""
    occurred_at = NOON + timedelta(hours=chance.randint(-40, 0))
    amount = chance.choice([40, 100, None])
    payment, attempt = f"in_{chance.randint(1, 9)}", str(chance.randint(1, 3))
    fields = {"occurred_at": occurred_at, "amount_minor": amount, "payer_key": chance.choice([PAYER, None])}
    told = chance.choice([a_failure, a_failure, a_success])(payment, attempt, **fields)
    receipt = a_receipt(f"txn_{chance.randint(1, 3)}", PAYER, amount_minor=amount)
    return a_notice(chance.choice([told, told, receipt]), merchant_id=merchant_id, time_zone="Europe/Oslo")


def _three_failures_and_a_receipt(ledger: Ledger, merchant_id: int) -> None:
    failures = [
        a_failure(f"in_{number}", payer_key=PAYER, occurred_at=NOON + timedelta(hours=number)) for number in (1, 2, 3)
    ]
    works = [a_notice(told, merchant_id=merchant_id, time_zone="Europe/Oslo") for told in (*failures, a_receipt())]
    ledger.committer.commit(works, NOON)
    assert ledger.payment(merchant_id, "in_1")["status"] == "paid"
    assert ledger.complaints() == []


TAMPERED = [
    ("UPDATE payments SET provider_receipt_id = 'txn_1'", "receipt txn_1 is laid on ODR", "a receipt pays one payment"),
    ("UPDATE payments SET provider_receipt_id = NULL", "has provider_receipt_id None", "say txn_1"),
    ("UPDATE payments SET paid_minor = 0", "has paid_minor 0", "say 1999"),
    ("UPDATE payments SET status = 'cancelled' WHERE provider_payment_id = 'in_2'", "has status cancelled", "failed"),
    ("UPDATE payments SET status = 'failed' WHERE provider_payment_id = 'in_1'", "has status failed", "say paid"),
    ("UPDATE payments SET amount_minor = 1 WHERE provider_payment_id = 'in_2'", "has amount_minor 1,", "say 1999"),
    ("UPDATE payments SET paid_minor = 5 WHERE provider_payment_id = 'in_3'", "has paid_minor 5,", "say 0"),
    ("UPDATE payments SET currency = 'SEK' WHERE provider_payment_id = 'in_2'", "has currency SEK", "say NOK"),
    ("UPDATE payments SET attempt_count = 9 WHERE provider_payment_id = 'in_2'", "has attempt_count 9", "say 1"),
    ("UPDATE payments SET order_on = '2020-01-01' WHERE provider_payment_id = 'in_2'", "order_on 2020-01-01", "2026"),
    ("UPDATE payments SET payer_key = NULL WHERE provider_payment_id = 'in_2'", "has payer_key None", PAYER),
    ("DELETE FROM receipts", "has provider_receipt_id txn_1", "say None"),
    ("UPDATE receipts SET amount_minor = 1", "has provider_receipt_id txn_1", "say None"),
    ("UPDATE attempts SET outcome = 'succeeded'", "has status failed", "say paid"),
    ("UPDATE daily_counts SET payments = payments + 1 WHERE status = 'paid'", "counted as 2", "there are 1"),
    ("DELETE FROM daily_counts WHERE status = 'failed'", "counted as 0", "there are 2"),
    ("UPDATE block_counts SET payments = 9 WHERE status = 'failed'", "are counted as 9", "there are 2"),
    ("UPDATE block_counts SET block = 1 WHERE status = 'paid'", "from ODR8192 on are counted as 1", "there are 0"),
    (
        "UPDATE daily_amounts SET amount_low = amount_low + 1 WHERE status = 'failed'",
        "in NOK are counted as 2 worth 3999, 0 of them",
        "there are 2 worth 3998",
    ),
    ("UPDATE daily_amounts SET currency = ''", "in an unknown currency are counted as", "there are 0 worth 0"),
]


@pytest.mark.parametrize(("statement", "found", "expected"), TAMPERED, ids=[row[0] for row in TAMPERED])
def test_it_names_what_was_tampered_with(
    ledger: Ledger, merchant_id: int, statement: str, found: str, expected: str
) -> None:
    _three_failures_and_a_receipt(ledger, merchant_id)
    with ledger.database.write() as connection:
        connection.exec_driver_sql(statement)
    assert any(found in complaint and expected in complaint for complaint in ledger.complaints()), ledger.complaints()
    assert all("merchant Sweden & Co" in complaint for complaint in ledger.complaints())


MISPLACED = [
    ("UPDATE actions SET receipt = 'none' WHERE verb = 'mark_paid'", "has provider_receipt_id txn_2", "say None"),
    ("DELETE FROM actions WHERE verb = 'move_receipt'", "has provider_receipt_id txn_1", "say None"),
    ("UPDATE actions SET to_payment_id = 7 WHERE verb = 'move_receipt'", "moves receipt txn_1 to ODR7", "not there"),
    ("UPDATE actions SET provider_receipt_id = 'x' WHERE verb = 'move_receipt'", "moves receipt x", "not there"),
    ("UPDATE payments SET status = 'failed', paid_minor = 0 WHERE status = 'paid'", "has status failed", "say paid"),
    ("UPDATE payments SET status = 'failed' WHERE provider_payment_id = 'parts'", "has status failed", "say paid"),
    ("UPDATE payments SET amount_minor = 40 WHERE provider_payment_id = 'parts'", "has amount_minor 40", "say 100"),
    ("DELETE FROM attempts WHERE provider_attempt_id = '4'", "has paid_minor 100", "say 60"),
]


@pytest.mark.parametrize(("statement", "found", "expected"), MISPLACED, ids=[row[0] for row in MISPLACED])
def test_it_names_money_that_is_not_where_marks_moves_and_part_payments_put_it(
    ledger: Ledger, merchant_id: int, statement: str, found: str, expected: str
) -> None:
    _marks_moves_and_parts(ledger, merchant_id)
    with ledger.database.write() as connection:
        connection.exec_driver_sql(statement)
    assert any(found in complaint and expected in complaint for complaint in ledger.complaints()), ledger.complaints()


def _marks_moves_and_parts(ledger: Ledger, merchant_id: int) -> None:
    """One payment paid by the receipt that it expected, one by a receipt moved to it, and one paid in parts."""
    fields = {"merchant_id": merchant_id, "time_zone": "Europe/Oslo"}
    failures = [
        a_failure(f"in_{number}", payer_key=PAYER, occurred_at=NOON + timedelta(hours=number)) for number in (1, 2, 3)
    ]
    parts = [("failed", 100), ("succeeded", 60), ("failed", 100), ("succeeded", 40)]
    attempts = [
        a_failure("parts", str(number), outcome=Outcome(outcome), amount_minor=amount, sequence=number)
        for number, (outcome, amount) in enumerate(parts, 1)
    ]
    receipt = a_notice(a_receipt("txn_1"), **fields)
    ledger.committer.commit([a_notice(*failures, *attempts, **fields), receipt], NOON)
    ids = ledger.payment_ids(merchant_id)
    later = {"decided_at": NOON + timedelta(hours=1), **fields}
    expecting = a_decision(ids["in_2"], ActionKind.MARK_PAID, receipt=ReceiptDue.EXPECTED, **later)
    moving = a_decision(ids["in_1"], ActionKind.MOVE_RECEIPT, to_payment_id=ids["in_3"], **later)
    delivery = Delivery(b"the expected one", (), NOON + timedelta(hours=2))
    ledger.committer.commit([expecting, moving, a_notice(a_receipt("txn_2"), delivery=delivery, **fields)], NOON)
    paid_by = {name: ledger.payment(merchant_id, name)["provider_receipt_id"] for name in ids}
    assert paid_by == {"in_1": None, "in_2": "txn_2", "in_3": "txn_1", "parts": None}
    assert ledger.payment(merchant_id, "parts")["status"] == "paid"
    assert ledger.complaints() == []


def test_it_names_a_payment_with_an_attempt_inserted_behind_the_ledgers_back(ledger: Ledger, merchant_id: int) -> None:
    _three_failures_and_a_receipt(ledger, merchant_id)
    number = ledger.payment_ids(merchant_id)["in_2"]
    with ledger.database.write() as connection:
        row = (
            connection.execute(sa.select(AttemptRow.__table__).where(AttemptRow.payment_id == number)).mappings().one()
        )
        connection.execute(sa.insert(AttemptRow).values(dict(row) | {"number": 2, "provider_attempt_id": "2"}))
    assert any(
        f"ODR{number} has attempt_count 1, but its facts say 2" in complaint for complaint in ledger.complaints()
    )


def _with_other_digests(ledger: Ledger, merchant_id: int) -> None:
    """A correction dated as what it corrects, two deposits, an attempt without a time, and a delivery read again."""
    at = [Delivery(f"notice {number}".encode(), (), NOON + timedelta(minutes=number)) for number in range(7)]
    said: list[tuple[Event, Delivery]] = [
        (a_failure("in_1", amount_minor=200), at[0]),
        (a_failure("in_1", amount_minor=150), at[1]),
        (a_failure("in_2", payer_key=PAYER), at[2]),
        (a_receipt("txn_1", PAYER), at[3]),
        (a_failure("in_3", amount_minor=100, customer_name="First"), at[4]),
        (a_failure("in_3", "2", occurred_at=None, amount_minor=300, customer_name="Second"), at[5]),
        (a_failure("in_4", currency="NOK"), at[6]),
    ]
    notices = [a_notice(event, merchant_id=merchant_id, delivery=delivery) for event, delivery in said]
    ledger.committer.commit(notices, NOON)
    again = a_notice(a_failure("in_5", currency="EUR"), merchant_id=merchant_id, delivery=at[6], is_replay=True)
    ledger.committer.commit([again], NOON)
    assert ledger.complaints() == []


DAMAGED = [
    # what another fold made of the same facts
    ("UPDATE payments SET amount_minor = 200 WHERE provider_payment_id = 'in_1'", "has amount_minor 200,", "say 150"),
    (
        "UPDATE payments SET status = 'failed', provider_receipt_id = NULL, paid_minor = 0 "
        "WHERE provider_payment_id = 'in_2'",
        "has provider_receipt_id None,",
        "say txn_1",
    ),
    (
        "UPDATE payments SET customer_name = 'First' WHERE provider_payment_id = 'in_3'",
        "has customer_name First",
        "Second",
    ),
    (
        "UPDATE payments SET order_on = '2026-11-21', attempt_count = 1 WHERE provider_payment_id = 'in_4'",
        "has attempt_count 1,",
        "say 0",
    ),
    # facts that say otherwise than their deliveries
    ("UPDATE attempts SET is_superseded = NOT is_superseded", "counts, but the delivery", "does not say so any more"),
    ("DELETE FROM attempts WHERE currency = 'EUR'", "says something of ODR", "that is not recorded; replay it"),
    ("UPDATE receipts SET is_superseded = NOT is_superseded", "of the receipt txn_1 that is not recorded", "replay it"),
    ("DELETE FROM deliveries", "attempt 2 of ODR", "came with a delivery that is not there"),
    ("UPDATE deliveries SET outcome = 'ignored'", "attempt 2 of ODR", "does not say so any more; replay it"),
    ("UPDATE attempts SET received_at = '2026-11-20T12:00:00+00:00'", "was heard before its delivery", "came"),
    (
        "INSERT INTO receipts SELECT merchant_id, provider, provider_receipt_id, 2, digest, '8:', amount_minor, "
        "currency, details, delivery_digest, is_superseded, received_at, resolved FROM receipts",
        "the receipt txn_1 of maple is recorded with different contents",
        "the one first heard holds",
    ),
]


@pytest.mark.parametrize(("statement", "found", "expected"), DAMAGED, ids=[row[0] for row in DAMAGED])
def test_it_names_what_deliveries_do_not_say(
    ledger: Ledger, merchant_id: int, statement: str, found: str, expected: str
) -> None:
    _with_other_digests(ledger, merchant_id)
    if statement.startswith("INSERT"):  # by name, for a migrated table has its columns in an order of its own
        names = statement[len("INSERT INTO receipts SELECT ") : statement.index(" FROM")]
        columns = names.replace(" 2,", " number,").replace("'8:'", "payer_key")
        statement = statement.replace("INTO receipts", f"INTO receipts ({columns})")
    with ledger.database.write() as connection:
        connection.exec_driver_sql(statement)
    assert any(found in complaint and expected in complaint for complaint in ledger.complaints()), ledger.complaints()


def test_it_is_silent_about_receipts_that_differ_until_both_were_read_again(ledger: Ledger, merchant_id: int) -> None:
    at = [Delivery(f"notice {number}".encode(), (), NOON + timedelta(minutes=number)) for number in range(2)]
    in_currency = {
        currency: [
            a_notice(
                a_receipt(currency=currency), merchant_id=merchant_id, delivery=delivery, is_replay=currency != "NOK"
            )
            for delivery in at
        ]
        for currency in ("NOK", "EUR")
    }
    for notice in (*in_currency["NOK"], *in_currency["EUR"]):
        ledger.committer.commit([notice], NOON)
        assert ledger.complaints() == []


def test_it_names_an_attempt_of_no_payment(ledger: Ledger, merchant_id: int) -> None:
    _three_failures_and_a_receipt(ledger, merchant_id)
    with ledger.database.write() as connection:
        row = connection.execute(sa.select(AttemptRow.__table__)).mappings().first()
        assert row is not None
        connection.execute(sa.insert(AttemptRow).values(dict(row) | {"payment_id": 7}))
    assert ledger.complaints() == ["merchant Sweden & Co: attempt 1 is of ODR7, which is not there"]


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"amount_minor": 2000}, "2000 NOK of in_1 are refunded, but 1999 NOK were paid"),
        ({"currency": "SEK"}, "1999 SEK of in_1 are refunded, but 1999 NOK were paid"),
        ({"provider_payment_id": "in_9"}, "1999 NOK of in_9 are refunded, but 0 NOK were paid"),
    ],
    ids=["too much", "another currency", "of no payment"],
)
def test_it_names_what_was_refunded_and_never_paid(
    ledger: Ledger, merchant_id: int, wrong: dict[str, object], complaint: str
) -> None:
    _three_failures_and_a_receipt(ledger, merchant_id)
    refund = {
        "merchant_id": merchant_id,
        "provider": "maple",
        "provider_payment_id": "in_1",
        "number": 1,
        "provider_attempt_id": "1",
        "reference": None,
        "amount_minor": 1999,
        "currency": "NOK",
        "refunded_at": NOON,
        "received_at": NOON,
        "delivery_digest": b"\x01" * 32,
        "details": {},
    }
    with ledger.database.write() as connection:
        connection.execute(sa.insert(RefundRow).values(refund))
    assert ledger.complaints() == []
    with ledger.database.write() as connection:
        connection.execute(sa.update(RefundRow).values(wrong))
    assert ledger.complaints() == [f"merchant Sweden & Co: {complaint}"]


def test_it_can_be_asked_about_one_merchant(ledger: Ledger, merchant_id: int) -> None:
    other = ledger.add_merchant("Other").id
    for owner in (merchant_id, other):
        ledger.committer.commit([a_notice(a_failure(), merchant_id=owner)], NOON)
    with ledger.database.write() as connection:
        connection.execute(sa.update(PaymentRow).where(PaymentRow.merchant_id == other).values(code="altered"))
    assert ledger.complaints(merchant_id) == []
    assert len(ledger.complaints(other)) == 1
    assert ledger.complaints(other) == ledger.complaints()


def test_more_payments_than_are_read_at_a_time_are_all_looked_at(
    ledger: Ledger, merchant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dunning_service.ledger.check._PAGE", 3)
    works = [a_notice(a_failure(f"in_{number}"), merchant_id=merchant_id) for number in range(7)]
    ledger.committer.commit(works, NOON)
    assert ledger.complaints() == []
    with ledger.database.write() as connection:
        connection.execute(sa.update(PaymentRow).values(message="altered"))
    assert len(ledger.complaints()) == 7
