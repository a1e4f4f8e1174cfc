from __future__ import annotations

import pytest

from dunning_service.failed_payments.phones import phone_candidates, shown_phone
from dunning_service.ledger.fields import phone_key


@pytest.mark.parametrize(
    ("sent", "country_code", "msisdn"),
    [
        ("+47 465 67 468", "+47", "46567468"),
        ("004746567468", "+47", "46567468"),
        ("46567468", None, "46567468"),
        ("+1 (212) 555-0100", "+1", "2125550100"),
        ("+44 7700 900123", "+44", "7700900123"),
        ("+39 06 698", "+39", "06698"),  # the zero belongs to an Italian number
        ("+358 40 1234567", "+358", "401234567"),
        ("+999 12345", None, "99912345"),  # no such country
        ("+47", "+47", None),
        (None, None, None),
        ("unknown", None, None),
    ],
)
def test_number_is_shown_in_two_parts(sent: str | None, country_code: str | None, msisdn: str | None) -> None:
    assert shown_phone(phone_key(sent)) == (country_code, msisdn)


@pytest.mark.parametrize("sent", ["+4746567468", "+99912345", "46567468", "+12125550100", "0046701234567"])
def test_what_is_shown_finds_the_number_again(sent: str) -> None:
    stored = phone_key(sent)
    shown = shown_phone(stored)

    for asked in (shown.msisdn, f"{shown.country_code or ''}{shown.msisdn}"):
        key = phone_key(asked)
        assert key is not None
        assert stored in phone_candidates(key)


def test_number_with_its_country_means_that_number_only() -> None:
    assert phone_candidates("+4746567468") == ("+4746567468",)


def test_national_number_may_be_of_any_country() -> None:
    candidates = phone_candidates("46567468")

    assert {"46567468", "+4746567468", "+4646567468", "+146567468", "+46567468"} <= set(candidates)
    assert len(candidates) == len(set(candidates))
    assert all(candidate.endswith("46567468") for candidate in candidates)
