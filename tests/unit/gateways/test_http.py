"""Charging through a merchant's own endpoint, over a real connection."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

import pytest
from standardwebhooks import Webhook

from dunning_service.errors import ConfigurationError
from dunning_service.gateways import (
    ChargeOutcome,
    NotCharged,
    OutcomeUnknown,
    TransactionType,
)
from dunning_service.gateways.http import HttpGateway
from dunning_service.outgoing.signing import new_signing_secret
from unit.gateways._endpoint import KEY, PAID, SECRET, Asked, a_gateway, a_request, raw_response, running, says, writes


async def charged_by(gateway: HttpGateway) -> object:
    try:
        return await gateway.charge(KEY, a_request())
    finally:
        await gateway.close()


async def looked_up_by(gateway: HttpGateway) -> object:
    try:
        return await gateway.lookup(KEY)
    finally:
        await gateway.close()


async def test_a_charge_is_posted_with_everything_the_endpoint_needs() -> None:
    request = a_request(
        attempt_number=2,
        transaction_type=TransactionType.ACH_DEBIT,
        is_faster_processing=False,
        subscription_id="a4e0bb54-3c0f-4c8a-8a53-0c8f2b1d7f01",
        customer_id=UUID(int=1),
        payment_processor_id=UUID(int=2),
        due_on=date(2027, 1, 1),
    )
    async with running(says(200, PAID)) as endpoint:
        gateway = a_gateway(endpoint)
        charged = await gateway.charge(KEY, request)
        await gateway.close()
    (asked,) = endpoint.asked
    assert (asked.method, asked.path) == ("POST", "/charges")
    assert json.loads(asked.body) == {
        "key": KEY,
        "payment_id": "7f9c24e5",
        "attempt_number": 2,
        "amount_minor": 1999,
        "currency": "EUR",
        "payment_method_id": "5f0c3f5e-7b51-4c0e-9d0b-9a6f2f2f7f11",
        "transaction_type": "ach_debit",
        "is_faster_processing": False,
        "subscription_id": "a4e0bb54-3c0f-4c8a-8a53-0c8f2b1d7f01",
        "customer_id": "00000000-0000-0000-0000-000000000001",
        "payment_processor_id": "00000000-0000-0000-0000-000000000002",
        "due_on": "2027-01-01",
    }
    assert asked.headers["idempotency-key"] == asked.headers["webhook-id"] == KEY
    assert asked.headers["content-type"] == "application/json"
    assert charged.outcome is ChargeOutcome.SUCCEEDED
    assert charged.provider_transaction_id == "ch_1"


async def test_the_same_charge_is_the_same_body_again() -> None:
    async with running(says(200, PAID)) as endpoint:
        gateway = a_gateway(endpoint)
        await gateway.charge(KEY, a_request())
        await gateway.charge(KEY, a_request())
        await gateway.close()
    assert endpoint.asked[0].body == endpoint.asked[1].body


@pytest.mark.parametrize("ask", [charged_by, looked_up_by])
async def test_every_question_is_signed_as_standard_webhooks_has_it(ask) -> None:
    moment = datetime.now(UTC)  # the library judges the signature's age by the real clock
    async with running(says(200, PAID)) as endpoint:
        await ask(a_gateway(endpoint, clock=lambda: moment.astimezone(timezone(timedelta(hours=5)))))
    (asked,) = endpoint.asked
    Webhook(SECRET).verify(asked.body, dict(asked.headers), json_parse=False)


async def test_a_secret_and_its_successor_both_sign() -> None:
    moment = datetime.now(UTC)
    successor = new_signing_secret()
    async with running(says(200, PAID)) as endpoint:
        await charged_by(a_gateway(endpoint, signing_secrets=[successor, SECRET], clock=lambda: moment))
    for secret in (SECRET, successor):
        Webhook(secret).verify(endpoint.asked[0].body, dict(endpoint.asked[0].headers))


async def test_a_lookup_asks_for_the_key() -> None:
    async with running(says(200, PAID)) as endpoint:
        found = await looked_up_by(a_gateway(endpoint))
    (asked,) = endpoint.asked
    assert (asked.method, asked.path, asked.body) == ("GET", f"/charges/{KEY}", b"")
    assert found.outcome is ChargeOutcome.SUCCEEDED


@pytest.mark.parametrize("path", ["", "/", "/a%2Fb/c"])
async def test_the_path_is_kept_as_it_was_given(path: str) -> None:
    async with running(says(200, PAID)) as endpoint:
        gateway = a_gateway(endpoint, url=f"http://127.0.0.1:{endpoint.port}{path}")
        await gateway.charge(KEY, a_request())
        await gateway.lookup(KEY)
        await gateway.close()
    assert [asked.path for asked in endpoint.asked] == [path or "/", f"{path.rstrip('/')}/{KEY}"]


async def test_a_charge_that_nobody_knows_is_not_found() -> None:
    async with running(says(404, {"key": KEY, "outcome": "not_found"})) as endpoint:
        assert await looked_up_by(a_gateway(endpoint)) is None


async def test_a_refusal_is_told_with_its_reason() -> None:
    refusal = {"key": KEY, "outcome": "refused", "code": "no_such_customer", "message": "We know no such customer."}
    async with running(says(422, refusal)) as endpoint:
        with pytest.raises(NotCharged, match=r"We know no such customer\. / no_such_customer"):
            await charged_by(a_gateway(endpoint))


UNDEFINED = {
    "a page": (says(200, b"<html>"), "not valid JSON"),
    "nothing": (says(200, b""), "not valid JSON"),
    "no text": (says(200, b"\xff"), "UTF-8"),
    "a deep nest": (says(200, b"[" * 50_000), "nested too deeply"),
    "a failure": (says(500, PAID), "answered 500"),
    "a pause": (says(503, b"", {"Retry-After": "1"}), "answered 503"),
    "no entry": (says(401, b"no"), "compare the signing secrets"),
    "no such path": (says(404, b"no"), "check the endpoint's URL"),
    "said to be packed": (says(200, PAID, {"Content-Encoding": "gzip"}), "compressed"),
    "a bomb": (says(200, gzip.compress(b" " * 10_000_000), {"Content-Encoding": "gzip"}), "compressed"),
    "too long": (says(200, b" " * 70_000), "longer than 65536 bytes"),
    "chunks that end": (
        writes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n" + b" " * 4096 + b"\r\n"),
        "broke",
    ),
    "half a body": (writes(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), "broke"),
    "an endless head": (writes(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000), "broke"),
    "no HTTP": (writes(b"nonsense\r\n\r\n"), "broke"),
    "a hang-up": (writes(b""), "broke"),
}
SILENCE = {
    "from the start": writes(then_hangs=True),
    "in the head": writes(b"HTTP/1.1 200 OK\r\n", then_hangs=True),
    "in the body": writes(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", then_hangs=True),
}


@pytest.mark.parametrize(("answer", "reason"), UNDEFINED.values(), ids=UNDEFINED)
@pytest.mark.parametrize("ask", [charged_by, looked_up_by])
async def test_an_answer_that_says_nothing_leaves_the_outcome_unknown(ask, answer, reason: str) -> None:
    async with running(answer) as endpoint:
        with pytest.raises(OutcomeUnknown, match=reason):
            await ask(a_gateway(endpoint))


@pytest.mark.parametrize("answer", SILENCE.values(), ids=SILENCE)
@pytest.mark.parametrize("ask", [charged_by, looked_up_by])
async def test_no_answer_in_time_leaves_the_outcome_unknown(ask, answer) -> None:
    async with running(answer) as endpoint:
        with pytest.raises(OutcomeUnknown, match=r"127\.0\.0\.1 did not answer within 0\.2 s"):
            await ask(a_gateway(endpoint, rules={"timeout_seconds": 0.2}))


async def test_an_answer_that_drips_is_cut_off_by_the_time_for_the_whole() -> None:
    async def drips(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
        for _ in range(1_000):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)  # each byte well within any limit on a single read

    async with running(drips) as endpoint:
        with pytest.raises(OutcomeUnknown, match="did not answer within"):
            await charged_by(a_gateway(endpoint, rules={"timeout_seconds": 0.3}))


async def test_nobody_at_home_leaves_the_outcome_unknown() -> None:
    async with running(says(200, PAID)) as endpoint:
        pass
    with pytest.raises(OutcomeUnknown, match=r"no connection to 127\.0\.0\.1"):
        await charged_by(a_gateway(endpoint))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    async with running(says(200, PAID)) as elsewhere:
        location = {"Location": f"http://127.0.0.1:{elsewhere.port}/charges"}
        async with running(says(status, PAID, location)) as endpoint:
            for ask in (charged_by, looked_up_by):
                with pytest.raises(OutcomeUnknown, match="a redirect, and none is followed"):
                    await ask(a_gateway(endpoint))
        assert elsewhere.asked == []


async def test_cookies_are_not_kept() -> None:
    async with running(says(200, PAID, {"Set-Cookie": "a=b; Path=/"})) as endpoint:
        gateway = a_gateway(endpoint)
        await gateway.charge(KEY, a_request())
        await gateway.lookup(KEY)
        await gateway.close()
    assert "cookie" not in endpoint.asked[1].headers


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(says(200, {"key": KEY, "outcome": "declined"})) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with running(says(200, PAID)) as endpoint:
            charged = await charged_by(a_gateway(endpoint))
    assert charged.outcome is ChargeOutcome.SUCCEEDED
    assert proxy.asked == []


async def test_a_connection_is_used_again() -> None:
    async with running(says(200, PAID)) as endpoint:
        gateway = a_gateway(endpoint)
        for _ in range(5):
            await gateway.charge(KEY, a_request())
        await gateway.close()
    assert endpoint.connections == 1


async def test_a_caller_who_gives_up_is_let_go() -> None:
    async with running(writes(then_hangs=True)) as endpoint:
        gateway = a_gateway(endpoint)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(gateway.charge(KEY, a_request()), 0.2)
        endpoint.answer = says(200, PAID)
        assert (await gateway.charge(KEY, a_request())).outcome is ChargeOutcome.SUCCEEDED
        await gateway.close()


async def test_many_charges_may_be_under_way_at_once() -> None:
    async def by_key(asked: Asked, writer: asyncio.StreamWriter) -> None:
        key = asked.headers["idempotency-key"]
        body = json.dumps({"key": key, "outcome": "succeeded", "transaction_id": f"ch_{key}"})
        writer.write(raw_response(200, body.encode()))

    async with running(by_key) as endpoint:
        gateway = a_gateway(endpoint)
        found = await asyncio.gather(*(gateway.charge(f"p:{n}", a_request(attempt_number=n)) for n in range(1, 51)))
        await gateway.close()
    assert [charged.provider_transaction_id for charged in found] == [f"ch_p:{n}" for n in range(1, 51)]


@pytest.mark.parametrize("key", ["", "a/b", "a.b", "a b", "a\r\nX: y", "ä", "x" * 129])
async def test_a_key_that_could_be_misread_is_refused(key: str) -> None:
    gateway = a_gateway()
    with pytest.raises(ValueError, match="a charge key has"):
        await gateway.charge(key, a_request())
    with pytest.raises(ValueError, match="a charge key has"):
        await gateway.lookup(key)
    await gateway.close()


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "hunter2", "whsec_hunter2!", f"whsec_{base64.b64encode(b'x' * 23).decode()}", SECRET[6:]],
)
def test_a_secret_that_cannot_sign_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="24 to 64 bytes") as refused:
        a_gateway(signing_secrets=[secret])
    assert "hunter2" not in refused.value.message


def test_a_gateway_without_a_secret_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="never sent unsigned"):
        a_gateway(signing_secrets=[])


def test_only_the_endpoint_knows_its_methods() -> None:
    assert a_gateway().method_problem(UUID(int=0)) is None
