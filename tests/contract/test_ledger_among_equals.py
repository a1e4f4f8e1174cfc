"""What holds when two deliveries say different things of one attempt or one receipt, and when they are read again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contract._goodparty import A_DEPOSIT, A_FAILURE, LOG, SUCCEEDED, encoded, listed, post, rows
from contract._webhooks import an_event, rows_of
from contract._webhooks import post as post_webhook
from dunning_service.errors import UnreadableNotice
from dunning_service.events import Event, ReceiptReported
from dunning_service.intake.service import replayed_notice
from dunning_service.ledger.models import DeliveryRow, PaymentRow
from dunning_service.ledger.work import NoticeRecorded
from dunning_service.providers.maple import MapleOptions
from ledgers import complaints
from running import RunningService

LATER = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def a_ledger_that_adds_up(service: RunningService) -> Any:
    yield
    assert complaints(service.database) == []


async def payments(service: RunningService) -> list[Any]:
    return sorted(await rows_of(service, PaymentRow), key=lambda row: str(row.provider_payment_id))


async def deliveries(service: RunningService) -> list[Any]:
    return sorted(await rows_of(service, DeliveryRow), key=lambda row: (row.received_at, row.digest))


async def deposit(service: RunningService, media_type: str = "application/json", **changes: Any) -> Any:
    service.clock.advance(LATER)
    body = encoded({**A_DEPOSIT, **changes}, media_type, root="DepositMoneyRequest")
    return await post(service, SUCCEEDED, body, media_type=media_type, accept="application/json")


async def replay(
    service: RunningService, row: Any, currency: str | None = "NOK", options: Any = None
) -> NoticeRecorded:
    """Reads the delivery again, as if the merchant's currency were another now."""
    merchant = replace(service.merchant, default_currency=currency)
    return await service.writer.record(replayed_notice(row, merchant, options, service.clock()))


# --- receipts of one number


async def test_a_deposit_of_a_known_number_with_other_content_is_refused_and_kept(
    service: RunningService, subtests: pytest.Subtests
) -> None:
    """The first payment stays paid, whatever the second deposit says, and so does every answer."""
    others = [
        ({"UserId": 2000}, {"UserId"}),
        ({"StripeCustomerId": "cus_2"}, {"StripeCustomerId"}),
        ({"DepositAmount": 20}, {"DepositAmount"}),
        ({"Currency": "EUR"}, {"Currency"}),
        ({"UserId": 3, "Currency": "JPY", "DepositAmount": 7}, {"UserId", "Currency", "DepositAmount"}),
    ]
    for number in (1, 2):
        await post(service, LOG, {**A_FAILURE, "InvoiceId": f"in_{number}", "UserId": 9 if number == 1 else 2000})
    first = await deposit(service, TransactionNo="X-0")
    assert first.json() == {"status": "Success", "Message": 1}
    before = await payments(service)
    assert [payment.status for payment in before] == ["paid", "failed"]

    for times, (changes, fields) in enumerate(others, 1):
        with subtests.test(str(changes)):
            refused = await deposit(service, TransactionNo="X-0", **changes)
            again = await deposit(service, TransactionNo="X-0", **changes)
            assert refused.status_code == again.status_code == 400
            assert refused.content == again.content
            assert set(refused.json()["ModelState"]) == {f"request.{name}" for name in fields | {"TransactionNo"}}
            assert "X-0 is recorded and stays as it is" in str(refused.json()["ModelState"])
            kept = [row for row in await deliveries(service) if row.outcome == "failed"]
            assert len(kept) == times
            assert "X-0 was reported before with another" in kept[-1].reason
            assert kept[-1].times_received == 2
            assert await payments(service) == before
    # the same content in other bytes is a repeat
    repeated = await deposit(service, "application/xml", TransactionNo="X-0")
    assert (repeated.status_code, repeated.json()) == (200, first.json())
    assert await payments(service) == before


async def test_a_refused_deposit_is_recorded_once_nothing_contradicts_it(service: RunningService) -> None:
    without_currency = {**A_DEPOSIT, "Currency": ""}
    await deposit(service, **without_currency)  # of which the merchant's currency holds
    (first,) = await deliveries(service)
    assert (await deposit(service, Currency="EUR")).status_code == 400
    second = (await deliveries(service))[-1]
    assert (await replay(service, second)).outcome == "failed"

    assert (await replay(service, first, "EUR")).outcome == "recorded"
    assert (await replay(service, second)).outcome == "recorded"

    assert [row.outcome for row in await deliveries(service)] == ["recorded", "recorded"]
    assert (await deposit(service, Currency="EUR")).json()["Message"] == 0


async def test_a_webhook_with_a_contradicting_receipt_is_kept_and_answered_2xx(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await service.add_source(service.merchant)

    def parse(_self: Any, delivery: Any, _options: Any) -> list[Event]:
        payer, amount = delivery.body.decode().split()
        return [ReceiptReported(provider_receipt_id="r_1", payer_key=payer, amount_minor=int(amount), currency="NOK")]

    monkeypatch.setattr("dunning_service.providers.maple.Maple.parse", parse)
    for body in (b"7: 100", b"8: 100", b"8: 100", b"7:  100"):
        service.clock.advance(LATER)
        assert (await post_webhook(service, source, body)).status_code == 200
    found = await deliveries(service)
    assert [(row.outcome, row.times_received) for row in found] == [("recorded", 1), ("failed", 2), ("recorded", 1)]
    assert found[1].reason.startswith("the receipt r_1 was reported before with another payer, and that holds")


async def test_a_second_deposit_in_the_same_words_without_a_number_is_a_repeat(service: RunningService) -> None:
    for number in (1, 2):
        await post(service, LOG, {**A_FAILURE, "InvoiceId": f"in_{number}"})
    answers = [(await deposit(service, TransactionNo="")).json()["Message"] for _ in range(2)]
    assert answers == [1, 1]
    assert [payment.status for payment in await payments(service)] == ["paid", "failed"]
    # with a number each, they are two
    assert (await deposit(service, TransactionNo="X-1")).json()["Message"] == 1
    assert [payment.status for payment in await payments(service)] == ["paid", "paid"]


# --- statements dated alike


async def test_of_corrections_with_the_same_time_the_last_one_holds(service: RunningService) -> None:
    for number in range(8):  # by chance, a hash would do it for some of them
        notices = [
            {**A_FAILURE, "InvoiceId": f"in_{number}", "UserId": number + 1, "AmountDue": amount}
            for amount in (100, 200, 150)
        ]
        for notice in notices:
            service.clock.advance(LATER)
            await post(service, LOG, notice)
        # late redeliveries of what was heard before: in the same bytes, and in others
        await post(service, LOG, notices[0])
        await post(service, LOG, encoded(notices[0], "application/xml"), media_type="application/xml")
    assert [payment.amount_minor for payment in await payments(service)] == [150] * 8
    assert {payment.attempt_count for payment in await payments(service)} == {1}
    assert {found["AmountDue"] for found in await listed(service)} == {150}


async def test_the_same_notices_at_a_second_source_hold_as_they_came(service: RunningService) -> None:
    sources = [await service.add_source(service.merchant, default_currency=currency) for currency in ("SEK", "DKK")]
    events = [an_event(invoice_uuid=f"inv-{n}", total_amount={"value_in_cents": 5}) for n in range(8)]
    for source in (*sources, sources[0]):
        service.clock.advance(LATER)
        for event in events:
            await post_webhook(service, source, event)
    assert [payment.currency for payment in await payments(service)] == ["DKK"] * 8


# --- replays


async def test_a_replay_replaces_what_its_delivery_said_and_can_be_taken_back(service: RunningService) -> None:
    """Failures and deposits that name no currency, read with one merchant's currency after the other."""
    for number in range(12):
        payer = {"UserId": number + 1, "StripeCustomerId": f"cus_{number}"}
        await post(service, LOG, {**A_FAILURE, **payer, "InvoiceId": f"in_{number}"})
        await deposit(service, **payer, Currency="", TransactionNo=f"T-{number}")
    first = await payments(service)
    assert {(payment.currency, payment.status) for payment in first} == {("NOK", "paid")}

    service.clock.advance(timedelta(days=1))
    for currency, order in (("EUR", 1), ("NOK", -1), ("EUR", -1), ("NOK", 1)):
        for row in (await deliveries(service))[::order]:
            assert (await replay(service, row, currency)).outcome == "recorded"
        found = await payments(service)
        assert {(payment.currency, payment.status, payment.paid_minor) for payment in found} == {
            (currency, "paid", 1999)
        }
    assert [replace_times(payment) for payment in found] == [replace_times(payment) for payment in first]
    # two readings of each, which is all that was ever said
    assert await rows(service) == {"deliveries": 24, "payments": 12, "attempts": 24, "receipts": 24}
    # repeats are answered as at first
    assert (await deposit(service, UserId=1, StripeCustomerId="cus_0", TransactionNo="T-0")).json()["Message"] == 1


def replace_times(row: Any) -> dict[str, Any]:
    return {**row._mapping, "updated_at": None}


async def test_a_replay_leaves_what_another_delivery_still_says(service: RunningService) -> None:
    """A failure in JSON and in XML: the first is read again with another currency, and the second holds."""
    service.clock.advance(LATER)
    await post(service, LOG, A_FAILURE)
    service.clock.advance(LATER)
    await post(service, LOG, encoded(A_FAILURE, "application/xml"), media_type="application/xml")
    first, second = await deliveries(service)
    await replay(service, first, "EUR")
    (payment,) = await payments(service)
    assert (payment.currency, payment.attempt_count) == ("NOK", 1)
    await replay(service, second, "EUR")
    (payment,) = await payments(service)
    assert (payment.currency, payment.attempt_count) == ("EUR", 1)


async def test_a_replay_that_cannot_read_it_leaves_what_was_said(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(*_: Any) -> list[Event]:
        raise UnreadableNotice("it makes no sense")

    await post(service, LOG, A_FAILURE)
    (row,) = await deliveries(service)
    before = await payments(service)
    with monkeypatch.context() as patch:
        patch.setattr("dunning_service.providers.goodparty.GoodParty.parse", parse)
        left = await replay(service, row)
    assert left.outcome == "recorded"
    assert left.refusal is not None
    assert left.refusal.message == "it cannot be read now, so what it said before stays: it makes no sense"
    assert [replace_times(payment) for payment in await payments(service)] == [replace_times(one) for one in before]
    assert (await deliveries(service))[0].outcome == "recorded"


async def test_a_replay_that_ignores_it_takes_away_what_was_said_until_the_next(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await service.add_source(service.merchant)
    await post_webhook(service, source, an_event())
    (row,) = await deliveries(service)
    before = await payments(service)
    with monkeypatch.context() as patch:
        patch.setattr("dunning_service.providers.maple._OUTCOMES", {})
        assert (await replay(service, row, options=MapleOptions())).was_recorded
    assert (await deliveries(service))[0].outcome == "ignored"
    answer = (await service.client.get("/api/v1/failed-payments", headers=service.auth)).json()
    assert (answer["total"], answer["data"]) == (0, [])
    address = f"/api/v1/failed-payments/ODR{before[0].id}"
    assert (await service.client.get(address, headers=service.auth)).status_code == 404
    assert await listed(service) == []

    await replay(service, row, options=MapleOptions())

    assert [replace_times(payment) for payment in await payments(service)] == [replace_times(one) for one in before]
    shown = (await service.client.get(address, headers=service.auth)).json()
    assert [(entry["superseded"], entry["amount_minor"]) for entry in shown["timeline"]] == [(False, 1250)]


async def test_the_time_line_shows_each_statement_once(service: RunningService) -> None:
    for media_type in ("application/json", "application/xml"):
        service.clock.advance(LATER)
        await post(service, LOG, encoded(A_FAILURE, media_type), media_type=media_type)
    heard_at = (await deliveries(service))[0].received_at
    for currency in ("EUR", "NOK", "EUR"):
        for row in await deliveries(service):
            await replay(service, row, currency)
    (payment,) = await payments(service)
    shown = await service.client.get(f"/api/v1/failed-payments/ODR{payment.id}", headers=service.auth)
    entries = {entry["currency"]: entry for entry in shown.json()["timeline"]}
    assert len(shown.json()["timeline"]) == 2
    assert {currency: entry["superseded"] for currency, entry in entries.items()} == {"NOK": True, "EUR": False}
    assert {entry["received_at"] for entry in entries.values()} == {heard_at.isoformat().replace("+00:00", "Z")}


# --- attempts without a time


async def test_an_attempt_without_a_time_counts_at_its_arrival(service: RunningService) -> None:
    dated = {**A_FAILURE, "ArtistName": "First", "AmountDue": 100}
    undated = {**A_FAILURE, "AttemptCount": 2, "ArtistName": "Second", "AmountDue": 200}
    del undated["FailedTimeStamp"]
    for number, notices in enumerate(([dated, undated], [undated, dated])):
        for notice in notices:
            await post(service, LOG, {**notice, "InvoiceId": f"in_{number}"})
    for payment in await payments(service):
        assert (payment.customer_name, payment.amount_minor, payment.attempt_count) == ("Second", 200, 2)
        assert payment.first_failed_at < payment.last_failed_at == service.clock.now
