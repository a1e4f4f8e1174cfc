"""Replay: stored deliveries read again with the present adapters."""

from __future__ import annotations

from datetime import datetime

from dunning_service.errors import ConfigurationError, InvalidInput
from dunning_service.events import Delivery
from dunning_service.intake.service import read_notice
from dunning_service.ledger.models import DeliveryRow
from dunning_service.ledger.work import ERASED_AT, Notice
from dunning_service.merchants.directory import MerchantView
from dunning_service.providers import Options, provider_named
from dunning_service.senders import all_senders


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
    reading = read_notice(provider, Delivery(row.body, headers, now), options)
    return Notice(
        merchant_id=merchant.id,
        time_zone=merchant.time_zone,
        provider=row.provider,
        origin=row.origin,
        delivery=Delivery(row.body, headers, row.received_at),
        outcome=reading.outcome,
        events=reading.events,
        reason=reading.reason,
        is_replay=True,
    )
