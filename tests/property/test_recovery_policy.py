"""What the retry policy promises, whatever it is asked about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from dunning_service.events import Category, Decline
from dunning_service.recovery.decline_codes import ROWS, RetryRule
from dunning_service.recovery.declines import Reading, read_decline
from dunning_service.recovery.ladder import Ladder, parse_ladder
from dunning_service.recovery.policy import FEW_TRIES, NETWORK_LIMITS, NextStep, Retry, Stop, Wait, decide

CODES = sorted(ROWS)
NETWORK_STOPS = [("mastercard", "03"), ("mastercard", "21"), ("visa", "R0"), ("visa", "R1"), ("visa", "R3")]

codes_of_the_table = st.sampled_from(CODES).map(lambda row: Decline(provider=row[0], code=row[1]))
any_text = st.none() | st.text(max_size=8)
anything = st.builds(
    Decline,
    provider=st.sampled_from([None, "stripe", "adyen", "paypal"]) | any_text,
    code=any_text | st.sampled_from([code for _, code in CODES]),
    provider_advice=any_text | st.sampled_from(["try_again_later", "do_not_try_again", "confirm_card_data"]),
    network=any_text | st.sampled_from(["visa", "mastercard", "amex"]),
    network_code=any_text | st.sampled_from([code for provider, code in CODES if provider == "visa"]),
    network_advice=any_text | st.sampled_from([code for provider, code in CODES if provider == "mastercard_mac"]),
    category=st.none() | st.sampled_from(Category),
)
declines = codes_of_the_table | anything

gaps = st.lists(st.integers(1, 4), max_size=8).map(lambda found: tuple(accumulate(found)))
days = gaps.map(lambda steps: tuple(timedelta(days=step) for step in steps))
seconds = gaps.map(lambda steps: tuple(timedelta(seconds=step) for step in steps))
ladders = st.builds(Ladder, days, st.times().map(lambda at: at.replace(second=0, microsecond=0))) | st.builds(
    Ladder, seconds
)
zones = st.sampled_from(
    ["UTC", "Europe/Oslo", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "Africa/Cairo"]
).map(ZoneInfo)
moments = st.datetimes(datetime(2010, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
stretches = st.timedeltas(timedelta(0), timedelta(days=40))


@given(
    declines,
    moments,
    stretches,
    stretches,
    st.integers(0, 9),
    ladders,
    zones,
    st.lists(stretches, max_size=40),
)
def test_a_retry_is_never_before_anything_it_has_to_wait_for(
    decline: Decline,
    first: datetime,
    until_failed: timedelta,
    until_now: timedelta,
    retries: int,
    ladder: Ladder,
    zone: ZoneInfo,
    ages: list[timedelta],
) -> None:
    failed_at = first + until_failed
    now = failed_at + until_now
    reading = read_decline(decline)
    tries = [now - age for age in ages]
    found = decide(
        reading,
        failed_at=failed_at,
        first_failed_at=first,
        retries=retries,
        ladder=ladder,
        zone=zone,
        now=now,
        card_tries=tries,
    )
    assert found.why
    if not isinstance(found, Retry):
        return
    assert found.at.tzinfo is UTC
    assert found.at >= now
    assert found.at > failed_at
    assert retries < len(ladder)
    assert found.at >= ladder.moment(retries, first, zone)
    assert found.at >= failed_at + (reading.wait or timedelta(0))
    for limit in NETWORK_LIMITS.get(reading.network or "", ()):
        assert sum(tried > found.at - limit.window for tried in tries) < limit.tries


@given(declines, moments, ladders, zones, st.lists(stretches, min_size=12, max_size=12))
def test_a_payment_that_always_fails_comes_to_an_end(
    decline: Decline, first: datetime, ladder: Ladder, zone: ZoneInfo, delays: list[timedelta]
) -> None:
    reading = read_decline(decline)
    failed_at, tries = first, 1
    for delay in delays:
        found = decide(
            reading,
            failed_at=failed_at,
            first_failed_at=first,
            retries=tries - 1,
            ladder=ladder,
            zone=zone,
            now=failed_at,
        )
        if not isinstance(found, Retry):
            break
        assert found.at > failed_at
        failed_at, tries = found.at + delay, tries + 1
    else:
        raise AssertionError("it is tried again and again")
    assert tries <= 1 + len(ladder)
    assert tries <= FEW_TRIES.get(reading.category, tries)
    if reading.retry is not RetryRule.LATER:
        assert tries == 1


@given(st.sampled_from(NETWORK_STOPS), declines, moments, st.integers(0, 9), ladders, zones)
def test_a_stop_of_the_network_beats_everything(
    stop: tuple[str, str], decline: Decline, first: datetime, retries: int, ladder: Ladder, zone: ZoneInfo
) -> None:
    network, advice = stop
    found = _asked(replace(decline, network=network, network_advice=advice), first, retries, ladder, zone)
    assert isinstance(found, Stop)
    assert advice in found.why


@given(declines, moments, st.integers(0, 9), ladders, zones)
def test_a_blocked_method_is_never_tried(
    decline: Decline, first: datetime, retries: int, ladder: Ladder, zone: ZoneInfo
) -> None:
    stolen = read_decline(Decline(provider="stripe", code="stolen_card"))
    assert isinstance(_asked(decline, first, retries, ladder, zone, blocked_by=stolen), Stop)


@given(st.sampled_from(CODES), st.sampled_from(["plain", "upper", "blanks"]), moments, zones)
def test_every_code_of_the_table_decides_the_same_however_it_is_spelled(
    row: tuple[str, str], spelling: str, first: datetime, zone: ZoneInfo
) -> None:
    provider, code = row
    spelled = {"plain": code, "upper": code.upper(), "blanks": f" {code}\t"}[spelling]
    ladder = parse_ladder("1d 3d at 09:00")
    found = _asked(Decline(provider=provider, code=spelled), first, 0, ladder, zone)
    expected = {RetryRule.NEVER: Stop, RetryRule.LATER: Retry}.get(ROWS[row].retry, Wait)
    assert isinstance(found, expected) or "-" in code
    assert found.why


@given(ladders)
def test_a_ladder_reads_back_from_its_text(ladder: Ladder) -> None:
    read = parse_ladder(str(ladder))
    assert len(read) == len(ladder)
    assert str(read) == str(ladder)


def _asked(
    decline: Decline,
    first: datetime,
    retries: int,
    ladder: Ladder,
    zone: ZoneInfo,
    *,
    blocked_by: Reading | None = None,
) -> NextStep:
    return decide(
        read_decline(decline),
        failed_at=first,
        first_failed_at=first,
        retries=retries,
        ladder=ladder,
        zone=zone,
        now=first,
        blocked_by=blocked_by,
    )
