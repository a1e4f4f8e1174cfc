"""Receipts and what persons decide about them: marks that expect one, moves, and notes in the time lines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from contract._failed_payments import PATH, read
from contract._goodparty import A_DEPOSIT, A_FAILURE, LOG, SUCCEEDED
from contract._goodparty import post as post_notice
from contract._payments import an_attempt, public_number_of, record
from dunning_service.apis.own.wire import ActionAnswer
from dunning_service.events import Outcome, ReceiptReported
from running import NOON, RunningService

DAY = timedelta(days=1)


async def a_month(service: RunningService, name: str, days: int, **stated: Any) -> str:
    """A failure of the payer anna, so many days after noon; answers its public number."""
    failure = an_attempt(
        **({"provider_payment_id": name, "occurred_at": NOON + days * DAY, "payer_key": "anna"} | stated)
    )
    await record(service, [failure])
    return await public_number_of(service, name)


async def a_deposit(service: RunningService, receipt: str = "T-1", **stated: Any) -> None:
    known = {"provider_receipt_id": receipt, "payer_key": "anna", "amount_minor": 250_000, "currency": "NOK"}
    await record(service, [ReceiptReported(**(known | stated))])


async def post(service: RunningService, number: str, **body: Any) -> Any:
    key = body.pop("key", None)
    headers = {**service.auth, **({} if key is None else {"Idempotency-Key": key})}
    return await service.client.post(f"{PATH}/{number}/actions", headers=headers, json=body)


async def act(service: RunningService, number: str, **body: Any) -> dict[str, Any]:
    response = await post(service, number, **body)
    assert response.status_code == 200, response.text
    ActionAnswer.model_validate_json(response.content)
    answer: dict[str, Any] = response.json()
    return answer


async def standing(service: RunningService, *numbers: str) -> list[tuple[str, int]]:
    """Status and what has been paid of each."""
    payments = [await read(service, number) for number in numbers]
    return [(payment["status"], payment["paid_minor"]) for payment in payments]


async def notes(service: RunningService, number: str) -> list[tuple[str, str, str | None]]:
    timeline = (await read(service, number))["timeline"]
    return [(one["note"], one["receipt_id"], one["other"]) for one in timeline if one["type"] == "note"]


async def test_one_deposit_that_paid_another_month_is_pointed_out_and_moved(service: RunningService) -> None:
    january, february = await a_month(service, "january", -31), await a_month(service, "february", 0)
    service.clock.advance(DAY)
    marked = await act(service, january, action="mark_paid")
    assert (marked["status"], marked["action"]["receipt"]) == ("paid", "none")
    service.clock.advance(2 * DAY)
    await a_deposit(service)

    # it went to the open failure, as nothing said that it was January's, and both time lines say so
    assert await standing(service, january, february) == [("paid", 0), ("paid", 250_000)]
    assert await notes(service, january) == [("receipt_elsewhere", "T-1", february)]
    assert await notes(service, february) == [("receipt_elsewhere", "T-1", january)]
    for number in (january, february):
        (note,) = [one for one in (await read(service, number))["timeline"] if one["type"] == "note"]
        assert note["message"] == (
            f"{january} was marked as paid by hand on 2026-11-22. Receipt T-1 of 2500 NOK from the same payer, which "
            f"arrived on 2026-11-24, pays {february}. If it was meant for {january}, use `move_receipt` on {february} "
            f"with `to` {january}: {february} is open again then. If it is right where it is, use `move_receipt` on "
            f"{february} with `to` {february}, and this note goes away."
        )

    service.clock.advance(DAY)
    moved = await act(service, february, action="move_receipt", to=january, reason="it said January")
    assert moved == {
        "id": february,
        "status": "failed",
        "action": {
            "id": 1,
            "action": "move_receipt",
            "actor": "test",
            "reason": "it said January",
            "decided_at": "2026-11-25T12:00:00Z",
            "receipt_id": "T-1",
            "to": january,
        },
    }
    assert await standing(service, january, february) == [("paid", 250_000), ("failed", 0)]
    entry = (await read(service, february))["timeline"][-1]
    assert (entry["type"], entry["receipt_id"], entry["to"]) == ("action", "T-1", january)
    assert await notes(service, february) == []
    assert await notes(service, january) == [("receipt_moved", "T-1", february)]

    # what a receipt pays is undone by moving the receipt
    refused = await post(service, january, action="reopen")
    assert refused.status_code == 409
    assert "receipt T-1 pays it; what applies now: move_receipt" in refused.json()["detail"]

    # moved back, it is where a person has put it: nobody is asked again
    service.clock.advance(DAY)
    await act(service, january, action="move_receipt", to=february)
    assert await standing(service, january, february) == [("paid", 0), ("paid", 250_000)]
    assert {note for note, _, _ in await notes(service, january) + await notes(service, february)} == {"receipt_moved"}


async def test_a_receipt_far_from_the_mark_is_not_pointed_out_and_one_that_is_right_may_be_confirmed(
    service: RunningService,
) -> None:
    january, february = await a_month(service, "january", 0), await a_month(service, "february", 31)
    march = await a_month(service, "march", 59)
    await act(service, january, action="mark_paid")
    service.clock.advance(35 * DAY)
    await a_deposit(service, "T-1")
    service.clock.advance(timedelta(seconds=1))
    await a_deposit(service, "T-2")
    assert await notes(service, january) == [("receipt_elsewhere", "T-1", february)]
    assert await notes(service, march) == []

    confirmed = await act(service, february, action="move_receipt", to=february)
    assert (confirmed["status"], confirmed["action"]["receipt_id"]) == ("paid", "T-1")
    assert await notes(service, january) == await notes(service, february) == []
    again = await post(service, february, action="move_receipt", to=february)
    assert (again.status_code, again.json()["code"]) == (409, "action_does_not_apply")


async def test_an_expected_deposit_goes_to_the_payment_that_was_marked(service: RunningService) -> None:
    numbers = []
    for month in (1, 2):
        failure = {**A_FAILURE, "InvoiceId": f"in_{month}", "FailedTimeStamp": f"2026-0{month}-11T00:00:00Z"}
        assert (await post_notice(service, LOG, failure)).status_code == 200
        numbers.append(await public_number_of(service, f"in_{month}", provider="goodparty"))
    january, february = numbers
    assert (await act(service, january, action="mark_paid", receipt="expected"))["action"]["receipt"] == "expected"
    assert await standing(service, january, february) == [("paid", 0), ("failed", 0)]
    service.clock.advance(DAY)

    answer = await post_notice(service, SUCCEEDED, A_DEPOSIT)

    assert answer.json() == {"status": "Success", "Message": 1}
    assert await standing(service, january, february) == [("paid", 1999), ("failed", 0)]
    assert await notes(service, january) == await notes(service, february) == []
    mark = [one for one in (await read(service, january))["timeline"] if one["type"] == "action"]
    assert [one["receipt"] for one in mark] == ["expected"]
    # the next one is February's
    await post_notice(service, SUCCEEDED, {**A_DEPOSIT, "TransactionNo": "ch_2"})
    assert await standing(service, january, february) == [("paid", 1999), ("paid", 1999)]


async def test_a_move_to_a_payment_that_is_another_payers_since_undoes_the_older_ones(service: RunningService) -> None:
    january, february = await a_month(service, "january", 0), await a_month(service, "february", 31)
    service.clock.advance(DAY)
    await a_deposit(service)
    for origin, target in ((january, february), (february, january)):
        service.clock.advance(DAY)
        await act(service, origin, action="move_receipt", to=target)
    service.clock.advance(DAY)
    await a_month(service, "january", 1, provider_attempt_id="2", payer_key="bert")
    assert await standing(service, january, february) == [("failed", 0), ("paid", 250_000)]
    assert await notes(service, february) == [("receipt_moved", "T-1", january)] * 2
    service.clock.advance(DAY)
    december = await a_month(service, "december", -31)

    assert await standing(service, december, february) == [("paid", 250_000), ("failed", 0)]
    assert await notes(service, december) == [("receipt_moved", "T-1", february)]
    assert (await notes(service, february))[2:] == [("receipt_moved", "T-1", december)]


async def test_an_older_failure_that_is_heard_of_later_takes_the_receipt_and_both_time_lines_say_so(
    service: RunningService,
) -> None:
    february = await a_month(service, "february", 31)
    service.clock.advance(DAY)
    await a_deposit(service)
    assert await standing(service, february) == [("paid", 250_000)]
    service.clock.advance(DAY)
    january = await a_month(service, "january", 0)

    assert await standing(service, january, february) == [("paid", 250_000), ("failed", 0)]
    assert await notes(service, january) == [("receipt_moved", "T-1", february)]
    assert await notes(service, february) == [("receipt_moved", "T-1", january)]
    note = (await read(service, february))["timeline"][0]
    assert (note["at"], note["message"]) == (
        "2026-11-23T12:00:00Z",
        f"Receipt T-1 of 2500 NOK paid {february} until 2026-11-23 and pays {january} since then: {january}, an older "
        f"failure of the same payer and amount, was only reported then. If it was meant for {february}, use "
        f"`move_receipt` on {january} with `to` {february}.",
    )

    service.clock.advance(DAY)
    await act(service, january, action="move_receipt", receipt_id="T-1", to=february)
    assert await standing(service, january, february) == [("failed", 0), ("paid", 250_000)]
    # a failure that is older still changes nothing about what a person decided
    december = await a_month(service, "december", -31)
    assert await standing(service, december, february) == [("failed", 0), ("paid", 250_000)]


async def test_two_deposits_change_places(service: RunningService) -> None:
    january, february = await a_month(service, "january", 0), await a_month(service, "february", 31)
    await a_deposit(service, "T-1")
    await a_deposit(service, "T-2")
    await act(service, january, action="move_receipt", receipt_id="T-2")
    shown = [
        [one["id"] for one in (await read(service, number))["timeline"] if one["type"] == "receipt"]
        for number in (january, february)
    ]
    assert shown == [["T-2"], ["T-1"]]


async def test_move_that_makes_no_sense_is_refused_with_what_would_be_right(service: RunningService) -> None:
    january, february = await a_month(service, "january", 0), await a_month(service, "february", 31)
    dear = await a_month(service, "dear", 40, amount_minor=300_000)
    swedish = await a_month(service, "swedish", 41, currency="SEK")
    berts = await a_month(service, "berts", 0, payer_key="bert")
    nobodys = await a_month(service, "nobodys", 0, payer_key=None)
    settled = await a_month(service, "settled", -9)
    await record(
        service,
        [an_attempt(provider_payment_id="settled", provider_attempt_id="2", outcome=Outcome.SUCCEEDED)],
    )
    await a_deposit(service, "T-1")
    await a_deposit(service, "T-2")
    await a_deposit(service, "T-3", amount_minor=1)
    await act(service, january, action="move_receipt", to=january)

    for number, body, words in (
        (dear, {"to": february}, f"no receipt pays {dear}; name one in `receipt_id`: T-1 (2500 NOK), T-2 (2500 NOK)"),
        (january, {"receipt_id": "T-9"}, "sent no receipt 'T-9'; name one in `receipt_id`: T-1 (2500 NOK)"),
        (nobodys, {"receipt_id": "T-1"}, "sent no receipt 'T-1'; its payer, as far as it is known, has sent none"),
        (nobodys, {"to": january}, f"no receipt pays {nobodys}; its payer, as far as it is known, has sent none"),
        (january, {"to": berts}, f"{berts} is not owed by the payer of {january}; name a failure of the same payer"),
        (january, {"to": nobodys}, f"{nobodys} is not owed by the payer"),
        (january, {"to": dear}, f"receipt T-1 is of 2500 NOK, and 3000 NOK of {dear} are open; name a failure in `to`"),
        (january, {"to": swedish}, f"receipt T-1 is of 2500 NOK, and 2500 SEK of {swedish} are open"),
        (january, {"receipt_id": "T-3"}, f"{january} is paid by receipt T-1, which was moved there; move that one"),
        (february, {"receipt_id": "T-3"}, f"receipt T-3 is of 0.01 NOK, and 2500 NOK of {february} are open"),
        (january, {"to": settled}, f"{settled} has been paid by other money than a receipt"),
        (january, {"to": january}, f"receipt T-1 pays {january} already"),
    ):
        response = await post(service, number, action="move_receipt", **body)
        assert (response.status_code, response.json()["code"]) == (409, "action_does_not_apply"), response.text
        assert words in response.json()["detail"], response.text
    assert await standing(service, january, february) == [("paid", 250_000), ("paid", 250_000)]


async def test_members_of_an_action_that_do_not_fit_are_refused(service: RunningService) -> None:
    january = await a_month(service, "january", 0)
    for body, field in (
        ({"action": "move_receipt"}, "to"),
        ({"action": "move_receipt", "to": "1"}, "to"),
        ({"action": "move_receipt", "to": 5}, "to"),
        ({"action": "move_receipt", "receipt_id": ""}, "receipt_id"),
        ({"action": "move_receipt", "receipt_id": 256 * "x"}, "receipt_id"),
        ({"action": "move_receipt", "to": january, "receipt": "none"}, "receipt"),
        ({"action": "invoice", "receipt": "expected"}, "receipt"),
        ({"action": "mark_paid", "receipt": "perhaps"}, "receipt"),
        ({"action": "mark_paid", "receipt_id": "T-1"}, "receipt_id"),
        ({"action": "cancel", "to": january}, "to"),
    ):
        response = await post(service, january, **body)
        assert response.status_code == 422, response.text
        assert [error["field"] for error in response.json()["errors"]] == [field], body
    assert (await read(service, january))["status"] == "failed"


async def test_another_merchants_numbers_and_receipts_are_not_found(service: RunningService) -> None:
    january = await a_month(service, "january", 0)
    await a_deposit(service)
    other = await service.add_merchant("other")
    theirs = an_attempt(provider_payment_id="theirs", payer_key="anna")
    await record(service, [theirs], merchant=other)
    await record(
        service,
        [ReceiptReported(provider_receipt_id="T-7", payer_key="anna", amount_minor=250_000, currency="NOK")],
        merchant=other,
    )
    number = await public_number_of(service, "theirs", merchant=other)

    for body in ({"to": number}, {"to": "ODR999"}, {"receipt_id": "T-1", "to": number}):
        response = await post(service, january, action="move_receipt", **body)
        assert (response.status_code, response.json()["detail"]) == (
            404,
            "to: there is no failed payment of that number",
        )
    refused = await post(service, january, action="move_receipt", receipt_id="T-7")
    assert refused.status_code == 409
    assert "sent no receipt 'T-7'; name one in `receipt_id`: T-1 (2500 NOK)" in refused.json()["detail"]
    reading = {"Authorization": f"Bearer {await service.add_token(service.merchant, scopes=('read',))}"}
    body = {"action": "move_receipt", "to": january}
    response = await service.client.post(f"{PATH}/{january}/actions", headers=reading, json=body)
    assert response.status_code == 403


async def test_the_same_key_is_answered_as_the_first_time(service: RunningService) -> None:
    january, february = await a_month(service, "january", 0), await a_month(service, "february", 31)
    await a_deposit(service)
    first = await post(service, january, action="move_receipt", to=february, key="k-1")
    again = await post(service, january, action="move_receipt", to=february, key="k-1")
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    other = await post(service, january, action="move_receipt", receipt_id="T-1", key="k-1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    # no receipt expected is what is meant when nothing is said
    for body in ({}, {"receipt": "none"}, {"receipt": None}):
        assert (await post(service, january, action="mark_paid", key="k-2", **body)).status_code == 200
    expected = await post(service, january, action="mark_paid", receipt="expected", key="k-2")
    assert expected.status_code == 422
