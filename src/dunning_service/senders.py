"""Who puts payments into the ledger: the adapters of providers, payment records, and this service itself."""

from __future__ import annotations

from typing import Final

from dunning_service import billing as subscriptions
from dunning_service.apis import stripe as payment_records
from dunning_service.providers import all_providers

_OWN: Final = {
    payment_records.PROVIDER: payment_records.IDENTIFIERS,
    subscriptions.PROVIDER: subscriptions.IDENTIFIERS,
}


def identifiers_of(provider: str) -> frozenset[str]:
    """Which details of that sender's attempts are ids, as `Provider.identifiers` has them; none of an unknown sender.

    A dot leads into a detail. Adding one needs a migration, or `ledger check` finds that older payments lack it.
    """
    adapter = all_providers().get(provider)
    return _OWN.get(provider, frozenset()) if adapter is None else adapter.identifiers
