"""One order of Front Payment's failed payment list."""

from __future__ import annotations

from decimal import Decimal

from contract._frontpayment import PATH, refused
from contract._payments import a_failed_payment, act
from dunning_service.apis.frontpayment.wire import FailedOrderAnswer
from dunning_service.events import Outcome
from running import RunningService


async def test_details_tell_what_is_known(service: RunningService) -> None:
    number = await a_failed_payment(
        service,
        customer_name="Nafees",
        customer_email="nafees@example.com",
        customer_phone="0047 46567468",
        description="Membership, December",
        amount_minor=1999,
        currency="EUR",
    )
    await act(service, number, "invoice")

    response = await service.client.get(f"{PATH}/details/{number}", headers=service.auth)

    FailedOrderAnswer.model_validate_json(response.content)
    body = response.json(parse_float=Decimal)
    assert (body["status_code"], body["message"], body["is_data"]) == (200, "orderRetrievedSuccessfully", True)
    assert {name: value for name, value in body["data"].items() if value is not None} == {
        "orderDate": "21.11.2026",
        "isInvoiced": 1,
        "customerName": "Nafees",
        "countryCode": "+47",
        "msisdn": "46567468",
        "email": "nafees@example.com",
        "subTotal": Decimal("19.99"),
        "currency": "EUR",
        "status": "INVOICED",
        "products": [
            {
                "productName": "Membership, December",
                "quantity": 1,
                "rate": Decimal("19.99"),
                "discount": None,
                "tax": None,
                "amount": Decimal("19.99"),
            }
        ],
    }


async def test_unknown_order_is_not_found(service: RunningService) -> None:
    await a_failed_payment(service)

    for number in ("ODR999999", "odr1", "1", "ODR0", "ODR" + 40 * "9", "ODR%00", "ODR١", "%F0%9F%92%B8"):
        body = await refused(service, f"/details/{number}", 404)

        assert (body["message"], body["is_error"], body["errors"]) == ("orderNotFound", False, None)


async def test_order_that_never_failed_is_not_found(service: RunningService) -> None:
    number = await a_failed_payment(service, outcome=Outcome.SUCCEEDED)

    await refused(service, f"/details/{number}", 404)
