"""Intake of a notice: verify its signature, read it with its adapter, hand it to the ledger's writer; and replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from dunning_service.errors import BadSignature, ConfigurationError, InvalidInput, UnreadableNotice
from dunning_service.events import Delivery, Event, Headers, kept_headers
from dunning_service.ledger.models import DeliveryRow
from dunning_service.ledger.work import ERASED_AT, DeliveryOutcome, Notice, NoticeRecorded
from dunning_service.merchants.directory import MerchantView, SourceView
from dunning_service.providers import Options, Provider, provider_named
from dunning_service.senders import all_senders

if TYPE_CHECKING:
    from dunning_service.services import Services

_NOT_RECORDED = "it is of a kind that the ledger does not record"


async def receive(
    services: Services, source: SourceView, body: bytes, headers: Headers, now: datetime
) -> NoticeRecorded:
    """Verifies a notice posted to `source`, reads it and has it recorded; returns after the commit.

    A notice that is signed but cannot be understood is recorded as such, for its sender would only repeat it. Raises
    BadSignature, and Unavailable when it could not be recorded.
    """
    source = await _verified(services, source, Delivery(body, headers, now), now)
    delivery = Delivery(body, kept_headers(headers, source.provider.kept_headers), now)
    notice = _read(source.provider, source.options, delivery, source.merchant, source.id)
    try:
        return await services.writer.record(notice)
    except UnreadableNotice as error:  # the database has seen something that the adapter let through
        return await services.writer.record(replace(notice, outcome="failed", events=(), reason=error.message))


async def _verified(services: Services, source: SourceView, delivery: Delivery, now: datetime) -> SourceView:
    """The source, read again if its secret has changed, after the signature was verified. Raises BadSignature."""
    try:
        source.provider.verify(delivery, source.secrets, source.options, now)
    except BadSignature:
        newer = await services.directory.newer_source(source)
        if newer is None:
            raise
        newer.provider.verify(delivery, newer.secrets, newer.options, now)
        return newer
    return source


def replayed_notice(row: DeliveryRow, merchant: MerchantView, options: Options | None, now: datetime) -> Notice:
    """The notice that the present adapter reads from a stored delivery, for the ledger's writer.

    `options` are those of the delivery's source; None, for a delivery that came with a token or whose source is gone,
    means the provider's defaults and the merchant's currency. The signature was verified when the notice came, and
    its secret may have been changed since, so it is not asked for again. A moment that was too far ahead then may have
    come by `now`. Raises InvalidInput when the raw bytes have been pruned and for a call that was a decision and no
    notice, and ConfigurationError when the provider is not known any more.
    """
    if ERASED_AT in row.headers:
        raise InvalidInput("what it said of a person was erased, so it is not read again")
    if row.body is None:
        raise InvalidInput("the raw bytes of this delivery have been pruned, so it cannot be read again")
    sender = all_senders().get(row.provider)
    if sender is not None and not sender.is_replayable:
        raise InvalidInput("it was decided by how the payment stood when it came, so it is not read again")
    provider = provider_named(row.provider)
    if options is None:
        options = provider.options_model(default_currency=merchant.default_currency)
    elif not isinstance(options, provider.options_model):
        raise ConfigurationError(f"these are not the options of a {provider.title} source")
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in row.headers.items()]
    notice = _read(provider, options, Delivery(row.body, headers, now), merchant, row.origin)
    return replace(notice, delivery=Delivery(row.body, headers, row.received_at), is_replay=True)


def _read(provider: Provider, options: Options, delivery: Delivery, merchant: MerchantView, origin: str) -> Notice:
    """A delivery, read with its adapter. One that cannot be understood gives the outcome `failed`, and why."""
    events: Sequence[Event] = ()
    outcome: DeliveryOutcome = "recorded"
    reason = None
    try:
        events = provider.parse(delivery, options)
    except UnreadableNotice as error:
        outcome, reason = "failed", error.message
    else:
        if not events:
            outcome, reason = "ignored", _NOT_RECORDED
    return Notice(
        merchant_id=merchant.id,
        time_zone=merchant.time_zone,
        provider=provider.name,
        origin=origin,
        delivery=delivery,
        outcome=outcome,
        events=events,
        reason=reason,
    )
