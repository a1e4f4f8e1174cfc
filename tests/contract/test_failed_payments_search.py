"""Free text finds a payment by every id that a notice about it held."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from building import NOON, a_failure, a_notice
from contract._failed_payments import a_failure_of_ours, listed
from contract._gateways import use_sandbox
from contract._goodparty import A_DEPOSIT, A_FAILURE, LOG, SUCCEEDED
from contract._goodparty import post as post_to_action_service
from contract._payment_records import FAILED, Records
from contract._payment_records import an_attempt as another_attempt
from contract._payments import a_failed_payment
from contract._subscriptions import PATH as SUBSCRIPTIONS
from contract._webhooks import an_event
from contract._webhooks import post as post_webhook
from dunning_service.failed_payments.queries import FailedPaymentsQuery
from dunning_service.ledger.models import AttemptRow, PaymentRow
from dunning_service.providers import all_providers
from dunning_service.senders import sender_named
from ledgers import Ledger
from running import RunningService

IDS_IN_NOTICES = ("Id", "ID", "_id", "id", "uuid", "_number", "No")
"""How the names of members end that hold an id, in GoodParty's and Maple's documents."""


def ids_in(document: Mapping[str, Any]) -> Iterator[str]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from ids_in(value)
        elif value and name not in ("Id", "StatusId") and name.endswith(IDS_IN_NOTICES):
            yield str(value)


async def test_every_id_of_a_notice_is_found_whole_in_part_and_in_any_case(service: RunningService) -> None:
    use_sandbox(service)
    source = await service.add_source(service.merchant)
    tried = A_FAILURE | {"PaymentIntentId": "pi_ÆGIR", "PaymentMethodId": "pm_ONE"}
    tried_again = tried | {
        "AttemptCount": 2,
        "PaymentMethodId": "pm_TWO",
        "FailedTimeStamp": "2026-01-12T19:31:58.0620744+00:00",
    }
    for path, body in ((LOG, tried), (LOG, tried_again), (SUCCEEDED, A_DEPOSIT)):
        assert (await post_to_action_service(service, path, body)).status_code == 200
    webhook = an_event(id="txn_ØY", provider_transaction_id="ch_ÅL", company_id="cmp/1")
    assert (await post_webhook(service, source, webhook)).status_code == 200
    records = Records(service)
    record = await records.report(
        **FAILED,
        metadata={"order": "Ordre-ÖST", "subscription": "sub_OF_RECORD"},
        customer_details={"customer": "cus_OF_RECORD"},
        processor_details={"type": "custom", "custom": {"payment_reference": "ref_ÉN"}},
    )
    record = await records.attempt(record["id"], **another_attempt(**FAILED))
    ours = await a_failure_of_ours(service)
    with service.database.write() as connection:
        rows = connection.execute(sa.select(PaymentRow.__table__)).all()
        numbers = {row.provider: f"ODR{row.id}" for row in rows}
        (attempt,) = connection.execute(sa.select(AttemptRow.__table__).where(AttemptRow.payment_id == int(ours[3:])))

    wanted = {
        "goodparty": {*ids_in(tried), *ids_in(tried_again), *ids_in(A_DEPOSIT), "ægir"},
        "maple": {*ids_in(json.loads(webhook)["data"]), "xn_øy", "H_ål"},
        "payment_records": {
            *(record["id"], record["latest_payment_attempt_record"], f"par_{record['id'][3:]}1"),
            *("ordre-öst", "SUB_of_RECORD", "cus_of_record", "REF_én"),
        },
        "subscriptions": {
            *(attempt.details["transaction_id"], attempt.provider_attempt_id, attempt.provider_customer_id.upper()),
            *(
                attempt.provider_subscription_id,
                next(row for row in rows if f"ODR{row.id}" == ours).provider_payment_id,
            ),
        },
    }
    assert {len(ids) for ids in wanted.values()} == {5, 7, 8, 10}
    for provider, ids in wanted.items():
        for text in ids:
            for asked in (text, text.swapcase(), text[1:] or text):
                response = await service.client.get(
                    "/api/v1/failed-payments", params={"q": asked}, headers=service.auth
                )
                assert numbers[provider] in [item["id"] for item in response.json()["data"]], (provider, asked)
    assert (await listed(service, "?q=pm_three"))["total"] == 0


def test_every_sender_says_which_of_its_details_are_ids() -> None:
    for provider in (*all_providers(), "payment_records", "subscriptions"):
        assert sender_named(provider).identifiers
    assert sender_named("nobody").identifiers == frozenset()


async def test_a_number_is_found_however_it_was_sent_and_is_asked_for(service: RunningService) -> None:
    sent = (
        *("(+47) 412 34 567", "\u202a+47 412 34 567\u202c", "tel:+47-412-34-567", "412 34 567"),
        *("\uff0b\uff14\uff17\uff14\uff11\uff12\uff13\uff14\uff15\uff16\uff17", "+44 (0)20 7946 0958"),
    )
    numbers = [await a_failed_payment(service, customer_phone=text) for text in sent]
    norwegian, unknown, british = {*numbers[:3], numbers[4]}, numbers[3], numbers[5]
    for expected, *ways in (
        (norwegian, "+4741234567", "0047 412 34 567", sent[1], sent[2], sent[4], "4741234567"),
        ({*norwegian, unknown}, "41234567", "412 34 567"),
        ({unknown}, "0412 34 567"),
        ({british}, "+442079460958", "020 7946 0958", "20 7946 0958", sent[5], "442079460958"),
        (set(), "+47 20 7946 0958"),
    ):
        for asked in ways:
            for path, name in (
                ("/api/v1/failed-payments", "id"),
                ("/api/v1/connect/subscriptions/failed/list", "orderUuid"),
            ):
                response = await service.client.get(path, params={"phone": asked}, headers=service.auth)
                assert {item[name] for item in response.json()["data"]} == expected, asked


async def test_subscriptions_are_searched_by_the_same_fold(service: RunningService) -> None:
    use_sandbox(service)
    number = await a_failure_of_ours(
        service, customer={"customerName": "Bj\u00f8rn  \u00c5RDAL", "companyName": "Caf\u00e9 AS"}
    )
    for asked in ("bjorn ardal", "BJ\u00d8RN \u00e5rdal", "cafe as", "CAFE\u0301"):
        found = await service.client.get(SUBSCRIPTIONS, params={"search": asked}, headers=service.auth)
        assert found.json()["total"] == 1, asked
    found = await service.client.get("/api/v1/failed-payments", params={"q": "BJORN ardal"}, headers=service.auth)
    assert [item["id"] for item in found.json()["data"]] == [number]


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[Ledger]:
    opened = Ledger(database_url)
    yield opened
    await opened.database.close()


async def found(ledger: Ledger, merchant_id: int, **filters: Any) -> int:
    async with ledger.database.read() as connection:
        return await FailedPaymentsQuery(merchant_id=merchant_id, **filters).total(connection)


async def test_the_check_names_a_text_that_is_folded_wrong(ledger: Ledger) -> None:
    merchant = ledger.add_merchant("Sweden & Co")
    ledger.committer.commit([a_notice(a_failure(customer_name="Kari"), merchant_id=merchant.id)], NOON)
    with ledger.database.write() as connection:
        connection.execute(sa.update(PaymentRow).values(identifiers_folded="in_2", customer_name_folded="ola"))
    assert len(ledger.complaints()) == 2
