"""Lists of payment records and of their attempts, page by page as Stripe's clients read them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contract._payment_records import (
    ATTEMPTS,
    FAILED,
    NOW,
    RECORDS,
    Records,
    answer,
    ids,
    refusal,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def some(records: Records, count: int, step: float = 0) -> list[str]:
    """That many records, newest first, `step` seconds apart."""
    made = []
    for _ in range(count):
        made.append((await records.report())["id"])
        records.service.clock.advance(timedelta(seconds=step))
    return made[::-1]


async def test_an_empty_list_is_a_list(records: Records) -> None:
    assert await records.listed() == {"object": "list", "url": RECORDS, "has_more": False, "data": []}


async def test_a_page_has_ten_records_or_as_many_as_are_wanted(records: Records) -> None:
    made = await some(records, 12)

    for query, size in (({}, 10), ({"limit": 1}, 1), ({"limit": 11}, 11), ({"limit": 12}, 12), ({"limit": 100}, 12)):
        page = await records.listed(**query)
        assert ids(page) == made[:size]
        assert page["has_more"] is (size < 12)
        assert page["url"] == RECORDS


async def test_pages_lead_through_all_records_in_both_directions(records: Records) -> None:
    made = await some(records, 7)

    forward: list[str] = []
    page: dict[str, Any] = await records.listed(limit=3)
    while True:
        forward += ids(page)
        if not page["has_more"]:
            break
        page = await records.listed(limit=3, starting_after=forward[-1])
    backward: list[str] = []
    page = await records.listed(limit=3, ending_before=made[-1])
    while True:
        backward = [*ids(page), *backward]
        if not page["has_more"]:
            break
        page = await records.listed(limit=3, ending_before=backward[0])

    assert forward == made
    assert backward == made[:-1]


async def test_the_page_before_a_record_is_the_one_next_to_it(records: Records) -> None:
    made = await some(records, 6)

    before = await records.listed(limit=2, ending_before=made[4])
    first = await records.listed(limit=4, ending_before=made[4])
    nothing = await records.listed(ending_before=made[0])
    end = await records.listed(starting_after=made[-1])

    assert (ids(before), before["has_more"]) == (made[2:4], True)
    assert (ids(first), first["has_more"]) == (made[:4], False)
    assert (nothing["data"], nothing["has_more"]) == (end["data"], end["has_more"]) == ([], False)


async def test_records_are_listed_by_when_they_were_made(records: Records) -> None:
    newest, middle, oldest = await some(records, 3, step=10)

    for query, wanted in (
        ({"created_after": NOW}, [newest, middle]),
        ({"created_after": NOW - 1}, [newest, middle, oldest]),
        ({"created_before": NOW + 20}, [middle, oldest]),
        ({"created_before": NOW + 21}, [newest, middle, oldest]),
        ({"created_after": NOW, "created_before": NOW + 20}, [middle]),
        ({"created_after": NOW + 20, "created_before": NOW}, []),
        ({"created_after": 0}, [newest, middle, oldest]),
        ({"created_after": 253_402_300_799}, []),
        ({"created_before": 0}, []),
        ({"created_before": NOW + 20, "starting_after": middle}, [oldest]),
        ({"created_before": NOW + 20, "starting_after": newest}, [middle, oldest]),
        ({"created_after": NOW, "ending_before": oldest}, [newest, middle]),
    ):
        page = await records.listed(**query)
        assert (ids(page), page["has_more"]) == (wanted, False), query
    assert (await records.listed(created_after=NOW - 1, limit=2))["has_more"] is True


async def test_parts_of_a_second_count_with_their_second(records: Records) -> None:
    records.service.clock.advance(timedelta(milliseconds=900))
    record = (await records.report())["id"]

    assert (await records.retrieve(record))["created"] == NOW
    assert ids(await records.listed(created_after=NOW)) == []
    assert ids(await records.listed(created_before=NOW + 1)) == [record]


async def test_what_happens_to_a_record_does_not_move_it(records: Records) -> None:
    made = await some(records, 3, step=10)
    await records.settle(made[2], "failed")
    await records.attempt(made[2], **FAILED)
    await records.inform(made[1], description="x")

    page = await records.listed()

    assert ids(page) == made
    assert [shown["created"] for shown in page["data"]] == [NOW + 20, NOW + 10, NOW]


async def test_each_record_is_shown_as_if_it_were_alone(records: Records) -> None:
    made = await some(records, 3)
    await records.settle(made[0], "guaranteed")
    await records.refund(made[0])
    await records.settle(made[1], "failed", metadata={"a": "b"})
    await records.attempt(made[1], **FAILED)

    assert (await records.listed())["data"] == [await records.retrieve(record) for record in made]
    attempts = await records.attempts(made[1])
    assert attempts["data"] == [await records.retrieve(attempt) for attempt in ids(attempts)]


async def test_attempts_are_listed_newest_first_and_by_pages(records: Records) -> None:
    shown = await records.report(**FAILED)
    made = [shown["latest_payment_attempt_record"]]
    for _ in range(11):
        made.insert(0, (await records.attempt(shown["id"], **FAILED))["latest_payment_attempt_record"])
    other = await records.report()

    first = await records.attempts(shown["id"])
    rest = await records.attempts(shown["id"], starting_after=first["data"][-1]["id"])
    few = await records.attempts(shown["id"], limit=5, starting_after=made[2])

    assert (ids(first), first["has_more"], first["url"]) == (made[:10], True, ATTEMPTS)
    assert (ids(rest), rest["has_more"]) == (made[10:], False)
    assert (ids(few), few["has_more"]) == (made[3:8], True)
    assert ids(await records.attempts(other["id"])) == [other["latest_payment_attempt_record"]]
    foreign = {"payment_record": shown["id"], "starting_after": other["latest_payment_attempt_record"]}
    assert refusal(await records.get(ATTEMPTS, foreign), 404)["param"] == "starting_after"


async def test_a_merchant_lists_its_own_records_only(records: Records) -> None:
    others = await records.of_another_merchant()
    mine = (await records.report())["id"]
    theirs = (await others.report())["id"]

    assert ids(await records.listed()) == [mine]
    assert ids(await others.listed()) == [theirs]


async def test_percent_signs_in_queries_are_read(records: Records) -> None:
    record = (await records.report())["id"]

    page = answer(await records.get(f"{ATTEMPTS}?payment%5Frecord={record.replace('_', '%5F')}&limit=%31"))

    assert len(page["data"]) == 1
