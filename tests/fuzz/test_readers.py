"""Whatever is in a body or a signature header: those who read it answer or refuse, in time, and never crash."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contract import _goodparty as goodparty
from contract._payment_records import a_payment, a_refund, an_attempt, pairs
from contract._subscriptions import a_request
from contract.test_providers import CASES, WEBHOOKS, Case
from dunning_service.apis.arise.requests import _canonical
from dunning_service.apis.arise.rules import read_new_subscription
from dunning_service.apis.own.requests import ActionRequest
from dunning_service.apis.stripe.forms import parse_form
from dunning_service.billing.terms import MerchantTerms
from dunning_service.errors import BadSignature, InvalidInput, UnreadableNotice, UnsupportedMediaType
from dunning_service.events import AttemptReported, Delivery, Event
from dunning_service.gateways import NotCharged, OutcomeUnknown
from dunning_service.gateways.http import read_charge, read_lookup
from dunning_service.providers import all_providers
from dunning_service.providers.goodparty import DepositMoneyRequest, PaymentIntentFailed, read_request
from dunning_service.values.exact_json import read_json
from fuzz.conftest import BOTH
from fuzz.hostile import hostile_values
from fuzz.near_real import content_types, near_forms, near_json, near_xml
from fuzz.tally import EXAMPLES, Tally
from running import NOON

SOON_S = 1.0
"""Of the processor: what is slower keeps everybody else waiting."""

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not BOTH,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


def read(tally: Tally, what: str, reader: Callable[[], Any], *refusals: type[Exception]) -> Any:
    """What is read; None where it is refused for one of these reasons. Fails for any other, and when it takes long."""
    began, outcome, why = time.process_time(), "read", "-"
    try:
        return reader()
    except refusals as refusal:
        outcome, why = type(refusal).__name__, str(refusal)
        return None
    except Exception as error:
        outcome = f"500 {type(error).__name__}"
        raise
    finally:
        tally.count(f"read {what}", outcome)
        assert time.process_time() - began < SOON_S
        assert 0 < len(why) < 20_000


def require_keepable(events: Any) -> None:
    """Fails unless every text can be stored and shown, every amount is a whole number that fits, and every moment is in
    UTC."""
    for event in events:
        for field in fields(event):
            _require_keepable(getattr(event, field.name))
        if isinstance(event, AttemptReported):
            assert event.amount_minor is None or 0 <= event.amount_minor < 2**63
            assert event.occurred_at is None or event.occurred_at.utcoffset() == timedelta(0)


def _require_keepable(value: Any) -> None:
    if isinstance(value, str):
        value.encode()
        assert "\x00" not in value
        assert len(value) <= 10_000
    elif isinstance(value, dict):
        for inner in value.items():
            _require_keepable(list(inner))
    elif isinstance(value, list):
        for inner in value:
            _require_keepable(inner)


@pytest.mark.parametrize("name", sorted(all_providers()))
@fuzzed
@given(data=st.data())
def test_a_provider_reads_or_refuses_a_notice(tally: Tally, name: str, data: st.DataObject) -> None:
    case = data.draw(st.sampled_from([case for case in CASES if case.provider.name == name]))
    body = data.draw(_near(case))
    headers = [*case.delivery().headers]
    if data.draw(st.booleans()):
        headers = [(b"content-type", data.draw(content_types).encode("utf-8")), *headers]
    delivery = Delivery(body, headers, case.received_at)

    def parse() -> Any:
        return case.provider.parse(delivery, case.options)

    events: list[Event] | None = read(tally, f"{name} notices", parse, UnreadableNotice, UnsupportedMediaType)
    if events is not None:
        require_keepable(events)
        assert parse() == events


def _near(case: Case) -> st.SearchStrategy[bytes]:
    if case.body[:1] == b"<":
        return near_xml(case.body)
    try:
        return near_json(json.loads(case.body))
    except ValueError:
        return st.binary(max_size=100)


@pytest.mark.parametrize("name", sorted({case.provider.name for case in WEBHOOKS}))
@fuzzed
@given(data=st.data())
def test_a_hostile_signature_is_refused(tally: Tally, name: str, data: st.DataObject) -> None:
    case = data.draw(st.sampled_from([case for case in WEBHOOKS if case.provider.name == name]))
    headers: list[tuple[bytes, bytes]] = []
    for header, value in case.delivery().headers:
        how = data.draw(st.sampled_from(["as it is", "dropped", "odd", "twice", "odd and good"]))
        odd = data.draw(hostile_values(value))
        headers += {
            "as it is": [(header, value)],
            "dropped": [],
            "odd": [(header, odd)],
            "twice": [(header, value), (header, odd)],
            "odd and good": [(header, odd), (header, value)],
        }[how]
    secret = case.secret.encode()
    secrets = data.draw(st.sampled_from([(secret,), (b"another", secret), (b"another",), (), (b"", b"\xff" * 300)]))
    delivery = Delivery(case.body, headers, case.received_at)

    def verify() -> bool:
        case.provider.verify(delivery, secrets, case.options, case.received_at)
        return True

    if read(tally, f"{name} signatures", verify, BadSignature):
        assert secret in secrets


REQUESTS = {PaymentIntentFailed: goodparty.A_FAILURE, DepositMoneyRequest: goodparty.A_DEPOSIT}


@pytest.mark.parametrize("model", REQUESTS, ids=lambda model: model.__name__)
@fuzzed
@given(data=st.data())
def test_goodpartys_bodies_are_read_or_refused_in_every_format(tally: Tally, model: Any, data: st.DataObject) -> None:
    real = REQUESTS[model]
    xml = near_xml(goodparty.as_xml(real, model.__name__))
    pairs_of = [(name, str(value)) for name, value in real.items()]
    kinds = {
        "application/json": near_json(real),
        "text/xml": xml,
        "application/x-www-form-urlencoded": near_forms(pairs_of),
    }
    media_type = data.draw(st.sampled_from([*kinds]))
    body = data.draw(kinds[media_type])
    sent = data.draw(st.sampled_from([media_type] * 5) | content_types).encode()

    def reader() -> Any:
        return read_request(model, body, sent)

    read(tally, f"{model.__name__} bodies", reader, UnreadableNotice, UnsupportedMediaType)


TERMS = [MerchantTerms(ZoneInfo(name), None) for name in ("UTC", "Europe/Oslo", "Pacific/Apia", "America/St_Johns")]


@fuzzed
@given(body=near_json(a_request()), terms=st.sampled_from(TERMS))
def test_a_subscription_is_read_or_refused(tally: Tally, body: bytes, terms: MerchantTerms) -> None:
    def reader() -> Any:
        return read_new_subscription(body, None, terms, NOON, lambda method: None)

    read(tally, "subscription bodies", reader, InvalidInput, UnreadableNotice)
    read(tally, "what makes two requests the same", lambda: canonical(body), UnreadableNotice, RecursionError)


def canonical(body: bytes) -> str:
    return json.dumps(_canonical(read_json(body)))


@fuzzed
@given(body=near_json({"action": "send_to_collection", "reason": "called"}))
def test_an_action_is_read_or_refused(tally: Tally, body: bytes) -> None:
    def reader() -> Any:
        return ActionRequest.model_validate(read_json(body))

    read(tally, "action bodies", reader, ValidationError, UnreadableNotice)


FORMS = [list(pairs(form)) for form in (a_payment(), an_attempt(metadata={"a": "b"}), a_refund())]


@fuzzed
@given(body=st.sampled_from(FORMS).flatmap(near_forms))
def test_a_form_is_read_or_refused(tally: Tally, body: bytes) -> None:
    read(tally, "Stripe's forms", lambda: parse_form(body), InvalidInput)


CHARGED = {
    "key": "k",
    "outcome": "declined",
    "provider": "stripe",
    "code": "insufficient_funds",
    "network_code": 51,
    "occurred_at": "2026-11-21T11:00:00Z",
    "category": "insufficient_funds",
}


@fuzzed
@given(body=near_json(CHARGED), status=st.sampled_from([200, 201, 299, 301, 400, 402, 404, 409, 429, 500, 599]))
def test_the_answer_of_a_charging_endpoint_is_read_or_unknown(tally: Tally, body: bytes, status: int) -> None:
    read(tally, "answers to charges", lambda: read_charge(status, body, "k", NOON), OutcomeUnknown, NotCharged)
    read(tally, "answers to look-ups", lambda: read_lookup(status, body, "k", NOON), OutcomeUnknown)
