"""Merchants and their tokens as an operator sets them up, on a connection of the caller's transaction."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from zoneinfo import available_timezones

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.errors import ConfigurationError
from dunning_service.merchants.directory import MerchantView
from dunning_service.merchants.models import Merchant, Token
from dunning_service.merchants.options import checked_currency
from dunning_service.merchants.tokens import Scope, new_token, scopes_of, scopes_text, token_digest

_MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class NewToken:
    """A new token; its text is known only now."""

    id: str
    token: str
    merchant: str
    name: str
    scopes: frozenset[Scope]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class TokenView:
    """A stored token."""

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


@cache
def _time_zones() -> frozenset[str]:
    """The names of all time zones, cached: to list them reads every folder of the zone database."""
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
    """Revokes a token and returns it; one that was revoked before stays as it was.

    Raises ConfigurationError when there is none of that id.
    """
    connection.execute(sa.update(Token).where(Token.id == token_id, Token.revoked_at.is_(None)).values(revoked_at=now))
    found = _tokens(connection, (Token.id == token_id,))
    if not found:
        hint = " (give the id of the token, not the token itself)" if token_id.startswith("dun_") else ""
        named = "of that id" if hint else repr(token_id)
        raise ConfigurationError(f"there is no token {named}{hint}; see `dunning token list`")
    return found[0]
