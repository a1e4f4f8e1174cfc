"""What an operator does with merchants, tokens and sources, on a connection of the caller's transaction."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import available_timezones

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.errors import ConfigurationError
from dunning_service.merchants.directory import MerchantView
from dunning_service.merchants.keyring import Keyring
from dunning_service.merchants.models import Merchant, Source, SourceSecret, Token
from dunning_service.merchants.options import checked_currency, checked_options, effective_options
from dunning_service.merchants.tokens import Scope, new_token, scopes_of, scopes_text, token_digest
from dunning_service.providers import Options, provider_named

_MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made. This is the only time its text is known."""

    id: str
    token: str
    merchant: str
    name: str
    scopes: frozenset[Scope]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class TokenView:
    """What is known of a token afterwards."""

    id: str
    merchant: str
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def state(self, now: datetime) -> str:
        """`revoked`, `expired` or `valid`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A source and the secret it was just given. This is the only time the secret is shown."""

    id: str
    number: int | None
    merchant: str
    provider: str
    secret: str
    old_valid_until: datetime | None = None
    """Until when the secrets before it are still accepted; None when there was none, or none is any more."""

    @property
    def path(self) -> str:
        return source_path(self.id)


@dataclass(frozen=True, slots=True)
class RegisteredSource:
    """What is known of a source afterwards."""

    id: str
    number: int | None
    """What the log calls it."""
    merchant: str
    provider: str
    options: dict[str, Any]
    created_at: datetime
    disabled_at: datetime | None
    valid_secrets: int

    @property
    def path(self) -> str:
        return source_path(self.id)


def source_path(source_id: str) -> str:
    """Where a source's notices are posted."""
    return f"/webhooks/{source_id}"


@cache
def _time_zones() -> frozenset[str]:
    """Every name of a time zone; to look for them reads the folders of the whole database of zones."""
    return frozenset(available_timezones())


def checked_time_zone(text: str) -> str:
    """A time zone of the zone database; raises ConfigurationError naming those that resemble another text."""
    zones = _time_zones()
    if text in zones:
        return text
    wanted = text.strip().casefold().replace(" ", "_")
    near = sorted(zone for zone in zones if wanted and wanted in zone.casefold())[:3]
    example = " or ".join(near) if near else "Europe/Oslo"
    raise ConfigurationError(f"there is no time zone {text!r}; write one such as {example}")


def _checked_name(text: str, what: str) -> str:
    name = text.strip()
    if not name:
        raise ConfigurationError(f"{what} must have a name that is not empty")
    if len(name) > _MAX_NAME or not name.isprintable():
        raise ConfigurationError(f"the name of {what} must be at most {_MAX_NAME} printable characters")
    return name


# --- merchants


def checked_merchant_name(text: str) -> str:
    """The name without blanks around it; raises ConfigurationError for one that lists cannot show."""
    return _checked_name(text, "a merchant")


def add_merchant(
    connection: Connection, *, name: str, default_currency: str | None, time_zone: str, now: datetime
) -> MerchantView:
    """A new merchant; raises ConfigurationError when the name is taken, or currency or zone do not exist."""
    name = checked_merchant_name(name)
    currency = None if default_currency is None else checked_currency(default_currency)
    zone = checked_time_zone(time_zone)
    try:
        with connection.begin_nested():
            number = connection.execute(
                sa.insert(Merchant)
                .values(name=name, default_currency=currency, time_zone=zone, created_at=now)
                .returning(Merchant.id)
            ).scalar_one()
    except sa.exc.IntegrityError:
        raise name_taken(name) from None
    return MerchantView(number, name, currency, zone)


def name_taken(name: str) -> ConfigurationError:
    """The error for a name that another merchant has."""
    return ConfigurationError(
        f"there is a merchant {name!r} already; choose another name, or see `dunning merchant list`"
    )


def list_merchants(connection: Connection) -> list[MerchantView]:
    """Every merchant, oldest first."""
    rows = connection.execute(
        sa.select(*(Merchant.__table__.c[one.name] for one in fields(MerchantView))).order_by("id")
    )
    return [MerchantView(*row) for row in rows]


def merchant_named(connection: Connection, name: str) -> MerchantView:
    """The merchant of that name; raises ConfigurationError naming those that exist."""
    merchants = list_merchants(connection)
    for merchant in merchants:
        if merchant.name == name.strip():
            return merchant
    if not merchants:
        raise ConfigurationError(
            f"there is no merchant {name!r}, nor any other; make it with `dunning merchant add NAME`"
        )
    names = ", ".join(repr(merchant.name) for merchant in merchants[:20])
    more = f" and {len(merchants) - 20} more" if len(merchants) > 20 else ""
    raise ConfigurationError(f"there is no merchant {name!r}; there is {names}{more}")


# --- tokens


def add_token(
    connection: Connection,
    *,
    merchant: MerchantView,
    name: str,
    scopes: Iterable[Scope],
    expires_at: datetime | None,
    now: datetime,
) -> NewToken:
    """A new token of a merchant, valid at once. Only its digest is kept."""
    name = _checked_name(name, "a token")
    allowed = frozenset(scopes)
    if not allowed:
        raise ConfigurationError(f"a token needs at least one scope: {', '.join(Scope)}")
    if expires_at is not None and expires_at <= now:
        raise ConfigurationError("a token cannot expire before it is made; give a time span such as 90d")
    token = new_token()
    number = f"tok_{secrets.token_hex(8)}"
    connection.execute(
        sa.insert(Token).values(
            merchant_id=merchant.id,
            id=number,
            name=name,
            digest=token_digest(token),
            scopes=scopes_text(allowed),
            created_at=now,
            expires_at=expires_at,
        )
    )
    return NewToken(number, token, merchant.name, name, allowed, expires_at)


def list_tokens(connection: Connection, merchant: MerchantView | None = None) -> list[TokenView]:
    """Every token, or one merchant's, oldest first."""
    return _tokens(connection, () if merchant is None else (Token.merchant_id == merchant.id,))


def _tokens(connection: Connection, conditions: Iterable[sa.ColumnElement[bool]]) -> list[TokenView]:
    rows = connection.execute(
        sa.select(
            Token.id,
            Merchant.name.label("merchant"),
            Token.name,
            Token.scopes,
            Token.created_at,
            Token.expires_at,
            Token.revoked_at,
        )
        .join(Merchant, Merchant.id == Token.merchant_id)
        .where(*conditions)
        .order_by(Token.created_at, Token.id)
    )
    return [
        TokenView(row.id, row.merchant, row.name, scopes_of(row.scopes), row.created_at, row.expires_at, row.revoked_at)
        for row in rows
    ]


def revoke_token(connection: Connection, token_id: str, *, now: datetime) -> TokenView:
    """Ends a token, and answers it as it now is; one that was revoked before stays as it was.

    Raises ConfigurationError when there is none of that id.
    """
    connection.execute(sa.update(Token).where(Token.id == token_id, Token.revoked_at.is_(None)).values(revoked_at=now))
    found = _tokens(connection, (Token.id == token_id,))
    if not found:
        hint = " (give the id of the token, not the token itself)" if token_id.startswith("dun_") else ""
        named = "of that id" if hint else repr(token_id)
        raise ConfigurationError(f"there is no token {named}{hint}; see `dunning token list`")
    return found[0]


# --- sources


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
    connection.execute(
        sa.insert(Source).values(
            merchant_id=merchant.id, id=source_id, provider=adapter.name, options=kept, created_at=now
        )
    )
    _insert_secret(connection, keyring, merchant.id, source_id, 1, secret, now)
    # not from the INSERT: on SQLite its trigger gives the number afterwards
    mine = (Source.merchant_id == merchant.id, Source.id == source_id)
    number = connection.execute(sa.select(Source.number).where(*mine)).scalar_one()
    return NewSecret(source_id, number, merchant.name, adapter.name, secret)


def list_sources(
    connection: Connection, merchant: MerchantView | None = None, *, now: datetime
) -> list[RegisteredSource]:
    """Every source, or one merchant's, oldest first."""
    return _sources(connection, () if merchant is None else (Source.merchant_id == merchant.id,), now)


def _sources(
    connection: Connection, conditions: Iterable[sa.ColumnElement[bool]], now: datetime
) -> list[RegisteredSource]:
    is_valid = sa.or_(SourceSecret.expires_at.is_(None), SourceSecret.expires_at > now)
    valid_secrets = (
        sa.select(sa.func.count())
        .where(SourceSecret.merchant_id == Source.merchant_id, SourceSecret.source_id == Source.id, is_valid)
        .scalar_subquery()
    )
    rows = connection.execute(
        sa.select(
            Source.id,
            Source.number,
            Merchant.name.label("merchant"),
            Source.provider,
            Source.options,
            Source.created_at,
            Source.disabled_at,
            valid_secrets,
        )
        .join(Merchant, Merchant.id == Source.merchant_id)
        .where(*conditions)
        .order_by(Source.created_at, Source.id)
    )
    return [RegisteredSource(*row) for row in rows]


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

    A sender that is told the new secret later, and what it signed before and sends again, still gets through.
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
    number = connection.execute(sa.select(sa.func.max(SourceSecret.number)).where(*mine)).scalar_one_or_none() or 0
    connection.execute(
        sa.update(SourceSecret)
        .where(*mine, sa.or_(SourceSecret.expires_at.is_(None), SourceSecret.expires_at > until))
        .values(expires_at=until)
    )
    connection.execute(sa.delete(SourceSecret).where(*mine, SourceSecret.expires_at <= now))
    _insert_secret(connection, keyring, row.merchant_id, source_id, number + 1, secret, now)
    old = connection.execute(
        sa.select(SourceSecret.expires_at)
        .where(*mine, SourceSecret.expires_at.is_not(None))
        .order_by(SourceSecret.expires_at.desc())
        .limit(1)
    ).scalar_one_or_none()
    return NewSecret(source_id, row.number, row.name, row.provider, secret, old)


def disable_source(connection: Connection, source_id: str, *, now: datetime) -> RegisteredSource:
    """Closes a source: its address answers 404 within seconds. One that was closed before stays as it was."""
    connection.execute(
        sa.update(Source).where(Source.id == source_id, Source.disabled_at.is_(None)).values(disabled_at=now)
    )
    found = _sources(connection, (Source.id == source_id,), now)
    if not found:
        raise _no_such_source(source_id)
    return found[0]


def source_id_of(connection: Connection, named: str) -> str:
    """The id of the source that an operator names by its id or its number, which is what the log has."""
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
