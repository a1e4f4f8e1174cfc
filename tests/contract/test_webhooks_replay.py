"""Reading a stored delivery again, with the adapter as it is now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contract._webhooks import an_event, post, rows_of, the_delivery
from dunning_service.errors import ConfigurationError, InvalidInput
from dunning_service.intake.service import replayed_notice
from dunning_service.ledger.models import AttemptRow, DeliveryRow, PaymentRow
from dunning_service.providers import Options
from dunning_service.providers.maple import MapleOptions
from running import RunningService


async def replay(service: RunningService, row: Any, options: Options | None = None) -> None:
    await service.writer.record(replayed_notice(row, service.merchant, options, service.clock()))


async def test_replay_records_what_could_not_be_understood_then(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await service.add_source(service.merchant)
    with monkeypatch.context() as patch:
        patch.setattr("dunning_service.providers.maple._OUTCOMES", {})
        await post(service, source, an_event())
    before = await the_delivery(service)
    assert before.outcome == "ignored"
    service.clock.advance(timedelta(days=2))
    await replay(service, before)
    after = await the_delivery(service)
    assert (after.outcome, after.reason, after.times_received) == ("recorded", None, 1)
    assert after.received_at == before.received_at
    (attempt,) = await rows_of(service, AttemptRow)
    assert attempt.received_at == before.received_at


async def test_replay_of_what_was_understood_changes_nothing(service: RunningService) -> None:
    source = await service.add_source(service.merchant)
    await post(service, source, an_event())
    before = await rows_of(service, PaymentRow)
    await replay(service, await the_delivery(service))
    after = await rows_of(service, PaymentRow)
    assert [row.id for row in after] == [row.id for row in before]
    assert [(row.status, row.attempt_count, row.amount_minor) for row in after] == [("failed", 1, 1250)]
    assert (await the_delivery(service)).times_received == 1


async def test_replay_takes_the_currency_it_is_given(service: RunningService) -> None:
    source = await service.add_source(service.merchant)
    await post(service, source, an_event(total_amount={"value_in_cents": 5}))
    row = await the_delivery(service)
    notice = replayed_notice(row, service.merchant, MapleOptions(default_currency="SEK"), service.clock())
    assert notice.events[0].currency == "SEK"
    notice = replayed_notice(row, service.merchant, None, service.clock())
    assert notice.events[0].currency == "NOK"


async def test_replay_understands_what_was_ahead_of_its_time(service: RunningService) -> None:
    source = await service.add_source(service.merchant)
    await post(service, source, an_event(updated_at="2026-11-23T00:00:00Z"))
    row = await the_delivery(service)
    assert row.outcome == "failed"
    service.clock.advance(timedelta(days=2))
    await replay(service, row)
    assert (await the_delivery(service)).outcome == "recorded"


async def test_pruned_delivery_cannot_be_replayed(service: RunningService) -> None:
    row = DeliveryRow(provider="maple", origin="x", headers={}, body=None)
    with pytest.raises(InvalidInput, match="pruned"):
        replayed_notice(row, service.merchant, None, service.clock())


async def test_options_of_another_provider_are_refused(service: RunningService) -> None:
    row = DeliveryRow(provider="maple", origin="x", headers={}, body=b"{}", received_at=service.clock())
    with pytest.raises(ConfigurationError):
        replayed_notice(row, service.merchant, Options(), service.clock())


@pytest.mark.parametrize("provider", ["payment_records", "subscriptions"])
async def test_what_was_decided_when_it_came_is_not_replayed(service: RunningService, provider: str) -> None:
    row = DeliveryRow(provider=provider, origin="x", headers={}, body=b"{}", received_at=service.clock())
    with pytest.raises(InvalidInput, match="how the payment stood"):
        replayed_notice(row, service.merchant, None, service.clock())
