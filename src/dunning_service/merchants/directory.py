"""Look-ups of tokens and sources in the database, cached for two seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa
import structlog

from dunning_service.database.engines import Database
from dunning_service.errors import ConfigurationError, InvalidToken, NotFound, Unavailable
from dunning_service.merchants.keyring import Keyring
from dunning_service.merchants.lookup_cache import Found, LookupCache
from dunning_service.merchants.models import Merchant, Source, SourceSecret, Token
from dunning_service.merchants.options import effective_options
from dunning_service.merchants.tokens import Scope, scopes_of, token_digest
from dunning_service.providers import Options, Provider, provider_named
from dunning_service.values.clock import Clock

__all__ = ["Directory", "MerchantView", "Principal", "Scope", "SourceView"]

_SOURCE_ID = re.compile(r"[0-9A-Za-z_-]{1,32}", re.ASCII)

_NOT_VALID = "the token is not known, has been revoked or has expired"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MerchantView:
    """A merchant as other packages need it."""

    id: int
    name: str
    default_currency: str | None
    time_zone: str
    retry_ladder: str | None = None
    """Its own, as `recovery/ladder.py` reads it; None: the operator's."""
    cash_discount_units: int | None = None
    """Dual pricing, in ten-thousandths of a percent; None: the merchant has none."""


MERCHANT_COLUMNS = tuple(Merchant.__table__.c[one.name] for one in fields(MerchantView))


@dataclass(frozen=True, slots=True)
class Principal:
    """The merchant that a token belongs to, and the token's scopes."""

    merchant: MerchantView
    token_id: str
    token_name: str
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class SourceView:
    """A source that takes notices."""

    id: str
    number: int
    """What the log calls it: the id is part of its address, which is a secret of a kind."""
    merchant: MerchantView
    provider: Provider
    options: Options
    """`default_currency` already falls back to the merchant's."""
    secrets: tuple[bytes, ...]
    """Those valid at the moment, the newest first; at least one."""


class Directory:
    """Finds the merchant behind a token or a source.

    What was found is cached for two seconds and what was not found never is, so a new token works at once and a
    revoked one stops within seconds in every process. An expiry holds to the moment.
    """

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock
        self._principals: LookupCache[Principal] = LookupCache(clock)
        self._sources: LookupCache[SourceView] = LookupCache(clock)

    async def principal(self, token: str) -> Principal:
        """The principal of `token`; raises InvalidToken, with one message, when it is unknown, revoked or expired.

        A known and an unknown token take the same path: both are hashed, and only digests are ever compared.
        """
        digest = token_digest(token)
        return await self._principals.get(digest, lambda: self._find_principal(digest))

    async def source(self, source_id: str) -> SourceView:
        """The source of that id; raises NotFound when there is none or it is disabled.

        Raises Unavailable when it exists but cannot be used as the service is configured, so that its sender tries
        again later.
        """
        return await self._sources.get(source_id, lambda: self._find_source(source_id))

    async def newer_source(self, known: SourceView) -> SourceView | None:
        """The source as the database has it now; None when `known` is as new as that.

        For a signature that does not match: the secret may have been changed a moment ago. Asked of the database a few
        times a second at most, however many bad signatures come.
        """
        self._sources.forget(known.id)
        found = await self.source(known.id)
        return None if found is known else found

    async def _find_principal(self, digest: bytes) -> Found[Principal]:
        async with self._database.read() as connection:
            row = (await connection.execute(_TOKEN, {"digest": digest})).one_or_none()
        if row is None:
            raise InvalidToken(_NOT_VALID, "the token is not known")
        if row.revoked_at is not None:
            raise InvalidToken(_NOT_VALID, f"the token {row.token_id} was revoked at {row.revoked_at.isoformat()}")
        if row.expires_at is not None and row.expires_at <= self._clock():
            raise InvalidToken(_NOT_VALID, f"the token {row.token_id} expired at {row.expires_at.isoformat()}")
        principal = Principal(_merchant(row), row.token_id, row.token_name, scopes_of(row.scopes))
        return Found(principal, valid_until=row.expires_at)

    async def _find_source(self, source_id: str) -> Found[SourceView]:
        rows: Sequence[Any] = ()
        if _SOURCE_ID.fullmatch(source_id):  # not everything a URL can hold can be asked of a database
            async with self._database.read() as connection:
                rows = (await connection.execute(_SOURCE, {"id": source_id})).all()
        if not rows:
            raise NotFound("there is no source of that id")
        now = self._clock()
        valid = [row for row in rows if row.expires_at is None or row.expires_at > now]
        first = rows[0]
        try:
            provider = provider_named(first.provider)
            options = effective_options(provider, first.options, first.default_currency)
        except ConfigurationError as error:
            log.error("source.unusable", source=first.source_number, reason=str(error))
            raise Unavailable("this source cannot take notices at the moment; see the service's log", 60) from None
        secrets = _decrypted(self._keyring, valid)
        view = SourceView(first.source_id, first.source_number, _merchant(first), provider, options, secrets)
        return Found(view, valid_until=min((row.expires_at for row in valid if row.expires_at), default=None))


def _decrypted(keyring: Keyring, rows: list[Any]) -> tuple[bytes, ...]:
    """The secrets of a source that can be read; raises Unavailable when none can."""
    secrets = []
    for row in rows:
        try:
            secrets.append(keyring.decrypt(row.ciphertext))
        except ConfigurationError as error:
            log.error("source.secret_unreadable", source=row.source_number, secret=row.secret_number, reason=str(error))
    if not secrets:
        raise Unavailable("this source cannot verify notices at the moment; see the service's log", 60)
    return tuple(secrets)


_TOKEN = (
    sa.select(
        *MERCHANT_COLUMNS,
        Token.id.label("token_id"),
        Token.name.label("token_name"),
        Token.scopes,
        Token.expires_at,
        Token.revoked_at,
    )
    .join(Merchant, Merchant.id == Token.merchant_id)
    .where(Token.digest == sa.bindparam("digest"))
)

_SOURCE = (
    sa.select(
        *MERCHANT_COLUMNS,
        Source.id.label("source_id"),
        Source.number.label("source_number"),
        Source.provider,
        Source.options,
        SourceSecret.number.label("secret_number"),
        SourceSecret.ciphertext,
        SourceSecret.expires_at,
    )
    .join(Merchant, Merchant.id == Source.merchant_id)
    .join(SourceSecret, sa.and_(SourceSecret.merchant_id == Source.merchant_id, SourceSecret.source_id == Source.id))
    .where(Source.id == sa.bindparam("id"), Source.disabled_at.is_(None))
    .order_by(SourceSecret.number.desc())
)


def _merchant(row: Any) -> MerchantView:
    return MerchantView(*row[: len(MERCHANT_COLUMNS)])
