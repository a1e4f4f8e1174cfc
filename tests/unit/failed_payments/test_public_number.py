from __future__ import annotations

import pytest

from dunning_service.failed_payments.public_number import payment_id_of, public_number


@pytest.mark.parametrize("payment_id", [1, 1276808511, 2**63 - 1])
def test_number_leads_back_to_the_payment(payment_id: int) -> None:
    assert payment_id_of(public_number(payment_id)) == payment_id


@pytest.mark.parametrize(
    "number",
    [
        "",
        "ODR",
        "ODR0",
        "ODR01",
        "odr1",
        "1",
        "ODR-1",
        "ODR1 ",
        "ODR1\n",
        "ODR1\x00",
        "ODR١",
        f"ODR{2**63}",
        "ODR" + 99 * "9",
    ],
)
def test_any_other_text_is_no_number(number: str) -> None:
    assert payment_id_of(number) is None
