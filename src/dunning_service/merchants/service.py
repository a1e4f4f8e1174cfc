"""Merchants and their tokens as an operator sets them up, on a connection of the caller's transaction."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any
from zoneinfo import available_timezones

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.errors import ConfigurationError
from dunning_service.merchants.directory import MERCHANT_COLUMNS, MerchantView
from dunning_service.merchants.models import Merchant, Token
from dunning_service.merchants.options import checked_currency
from dunning_service.merchants.tokens import Scope, new_token, scopes_text, token_digest
from dunning_service.values.money import decimal_text
from dunning_service.values.rates import InvalidRate, rate_from_units, rate_units

_MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class NewToken:
    """A new token; its text is known only now."""

    id: str
    token: str
    merchant: str
    name: str
    scopes: str
    """As they are stored: `read write`."""
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class TokenView:
    """A stored token."""

    id: str
    merchant: str
    name: str
    scopes: str
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
        raise _name_taken(name) from None
    return MerchantView(number, name, currency, zone)


def change_merchant(connection: Connection, merchant: MerchantView, changes: Mapping[str, Any]) -> MerchantView:
    """Updates columns of a merchant, and returns the merchant.

    Raises ConfigurationError when another merchant has the name.
    """
    if changes:
        try:
            with connection.begin_nested():
                connection.execute(sa.update(Merchant).where(Merchant.id == merchant.id).values(**changes))
        except sa.exc.IntegrityError:
            raise _name_taken(changes["name"]) from None
    return merchant_named(connection, changes.get("name", merchant.name))


def _name_taken(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"there is a merchant {name!r} already; choose another name, or see `dunning merchant list`"
    )


def checked_discount(text: str) -> int:
    """A percentage in ten-thousandths; raises ConfigurationError unless it is more than 0 and less than 100."""
    try:
        units = rate_units(Decimal(text.strip().removesuffix("%").rstrip()))
    except (InvalidOperation, InvalidRate) as error:
        why = f"it {error}" if isinstance(error, InvalidRate) else "it is no number"
        raise ConfigurationError(_about_discount(text, why)) from None
    if not 0 < units < rate_units(Decimal(100)):
        raise ConfigurationError(_about_discount(text, "it must be more than 0 and less than 100"))
    return units


def percent_text(units: int) -> str:
    """A stored percentage as a person writes it: `2.5`."""
    return decimal_text(rate_from_units(units))


def _about_discount(text: str, why: str) -> str:
    return f"{text[:40]!a} is no cash discount: {why}; write a percentage such as 2.5, or none for no dual pricing"


def list_merchants(connection: Connection) -> list[MerchantView]:
    """Every merchant, oldest first."""
    return [MerchantView(*row) for row in connection.execute(sa.select(*MERCHANT_COLUMNS).order_by(Merchant.id))]


def merchants_named(connection: Connection, name: str | None) -> list[MerchantView]:
    """The merchant of that name, or every one for no name; raises ConfigurationError naming those that exist."""
    return list_merchants(connection) if name is None else [merchant_named(connection, name)]


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
    allowed = scopes_text(scopes)
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
            scopes=allowed,
            created_at=now,
            expires_at=expires_at,
        )
    )
    return NewToken(number, token, merchant.name, name, allowed, expires_at)


def list_tokens(
    connection: Connection, merchant: MerchantView | None = None, *, token_id: str | None = None
) -> list[TokenView]:
    """Every token, one merchant's, or the one of that id; oldest first."""
    statement = (
        sa.select(
            Token.id,
            Merchant.name,
            Token.name,
            Token.scopes,
            Token.created_at,
            Token.expires_at,
            Token.revoked_at,
        )
        .join(Merchant, Merchant.id == Token.merchant_id)
        .order_by(Token.created_at, Token.id)
    )
    if merchant is not None:
        statement = statement.where(Token.merchant_id == merchant.id)
    if token_id is not None:
        statement = statement.where(Token.id == token_id)
    return [TokenView(*row) for row in connection.execute(statement)]


def revoke_token(connection: Connection, token_id: str, *, now: datetime) -> TokenView:
    """Revokes a token and returns it; one that was revoked before stays as it was.

    Raises ConfigurationError when there is none of that id.
    """
    connection.execute(sa.update(Token).where(Token.id == token_id, Token.revoked_at.is_(None)).values(revoked_at=now))
    found = list_tokens(connection, token_id=token_id)
    if not found:
        hint = " (give the id of the token, not the token itself)" if token_id.startswith("dun_") else ""
        named = "of that id" if hint else repr(token_id)
        raise ConfigurationError(f"there is no token {named}{hint}; see `dunning token list`")
    return found[0]
