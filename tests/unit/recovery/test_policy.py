"""What to do next about a failed payment, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dunning_service.events import Category, Decline
from dunning_service.recovery.decline_codes import ROWS
from dunning_service.recovery.declines import read_decline
from dunning_service.recovery.ladder import DEFAULT_LADDER, NO_RETRIES, parse_ladder
from dunning_service.recovery.policy import NextStep, Retry, Rule, Stop, Wait, decide

OSLO = ZoneInfo("Europe/Oslo")
FIRST = datetime(2027, 1, 4, 10, tzinfo=UTC)


def next_step(
    decline: Decline | str = "insufficient_funds", *, retries: int = 0, failed_at: datetime = FIRST, **given: Any
) -> NextStep:
    """What comes after a failure of a payment whose first was on Monday, 4 January 2027."""
    if isinstance(decline, str):
        decline = Decline(provider="stripe", code=decline)
    given = {"ladder": DEFAULT_LADDER, "zone": OSLO, "now": failed_at, "first_failed_at": FIRST, **given}
    return decide(read_decline(decline), failed_at=failed_at, retries=retries, **given)


def in_january(day: int, hour: int = 8, minute: int = 0) -> datetime:
    return datetime(2027, 1, day, hour, minute, tzinfo=UTC)


def on_mastercard(advice: str | None = None) -> Decline:
    return Decline(provider="stripe", code="insufficient_funds", network="mastercard", network_advice=advice)


def test_a_soft_decline_climbs_the_ladder() -> None:
    found = [
        next_step(retries=retries, failed_at=failed_at)
        for retries, failed_at in enumerate([FIRST, in_january(5), in_january(7), in_january(9)])
    ]
    assert [step.at for step in found if isinstance(step, Retry)] == [in_january(day) for day in (5, 7, 9, 11)]
    assert found[1].why == (
        "not enough money on the account (stripe insufficient_funds): "
        "retry 2 of 4 is 3 days after the first failure, at 09:00 Europe/Oslo"
    )
    assert found[1].rule is Rule.LADDER


def test_the_ladder_used_up_is_the_end() -> None:
    assert next_step(retries=4, failed_at=in_january(11)) == Stop(
        Rule.LADDER_USED_UP,
        "not enough money on the account (stripe insufficient_funds): all 4 retries of the ladder are used up",
    )


def test_a_ladder_without_steps_retries_nothing() -> None:
    found = next_step(ladder=NO_RETRIES)
    assert isinstance(found, Stop)
    assert "no retries" in found.why


def test_a_ladder_of_seconds_can_be_watched() -> None:
    found = next_step(ladder=parse_ladder("10s 20s 30s"))
    assert isinstance(found, Retry)
    assert found.at == FIRST + timedelta(seconds=10)
    assert "10s after the first failure" in found.why


@pytest.mark.parametrize("code", ["stolen_card", "fraudulent", "do_not_try_again", "revocation_of_authorization"])
def test_what_must_never_be_tried_again_stops(code: str) -> None:
    found = next_step(code)
    assert isinstance(found, Stop)
    assert found.rule is Rule.NEVER_RETRY
    assert code in found.why


@pytest.mark.parametrize(
    ("code", "rule", "words"),
    [
        ("expired_card", Rule.CUSTOMER_ACTION, "waiting for the customer"),
        ("authentication_required", Rule.AUTHENTICATION, "waiting for the customer to authenticate"),
        ("duplicate_transaction", Rule.MERCHANT_FIX, "waiting for the merchant"),
    ],
)
def test_what_somebody_has_to_put_right_waits(code: str, rule: Rule, words: str) -> None:
    found = next_step(code)
    assert isinstance(found, Wait)
    assert found.rule is rule
    assert words in found.why


@pytest.mark.parametrize("decline", ["mystery", Decline()])
def test_an_unknown_reason_gets_two_tries_in_all(decline: Decline | str) -> None:
    first = next_step(decline)
    assert isinstance(first, Retry)
    assert first.at == in_january(5)
    assert "retry 1 of 1" in first.why
    second = next_step(decline, retries=1, failed_at=in_january(5))
    assert isinstance(second, Stop)
    assert second.rule is Rule.FEW_TRIES_USED_UP
    assert "2 tries in all" in second.why


def test_do_not_honor_gets_three_tries_in_all() -> None:
    assert isinstance(next_step("do_not_honor", retries=1, failed_at=in_january(5)), Retry)
    assert isinstance(next_step("do_not_honor", retries=2, failed_at=in_january(7)), Stop)


def test_few_tries_are_no_more_than_the_ladder_has() -> None:
    found = next_step("do_not_honor", retries=1, failed_at=in_january(5), ladder=parse_ladder("1d at 09:00"))
    assert found.rule is Rule.LADDER_USED_UP
    assert "the one retry of the ladder is used up" in found.why


@pytest.mark.parametrize("advice", ["03", "21"])
def test_the_networks_stop_beats_the_ladder(advice: str) -> None:
    found = next_step(on_mastercard(advice))
    assert isinstance(found, Stop)
    assert found.rule is Rule.NETWORK_ADVICE


def test_the_networks_wait_moves_a_retry() -> None:
    found = next_step(on_mastercard("27"))
    assert isinstance(found, Retry)
    assert found.at == FIRST + timedelta(days=4)
    assert found.rule is Rule.NETWORK_ADVICE
    assert "Mastercard advice 27 asks to wait 4d" in found.why


def test_a_wait_shorter_than_the_ladders_changes_nothing() -> None:
    found = next_step(on_mastercard("24"))
    assert isinstance(found, Retry)
    assert found.at == in_january(5)
    assert found.rule is Rule.LADDER


def test_a_retry_that_is_late_is_due_now() -> None:
    found = next_step(now=in_january(6, 15))
    assert isinstance(found, Retry)
    assert found.at == in_january(6, 15)
    assert "due at once" in found.why


def test_steps_that_were_missed_are_not_made_up_for_at_once() -> None:
    found = next_step(retries=1, failed_at=in_january(20, 15))
    assert isinstance(found, Retry)
    assert found.at == in_january(22)
    assert "keeps the same distance" in found.why


def test_a_stop_of_the_method_holds_for_later_declines() -> None:
    stolen = read_decline(Decline(provider="stripe", code="stolen_card"))
    found = next_step(blocked_by=stolen)
    assert isinstance(found, Stop)
    assert found.rule is Rule.METHOD_BLOCKED
    assert "stolen_card" in found.why


def test_visa_is_asked_twenty_times_in_thirty_days_at_the_most() -> None:
    visa = Decline(provider="stripe", code="insufficient_funds", network="visa")
    tries = [FIRST - timedelta(days=day) for day in range(20)]
    found = next_step(visa, card_tries=tries)
    assert isinstance(found, Retry)
    assert found.at == min(tries) + timedelta(days=30)
    assert found.rule is Rule.NETWORK_LIMIT
    assert "Visa allows 20 tries in 30 days" in found.why
    assert next_step(visa, card_tries=tries[1:]).rule is Rule.LADDER


def test_mastercard_is_asked_ten_times_in_a_day_at_the_most() -> None:
    ladder = parse_ladder("10s 20s")
    tries = [FIRST - timedelta(minutes=minute) for minute in range(10)]
    found = next_step(on_mastercard(), card_tries=tries, ladder=ladder)
    assert isinstance(found, Retry)
    assert found.at == min(tries) + timedelta(days=1)
    assert next_step(on_mastercard(), card_tries=tries[1:], ladder=ladder).rule is Rule.LADDER


def test_mastercard_is_asked_35_times_in_thirty_days_at_the_most() -> None:
    tries = [FIRST - timedelta(hours=12 * half) for half in range(35)]
    found = next_step(on_mastercard(), card_tries=tries)
    assert isinstance(found, Retry)
    assert found.at == min(tries) + timedelta(days=30)


def test_a_network_without_known_limits_has_none() -> None:
    amex = Decline(provider="stripe", code="insufficient_funds", network="amex")
    assert next_step(amex, card_tries=[FIRST] * 100).rule is Rule.LADDER


def test_every_code_of_the_table_comes_to_a_decision_with_a_reason() -> None:
    kinds = set()
    for provider, code in ROWS:
        found = next_step(Decline(provider=provider, code=code))
        assert len(found.why) > 20
        kinds.add(type(found))
    assert kinds == {Retry, Wait, Stop}


def test_every_category_alone_comes_to_a_decision() -> None:
    for category in Category:
        assert next_step(Decline(category=category)).why
