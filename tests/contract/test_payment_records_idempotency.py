"""The same report again, under the same Idempotency-Key: one effect, one answer."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from contract._payment_records import (
    FAILED,
    GUARANTEED,
    LONG_AGO,
    RECORDS,
    REPORT,
    Records,
    a_payment,
    a_refund,
    amounts,
    an_attempt,
    answer,
    encoded,
    ids,
    refusal,
)
from contract._payments import a_failed_payment

pytestmark = pytest.mark.asyncio(loop_scope="session")


def require_replay(again: httpx.Response, first: httpx.Response) -> None:
    """Fails unless `again` is the answer that `first` was, and says so."""
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["original-request"] == first.headers["request-id"]
    assert again.headers["request-id"] != first.headers["request-id"]
    assert "idempotent-replayed" not in first.headers


async def test_the_same_report_again_is_answered_and_not_recorded(records: Records) -> None:
    first = await records.post(REPORT, a_payment(**FAILED), key="k")
    record = answer(first)["id"]
    await records.attempt(record, description="later")

    require_replay(await records.post(REPORT, a_payment(**FAILED), key="k"), first)

    assert ids(await records.listed()) == [record]
    assert (await records.retrieve(record))["description"] == "later"


async def test_every_call_can_be_repeated(records: Records) -> None:
    record = (await records.report())["id"]
    for call, form in (
        ("report_payment_attempt_informational", {"description": "x"}),
        ("report_payment_attempt_failed", {"failed_at": LONG_AGO}),
        ("report_payment_attempt", an_attempt()),
        ("report_payment_attempt_canceled", {"canceled_at": LONG_AGO}),
        ("report_payment_attempt", an_attempt(description="again")),
        ("report_payment_attempt_guaranteed", {"guaranteed_at": LONG_AGO}),
        ("report_refund", a_refund("re_repeated", amount={"currency": "usd", "value": 5})),
    ):
        path = f"{RECORDS}/{record}/{call}"
        first = await records.post(path, form, key=f"{call}-{form}"[:200].replace(" ", ""))
        answer(first)
        for _ in range(2):
            require_replay(await records.post(path, form, key=f"{call}-{form}"[:200].replace(" ", "")), first)
    assert len(ids(await records.attempts(record))) == 3
    assert amounts(await records.retrieve(record)) == {"guaranteed": 1999, "refunded": 5}


async def test_a_rule_that_was_broken_stays_broken_under_its_key(records: Records) -> None:
    record = (await records.report())["id"]
    path = f"{RECORDS}/{record}/report_payment_attempt"
    first = await records.post(path, an_attempt(), key="k")
    refusal(first)
    await records.settle(record, "failed")

    require_replay(await records.post(path, an_attempt(), key="k"), first)

    assert len(ids(await records.attempts(record))) == 1
    answer(await records.post(path, an_attempt(), key="k2"))


async def test_another_request_under_the_key_is_refused(records: Records) -> None:
    record = answer(await records.post(REPORT, a_payment(**FAILED), key="k"))["id"]

    for path, form in (
        (REPORT, a_payment(**FAILED, description="x")),
        (REPORT, a_payment(**FAILED, metadata={"a": "b"})),
        (REPORT, a_payment(**GUARANTEED)),
        (f"{RECORDS}/{record}/report_payment_attempt", an_attempt()),
        (f"{RECORDS}/{record}/report_payment_attempt_informational", {}),
    ):
        response = await records.post(path, form, key="k")
        error = refusal(response)
        assert error["type"] == "idempotency_error"
        assert "idempotent-replayed" not in response.headers
    assert len(ids(await records.attempts(record))) == 1


async def test_a_key_of_one_record_is_not_for_another(records: Records) -> None:
    one, another = [(await records.report())["id"] for _ in range(2)]
    form = {"failed_at": LONG_AGO}

    answer(await records.post(f"{RECORDS}/{one}/report_payment_attempt_failed", form, key="k"))
    error = refusal(await records.post(f"{RECORDS}/{another}/report_payment_attempt_failed", form, key="k"))

    assert error["type"] == "idempotency_error"
    assert amounts(await records.retrieve(another)) == {}


async def test_a_key_of_one_api_is_not_for_another(records: Records) -> None:
    number = await a_failed_payment(records.service)
    path = f"/api/v1/failed-payments/{number}/actions"
    headers = {**records.auth, "Idempotency-Key": "k"}
    acted = await records.client.post(path, json={"action": "invoice"}, headers=headers)
    assert acted.status_code == 200, acted.text

    assert refusal(await records.post(REPORT, a_payment(), key="k"))["type"] == "idempotency_error"
    answer(await records.post(REPORT, a_payment(), key="k2"))
    headers["Idempotency-Key"] = "k2"
    acted = await records.client.post(path, json={"action": "cancel"}, headers=headers)
    assert acted.status_code == 422, acted.text


async def test_the_order_and_the_escapes_of_a_form_do_not_make_it_another(records: Records) -> None:
    form = a_payment(description="Åse", metadata={"a": "1", "b": "2"})
    raw = encoded(form)
    assert isinstance(raw, str)
    first = await records.post(REPORT, raw, key="k")

    require_replay(await records.post(REPORT, "&".join(reversed(raw.split("&"))), key="k"), first)
    require_replay(await records.post(REPORT, raw.replace("[", "%5B").replace("]", "%5D"), key="k"), first)


async def test_what_was_refused_before_it_began_may_be_corrected(records: Records) -> None:
    record = (await records.report())["id"]
    path = f"{RECORDS}/{record}/report_payment_attempt_failed"

    refusal(await records.post(path, {}, key="k"))
    refusal(await records.post(f"{RECORDS}/pr_x/report_payment_attempt_failed", {"failed_at": LONG_AGO}, key="k"), 404)
    refusal(
        await records.post(path, {"failed_at": LONG_AGO}, key="k", headers={"Authorization": "Bearer dun_wrong"}), 401
    )

    settled = await records.post(path, {"failed_at": LONG_AGO}, key="k")
    assert amounts(answer(settled)) == {"failed": 1999}
    assert "idempotent-replayed" not in settled.headers


async def test_keys_belong_to_a_merchant(records: Records) -> None:
    others = await records.of_another_merchant()

    mine = answer(await records.post(REPORT, a_payment(), key="k"))
    theirs = answer(await others.post(REPORT, a_payment(description="theirs"), key="k"))
    second_token = Records(records.service, await records.service.add_token(records.service.merchant, name="second"))
    again = await second_token.post(REPORT, a_payment(), key="k")

    assert mine["id"] != theirs["id"]
    assert answer(again) == mine
    assert again.headers["idempotent-replayed"] == "true"


async def test_a_key_is_forgotten_after_a_day(records: Records) -> None:
    first = await records.post(REPORT, a_payment(), key="k")
    records.service.clock.advance(timedelta(hours=23, minutes=59))
    require_replay(await records.post(REPORT, a_payment(), key="k"), first)
    records.service.clock.advance(timedelta(minutes=2))

    another = answer(await records.post(REPORT, a_payment(description="the next day"), key="k"))

    assert ids(await records.listed()) == [another["id"], answer(first)["id"]]


async def test_without_a_key_each_report_is_one_of_its_own(records: Records) -> None:
    one, another = [await records.post(REPORT, a_payment(), key=None) for _ in range(2)]

    assert answer(one)["id"] != answer(another)["id"]
    assert "idempotent-replayed" not in another.headers


async def test_a_key_that_cannot_be_kept_is_refused(records: Records) -> None:
    for keys in (["x" * 256], ["å"], ["\x7f"], [""], ["a", "b"]):
        headers = [
            *((name.encode(), value.encode()) for name, value in records.auth.items()),
            (b"Content-Type", b"application/x-www-form-urlencoded"),
            *((b"Idempotency-Key", key.encode()) for key in keys),
        ]

        error = refusal(await records.client.post(REPORT, content=encoded(a_payment()), headers=headers))

        assert error["type"] == "invalid_request_error"
        assert "Idempotency-Key" in error["message"], keys
    assert ids(await records.listed()) == []


async def test_a_key_says_nothing_of_what_is_only_read(records: Records) -> None:
    record = answer(await records.post(REPORT, a_payment(), key="k"))["id"]

    response = await records.get(f"{RECORDS}/{record}", headers={"Idempotency-Key": "k"})

    assert answer(response)["id"] == record
    assert "idempotent-replayed" not in response.headers
