"""Webhook sources of merchants and their secrets, on a connection of the caller's transaction."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.database.bulk import bulk_for
from dunning_service.errors import ConfigurationError
from dunning_service.merchants.directory import MerchantView
from dunning_service.merchants.keyring import Keyring
from dunning_service.merchants.models import Merchant, Source, SourceSecret
from dunning_service.merchants.options import checked_options, effective_options
from dunning_service.providers import Options, provider_named

_SOURCES_LOCK = ("sources",)


@dataclass(frozen=True, slots=True)
class _SourceView:
    """A source as an operator knows it."""

    id: str
    number: int
    """What the log calls it."""
    merchant: str
    provider: str

    @property
    def path(self) -> str:
        """The path to which its notices are posted."""
        return f"/webhooks/{self.id}"


@dataclass(frozen=True, slots=True)
class NewSecret(_SourceView):
    """A source with its new secret, which is shown only now."""

    secret: str
    old_valid_until: datetime | None = None
    """Until when the secrets before it are still accepted; None when there was none, or none is any more."""


@dataclass(frozen=True, slots=True)
class RegisteredSource(_SourceView):
    """A stored source."""

    options: dict[str, Any]
    created_at: datetime
    disabled_at: datetime | None
    valid_secrets: int


def add_source(
    connection: Connection,
    keyring: Keyring,
    *,
    merchant: MerchantView,
    provider: str,
    secret: str | None,
    options: Mapping[str, Any],
    now: datetime,
) -> NewSecret:
    """A new webhook address of a merchant for one provider. Without a secret given, one is made."""
    adapter = provider_named(provider)
    if not adapter.takes_webhooks:
        raise ConfigurationError(
            f"{adapter.title} posts with a token and not to a source; make one with "
            f"`dunning token add --merchant '{merchant.name}' --scope ingest`"
        )
    kept = checked_options(adapter, options)
    secret = _checked_secret(secret)
    source_id = secrets.token_hex(16)
    bulk_for(connection).lock({_SOURCES_LOCK}, ())
    number = connection.execute(sa.select(sa.func.coalesce(sa.func.max(Source.number), 0) + 1)).scalar_one()
    connection.execute(
        sa.insert(Source).values(
            merchant_id=merchant.id, id=source_id, provider=adapter.name, options=kept, created_at=now, number=number
        )
    )
    _insert_secret(connection, keyring, merchant.id, source_id, 1, secret, now)
    return NewSecret(source_id, number, merchant.name, adapter.name, secret)


def list_sources(
    connection: Connection, merchant: MerchantView | None = None, *, source_id: str | None = None, now: datetime
) -> list[RegisteredSource]:
    """Every source, one merchant's, or the one of that id; oldest first."""
    is_valid = sa.or_(SourceSecret.expires_at.is_(None), SourceSecret.expires_at > now)
    valid_secrets = (
        sa.select(sa.func.count())
        .where(SourceSecret.merchant_id == Source.merchant_id, SourceSecret.source_id == Source.id, is_valid)
        .scalar_subquery()
    )
    statement = (
        sa.select(
            Source.id,
            Source.number,
            Merchant.name,
            Source.provider,
            Source.options,
            Source.created_at,
            Source.disabled_at,
            valid_secrets,
        )
        .join(Merchant, Merchant.id == Source.merchant_id)
        .order_by(Source.created_at, Source.id)
    )
    if merchant is not None:
        statement = statement.where(Source.merchant_id == merchant.id)
    if source_id is not None:
        statement = statement.where(Source.id == source_id)
    return [RegisteredSource(*row) for row in connection.execute(statement)]


def unreadable_sources(connection: Connection, keyring: Keyring) -> list[str]:
    """The ids of sources in use none of whose secrets this keyring can read: their notices cannot be verified."""
    rows = connection.execute(
        sa.select(SourceSecret.source_id, SourceSecret.ciphertext)
        .join(Source, sa.and_(Source.merchant_id == SourceSecret.merchant_id, Source.id == SourceSecret.source_id))
        .where(Source.disabled_at.is_(None))
    ).all()
    readable = {row.source_id for row in rows if keyring.can_read(row.ciphertext)}
    return sorted({row.source_id for row in rows} - readable)


def rotate_source(
    connection: Connection, keyring: Keyring, source_id: str, *, secret: str | None, keep_old: timedelta, now: datetime
) -> NewSecret:
    """Gives a source a new secret; the secrets before it stay valid for `keep_old` at most.

    Notices that the sender signs with the old secret meanwhile, and repeats of earlier ones, are still accepted.
    """
    row = connection.execute(
        sa.select(Source.merchant_id, Source.number, Merchant.name, Source.provider)
        .join(Merchant, Merchant.id == Source.merchant_id)
        .where(Source.id == source_id)
        .with_for_update(of=Source)
    ).one_or_none()
    if row is None:
        raise _no_such_source(source_id)
    secret = _checked_secret(secret)
    until = now + keep_old
    mine = (SourceSecret.merchant_id == row.merchant_id, SourceSecret.source_id == source_id)
    number = connection.scalar(sa.select(sa.func.max(SourceSecret.number)).where(*mine)) or 0
    connection.execute(
        sa.update(SourceSecret)
        .where(*mine, sa.or_(SourceSecret.expires_at.is_(None), SourceSecret.expires_at > until))
        .values(expires_at=until)
    )
    connection.execute(sa.delete(SourceSecret).where(*mine, SourceSecret.expires_at <= now))
    _insert_secret(connection, keyring, row.merchant_id, source_id, number + 1, secret, now)
    old = connection.scalar(sa.select(sa.func.max(SourceSecret.expires_at)).where(*mine))
    return NewSecret(source_id, row.number, row.name, row.provider, secret, old)


def disable_source(connection: Connection, source_id: str, *, now: datetime) -> RegisteredSource:
    """Disables a source: its address answers 404 within seconds. One that was disabled before stays as it was."""
    connection.execute(
        sa.update(Source).where(Source.id == source_id, Source.disabled_at.is_(None)).values(disabled_at=now)
    )
    found = list_sources(connection, source_id=source_id, now=now)
    if not found:
        raise _no_such_source(source_id)
    return found[0]


def source_id_of(connection: Connection, named: str) -> str:
    """The id of a source given by its id or by its number, which is what the log shows."""
    if not (named.isascii() and named.isdigit() and len(named) < 19):
        return named
    found = connection.execute(sa.select(Source.id).where(Source.number == int(named))).scalar_one_or_none()
    if found is None:
        raise _no_such_source(named)
    return str(found)


def source_options(connection: Connection, merchant: MerchantView, source_id: str) -> Options | None:
    """The options of one of a merchant's sources, also of a disabled one; None when it has none of that id."""
    row = connection.execute(
        sa.select(Source.provider, Source.options).where(Source.merchant_id == merchant.id, Source.id == source_id)
    ).one_or_none()
    return (
        None if row is None else effective_options(provider_named(row.provider), row.options, merchant.default_currency)
    )


def _no_such_source(source_id: str) -> ConfigurationError:
    return ConfigurationError(f"there is no source {source_id!r}; see `dunning source list`")


def _insert_secret(
    connection: Connection,
    keyring: Keyring,
    merchant_id: int,
    source_id: str,
    number: int,
    secret: str,
    now: datetime,
) -> None:
    connection.execute(
        sa.insert(SourceSecret).values(
            merchant_id=merchant_id,
            source_id=source_id,
            number=number,
            ciphertext=keyring.encrypt(secret.encode()),
            created_at=now,
        )
    )


def _checked_secret(given: str | None) -> str:
    if given is None:
        return secrets.token_hex(32)
    secret = given.strip()
    if not secret:
        raise ConfigurationError("an empty secret would let anybody in; leave --secret out to have one made")
    return secret
