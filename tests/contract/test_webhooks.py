"""POST /webhooks/{source_id}: who is let in, what is kept, and what the sender hears."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from contract._webhooks import a_payment, an_event, post, rows_of, signature, signed, the_delivery
from dunning_service.errors import Unavailable
from dunning_service.ledger.models import AttemptRow, DeliveryRow, PaymentRow
from dunning_service.merchants import sources
from dunning_service.merchants.keyring import Keyring
from dunning_service.merchants.models import Source, SourceSecret
from running import RegisteredSource, RunningService

LIST = "/api/v1/failed-payments"


@pytest.fixture
async def source(service: RunningService) -> RegisteredSource:
    return await service.add_source(service.merchant)


async def test_acknowledged_notice_is_in_the_list_at_once(service: RunningService, source: RegisteredSource) -> None:
    response = await post(service, source, an_event())
    assert (response.status_code, response.json()) == (200, {"received": True})
    page = (await service.client.get(LIST, headers=service.auth)).json()
    assert page["total"] == 1
    (payment,) = page["data"]
    assert payment["provider"] == "maple"
    assert payment["provider_payment_id"] == "cmp_1/inv-1"
    assert (payment["amount_minor"], payment["currency"], payment["status"]) == (1250, "USD", "failed")
    assert payment["customer"]["name"] == "Kari Nordmann"
    assert payment["description"] == "Invoice 1042"


async def test_flat_and_enveloped_notices_are_of_the_same_attempt(
    service: RunningService, source: RegisteredSource
) -> None:
    await post(service, source, an_event())
    await post(service, source, json.dumps(a_payment()).encode())
    assert len(await rows_of(service, DeliveryRow)) == 2
    assert {row.provider_attempt_id for row in await rows_of(service, AttemptRow)} == {"txn_1"}
    (payment,) = await rows_of(service, PaymentRow)
    assert payment.attempt_count == 1


async def test_repeat_is_answered_with_the_same_bytes(service: RunningService, source: RegisteredSource) -> None:
    body = an_event()
    first = await post(service, source, body)
    service.clock.advance(timedelta(hours=3))
    again = await post(service, source, body)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    delivery = await the_delivery(service)
    assert (delivery.times_received, delivery.outcome) == (2, "recorded")
    assert delivery.last_received_at - delivery.received_at == timedelta(hours=3)


async def test_success_pays_the_failure_whichever_comes_first(
    service: RunningService, source: RegisteredSource
) -> None:
    await post(service, source, an_event("payment.success", id="txn_2", updated_at="2026-11-21T11:40:00Z"))
    assert (await service.client.get(LIST, headers=service.auth)).json()["total"] == 0
    await post(service, source, an_event("payment.failed"))
    (payment,) = (await service.client.get(LIST, headers=service.auth)).json()["data"]
    assert payment["status"] == "paid"
    assert len(await rows_of(service, AttemptRow)) == 2


async def test_currency_comes_from_the_source_and_then_from_the_merchant(service: RunningService) -> None:
    without = {"total_amount": {"value_in_cents": 5}}
    for number, options in enumerate(({"default_currency": "SEK"}, {})):
        source = await service.add_source(service.merchant, **options)
        await post(service, source, an_event(id=f"txn_{number}", invoice_uuid=f"inv-{number}", **without))
    assert {payment.currency for payment in await rows_of(service, PaymentRow)} == {"SEK", "NOK"}


async def test_bytes_and_useful_headers_are_kept_and_the_signature_is_not(
    service: RunningService, source: RegisteredSource
) -> None:
    body = an_event()
    headers = signed(service, source, body) | {"Authorization": "Bearer something", "X-Other": "1"}
    await service.client.post(source.path, content=body, headers=headers)
    delivery = await the_delivery(service)
    assert delivery.body == body
    assert delivery.headers == {"content-type": "application/json", "user-agent": "Convoy/v26"}
    assert (delivery.provider, delivery.origin) == ("maple", source.id)


UNREADABLE = {
    "nothing": b"",
    "broken": b"{",
    "cut off": an_event()[:100],
    "not an object": b"[1]",
    "10,000 deep": b'{"data":' * 10_000,
    "NaN": b'{"id":"a","company_id":"c","note":NaN}',
    "a name twice": b'{"id":"a","id":"a","company_id":"c"}',
    "invalid UTF-8": b'{"id":"\xff","company_id":"c"}',
    "half a surrogate pair": b'{"id":"\\udc00","company_id":"c"}',
    "U+0000": b'{"id":"a\\u0000","company_id":"c"}',
    "two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf" + an_event(),
    "an integer past 64 bits": b'{"id":"a","company_id":"c","total_amount":{"currency":"USD","value_in_cents":1e400}}',
    "an impossible date": an_event(created_at="2026-02-30T00:00:00Z"),
    "an overflowing date": an_event(created_at="9999-12-31T23:00:00-23:59"),
    "a date before 1970": an_event(created_at="1969-12-31T23:59:59Z"),
    "a date of the future": an_event(created_at="2026-11-22T12:00:01Z"),
    "a fraction of a cent": an_event(total_amount={"currency": "USD", "value_in_cents": 0.5}),
    "a text for an amount": an_event(total_amount={"currency": "USD", "value_in_cents": "5"}),
    "a list for a customer": an_event(customer=[]),
    "an unheard-of currency": an_event(total_amount={"currency": "ZZZ", "value_in_cents": 5}),
    "a payment without an id": an_event(id=None),
    "an id that is too long": an_event(id="x" * 256),
    "an e-mail address that is too long": an_event(customer={"email": "x" * 256}),
    "no payment at all": b'{"hello":"world"}',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
async def test_signed_notice_that_cannot_be_understood_is_kept(
    service: RunningService, source: RegisteredSource, body: bytes
) -> None:
    response = await post(service, source, body)
    assert (response.status_code, response.json()) == (200, {"received": True})
    delivery = await the_delivery(service)
    assert (delivery.outcome, delivery.body) == ("failed", body)
    assert delivery.reason
    assert await rows_of(service, PaymentRow) == []


async def test_longest_address_fits_its_index(service: RunningService, source: RegisteredSource) -> None:
    """Its index entry holds it folded, which makes of one of these letters three; it must fit all the same."""
    letters = "".join(letter for letter in map(chr, range(0xD800)) if len(letter.casefold().encode()) >= 6)
    email = (letters * 255)[:255]
    assert (await post(service, source, an_event(customer={"email": email}))).status_code == 200
    assert (await the_delivery(service)).outcome == "recorded"
    (payment,) = await rows_of(service, PaymentRow)
    assert (payment.customer_email, payment.customer_email_folded) == (email, email.casefold())


async def test_event_of_another_type_is_kept_as_ignored(service: RunningService, source: RegisteredSource) -> None:
    response = await post(service, source, b'{"event_type":"payment.refunded","data":{"id":"txn_1"}}')
    assert (response.status_code, response.json()) == (200, {"received": True})
    delivery = await the_delivery(service)
    assert delivery.outcome == "ignored"
    assert delivery.reason


BODY = an_event()


def _headers(service: RunningService, source: RegisteredSource) -> dict[str, list[tuple[str | bytes, str | bytes]]]:
    at = int(service.clock.now.timestamp())
    good = f"t={at},v1={signature(source.secret, BODY, at)}"
    old = f"t={at - 301},v1={signature(source.secret, BODY, at - 301)}"
    ahead = f"t={at + 301},v1={signature(source.secret, BODY, at + 301)}"
    name = "X-Maple-Signature"
    return {
        "missing": [],
        "empty": [(name, "")],
        "wrong": [(name, good[:-1] + ("0" if good[-1] != "0" else "1"))],
        "of another body": [(name, f"t={at},v1={signature(source.secret, BODY + b' ', at)}")],
        "of another secret": [(name, f"t={at},v1={signature('x', BODY, at)}")],
        "too old": [(name, old)],
        "from the future": [(name, ahead)],
        "not ASCII": [(b"X-Maple-Signature", "v1=æøå".encode())],
        "64 KB long": [(name, good + "," + "0" * 65_536)],
        "sent twice": [(name, good), (name, good)],
        "in another header": [("X-Signature", good)],
    }


@pytest.mark.parametrize(
    "how",
    [
        "missing",
        "empty",
        "wrong",
        "of another body",
        "of another secret",
        "too old",
        "from the future",
        "not ASCII",
        "64 KB long",
        "sent twice",
        "in another header",
    ],
)
async def test_notice_without_a_good_signature_is_refused(
    service: RunningService, source: RegisteredSource, how: str
) -> None:
    headers: Any = _headers(service, source)[how]
    response = await service.client.post(source.path, content=BODY, headers=headers)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "bad_signature"
    assert source.secret not in response.text
    assert await rows_of(service, DeliveryRow) == []


async def test_source_without_a_secret_lets_nobody_in(service: RunningService, source: RegisteredSource) -> None:
    with service.database.write() as connection:
        connection.execute(sa.delete(SourceSecret))
    response = await service.client.post(source.path, content=BODY, headers={"X-Maple-Signature": "v1="})
    assert response.status_code in (401, 404)
    assert (await post(service, source, BODY)).status_code in (401, 404)
    assert await rows_of(service, DeliveryRow) == []


@pytest.mark.parametrize(
    "path", ["/webhooks/nobody", "/webhooks/%00", "/webhooks/" + "x" * 3000, "/webhooks/%F0%9F%92%A9"]
)
async def test_unknown_source_is_not_found(service: RunningService, path: str) -> None:
    response = await service.client.post(path, content=BODY)
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


async def test_body_for_an_unknown_source_is_not_read(service: RunningService) -> None:
    answered: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body was asked for")

    async def send(message: Any) -> None:
        answered.append(message)

    headers = [(b"content-length", b"1000000")]
    scope = {"type": "http", "method": "POST", "path": "/webhooks/nobody", "headers": headers, "query_string": b""}
    await service.app(scope | {"root_path": ""}, receive, send)
    assert answered[0]["status"] == 404


async def test_disabled_source_looks_as_if_it_had_never_been(service: RunningService, source: RegisteredSource) -> None:
    unknown = await service.client.post("/webhooks/nobody", content=BODY)
    with service.database.write() as connection:
        connection.execute(sa.update(Source).values(disabled_at=service.clock.now))
    disabled = await post(service, source, BODY)
    ours = disabled.json() | {"request_id": ""}
    assert (disabled.status_code, ours) == (404, unknown.json() | {"request_id": ""})


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
async def test_other_methods_are_told_which_is_right(
    service: RunningService, source: RegisteredSource, method: str
) -> None:
    response = await service.client.request(method, source.path)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


async def test_trailing_slash_makes_no_difference(service: RunningService, source: RegisteredSource) -> None:
    headers = signed(service, source, BODY)
    response = await service.client.post(source.path + "/", content=BODY, headers=headers, follow_redirects=False)
    assert response.status_code == 200


async def test_body_over_the_limit_is_refused_by_its_length(service: RunningService, source: RegisteredSource) -> None:
    response = await post(service, source, b"x" * (service.settings.max_body_bytes + 1))
    assert response.status_code == 413
    assert response.json()["code"] == "body_too_large"


async def test_body_at_the_limit_is_read(service: RunningService, source: RegisteredSource) -> None:
    body = an_event()
    body += b" " * (service.settings.max_body_bytes - len(body))
    assert (await post(service, source, body)).status_code == 200
    assert (await the_delivery(service)).outcome == "recorded"


async def test_chunked_body_is_counted_while_it_streams(service: RunningService, source: RegisteredSource) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 * 2**20:
            sent += 65_536
            yield b" " * 65_536

    response = await service.client.post(source.path, content=endless())
    assert response.status_code == 413
    assert sent <= service.settings.max_body_bytes + 2 * 65_536


async def test_chunked_body_is_put_together(service: RunningService, source: RegisteredSource) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(BODY), 50):
            yield BODY[start : start + 50]

    response = await service.client.post(source.path, content=pieces(), headers=signed(service, source, BODY))
    assert response.status_code == 200
    assert (await the_delivery(service)).body == BODY


async def test_compressed_body_is_refused(service: RunningService, source: RegisteredSource) -> None:
    headers = signed(service, source, BODY)
    refused = await service.client.post(source.path, content=BODY, headers=headers | {"Content-Encoding": "gzip"})
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")
    taken = await service.client.post(source.path, content=BODY, headers=headers | {"Content-Encoding": "identity"})
    assert taken.status_code == 200


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/json; charset=utf-8", "nonsense"])
async def test_content_type_does_not_matter(
    service: RunningService, source: RegisteredSource, content_type: str | None
) -> None:
    headers = signed(service, source, BODY)
    del headers["Content-Type"]
    if content_type:
        headers["Content-Type"] = content_type
    assert (await service.client.post(source.path, content=BODY, headers=headers)).status_code == 200


async def test_sender_that_hangs_up_leaves_nothing(
    service: RunningService, source: RegisteredSource, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    answered = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        answered.append(message)

    scope = {"type": "http", "method": "POST", "path": source.path, "headers": [], "query_string": b"", "root_path": ""}
    await service.app(scope, receive, send)
    assert await rows_of(service, DeliveryRow) == []
    assert "Traceback" not in capsys.readouterr().out


async def test_sender_is_told_to_come_back_when_nothing_could_be_recorded(
    service: RunningService, source: RegisteredSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any) -> Any:
        raise Unavailable("too many notices are waiting", 7)

    monkeypatch.setattr("dunning_service.ledger.writer.LedgerWriter.record", refuse)
    response = await post(service, source, BODY)
    assert (response.status_code, response.headers["retry-after"]) == (503, "7")
    assert response.json()["code"] == "service_unavailable"


async def test_bug_in_an_adapter_is_a_500_and_the_notice_comes_again(
    service: RunningService,
    source: RegisteredSource,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def explode(*_: Any) -> Any:
        raise KeyError("kari@example.com")

    monkeypatch.setattr("dunning_service.providers.maple.Maple.parse", explode)
    response = await post(service, source, BODY)
    assert response.status_code == 500
    assert response.json()["code"] == "internal_error"
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert "KeyError" not in response.text
    assert await rows_of(service, DeliveryRow) == []


async def test_another_merchants_source_writes_to_that_merchant_only(service: RunningService) -> None:
    other = await service.add_merchant("Other")
    await post(service, await service.add_source(other), BODY)
    assert await rows_of(service, PaymentRow) == []
    assert (await service.client.get(LIST, headers=service.auth)).json()["total"] == 0


async def test_a_new_secret_is_good_as_soon_as_it_is_told(service: RunningService, source: RegisteredSource) -> None:
    assert (await post(service, source, BODY)).status_code == 200  # the old one is remembered now
    with service.database.write() as connection:
        rotated = sources.rotate_source(
            connection,
            Keyring(service.settings.secret_key or ""),
            source.id,
            secret="whsec_the_next_one",
            keep_old=timedelta(0),
            now=service.clock(),
        )
    assert (await post(service, RegisteredSource(source.id, rotated.secret), BODY)).status_code == 200
    assert (await post(service, source, BODY)).status_code == 401
