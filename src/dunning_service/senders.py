"""The senders that put payments into the ledger: adapters of providers, payment records, and this service itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from dunning_service.providers import all_providers


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A sender: one value of `provider` in the ledger, and how its facts are treated."""

    name: str
    title: str
    """How people write the name."""
    identifiers: frozenset[str] = frozenset()
    """Which details of its attempts are ids; a dot leads into a detail. Adding one needs a migration, or `ledger check`
    finds that older payments lack it."""
    impersonal_details: frozenset[str] | None = frozenset()
    """Which details stay when a customer is erased: they say nothing of a person. None: all of them."""
    is_replayable: bool = False
    """True when its deliveries are notices, which can be read again; False when they are calls, decided as things
    stood when they came."""
    posts_notices: bool = False
    """True when it posts notices, which are counted by their outcome."""


PAYMENT_RECORDS: Final = Sender(
    name="payment_records",
    title="Stripe payment records",
    identifiers=frozenset(
        # merchants keep ids of their own in the metadata
        {"provider_attempt_id", "payment_reference", "payment_method_details.payment_method", "metadata"}
    ),
    impersonal_details=frozenset(
        {
            "record_id",
            "number",
            "record_created",
            "created",
            "initiated_at",
            "outcome",
            "settled_at",
            "requested_minor",
            "currency",
            "customer_presence",
            "payment_reference",
        }
    ),
    posts_notices=True,
)
"""The merchant itself reports these, whichever processor was used."""

SUBSCRIPTIONS: Final = Sender(
    name="subscriptions",
    title="subscriptions of this service",
    identifiers=frozenset({"provider_attempt_id", "transaction_id"}),
    impersonal_details=None,  # what this service decided, and the gateway's own name for the charge
)
"""The payments that this service schedules and charges itself."""


@cache
def all_senders() -> Mapping[str, Sender]:
    """Every sender by its name."""
    adapters = (
        Sender(
            name=adapter.name,
            title=adapter.title,
            identifiers=adapter.identifiers,
            impersonal_details=adapter.impersonal_details,
            is_replayable=True,
            posts_notices=True,
        )
        for adapter in all_providers().values()
    )
    return {sender.name: sender for sender in (*adapters, PAYMENT_RECORDS, SUBSCRIPTIONS)}


def sender_named(name: str) -> Sender:
    """The sender of that name; where its adapter is gone, one without identifiers whose details are all personal."""
    return all_senders().get(name) or Sender(name=name, title=name)


def impersonal(provider: str, details: Mapping[str, Any]) -> dict[str, Any]:
    """The details of a sender's attempt that are not personal."""
    keeps = sender_named(provider).impersonal_details
    return {name: value for name, value in details.items() if keeps is None or name in keeps}
