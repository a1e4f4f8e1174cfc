"""One failed payment with all that has happened to it."""

from __future__ import annotations

from datetime import timedelta

from contract._failed_payments import listed, read, refused
from contract._payments import act, an_attempt, public_number_of, record
from dunning_service.events import Category, Outcome, ReceiptReported
from running import NOON, RunningService


async def test_timeline_tells_what_happened_in_order(service: RunningService) -> None:
    first = an_attempt(provider_payment_id="in_1", code="51", category=Category.INSUFFICIENT_FUNDS, payer_key="anna")
    corrected = an_attempt(provider_payment_id="in_1", code="54", stated_at=NOON + timedelta(hours=1), payer_key="anna")
    second = an_attempt(provider_payment_id="in_1", provider_attempt_id="2", occurred_at=None, payer_key="anna")
    service.clock.advance(timedelta(days=1))
    await record(service, [corrected])
    await record(service, [second])
    await record(service, [first])
    number = await public_number_of(service, "in_1")
    service.clock.advance(timedelta(days=1))
    await act(service, number, "invoice")
    service.clock.advance(timedelta(days=1))
    await record(
        service,
        [ReceiptReported(provider_receipt_id="txn_1", payer_key="anna", amount_minor=250_000, currency="NOK")],
    )

    payment = await read(service, number)

    assert (payment["id"], payment["status"], payment["paid_minor"]) == (number, "paid", 250_000)
    assert (await listed(service))["data"] == [{name: payment[name] for name in payment if name != "timeline"}]
    attempt = {"type": "attempt", "outcome": "failed", "message": None, "amount_minor": 250_000, "currency": "NOK"}
    attempt |= {"requested_by": None, "next_attempt_at": None, "next_attempt_rule": None, "next_attempt_reason": None}
    assert payment["timeline"] == [
        attempt
        | {
            "at": "2026-11-21T12:00:00Z",
            "occurred_at_known": True,
            "id": "1",
            "category": "insufficient_funds",
            "code": "51",
            "received_at": "2026-11-22T12:00:00Z",
            "superseded": True,
        },
        attempt
        | {
            "at": "2026-11-21T12:00:00Z",
            "occurred_at_known": True,
            "id": "1",
            "category": None,
            "code": "54",
            "received_at": "2026-11-22T12:00:00Z",
            "superseded": False,
        },
        attempt
        | {
            "at": "2026-11-22T12:00:00Z",
            "occurred_at_known": False,
            "id": "2",
            "category": None,
            "code": None,
            "received_at": "2026-11-22T12:00:00Z",
            "superseded": False,
        },
        {
            "type": "action",
            "at": "2026-11-23T12:00:00Z",
            "id": 1,
            "action": "invoice",
            "actor": "test",
            "reason": None,
        },
        {
            "type": "receipt",
            "at": "2026-11-24T12:00:00Z",
            "occurred_at_known": False,
            "id": "txn_1",
            "amount_minor": 250_000,
            "currency": "NOK",
        },
    ]


async def test_part_payments_are_of_the_whole_debt_in_every_list(service: RunningService) -> None:
    """100 failed, 60 paid, 100 failed again: 100 of which 60 are paid; then 40 more, and all of it is."""
    front_payment = "/api/v1/connect/subscriptions/failed/list?subscriptionUuid=sub_1"
    tried = [(Outcome.FAILED, 10_000), (Outcome.SUCCEEDED, 6_000), (Outcome.FAILED, 10_000), (Outcome.SUCCEEDED, 4_000)]
    shown = []
    for number, (outcome, amount_minor) in enumerate(tried):
        attempt = an_attempt(
            provider_payment_id="in_1",
            provider_attempt_id=str(number),
            outcome=outcome,
            amount_minor=amount_minor,
            occurred_at=NOON + timedelta(hours=number),
            provider_subscription_id="sub_1",
        )
        await record(service, [attempt])
        (ours,) = (await listed(service))["data"]
        (theirs,) = (await service.client.get(front_payment, headers=service.auth)).json()["data"]
        summary = await service.client.get("/api/v1/failed-payments/summary", headers=service.auth)
        (line,) = summary.json()["data"]
        assert (line["status"], line["amount_minor"]) == (ours["status"], ours["amount_minor"])
        assert theirs["amount"] == ours["amount_minor"] / 100
        assert theirs["status"] == ours["status"].upper()
        shown.append((ours["status"], ours["amount_minor"], ours["paid_minor"]))
    assert shown == [("failed", 10_000, paid) for paid in (0, 6_000, 6_000)] + [("paid", 10_000, 10_000)]


async def test_number_of_another_shape_is_not_found(service: RunningService) -> None:
    for number in ("ODR0", "odr1", "1", "ODR" + 30 * "9", "ODR9223372036854775807", "%00", "%ED%A0%80", "a%20b"):
        body = await refused(service, f"/{number}", 404)
        assert body["code"] == "not_found"
