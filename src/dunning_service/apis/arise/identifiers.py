"""UUIDs for what has another kind of id inside.

They are derived, so the same thing has the same UUID in every process and after every restart, and no table maps them.
"""

from __future__ import annotations

from uuid import UUID, uuid5

_NAMESPACE = UUID("6c1b7d0e-4f0a-5c36-9f0e-5d2b8a7c9e41")


def merchant_uuid(merchant_id: int) -> UUID:
    """What a merchant is called in `merchantId`."""
    return uuid5(_NAMESPACE, f"merchant/{merchant_id}")


def token_uuid(merchant_id: int, token_id: str) -> UUID:
    """What the token that created a subscription is called in `source.id`."""
    return uuid5(_NAMESPACE, f"merchant/{merchant_id}/token/{token_id}")


def transaction_uuid(merchant_id: int, reference: str) -> UUID:
    """A gateway's own reference as `transactionId`: unchanged when it is a UUID already."""
    try:
        return UUID(reference)
    except ValueError:
        return uuid5(_NAMESPACE, f"merchant/{merchant_id}/transaction/{reference}")
