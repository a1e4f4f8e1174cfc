"""The exact bytes that clients send which are not this service's own: encodings, characters, dates, currencies."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa

from contract import _goodparty as goodparty
from contract import _payment_records as stripe
from contract import _subscriptions as arise
from contract import _webhooks as webhooks
from contract._goodparty import A_DEPOSIT, A_FAILURE, LIST, LOG, NOTHING, PAYMENT, SUCCEEDED, listed, post, rows
from dunning_service.ledger.models import PaymentRow, ReceiptRow
from running import RunningService

OWN = "/api/v1/failed-payments"
NAME = "Åse Ødegård"
PROFILE = "https://example.com/åse"
NEVER = "0001-01-01T00:00:00"
"""How .NET writes a date that was never set and has no offset."""

ENCODINGS = {
    "UTF-8 with a byte order mark": ("utf-8-sig", ""),
    "the same, and named": ("utf-8-sig", "; charset=utf-8"),
    "UTF-16 as .NET's Encoding.Unicode writes it": ("utf-16-le", "; charset=utf-16"),
    "UTF-16 as RFC 2781 has it": ("utf-16-be", "; charset=utf-16"),
    "UTF-16 with a mark": ("utf-16", '; charset="UTF-16"'),
    "Latin-1": ("iso-8859-1", "; charset=ISO-8859-1"),
}


@pytest.fixture
async def url_of(seller: RunningService) -> str:
    """The actions of a failed payment."""
    await post(seller, LOG, A_FAILURE)
    ((payment,)) = (await seller.client.get(OWN, headers=seller.auth)).json()["data"]
    return f"{OWN}/{payment['id']}/actions"


async def payments(service: RunningService) -> list[Any]:
    async with service.database.read() as connection:
        return list((await connection.execute(sa.select(PaymentRow.__table__).order_by(PaymentRow.id))).all())


async def test_encodings_are_read_by_every_api(seller: RunningService, url_of: str, subtests: pytest.Subtests) -> None:
    source = await seller.add_source(seller.merchant)
    for number, (case, (encoding, charset)) in enumerate(ENCODINGS.items()):
        with subtests.test(case):
            named = {**A_FAILURE, "InvoiceId": f"in_{case}", "ArtistName": NAME}
            xml = goodparty.as_xml(named).decode().replace("&#197;", "Å").replace("&#216;", "Ø").replace("&#229;", "å")
            texts = {"application/json": json.dumps(named, ensure_ascii=False), "text/xml": xml}
            for media_type, text in texts.items():
                sent = await post(seller, LOG, text.encode(encoding), media_type=media_type + charset)
                assert sent.status_code == 200, sent.text
            deposit = json.dumps({**A_DEPOSIT, "TransactionNo": case}).encode(encoding)
            assert (await post(seller, SUCCEEDED, deposit, media_type=f"text/json{charset}")).status_code == 200
            wanted = await post(seller, LIST, '{"StatusId":12}'.encode(encoding), media_type=f"text/json{charset}")
            found = [one["ArtistName"] for one in wanted.json()["Message"] if one["InvoiceId"] == f"in_{case}"]
            assert found == [NAME]

            body = json.dumps(json.loads(webhooks.an_event(id=f"m{number}", invoice_uuid=case)), ensure_ascii=False)
            body = body.replace("Kari Nordmann", NAME)
            headers = webhooks.signed(seller, source, body.encode(encoding))
            headers["Content-Type"] = f"application/json{charset}"
            taken = await seller.client.post(source.path, content=body.encode(encoding), headers=headers)
            assert taken.status_code == 200, taken.text

            customer = {"customerName": NAME, "emailAddress": "a@example.com"}
            request = json.dumps(arise.a_request(customer=customer), ensure_ascii=False).encode(encoding)
            headers = {"Content-Type": f"application/json{charset}"}
            for _ in range(2):
                made = await arise.send(seller, "POST", content=request, headers=headers, key=f"k{number}")
                assert made.status_code == 200, made.text
            assert made.headers["idempotent-replayed"] == "true"

            action = json.dumps({"action": "retry_later", "reason": NAME}, ensure_ascii=False).encode(encoding)
            refused = await seller.client.post(url_of, content=action, headers={**seller.auth, **headers})
            assert [one["field"] for one in refused.json()["errors"]] == ["action"], refused.text

    headers = {**seller.auth, "Content-Type": "application/json; charset=utf-7"}
    for path in (LOG, LIST, arise.PATH, url_of):
        response = await seller.client.post(path, content=b"{}", headers=headers)
        assert response.status_code == 415, path
        assert "'utf-7' is not read: send UTF-8, UTF-16 or ISO-8859-1" in response.text
    names = {payment.customer_name for payment in await payments(seller) if payment.provider == "maple"}
    assert names == {NAME}
    assert len([one for one in await payments(seller) if one.provider == "maple"]) == len(ENCODINGS)


async def test_both_schemes_are_offered_where_both_are_taken(service: RunningService) -> None:
    basic, bearer = 'Basic realm="dunning", charset="UTF-8"', 'Bearer realm="dunning"'
    taking_both = [("POST", LOG), ("POST", SUCCEEDED), ("POST", LIST), ("GET", stripe.RECORDS), ("POST", stripe.REPORT)]
    for method, path in taking_both:
        for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer x"}):
            response = await service.client.request(method, path, headers=headers)
            assert response.status_code == 401
            assert response.headers.get_list("www-authenticate") == [basic, bearer]
    for path in (OWN, arise.PATH, "/api/v1/connect/subscriptions/failed/list"):
        response = await service.client.get(path)
        assert [value.partition(" ")[0] for value in response.headers.get_list("www-authenticate")] == ["Bearer"]


async def test_dates_that_were_never_set_are_read_as_missing(service: RunningService) -> None:
    for number, unset in enumerate(
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59.9999999", "/Date(-62135596800000)/")
    ):
        failure = {**A_FAILURE, "InvoiceId": f"in_{number}", "FailedTimeStamp": unset, "PackageExpiryDate": unset}
        assert (await post(service, LOG, failure)).status_code == 200
        body = goodparty.as_xml({**failure, "InvoiceId": f"in_x{number}"})
        assert (await post(service, LOG, body, media_type="text/xml")).status_code == 200

    found = await listed(service)
    assert len(found) == 8
    assert {(one["FailedTimeStamp"], one["PackageExpiryDate"]) for one in found} == {(NEVER, NEVER)}
    as_xml = (await post(service, LIST, {}, accept="text/xml")).text
    assert as_xml.count(f"<d2p1:PackageExpiryDate>{NEVER}</d2p1:PackageExpiryDate>") == 8
    source = await service.add_source(service.merchant)
    body = webhooks.an_event(created_at="0001-01-01T00:00:00Z", updated_at="9999-12-31T23:59:59.9999999Z")
    assert (await webhooks.post(service, source, body)).status_code == 200
    assert (await payments(service))[-1].provider == "maple"


async def test_other_dates_of_a_failure(service: RunningService) -> None:
    refused = await post(service, LOG, {**A_FAILURE, "FailedTimeStamp": "1899-12-30T00:00:00Z"})
    assert refused.status_code == 400
    ((field, (message,)),) = refused.json()["ModelState"].items()
    assert (field, "is before 1970" in message) == ("request.FailedTimeStamp", True)
    assert await rows(service) == NOTHING

    for number, text in enumerate(("2026-01-11T20:31:58 +01:00", "Sun, 11 Jan 2026 19:31:58 GMT")):
        sent = await post(service, LOG, {**A_FAILURE, "InvoiceId": f"in_{number}", "FailedTimeStamp": text})
        assert sent.status_code == 200, sent.text
    assert {one["FailedTimeStamp"] for one in await listed(service)} == {"2026-01-11T19:31:58.0000000+00:00"}

    # what a failure recorded by an older release has in its details
    with service.database.write() as connection:
        details = connection.execute(sa.select(PaymentRow.details).limit(1)).scalar_one()
        kept = {**details, "PackageExpiryDate": "0001-01-01T00:00:00.0000000+00:00"}
        connection.execute(sa.update(PaymentRow.__table__).values(details=kept))
    assert {one["PackageExpiryDate"] for one in await listed(service)} == {NEVER}


async def test_start_of_a_subscription_may_be_written_in_other_forms(seller: RunningService) -> None:
    for unset in ("0001-01-01T00:00:00", "9999-12-31T23:59:59.9999999", "0001-01-01T00:00:00Z"):
        assert (await arise.created(seller, paymentStartDateTime=unset))["payNowSuccess"] is True
    for start in ("2026-12-01T09:00:00 +01:00", "Tue, 01 Dec 2026 08:00:00 GMT"):
        made = await arise.created(seller, paymentStartDateTime=start)
        assert made["payNowSuccess"] is None
        first = (await arise.get(seller, f"/{made['id']}/payments"))[0]
        assert first["initialExecutionDateTime"] == "2026-12-01T08:00:00Z"


XML = f'<PaymentIntentFailed xmlns="{PAYMENT}">%s</PaymentIntentFailed>'
UNKEEPABLE = {
    "a vertical tab in XML": (XML % "<ArtistName>Kari&#xB;N</ArtistName><InvoiceId>in_1</InvoiceId>", "text/xml"),
    "the same in what is ignored": (
        XML % "<ArtistName>Kari\ufffdN</ArtistName><Extra><a b='&#0;'>&#xB;</a>\x0b</Extra><InvoiceId>in_1</InvoiceId>",
        "text/xml",
    ),
    "as it is": (XML % "<ArtistName>Kari\x0bN</ArtistName><InvoiceId>in_1</InvoiceId>", "text/xml"),
    "half of a surrogate pair in JSON": (r'{"InvoiceId": "in_1", "ArtistName": "Kari\ud83dN"}', "application/json"),
    "U+0000 in JSON": (r'{"InvoiceId": "in_1", "ArtistName": "Kari\u0000N", "x": ["\udc00"]}', "application/json"),
    "U+0000 in a form": ("InvoiceId=in_1&ArtistName=Kari%00N", "application/x-www-form-urlencoded"),
}


async def test_character_that_cannot_be_kept_is_replaced_in_a_text_and_refused_in_an_identifier(
    service: RunningService, subtests: pytest.Subtests
) -> None:
    for case, (body, media_type) in UNKEEPABLE.items():
        if case != "the same in what is ignored":
            with subtests.test(case, of="identifier"):
                wrong = body.replace("ArtistName", "StripeCustomerId")
                response = await post(service, LOG, wrong.encode(), media_type=media_type, accept="application/json")
                assert response.status_code == 400
                assert [*response.json()["ModelState"]] == ["request.StripeCustomerId"]
    assert await rows(service) == NOTHING
    for case, (body, media_type) in UNKEEPABLE.items():
        with subtests.test(case):
            response = await post(service, LOG, body.encode(), media_type=media_type)
            assert response.status_code == 200, response.text
    async with service.database.read() as connection:
        found = (await connection.execute(sa.select(PaymentRow.customer_name, PaymentRow.details))).one()
    assert (found.customer_name, found.details["ArtistName"]) == ("Kari\ufffdN", "Kari\ufffdN")


async def test_the_same_holds_of_the_other_apis(seller: RunningService, url_of: str) -> None:
    source = await seller.add_source(seller.merchant)
    body = webhooks.an_event(
        id="good", invoice_uuid="good", customer={"name": "a\ud800"}, status_message="\x00", note={"id": ["\x00"]}
    )
    assert (await webhooks.post(seller, source, body)).status_code == 200
    for wrong in ({"id": "\ud800"}, {"customer": {"id": "a\x00"}}, {"invoice_uuid": "\udfff"}):
        assert (await webhooks.post(seller, source, webhooks.an_event(**wrong))).status_code == 200
    deliveries = [one for one in await webhooks.rows_of(seller, webhooks.DeliveryRow) if one.provider == "maple"]
    assert sorted(one.outcome for one in deliveries) == ["failed", "failed", "failed", "recorded"]
    assert [one.customer_name for one in await payments(seller) if one.provider == "maple"] == ["a\ufffd"]

    headers = {**seller.auth, "Content-Type": "application/json"}
    request = json.dumps(arise.a_request(customer={"customerName": "b\ud800"}, note="\x00"))
    made = [await arise.send(seller, "POST", content=request, key="k", headers=headers) for _ in range(2)]
    assert [one.status_code for one in made] == [200, 200], made[0].text
    assert made[1].headers["idempotent-replayed"] == "true"
    request = json.dumps(arise.a_request(customer={"EmailAddress": "a\ud800@example.com"}))
    refused = await arise.send(seller, "POST", content=request, headers=headers)
    assert (refused.status_code, [*refused.json()["errors"]]) == (400, ["customer.EmailAddress"])

    reason = json.dumps({"action": "invoice", "reason": "c\ud800\x00"})
    decided = await seller.client.post(url_of, content=reason, headers=headers)
    assert decided.status_code == 200, decided.text
    detail = (await seller.client.get(url_of.removesuffix("/actions"), headers=seller.auth)).text
    assert "c\ufffd\ufffd" in detail


async def test_withdrawn_currency_is_money_in_every_api(seller: RunningService) -> None:
    merchant = await seller.add_merchant("Sofia & Co", "BGN")
    token = await seller.add_token(merchant)
    auth = {"authorization": f"Bearer {token}"}
    assert (await post(seller, LOG, A_FAILURE, **auth)).status_code == 200
    for currency in ("BGN", "hrk", "SLL"):
        deposit = {**A_DEPOSIT, "Currency": currency, "TransactionNo": currency}
        assert (await post(seller, SUCCEEDED, deposit, **auth)).status_code == 200
    too_fine = await post(seller, SUCCEEDED, {**A_DEPOSIT, "Currency": "BYR", "TransactionNo": "x"}, **auth)
    assert "BYR has 0 decimals" in too_fine.text
    async with seller.database.read() as connection:
        receipts = (await connection.execute(sa.select(ReceiptRow.currency, ReceiptRow.amount_minor))).all()
    assert sorted(map(tuple, receipts)) == [("BGN", 1999), ("HRK", 1999), ("SLL", 1999)]

    source = await seller.add_source(merchant)
    amount = {"currency": "ang", "value_in_cents": 500}
    assert (await webhooks.post(seller, source, webhooks.an_event(total_amount=amount))).status_code == 200
    report = stripe.a_payment(amount_requested={"currency": "zwl", "value": 700}, **stripe.FAILED)
    reported = await seller.client.post(
        stripe.REPORT, data=dict(stripe.pairs(report)), headers={"Authorization": f"Bearer {token}"}
    )
    assert reported.status_code == 200, reported.text
    assert reported.json()["amount"] == {"currency": "zwl", "value": 700}
    made = await arise.created(seller, currencyId=975)
    assert (await arise.get(seller, f"/{made['id']}"))["currencyId"] == 975

    for currency, minor in (("BGN", 1999), ("ang", 500), ("ZWL", 700)):
        listed = await seller.client.get(f"{OWN}?currency={currency}", headers={"Authorization": f"Bearer {token}"})
        found = [(one["currency"], one["amount_minor"]) for one in listed.json()["data"]]
        assert found == [(currency.upper(), minor)]
    orders = await arise.failed_orders(seller, token=token)
    assert sorted((one["currency"], one["amount"]) for one in orders) == [("ANG", 5), ("BGN", 19.99), ("ZWL", 7)]
