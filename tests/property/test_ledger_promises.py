"""What the ledger promises, against the real committer on both databases."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from building import NOON, a_decision, a_failure, a_notice, a_receipt, a_success, in_batches
from dunning_service.errors import ActionDoesNotApply
from dunning_service.events import AttemptReported, Event, Outcome
from dunning_service.ledger.fold import current_attempts
from dunning_service.ledger.models import AttemptRow, PaymentRow, ReceiptRow
from dunning_service.ledger.status import ActionKind
from dunning_service.ledger.work import ActionRecorded, NoticeRecorded
from ledgers import Ledger
from property._stories import (
    a_story,
    as_they_come,
    attempts,
    dated_stories,
    decide,
    decisions,
    record,
    several_examples,
    stories,
)


@several_examples
@given(
    story=stories,
    wanted=decisions,
    shuffled=st.randoms(use_true_random=False),
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5),
)
def test_any_order_with_any_repeats_ends_in_the_same_ledger(
    ledger: Ledger,
    story: list[list[Event]],
    wanted: list[tuple[str, ActionKind, int]],
    shuffled: random.Random,
    sizes: list[int],
) -> None:
    one, other = ledger.new_merchant(), ledger.new_merchant()
    record(ledger, a_story(one, story), [1])
    record(ledger, decide(ledger, one, wanted), [1])

    notices = a_story(other, story)
    notices += shuffled.choices(notices, k=len(notices) // 2)
    shuffled.shuffle(notices)
    # actions fall in the middle of the story; one about a payment that has not failed yet is told again at its end
    half = len(notices) // 2
    record(ledger, notices[:half], sizes)
    early = decide(ledger, other, wanted)
    shuffled.shuffle(early)
    results = record(ledger, early, sizes)
    done = {result.decided_at for result in results if isinstance(result, ActionRecorded)}
    record(ledger, notices[half:], sizes)
    record(ledger, [late for late in decide(ledger, other, wanted) if late.decided_at not in done], sizes)

    assert ledger.contents(one) == ledger.contents(other)


@several_examples
@given(
    story=dated_stories,
    shuffled=st.randoms(use_true_random=False),
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5),
)
def test_what_senders_date_is_independent_of_its_arrival(
    ledger: Ledger, story: list[list[Event]], shuffled: random.Random, sizes: list[int]
) -> None:
    one, other = ledger.new_merchant(), ledger.new_merchant()
    record(ledger, as_they_come(a_story(one, story)), [1])

    notices = a_story(other, story)
    notices += shuffled.choices(notices, k=len(notices) // 2)
    shuffled.shuffle(notices)
    record(ledger, as_they_come(notices), sizes)

    assert ledger.contents(one) == ledger.contents(other)


@several_examples
@given(
    said=st.lists(st.tuples(st.sampled_from([100, 150, 200]), st.integers(0, 9)), min_size=1, max_size=7),
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=4),
)
def test_of_statements_dated_alike_the_one_first_heard_last_holds(
    ledger: Ledger, said: list[tuple[int, int]], sizes: list[int]
) -> None:
    """In other bytes, or in the same ones, what was heard before changes nothing."""
    merchant_id = ledger.new_merchant()
    notices = [
        a_notice(a_failure(amount_minor=amount), merchant_id=merchant_id, body=f"{amount} {form}".encode())
        for amount, form in said
    ]
    record(ledger, as_they_come(notices), sizes)
    assert ledger.payment(merchant_id)["amount_minor"] == list(dict.fromkeys(amount for amount, _ in said))[-1]


@several_examples
@given(story=stories, wanted=decisions, sizes=st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_facts_are_only_ever_inserted(
    ledger: Ledger, story: list[list[Event]], wanted: list[tuple[str, ActionKind, int]], sizes: list[int]
) -> None:
    merchant_id = ledger.new_merchant()
    before = ledger.facts(merchant_id)
    for batch in in_batches(a_story(merchant_id, story), sizes):
        record(ledger, [*batch, *decide(ledger, merchant_id, wanted[:1])], [len(batch) + 1])
        after = ledger.facts(merchant_id)
        for kind, facts in before.items():
            assert facts <= after[kind]
        before = after


@several_examples
@given(first=attempts, second=attempts, hours=st.integers(1, 48))
def test_an_earlier_statement_never_undoes_a_later_one(
    ledger: Ledger, first: AttemptReported, second: AttemptReported, hours: int
) -> None:
    merchant_id = ledger.new_merchant()
    newer = _same_attempt(first, stated_at=NOON)
    older = _same_attempt(second, stated_at=NOON - timedelta(hours=hours))
    record(ledger, [a_notice(newer, merchant_id=merchant_id)], [1])
    held = ledger.payment(merchant_id)
    record(ledger, [a_notice(older, merchant_id=merchant_id)], [1])
    # that it failed once is history, whenever it is heard of; what holds now stays
    history = {"order_on", "first_failed_at", "last_failed_at", "failed_attempt_count", "updated_at"}
    now = ledger.payment(merchant_id)
    assert {name: now[name] for name in now.keys() - history} == {name: held[name] for name in held.keys() - history}


@several_examples
@given(outcomes=st.permutations([Outcome.FAILED, Outcome.CANCELED, Outcome.SUCCEEDED]))
def test_a_tie_is_settled_by_rank_and_not_by_arrival(ledger: Ledger, outcomes: list[Outcome]) -> None:
    merchant_id = ledger.new_merchant()
    for outcome in outcomes:
        statement = AttemptReported(
            provider_payment_id="in_1", provider_attempt_id="1", outcome=outcome, occurred_at=NOON, amount_minor=100
        )
        record(ledger, [a_notice(statement, merchant_id=merchant_id)], [1])
    assert ledger.payment(merchant_id)["status"] == "paid"


def _same_attempt(event: AttemptReported, **changes: Any) -> AttemptReported:
    values = {name: getattr(event, name) for name in event.__dataclass_fields__}
    return AttemptReported(**(values | {"provider_payment_id": "in_1", "provider_attempt_id": "1"} | changes))


@several_examples
@given(story=stories)
def test_currencies_are_never_added_together(ledger: Ledger, story: list[list[Event]]) -> None:
    merchant_id = ledger.new_merchant()
    record(ledger, a_story(merchant_id, story), [3])
    revisions = [SimpleNamespace(**row) for row in ledger.rows(AttemptRow, merchant_id)]
    receipts = {row["provider_receipt_id"]: row["amount_minor"] for row in ledger.rows(ReceiptRow, merchant_id)}
    for payment in ledger.rows(PaymentRow, merchant_id):
        assert isinstance(payment["paid_minor"], int)
        received = sum(
            attempt.amount_minor or 0
            for attempt in current_attempts(one for one in revisions if one.payment_id == payment["id"])
            if attempt.outcome in ("succeeded", "guaranteed")
            and (payment["currency"] is None or attempt.currency in (None, payment["currency"]))
        )
        from_receipt = receipts[payment["provider_receipt_id"]] if payment["provider_receipt_id"] else 0
        assert payment["paid_minor"] == received + from_receipt


@several_examples
@given(story=stories, wanted=decisions)
def test_counts_equal_counting_the_rows(
    ledger: Ledger, story: list[list[Event]], wanted: list[tuple[str, ActionKind, int]]
) -> None:
    merchant_id = ledger.new_merchant()
    record(ledger, a_story(merchant_id, story), [2, 1, 3])
    record(ledger, decide(ledger, merchant_id, wanted), [2])
    counted: dict[tuple[Any, str], int] = {}
    for row in ledger.rows(PaymentRow, merchant_id):
        if row["order_on"] is not None:
            key = (row["order_on"], row["status"])
            counted[key] = counted.get(key, 0) + 1
    assert ledger.counts(merchant_id) == counted


@several_examples
@given(story=stories)
def test_one_merchants_notices_leave_anothers_ledger_alone(ledger: Ledger, story: list[list[Event]]) -> None:
    one, other = ledger.new_merchant(), ledger.new_merchant()
    record(ledger, a_story(one, story), [4])
    before = ledger.contents(one)
    results = record(ledger, a_story(other, story), [4])
    assert all(isinstance(result, NoticeRecorded) for result in results)
    assert ledger.contents(one) == before


def test_a_correction_that_withdraws_the_payer_gives_the_payment_back(ledger: Ledger) -> None:
    """The second attempt's correction names no payer, so the first one's holds again, with that payer's receipt."""
    tried = [a_failure(attempt="1", payer_key="7:", sequence=1), a_failure(attempt="2", payer_key="8:", sequence=2)]
    corrected = a_failure(attempt="2", payer_key=None, sequence=2, stated_at=NOON + timedelta(hours=1))
    told: list[Event] = [*tried, corrected, a_receipt(payer="7:")]
    contents = []
    for order in itertools.permutations(told):
        merchant_id = ledger.new_merchant()
        record(ledger, [a_notice(event, merchant_id=merchant_id, body=repr(event).encode()) for event in order], [1])
        contents.append(ledger.contents(merchant_id))
    assert ledger.payment(merchant_id)["status"] == "paid"
    assert all(content == contents[0] for content in contents)


@pytest.mark.parametrize("verb", ActionKind)
def test_a_decision_sees_what_came_before_it_in_its_batch(ledger: Ledger, verb: ActionKind) -> None:
    statuses = set()
    for size in (1, 2):
        merchant_id = ledger.new_merchant()
        record(ledger, [a_notice(a_failure(payer_key="7:cus_7"), merchant_id=merchant_id)], [1])
        payment_id = ledger.payment_ids(merchant_id)["in_1"]
        receipt = a_notice(a_receipt(), merchant_id=merchant_id)
        told, decided = record(ledger, [receipt, a_decision(payment_id, verb, merchant_id=merchant_id)], [size])
        assert told.resolved == 1
        assert isinstance(decided, ActionDoesNotApply)
        statuses.add(ledger.payment(merchant_id)["status"])
    assert statuses == {"paid"}


def test_a_long_history_of_one_payer_costs_no_locks(ledger: Ledger) -> None:
    merchant_id = ledger.new_merchant()
    settled = [
        a_notice(
            a_failure(f"in_{number}", payer_key="7:cus_7"),
            a_success(f"in_{number}", payer_key="7:cus_7"),
            merchant_id=merchant_id,
        )
        for number in range(300)
    ]
    record(ledger, settled, [100])
    record(ledger, [a_notice(a_failure("in_open", payer_key="7:cus_7"), merchant_id=merchant_id)], [1])
    (told,) = record(ledger, [a_notice(a_receipt(), merchant_id=merchant_id)], [1])
    assert told.resolved == 1
    assert ledger.payment(merchant_id, "in_open")["status"] == "paid"
