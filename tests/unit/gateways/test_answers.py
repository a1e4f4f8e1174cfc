"""Which answers of a charging endpoint are definite, and what they say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from dunning_service.events import Category
from dunning_service.gateways import Charged, ChargeOutcome, NotCharged, OutcomeUnknown
from dunning_service.gateways.http import read_charge, read_lookup
from dunning_service.recovery.decline_codes import RetryRule
from dunning_service.recovery.declines import read_decline
from unit.gateways._endpoint import KEY, NOW


def said(outcome: Any, **more: Any) -> bytes:
    return json.dumps({"key": KEY, "outcome": outcome, **more}).encode()


def charge(status: int, body: bytes) -> Charged:
    return read_charge(status, body, KEY, NOW)


def lookup(status: int, body: bytes) -> Charged | None:
    return read_lookup(status, body, KEY, NOW)


@pytest.mark.parametrize("outcome", list(ChargeOutcome))
@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("read", [charge, lookup])
def test_a_success_with_an_outcome_is_that_outcome(read: Any, status: int, outcome: ChargeOutcome) -> None:
    assert read(status, said(outcome.value)).outcome is outcome


@pytest.mark.parametrize("status", [400, 402, 409, 422])
def test_a_decline_may_come_as_a_client_error(status: int) -> None:
    assert charge(status, said("declined", code="expired_card")).outcome is ChargeOutcome.DECLINED


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429])
def test_a_refusal_means_that_nothing_was_charged(status: int) -> None:
    with pytest.raises(NotCharged):
        charge(status, said("refused"))


@pytest.mark.parametrize("status", [404, 200])
def test_not_found_has_to_be_said(status: int) -> None:
    assert lookup(status, said("not_found")) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b""),
        (404, b"{}"),
        (404, b'{"detail": "Not Found"}'),
        (404, b'{"outcome": "not_found"}'),
        (404, b'{"outcome": "not_found", "key": "another:1"}'),
        (404, said("NOT_FOUND")),
        (410, said("not_found")),
        (500, said("not_found")),
        (302, said("not_found")),
        (400, said("refused")),
        (404, said("succeeded")),
        (402, said("declined")),
    ],
)
def test_nothing_less_than_not_found_allows_another_charge(status: int, body: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        lookup(status, body)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"null"),
        (200, b"[]"),
        (200, b'"succeeded"'),
        (200, b"{}"),
        (200, said(None)),
        (200, said(["succeeded"])),
        (200, said({"succeeded": 1})),
        (200, said("success")),
        (200, said("refused")),
        (200, said("not_found")),
        (404, said("not_found")),
        (400, said("succeeded")),
        (400, said("pending")),
        (500, said("declined")),
        (503, said("refused")),
        (307, said("succeeded")),
        (101, said("succeeded")),
        (200, b'{"outcome": "succeeded"}'),
        (200, b'{"outcome": "succeeded", "key": null}'),
        (200, b'{"outcome": "succeeded", "key": "7f9c24e5:2"}'),
        (200, said("declined")[:-1] + b', "outcome": "succeeded"}'),
    ],
)
def test_whatever_else_is_said_leaves_a_charge_unknown(status: int, body: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        charge(status, body)


def test_everything_that_is_said_of_a_decline_is_kept() -> None:
    kept_as_it_is = {
        "provider": "stripe",
        "code": "insufficient_funds",
        "message": "Your card has insufficient funds.",
        "provider_advice": "try_again_later",
        "network": "mastercard",
        "network_code": "51",
        "network_advice": "25",
    }
    charged = charge(
        200,
        said(
            "declined",
            transaction_id="ch_3PqX",
            category="insufficient_funds",
            occurred_at="2027-01-04T09:30:02+01:00",
            something="new",
            **kept_as_it_is,
        ),
    )
    assert charged == Charged(
        outcome=ChargeOutcome.DECLINED,
        provider_transaction_id="ch_3PqX",
        category=Category.INSUFFICIENT_FUNDS,
        occurred_at=datetime(2027, 1, 4, 8, 30, 2, tzinfo=UTC),
        **kept_as_it_is,
    )
    assert Charged.from_record(json.loads(json.dumps(charged.as_record()))) == charged
    assert read_decline(charged.decline).category is Category.INSUFFICIENT_FUNDS


@pytest.mark.parametrize(
    "slips",
    [
        {"code": ["51"], "message": {"a": 1}, "transaction_id": True, "network": 1.5},
        {"category": "bad luck"},
        {"category": 7},
        {"occurred_at": "yesterday"},
        {"occurred_at": "2027-02-30T00:00:00Z"},
        {"occurred_at": "9999-12-31T23:59:59Z"},
        {"occurred_at": 1798966800},
        {"code": "", "provider": "   "},
    ],
)
def test_a_slip_in_a_detail_costs_the_detail_alone(slips: dict[str, Any]) -> None:
    assert charge(200, said("declined", **slips)) == Charged(outcome=ChargeOutcome.DECLINED)


def test_codes_may_be_numbers() -> None:
    charged = charge(200, said("declined", provider="visa", code=5, transaction_id=17))
    assert (charged.code, charged.provider_transaction_id) == ("5", "17")
    assert read_decline(charged.decline).category is Category.DO_NOT_HONOR


def test_a_code_without_a_provider_is_a_category_of_ours() -> None:
    reading = read_decline(charge(200, said("declined", code="lost_stolen")).decline)
    assert reading.retry is RetryRule.NEVER


def test_long_texts_are_cut() -> None:
    charged = charge(200, said("succeeded", transaction_id="x" * 5_000, message="y" * 5_000))
    assert len(charged.provider_transaction_id or "") == 255
    assert len(charged.message or "") == 1_000


@pytest.mark.parametrize("character", ["\x00", "\ud800"])
def test_a_character_that_no_database_keeps_does_not_make_an_outcome_unknown(character: str) -> None:
    charged = charge(200, said("succeeded", message=f"a{character}", transaction_id=f"b{character}"))

    assert (charged.outcome, charged.message, charged.provider_transaction_id) == ("succeeded", "a\ufffd", None)
