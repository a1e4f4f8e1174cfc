"""One suite for every provider: each folder tests/fixtures/providers/<name>/<case>/ is a case.

`request.body` holds the exact bytes; `request.json` the headers, with the signature its sender would make, the source's
options and secret, and the moment of arrival; `expected.json` the events the notice must become, or a part of the
reason why it cannot be understood.
"""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from contract._webhooks import rows_of, the_delivery
from dunning_service.errors import BadSignature, UnreadableNotice
from dunning_service.events import AttemptReported, Delivery, Event
from dunning_service.ledger.models import DeliveryRow
from dunning_service.providers import all_providers
from running import RunningService

_ROOT = Path(__file__).parent.parent / "fixtures" / "providers"


class Case:
    """One notice and what it must become."""

    def __init__(self, folder: Path) -> None:
        self.name = f"{folder.parent.name}/{folder.name}"
        self.provider = all_providers()[folder.parent.name]
        request = json.loads((folder / "request.json").read_text())
        self.body = (folder / "request.body").read_bytes()
        self.headers: dict[str, str] = request["headers"]
        self.stated_options: dict[str, Any] = request["options"]
        self.options = self.provider.options_model.model_validate(self.stated_options)
        self.secret: str = request.get("secret", "")
        self.received_at = datetime.fromisoformat(request["received_at"])
        expected = json.loads((folder / "expected.json").read_text())
        self.events: list[dict[str, Any]] | None = expected.get("events")
        self.unreadable: str = expected.get("unreadable", "")

    def delivery(self, body: bytes | None = None) -> Delivery:
        headers = [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]
        return Delivery(self.body if body is None else body, headers, self.received_at)

    def verify(self, body: bytes | None = None, secrets: tuple[bytes, ...] | None = None) -> None:
        known = (self.secret.encode(),) if secrets is None else secrets
        self.provider.verify(self.delivery(body), known, self.options, self.received_at)

    @property
    def outcome(self) -> str:
        if self.events is None:
            return "failed"
        return "recorded" if self.events else "ignored"


CASES = [Case(folder) for folder in sorted(_ROOT.glob("*/*")) if folder.is_dir()]
WEBHOOKS = [case for case in CASES if case.provider.takes_webhooks]

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_webhook = pytest.mark.parametrize("case", WEBHOOKS, ids=lambda case: case.name)


def as_stated(event: Event) -> dict[str, Any]:
    """What an event says, without what it leaves open."""
    stated: dict[str, Any] = {"kind": "attempt" if isinstance(event, AttemptReported) else "receipt"}
    for field in fields(event):
        value = getattr(event, field.name)
        if value is not None and not (field.name == "sequence" and value == 0):
            stated[field.name] = value.isoformat() if isinstance(value, datetime) else value
    return stated


@each_case
def test_it_becomes_what_is_expected(case: Case) -> None:
    if case.events is None:
        with pytest.raises(UnreadableNotice) as refusal:
            case.provider.parse(case.delivery(), case.options)
        assert case.unreadable in refusal.value.message
    else:
        assert [as_stated(event) for event in case.provider.parse(case.delivery(), case.options)] == case.events


@each_case
def test_it_is_read_the_same_again(case: Case) -> None:
    if case.events is not None:
        first = case.provider.parse(case.delivery(), case.options)
        assert case.provider.parse(case.delivery(), case.options) == first


@each_case
def test_it_is_read_from_what_is_kept_of_it(case: Case) -> None:
    kept = {"content-type", "user-agent", *case.provider.kept_headers}
    if case.events is not None:
        headers = [pair for pair in case.delivery().headers if pair[0].decode() in kept]
        delivery = Delivery(case.body, headers, case.received_at)
        assert [as_stated(event) for event in case.provider.parse(delivery, case.options)] == case.events


@each_webhook
def test_its_signature_is_good(case: Case) -> None:
    case.verify()


@each_webhook
def test_its_signature_is_good_while_the_secret_is_being_rotated(case: Case) -> None:
    case.verify(secrets=(b"the new one", case.secret.encode()))


@each_webhook
def test_another_secret_refuses_it(case: Case) -> None:
    with pytest.raises(BadSignature):
        case.verify(secrets=(b"another",))


@each_webhook
def test_a_source_without_a_secret_refuses_it(case: Case) -> None:
    with pytest.raises(BadSignature):
        case.verify(secrets=())


@each_webhook
def test_an_altered_body_is_refused(case: Case) -> None:
    with pytest.raises(BadSignature):
        case.verify(body=case.body + b" ")
    with pytest.raises(BadSignature):
        case.verify(body=b"")


@each_webhook
def test_it_is_refused_without_its_headers(case: Case) -> None:
    with pytest.raises(BadSignature):
        case.provider.verify(
            Delivery(case.body, (), case.received_at), (case.secret.encode(),), case.options, case.received_at
        )


@each_webhook
async def test_it_is_acknowledged_and_recorded_once(service: RunningService, case: Case) -> None:
    service.clock.now = case.received_at
    source = await service.add_source(service.merchant, case.provider.name, secret=case.secret, **case.stated_options)
    first = await service.client.post(source.path, content=case.body, headers=case.headers)
    again = await service.client.post(source.path, content=case.body, headers=case.headers)
    reply = case.provider.reply
    for response in (first, again):
        assert (response.status_code, response.content) == (reply.status, reply.body)
        assert response.headers["content-type"] == reply.media_type
    delivery = await the_delivery(service)
    assert (delivery.outcome, delivery.times_received, delivery.body) == (case.outcome, 2, case.body)
    assert (delivery.reason is None) == (case.outcome == "recorded")


@each_webhook
async def test_it_is_not_recorded_with_a_bad_signature(service: RunningService, case: Case) -> None:
    service.clock.now = case.received_at
    source = await service.add_source(service.merchant, case.provider.name, secret="another", **case.stated_options)
    response = await service.client.post(source.path, content=case.body, headers=case.headers)
    assert response.status_code == 401
    assert await rows_of(service, DeliveryRow) == []


@pytest.mark.parametrize("name", sorted(all_providers()))
def test_every_provider_has_cases(name: str) -> None:
    cases = [case for case in CASES if case.provider.name == name]
    assert any(case.events for case in cases)
    if all_providers()[name].takes_webhooks:
        assert any(case.events == [] for case in cases), "one event of a kind that is not recorded"
        assert any(case.events is None for case in cases), "one notice that cannot be understood"
