"""What ActionService refuses, in ASP.NET's own form, and that it then records nothing."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree

import pytest

from contract._goodparty import A_FAILURE, LIST, LOG, NOTHING, PAYMENT, SUCCEEDED, as_xml, post, rows
from running import RunningService, run_service

FORM = "application/x-www-form-urlencoded"
XML = "application/xml"
ROOT = f'<PaymentIntentFailed xmlns="{PAYMENT}">'

UNREADABLE: dict[str, tuple[bytes, str]] = {
    "truncated": (b'{"InvoiceId": "in_1"', "application/json"),
    "no JSON": (b"InvoiceId=in_1", "application/json"),
    "deep JSON": (b'{"InvoiceId":' * 10_000, "application/json"),
    "deep unknown member": (b'{"InvoiceId": "in_1", "x":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "text/json"),
    "NaN": (b'{"InvoiceId": "in_1", "AmountDue": NaN}', "application/json"),
    "name twice": (b'{"InvoiceId": "in_1", "InvoiceId": "in_1"}', "application/json"),
    "name twice but for case": (b'{"InvoiceId": "in_1", "invoiceId": "in_2"}', "application/json"),
    "no UTF-8": (b'{"InvoiceId": "in_\xff"}', "application/json"),
    "half a surrogate pair": (b'{"InvoiceId": "in_\\ud800"}', "application/json"),
    "U+0000": (b'{"InvoiceId": "in_\\u0000"}', "application/json"),
    "two byte order marks": (b'\xef\xbb\xbf\xef\xbb\xbf{"InvoiceId": "in_1"}', "application/json"),
    "past 64 bits": (b'{"InvoiceId": "in_1", "AmountDue": 9223372036854775808}', "application/json"),
    "array": (b'[{"InvoiceId": "in_1"}]', "application/json"),
    "string": (b'"in_1"', "application/json"),
    "null": (b"null", "application/json"),
    "empty": (b"", "application/json"),
    "blank": (b"  ", "application/json"),
    "empty XML": (b"", XML),
    "empty form": (b"", FORM),
    "form with U+0000": (b"InvoiceId=in_%00", FORM),
    "form without UTF-8": (b"InvoiceId=in_%ff", FORM),
    "form name twice": (b"InvoiceId=in_1&invoiceid=in_2", FORM),
    "no XML": (b'{"InvoiceId": "in_1"}', XML),
    "truncated XML": (f"{ROOT}<InvoiceId>in_1".encode(), XML),
    "wrong root": (as_xml(A_FAILURE, root="PaymentIntentSucceeded"), XML),
    "wrong namespace": (as_xml(A_FAILURE, namespace="urn:other"), XML),
    "no namespace": (b"<PaymentIntentFailed><InvoiceId>in_1</InvoiceId></PaymentIntentFailed>", XML),
    "element twice": (f"{ROOT}<InvoiceId>1</InvoiceId><InvoiceId>1</InvoiceId></PaymentIntentFailed>".encode(), XML),
    "document type": (f"<!DOCTYPE PaymentIntentFailed>{ROOT}<InvoiceId>1</InvoiceId></PaymentIntentFailed>".encode(),
                      XML),
    "entities": (f'<!DOCTYPE x [<!ENTITY a "in_1">]>{ROOT}<InvoiceId>&a;</InvoiceId></PaymentIntentFailed>'.encode(),
                 XML),
    "deep XML": (ROOT.encode() + b"<a>" * 100_000, XML),
}  # fmt: skip


async def test_body_that_cannot_be_read_is_refused(service: RunningService, subtests: pytest.Subtests) -> None:
    for case, (body, media_type) in UNREADABLE.items():
        with subtests.test(case):
            response = await post(service, LOG, body, media_type=media_type, accept="application/json")

            assert response.status_code == 400
            answer = response.json()
            assert answer["Message"] == "The request is invalid."
            ((field, messages),) = answer["ModelState"].items()
            assert field in ("request", "request.InvoiceId")
            assert messages
            assert await rows(service) == NOTHING


WRONG_VALUES: list[tuple[str, Any]] = [
    ("AmountDue", 5.5),
    ("AmountDue", 5.0),
    ("AmountDue", "5.0"),
    ("AmountDue", -1),
    ("AmountDue", None),
    ("UserId", 2**31),
    ("UserId", "nine"),
    ("AttemptCount", None),
    ("FailedTimeStamp", "2026-02-30T00:00:00Z"),
    ("FailedTimeStamp", "1969-12-31T23:59:59Z"),
    ("FailedTimeStamp", "2026-11-22T12:00:01Z"),
    ("FailedTimeStamp", None),
    ("PackageExpiryDate", "9999-12-31T23:00:00-05:00"),
    ("InvoiceId", "i" * 256),
    ("CustomerEmail", {"a": 1}),
]


async def test_wrong_value_is_named(service: RunningService, subtests: pytest.Subtests) -> None:
    for field, value in WRONG_VALUES:
        with subtests.test(field, value=value):
            response = await post(service, LOG, {**A_FAILURE, field: value})

            assert response.status_code == 400
            assert set(response.json()["ModelState"]) == {f"request.{field}"}
            assert await rows(service) == NOTHING


async def test_all_wrong_values_are_named_at_once_also_in_xml(service: RunningService) -> None:
    body = as_xml({**A_FAILURE, "AmountDue": "5.5", "UserId": "", "FailedTimeStamp": "<soon>"})

    response = await post(service, LOG, body, media_type="text/xml")

    assert response.status_code == 400
    assert response.headers["content-type"] == "text/xml; charset=utf-8"
    error = ElementTree.fromstring(response.text)
    assert [child.tag for child in error] == ["Message", "ModelState"]
    assert error.findtext("Message") == "The request is invalid."
    assert {child.tag for child in error[1]} == {"request.AmountDue", "request.UserId", "request.FailedTimeStamp"}
    assert all(child.text for child in error[1])


async def test_payment_without_a_name_is_told_what_would_name_it(service: RunningService) -> None:
    response = await post(service, LOG, {"AmountDue": 5})

    assert response.status_code == 400
    names = ("InvoiceId", "PaymentIntentId", "UserId", "FailedTimeStamp")
    assert set(response.json()["ModelState"]) == {f"request.{name}" for name in names}


STRANGERS: list[dict[str, str]] = [
    {},
    {"Authorization": "Bearer dun_unknown"},
    {"Authorization": "Bearer"},
    {"Authorization": "Basic ???"},
    {"Authorization": "Basic "},
    {"Authorization": "Digest x"},
    {"X-Api-Key": "dun_unknown"},
    {"X-Api-Key": ""},
    {"X-Api-Key": "\xe5"},
]


async def test_stranger_is_denied(service: RunningService, subtests: pytest.Subtests) -> None:
    for path, headers in itertools.product((LOG, SUCCEEDED, LIST), STRANGERS):
        with subtests.test(path, headers=headers):
            encoded_headers = {name: value.encode("latin-1") for name, value in headers.items()}
            response = await service.client.post(path, json=A_FAILURE, headers=encoded_headers)

            assert response.status_code == 401
            assert "Basic" in response.headers["www-authenticate"]
            assert response.json() == {"Message": "Authorization has been denied for this request."}
            assert await rows(service) == NOTHING


async def test_token_in_the_query_is_not_read(service: RunningService) -> None:
    response = await service.client.post(f"{LOG}?token={service.token}&x-api-key={service.token}", json=A_FAILURE)

    assert response.status_code == 401


async def test_stranger_is_denied_in_xml(service: RunningService) -> None:
    response = await service.client.post(LOG, content=as_xml(A_FAILURE), headers={"Content-Type": "application/xml"})

    assert response.text == "<Error><Message>Authorization has been denied for this request.</Message></Error>"


async def test_a_full_queue_is_answered_before_the_body_is_read(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.writer, "_max_pending", 0)
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append(True)
        yield b"{}"

    headers = {"Content-Type": "application/json", **service.auth}
    answer = await service.client.post(LOG, content=body(), headers=headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == {"Message": "too much is waiting to be committed; send it again"}
    assert read == []


async def test_token_needs_the_scope(service: RunningService, subtests: pytest.Subtests) -> None:
    for path, scope in ((LOG, "ingest"), (SUCCEEDED, "ingest"), (LIST, "read")):
        with subtests.test(path):
            others = [name for name in ("ingest", "read", "write") if name != scope]
            token = await service.add_token(service.merchant, scopes=others)

            response = await post(service, path, A_FAILURE, authorization=f"Bearer {token}")

            assert response.status_code == 403
            assert set(response.json()) == {"Message"}
            assert scope in response.json()["Message"]
            assert await rows(service) == NOTHING


async def test_unknown_action_is_not_found(service: RunningService, subtests: pytest.Subtests) -> None:
    for path in ("/api/ActionService/LogInvoicePaymentFaile", "/API/actionservice/x/y", "/api/ActionService"):
        with subtests.test(path):
            response = await post(service, path + "?key=secret", A_FAILURE)

            assert response.status_code == 404
            assert response.json()["Message"] == (
                f"No HTTP resource was found that matches the request URI 'http://test{path}'."
            )
            assert set(response.json()) == {"Message", "MessageDetail"}


async def test_other_method_is_not_supported(service: RunningService, subtests: pytest.Subtests) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        with subtests.test(method):
            response = await service.client.request(method, LOG.lower(), headers=service.auth)

            assert response.status_code == 405
            assert response.json() == {"Message": f"The requested resource does not support http method '{method}'."}
            assert response.headers["allow"] == "POST"


async def test_other_media_type_is_not_supported(service: RunningService, subtests: pytest.Subtests) -> None:
    for path in (LOG, SUCCEEDED, LIST):
        with subtests.test(path):
            response = await post(service, path, b"{}", media_type="text/plain")

            assert response.status_code == 415
            assert response.json() == {
                "Message": "The request entity's media type 'text/plain' is not supported for this resource."
            }


async def test_body_without_a_media_type_is_not_supported(service: RunningService) -> None:
    response = await post(service, LOG, b'{"InvoiceId": "in_1"}', media_type=None)

    assert response.status_code == 415
    assert "application/octet-stream" in response.json()["Message"]


async def test_compressed_body_is_not_supported(service: RunningService) -> None:
    response = await post(service, LOG, gzip.compress(b"{}"), content_encoding="gzip")

    assert response.status_code == 415
    assert set(response.json()) == {"Message"}


async def test_body_that_is_too_large_is_refused_also_in_chunks(database_url: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * 1_000

    async with run_service(database_url, max_body_bytes=4_000) as service:
        headers = {**service.auth, "Content-Type": "application/json"}
        whole = await service.client.post(LOG, content=b" " * 5_000, headers=headers)
        chunked = await service.client.post(LOG, content=chunks(), headers=headers)

        for response in (whole, chunked):
            assert response.status_code == 413
            assert "4000 bytes" in response.json()["Message"]
        assert await rows(service) == NOTHING


@pytest.mark.parametrize("accept", ["application/json", "application/xml"])
async def test_nothing_is_acknowledged_when_it_cannot_be_committed(service: RunningService, accept: str) -> None:
    await service.writer.close()

    response = await post(service, LOG, A_FAILURE, accept=accept)

    assert response.status_code == 503
    assert int(response.headers["retry-after"]) >= 1
    assert response.headers["content-type"] == f"{accept}; charset=utf-8"
    assert response.text.startswith('{"Message":' if accept.endswith("json") else "<Error><Message>")


async def test_what_nobody_expected_is_told_without_detail(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_token: str) -> None:
        raise RuntimeError("the secret reason")

    monkeypatch.setattr(service.app.state.services.directory, "principal", broken)

    response = await post(service, LOG, A_FAILURE)

    assert response.status_code == 500
    assert response.json() == {"Message": "An error has occurred."}
