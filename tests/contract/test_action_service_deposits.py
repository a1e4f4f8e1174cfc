"""InvoicePaymentSucceeded: a deposit pays the open failure that it matches."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from contract._goodparty import A_DEPOSIT, A_FAILURE, BUSINESS_OBJECT, LOG, NOTHING, SUCCEEDED, encoded, post, rows
from dunning_service.ledger.models import PaymentRow
from running import RunningService


async def status_of(service: RunningService) -> str:
    async with service.database.read() as connection:
        found: str = (await connection.execute(sa.select(PaymentRow.status))).scalar_one()
    return found


async def resolved(service: RunningService, deposit: dict[str, Any]) -> int:
    response = await post(service, SUCCEEDED, deposit)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer == {"status": "Success", "Message": answer["Message"]}
    number: int = answer["Message"]
    return number


@pytest.mark.parametrize("media_type", ["application/json", "text/xml", "application/x-www-form-urlencoded"])
async def test_deposit_pays_the_failure_of_its_payer_and_amount(service: RunningService, media_type: str) -> None:
    await post(service, LOG, A_FAILURE)

    body = encoded(A_DEPOSIT, media_type, root="DepositMoneyRequest")
    response = await post(service, SUCCEEDED, body, media_type=media_type, accept="application/json")

    assert response.json() == {"status": "Success", "Message": 1}
    assert await status_of(service) == "paid"


async def test_deposit_is_answered_in_xml(service: RunningService) -> None:
    response = await post(service, SUCCEEDED, A_DEPOSIT, accept="application/xml")

    assert response.text == (
        '<ResponseBaseOfint xmlns:i="http://www.w3.org/2001/XMLSchema-instance" '
        f'xmlns="{BUSINESS_OBJECT}.MessageBase"><Message>0</Message><status>Success</status></ResponseBaseOfint>'
    )


async def test_same_deposit_again_is_answered_the_same(service: RunningService) -> None:
    await post(service, LOG, A_FAILURE)

    assert await resolved(service, A_DEPOSIT) == 1
    assert await resolved(service, A_DEPOSIT) == 1
    await post(service, LOG, {**A_FAILURE, "InvoiceId": "in_2", "FailedTimeStamp": "2026-02-01T00:00:00Z"})
    assert await resolved(service, A_DEPOSIT) == 1
    assert (await rows(service))["receipts"] == 1


async def test_other_deposit_pays_nothing(service: RunningService, subtests: pytest.Subtests) -> None:
    others: list[dict[str, Any]] = [
        {"UserId": 10},
        {"StripeCustomerId": "cus_2"},
        {"DepositAmount": 20},
        {"Currency": "EUR"},
    ]
    await post(service, LOG, A_FAILURE)
    for other in others:
        with subtests.test(str(other)):
            assert await resolved(service, {**A_DEPOSIT, "TransactionNo": str(other), **other}) == 0
            assert await status_of(service) == "failed"


async def test_deposit_without_a_currency_is_in_the_merchants(service: RunningService) -> None:
    await post(service, LOG, A_FAILURE)

    assert await resolved(service, {**A_DEPOSIT, "Currency": ""}) == 1


async def test_failure_and_deposit_in_the_same_words_are_two_notices(service: RunningService) -> None:
    body = {"UserId": 9, "InvoiceId": "in_1", "FailedTimeStamp": "2026-01-11T00:00:00Z"}

    await post(service, LOG, body)
    await post(service, SUCCEEDED, body)

    assert await rows(service) == {"deliveries": 2, "payments": 1, "attempts": 1, "receipts": 1}


WRONG_DEPOSITS: list[tuple[dict[str, Any], set[str]]] = [
    ({"DepositAmount": 1}, {"UserId", "StripeCustomerId"}),
    ({**A_DEPOSIT, "DepositAmount": 1.999}, {"DepositAmount"}),
    ({**A_DEPOSIT, "DepositAmount": -1}, {"DepositAmount"}),
    ({**A_DEPOSIT, "DepositAmount": "1,50", "UserId": "x"}, {"DepositAmount", "UserId"}),
    ({**A_DEPOSIT, "DepositAmount": 1.5, "Currency": "jpy"}, {"DepositAmount"}),
    ({**A_DEPOSIT, "TransactionNo": "t" * 256}, {"TransactionNo"}),
]


async def test_wrong_deposit_is_refused(service: RunningService, subtests: pytest.Subtests) -> None:
    for deposit, fields in WRONG_DEPOSITS:
        with subtests.test(str(fields), deposit=deposit):
            response = await post(service, SUCCEEDED, deposit)

            assert response.status_code == 400
            assert set(response.json()["ModelState"]) == {f"request.{field}" for field in fields}
            assert await rows(service) == NOTHING
