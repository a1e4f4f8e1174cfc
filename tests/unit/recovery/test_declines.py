"""Several codes of one decline, weighed against each other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dunning_service.events import Category, Decline
from dunning_service.recovery.decline_codes import RetryRule
from dunning_service.recovery.declines import ADVISED_WAITS, network_name, read_decline


def test_the_providers_code_decides_when_it_is_alone() -> None:
    reading = read_decline(Decline(provider="stripe", code="expired_card"))
    assert (reading.category, reading.retry) == (Category.EXPIRED_CARD, RetryRule.AFTER_CUSTOMER_ACTION)
    assert reading.because == "the card has expired (stripe expired_card)"
    assert reading.is_known
    assert reading.unmapped == ()


@pytest.mark.parametrize("advice", ["03", "3", "21", " 03 "])
@pytest.mark.parametrize("network", ["mastercard", "MasterCard", "MC", None])
def test_mastercards_advice_stops_what_the_provider_calls_soft(network: str | None, advice: str) -> None:
    reading = read_decline(
        Decline(provider="stripe", code="insufficient_funds", network=network, network_advice=advice)
    )
    assert reading.retry is RetryRule.NEVER
    assert reading.is_network_advice
    assert "Mastercard advice" in reading.because


def test_the_category_stays_the_reason_when_the_advice_only_forbids() -> None:
    reading = read_decline(
        Decline(provider="stripe", code="insufficient_funds", network="mastercard", network_advice="03")
    )
    assert reading.category is Category.INSUFFICIENT_FUNDS


@pytest.mark.parametrize("code", ["R0", "R1", "r3"])
@pytest.mark.parametrize("place", ["network_code", "network_advice"])
def test_a_revocation_at_visa_stops(place: str, code: str) -> None:
    reading = read_decline(Decline(provider="stripe", code="do_not_honor", network="Visa", **{place: code}))
    assert reading.retry is RetryRule.NEVER
    assert reading.is_network_advice
    assert reading.category is Category.AUTHORIZATION_REVOKED


@pytest.mark.parametrize("code", ["04", "07", "12", "14", "15", "41", "43", "46", "57"])
def test_visa_category_1_stops(code: str) -> None:
    reading = read_decline(
        Decline(
            provider="stripe",
            code="generic_decline",
            provider_advice="try_again_later",
            network="visa",
            network_code=code,
        )
    )
    assert reading.retry is RetryRule.NEVER
    assert f"Visa {code}" in reading.because


def test_the_response_code_03_of_visa_is_no_advice() -> None:
    reading = read_decline(Decline(network="visa", network_code="03"))
    assert reading.retry is RetryRule.AFTER_MERCHANT_FIX
    assert not reading.is_network_advice


def test_an_advice_of_visa_in_numbers_is_not_read_as_a_response_code() -> None:
    assert read_decline(Decline(network="visa", network_advice="51")).unmapped == ("Visa advice 51",)


def test_paypal_numbers_visas_advice_in_its_own_way() -> None:
    reading = read_decline(Decline(provider="PayPal", code="5120", network="visa", network_advice="02"))
    assert reading.retry is RetryRule.NEVER
    assert reading.category is Category.AUTHORIZATION_REVOKED


@pytest.mark.parametrize(("advice", "wait"), ADVISED_WAITS.items())
def test_a_wait_that_is_advised_is_told(advice: str, wait: timedelta) -> None:
    reading = read_decline(
        Decline(provider="stripe", code="insufficient_funds", network="mastercard", network_advice=advice)
    )
    assert reading.wait == wait
    assert reading.retry is RetryRule.LATER
    assert reading.category is Category.INSUFFICIENT_FUNDS
    assert reading.wait_because == f"Mastercard advice {advice}"
    assert reading.because == "not enough money on the account (stripe insufficient_funds)"


def test_the_providers_advice_weighs_more_than_the_networks_code() -> None:
    reading = read_decline(
        Decline(
            provider="stripe",
            code="generic_decline",
            provider_advice="confirm_card_data",
            network="visa",
            network_code="51",
        )
    )
    assert reading.retry is RetryRule.AFTER_CUSTOMER_ACTION
    assert reading.category is Category.INVALID_CARD_DETAILS


def test_the_networks_code_weighs_more_than_the_providers() -> None:
    reading = read_decline(Decline(provider="stripe", code="generic_decline", network="visa", network_code="54"))
    assert reading.category is Category.EXPIRED_CARD
    assert reading.retry is RetryRule.AFTER_CUSTOMER_ACTION


@pytest.mark.parametrize("network", ["mastercard", "amex", None])
def test_a_response_code_that_all_networks_share_is_understood_on_each(network: str | None) -> None:
    reading = read_decline(Decline(network=network, network_code="51"))
    assert reading.category is Category.INSUFFICIENT_FUNDS
    assert reading.unmapped == ()


def test_visas_classes_are_not_those_of_other_networks() -> None:
    assert read_decline(Decline(network="visa", network_code="57")).retry is RetryRule.NEVER
    assert read_decline(Decline(network="amex", network_code="57")).retry is RetryRule.AFTER_CUSTOMER_ACTION


@pytest.mark.parametrize(
    ("network", "retry"), [("visa", RetryRule.LATER), ("mastercard", RetryRule.AFTER_AUTHENTICATION)]
)
def test_65_depends_on_the_network(network: str, retry: RetryRule) -> None:
    assert read_decline(Decline(network=network, network_code="65")).retry is retry
    assert not read_decline(Decline(network_code="65")).is_known


def test_the_strictest_stop_wins_whoever_says_it() -> None:
    reading = read_decline(
        Decline(provider="stripe", code="stolen_card", network="mastercard", network_code="79", network_advice="24")
    )
    assert reading.retry is RetryRule.NEVER
    assert not reading.is_network_advice
    assert "stripe stolen_card" in reading.because


def test_a_code_that_is_known_helps_out_one_that_is_not() -> None:
    reading = read_decline(Decline(provider="acmepay", code="X9", network="visa", network_code="51"))
    assert reading.is_known
    assert reading.category is Category.INSUFFICIENT_FUNDS
    assert reading.unmapped == ("acmepay X9",)


def test_a_stated_category_is_used_where_no_code_is_known() -> None:
    reading = read_decline(Decline(provider="acmepay", code="X9", category=Category.LOST_STOLEN))
    assert reading.retry is RetryRule.NEVER
    assert reading.category is Category.LOST_STOLEN


def test_a_stated_category_does_not_overrule_a_code() -> None:
    reading = read_decline(Decline(provider="stripe", code="expired_card", category=Category.INSUFFICIENT_FUNDS))
    assert reading.category is Category.EXPIRED_CARD


@pytest.mark.parametrize(
    ("decline", "because"),
    [
        (Decline(), "no reason was given"),
        (Decline(code=" "), "no reason was given"),
        (Decline(category=Category.UNKNOWN), "no reason was given"),
        (Decline(provider="stripe", code="mystery"), "the code stripe mystery is not a known one"),
        (Decline(code="mystery"), "the code mystery is not a known one"),
        (Decline(provider="x", code="a\nb<script>"), "the code x a?b?script? is not a known one"),
    ],
)
def test_what_nobody_knows_is_said_to_be_unknown(decline: Decline, because: str) -> None:
    reading = read_decline(decline)
    assert not reading.is_known
    assert reading.category is Category.UNKNOWN
    assert reading.because == because


def test_a_long_code_does_not_flood_the_reason() -> None:
    assert len(read_decline(Decline(provider="stripe", code="x" * 5_000)).because) < 150


@pytest.mark.parametrize(
    ("text", "name"), [("VISA", "visa"), ("Master Card", "mastercard"), ("amex", "amex"), ("", None), (None, None)]
)
def test_networks_go_by_one_name(text: str | None, name: str | None) -> None:
    assert network_name(text) == name
