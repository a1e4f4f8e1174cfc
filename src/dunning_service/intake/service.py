"""Intake of a notice: verify its signature, read it with its adapter, hand it to the ledger's writer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from dunning_service.errors import BadSignature, UnreadableNotice
from dunning_service.events import Delivery, Event, Headers, kept_headers
from dunning_service.ledger.work import DeliveryOutcome, Notice, NoticeRecorded
from dunning_service.merchants.directory import SourceView
from dunning_service.providers import Options, Provider

if TYPE_CHECKING:
    from dunning_service.services import Services

_NOT_RECORDED = "it is of a kind that the ledger does not record"


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of reading a delivery: its outcome, and the events or the reason for none."""

    outcome: DeliveryOutcome
    events: Sequence[Event] = ()
    reason: str | None = None


def read_notice(provider: Provider, delivery: Delivery, options: Options) -> Reading:
    """Reads a delivery with its adapter. One that cannot be understood gives the outcome `failed`, and why."""
    try:
        events = provider.parse(delivery, options)
    except UnreadableNotice as error:
        return Reading("failed", reason=error.message)
    if not events:
        return Reading("ignored", reason=_NOT_RECORDED)
    return Reading("recorded", events)


async def receive(
    services: Services, source: SourceView, body: bytes, headers: Headers, now: datetime
) -> NoticeRecorded:
    """Verifies a notice posted to `source`, reads it and has it recorded; returns after the commit.

    A notice that is signed but cannot be understood is recorded as such, for its sender would only repeat it. Raises
    BadSignature, and Unavailable when it could not be recorded.
    """
    source = await _verified(services, source, Delivery(body, headers, now), now)
    provider = source.provider
    delivery = Delivery(body, kept_headers(headers, provider.kept_headers), now)
    reading = read_notice(provider, delivery, source.options)
    try:
        return await services.writer.record(_notice(source, delivery, reading))
    except UnreadableNotice as error:  # the database has seen something that the adapter let through
        return await services.writer.record(_notice(source, delivery, Reading("failed", reason=error.message)))


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


def _notice(source: SourceView, delivery: Delivery, reading: Reading) -> Notice:
    return Notice(
        merchant_id=source.merchant.id,
        time_zone=source.merchant.time_zone,
        provider=source.provider.name,
        origin=source.id,
        delivery=delivery,
        outcome=reading.outcome,
        events=reading.events,
        reason=reading.reason,
    )
