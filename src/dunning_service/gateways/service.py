"""Setting up a merchant's gateway, on a connection of the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.errors import ConfigurationError
from dunning_service.gateways.models import GatewayKind, GatewayRow
from dunning_service.merchants.directory import MerchantView
from dunning_service.merchants.keyring import Keyring
from dunning_service.merchants.models import Merchant
from dunning_service.outgoing.network import NetworkRules, allowed_url
from dunning_service.outgoing.signing import new_signing_secret
from dunning_service.settings import Settings


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """A new signing secret, which is shown only now."""

    text: str
    has_old_beside: bool
    """True while requests are signed with the one before it as well."""


@dataclass(frozen=True, slots=True)
class GatewayView:
    """The current gateway of a merchant."""

    kind: GatewayKind
    url: str | None = None
    """Of an endpoint; None for the sandbox."""


def network_rules_of(settings: Settings) -> NetworkRules:
    """The network rules in the settings; raises ConfigurationError for a host that is none."""
    return NetworkRules(
        hosts=settings.gateway_hosts,
        allow_http=settings.gateway_allow_http,
        allow_private_addresses=settings.gateway_allow_private,
        timeout_seconds=settings.gateway_timeout_seconds,
    )


def gateways_by_merchant(connection: Connection) -> dict[int, GatewayView]:
    """The gateway of each merchant that has one, by the merchant's id."""
    rows = connection.execute(
        sa.select(GatewayRow.merchant_id, GatewayRow.kind, GatewayRow.url).where(GatewayRow.is_current)
    )
    return {row.merchant_id: GatewayView(GatewayKind(row.kind), row.url) for row in rows}


def choose_sandbox(
    connection: Connection, merchant: MerchantView, *, now: datetime, even_under_way: bool = False
) -> None:
    """Makes the sandbox the merchant's gateway: no money moves from now on.

    What is under way elsewhere ends there; with `even_under_way` it is the sandbox that is asked what became of it.
    """
    held = _gateways_of(connection, merchant)
    _choose(connection, merchant, held, GatewayKind.SANDBOX, None, None, now, even_under_way)


def choose_endpoint(
    connection: Connection,
    keyring: Keyring,
    rules: NetworkRules,
    merchant: MerchantView,
    url: str,
    *,
    now: datetime,
    even_under_way: bool = False,
) -> SigningSecret | None:
    """Makes the merchant's own endpoint its gateway. Returns its new signing secret; None when it had one.

    What is under way elsewhere ends there; with `even_under_way` it is this endpoint that is asked what became of it.

    Raises ConfigurationError for a URL that is not allowed.
    """
    url = allowed_url(url, rules)
    held = _gateways_of(connection, merchant)
    secret = None
    secrets = next((row.secrets for row in held if row.secrets is not None), None)
    if secrets is None:
        secret = SigningSecret(new_signing_secret(), has_old_beside=False)
        secrets = _encrypted(keyring, [secret.text])
    _choose(connection, merchant, held, GatewayKind.HTTP, url, secrets, now, even_under_way)
    return secret


def choose_none(connection: Connection, merchant: MerchantView) -> None:
    """Leaves the merchant without a gateway. Charges under way end at the gateway where they were begun."""
    _gateways_of(connection, merchant)
    _leave_chosen(connection, merchant)


def rotate_signing_secret(
    connection: Connection, keyring: Keyring, merchant: MerchantView, *, now: datetime
) -> SigningSecret:
    """Makes a new signing secret. The one before it signs as well until the next rotation, if it can be read.

    Raises ConfigurationError for a merchant that has no endpoint.
    """
    endpoints = [row for row in _gateways_of(connection, merchant) if row.secrets is not None]
    if not endpoints:
        raise ConfigurationError(
            f"merchant {merchant.name!r} has no charging endpoint, and nothing else has a signing secret; give it one "
            f"with `dunning merchant set '{merchant.name}' --gateway http --gateway-url URL`"
        )
    secret = new_signing_secret()
    kept = [secret]
    held = endpoints[0].secrets
    if keyring.can_read(held):
        kept += _decrypted(keyring, held)[:1]
    # the merchant's endpoints, this one and former ones, are signed to alike
    connection.execute(
        sa.update(GatewayRow)
        .where(GatewayRow.merchant_id == merchant.id, GatewayRow.secrets.is_not(None))
        .values(secrets=_encrypted(keyring, kept), updated_at=now)
    )
    return SigningSecret(secret, has_old_beside=len(kept) > 1)


def signing_secrets(keyring: Keyring, merchant_name: str, ciphertext: bytes) -> Sequence[str]:
    """The secrets that requests to an endpoint are signed with, the newest first.

    Raises ConfigurationError when they were encrypted with a key that is not at hand.
    """
    if not keyring.can_read(ciphertext):
        raise ConfigurationError(
            f"the signing secret of merchant {merchant_name!r} was encrypted with a key that is not at hand: add that "
            "key to DUNNING_SECRET_KEY (after a comma), put its key file back beside the SQLite database, or give the "
            f"merchant a new secret with `dunning merchant set '{merchant_name}' --rotate-gateway-secret`"
        )
    return _decrypted(keyring, ciphertext)


def unreadable_gateways(connection: Connection, keyring: Keyring) -> list[str]:
    """The names of merchants whose signing secrets this keyring cannot read: they cannot charge."""
    rows = connection.execute(
        sa.select(Merchant.name, GatewayRow.secrets)
        .join(Merchant, Merchant.id == GatewayRow.merchant_id)
        .where(GatewayRow.secrets.is_not(None))
        .order_by(Merchant.id)
    )
    return list(dict.fromkeys(row.name for row in rows if not keyring.can_read(row.secrets)))


def _gateways_of(connection: Connection, merchant: MerchantView) -> Sequence[Any]:
    """The merchant's gateways, the current one first. Locks the merchant against concurrent changes."""
    connection.execute(sa.select(Merchant.id).where(Merchant.id == merchant.id).with_for_update())
    return connection.execute(
        sa.select(GatewayRow.id, GatewayRow.is_current, GatewayRow.kind, GatewayRow.url, GatewayRow.secrets)
        .where(GatewayRow.merchant_id == merchant.id)
        .order_by(GatewayRow.is_current.desc(), GatewayRow.id.desc())
    ).all()


def _choose(
    connection: Connection,
    merchant: MerchantView,
    held: Sequence[Any],
    kind: GatewayKind,
    url: str | None,
    secrets: bytes | None,
    now: datetime,
    even_under_way: bool,
) -> None:
    """Makes a gateway current. The earlier rows stay, for the attempts that were begun there."""
    place: dict[str, Any] = {"kind": kind, "url": url, "secrets": secrets, "updated_at": now}
    of_merchant = GatewayRow.merchant_id == merchant.id
    if even_under_way:
        connection.execute(sa.update(GatewayRow).where(of_merchant).values(place))
    same = next((row for row in held if (row.kind, row.url) == (kind, url) or even_under_way), None)
    if same is not None and same.is_current:
        return
    _leave_chosen(connection, merchant)
    if same is not None:
        connection.execute(
            sa.update(GatewayRow).where(of_merchant, GatewayRow.id == same.id).values(is_current=True, updated_at=now)
        )
        return
    number = max((row.id for row in held), default=0) + 1
    connection.execute(sa.insert(GatewayRow).values(merchant_id=merchant.id, id=number, is_current=True, **place))


def _leave_chosen(connection: Connection, merchant: MerchantView) -> None:
    connection.execute(sa.update(GatewayRow).where(GatewayRow.merchant_id == merchant.id).values(is_current=False))


def _encrypted(keyring: Keyring, secrets: Sequence[str]) -> bytes:
    return keyring.encrypt("\n".join(secrets).encode())


def _decrypted(keyring: Keyring, ciphertext: bytes) -> list[str]:
    return keyring.decrypt(ciphertext).decode().splitlines()
