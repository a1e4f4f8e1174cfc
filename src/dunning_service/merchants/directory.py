"""Who is calling: tokens and sources, looked up in the database and remembered for a moment."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
import structlog

from dunning_service.clock import Clock
from dunning_service.db import Database
from dunning_service.errors import ConfigurationError, DunningError, InvalidToken, NotFound, Unavailable
from dunning_service.merchants.keyring import Keyring
from dunning_service.merchants.models import Merchant, Source, SourceSecret, Token
from dunning_service.merchants.options import effective_options
from dunning_service.merchants.tokens import Scope, scopes_of, token_digest
from dunning_service.providers import Options, Provider, provider_named

__all__ = ["Directory", "MerchantView", "Principal", "Scope", "SourceView"]

_MAX_AGE = timedelta(seconds=2)
"""How long an answer is believed: what was revoked is refused within 5 s, with room to spare."""

_A_MOMENT_S = 0.25

_MAX_ENTRIES = 10_000

_SOURCE_ID = re.compile(r"[0-9A-Za-z_-]{1,32}", re.ASCII)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MerchantView:
    """A merchant, as everybody else needs to know it."""

    id: int
    name: str
    default_currency: str | None
    time_zone: str


@dataclass(frozen=True, slots=True)
class Principal:
    """Who holds a token, and what it may do."""

    merchant: MerchantView
    token_id: str
    token_name: str
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class SourceView:
    """A source that takes notices."""

    id: str
    merchant: MerchantView
    provider: Provider
    options: Options
    """`default_currency` already falls back to the merchant's."""
    secrets: tuple[bytes, ...]
    """Those valid at the moment, the newest first; at least one."""


class Directory:
    """Finds the merchant behind a token or a source.

    What was found is remembered for two seconds and what was not found never is, so a new token works at once and a
    revoked one stops within seconds in every process. An expiry holds to the moment.
    """

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock
        self._principals: _Memory[Principal] = _Memory(clock)
        self._sources: _Memory[SourceView] = _Memory(clock)

    async def principal(self, token: str) -> Principal:
        """The holder of `token`; raises InvalidToken when it is unknown, revoked or expired: one cannot tell which.

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

    async def _find_principal(self, digest: bytes) -> _Found[Principal]:
        async with self._database.read() as connection:
            row = (await connection.execute(_TOKEN, {"digest": digest})).one_or_none()
        if row is None or (row.expires_at is not None and row.expires_at <= self._clock()):
            raise InvalidToken("the token is not known, has been revoked or has expired")
        principal = Principal(_merchant(row), row.token_id, row.token_name, scopes_of(row.scopes))
        return _Found(principal, valid_until=row.expires_at)

    async def _find_source(self, source_id: str) -> _Found[SourceView]:
        if _SOURCE_ID.fullmatch(source_id) is None:  # not everything a URL can hold can be asked of a database
            raise _no_such_source()
        async with self._database.read() as connection:
            rows = (await connection.execute(_SOURCE, {"id": source_id})).all()
        if not rows:
            raise _no_such_source()
        now = self._clock()
        valid = [row for row in rows if row.expires_at is None or row.expires_at > now]
        first = rows[0]
        try:
            provider = provider_named(first.provider)
            options = effective_options(provider, first.options, first.default_currency)
        except ConfigurationError as error:
            log.error("source.unusable", source_id=source_id, reason=str(error))
            raise Unavailable("this source cannot take notices at the moment; see the service's log", 60) from None
        view = SourceView(first.source_id, _merchant(first), provider, options, self._decrypted(source_id, valid))
        return _Found(view, valid_until=min((row.expires_at for row in valid if row.expires_at), default=None))

    def _decrypted(self, source_id: str, rows: list[Any]) -> tuple[bytes, ...]:
        secrets = []
        for row in rows:
            try:
                secrets.append(self._keyring.decrypt(row.ciphertext))
            except ConfigurationError as error:
                log.error("source.secret_unreadable", source_id=source_id, number=row.number, reason=str(error))
        if not secrets:
            raise Unavailable("this source cannot verify notices at the moment; see the service's log", 60)
        return tuple(secrets)


_MERCHANT_COLUMNS = (
    Merchant.id.label("merchant_id"),
    Merchant.name.label("merchant_name"),
    Merchant.default_currency,
    Merchant.time_zone,
)

_TOKEN = (
    sa.select(
        *_MERCHANT_COLUMNS, Token.id.label("token_id"), Token.name.label("token_name"), Token.scopes, Token.expires_at
    )
    .join(Merchant, Merchant.id == Token.merchant_id)
    .where(Token.digest == sa.bindparam("digest"), Token.revoked_at.is_(None))
)

_SOURCE = (
    sa.select(
        *_MERCHANT_COLUMNS,
        Source.id.label("source_id"),
        Source.provider,
        Source.options,
        SourceSecret.number,
        SourceSecret.ciphertext,
        SourceSecret.expires_at,
    )
    .join(Merchant, Merchant.id == Source.merchant_id)
    .join(SourceSecret, sa.and_(SourceSecret.merchant_id == Source.merchant_id, SourceSecret.source_id == Source.id))
    .where(Source.id == sa.bindparam("id"), Source.disabled_at.is_(None))
    .order_by(SourceSecret.number.desc())
)


def _merchant(row: Any) -> MerchantView:
    return MerchantView(row.merchant_id, row.merchant_name, row.default_currency, row.time_zone)


def _no_such_source() -> NotFound:
    return NotFound("there is no source of that id")


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Found(Generic[T]):
    """An answer, and the moment from which it must be asked for again."""

    value: T
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class _Remembered(Generic[T]):
    value: T
    asked_at: datetime
    until: datetime
    until_s: float
    """The same by the clock that nobody can set."""


class _Memory(Generic[T]):
    """Answers no older than two seconds; callers who ask for the same thing at once share one look-up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[Hashable, _Remembered[T]] = {}
        self._under_way: dict[Hashable, asyncio.Task[_Found[T]]] = {}
        self._forgotten_s: dict[Hashable, float] = {}
        """When something that was found was last forgotten before its time; as many as there are sources."""

    async def get(self, key: Hashable, find: Callable[[], Awaitable[_Found[T]]]) -> T:
        entry = self._entries.get(key)
        if entry is not None and self._holds(entry):
            return entry.value
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._look_up(key, find))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        # one caller hanging up must not take the answer from the others
        return (await asyncio.shield(task)).value

    def forget(self, key: Hashable) -> None:
        """Lets the next caller ask again, unless somebody has been let a moment ago."""
        now = time.monotonic()
        if key in self._entries and now - self._forgotten_s.get(key, -_A_MOMENT_S) >= _A_MOMENT_S:
            del self._entries[key]
            self._forgotten_s[key] = now

    def _holds(self, entry: _Remembered[T]) -> bool:
        # by both clocks: the wall clock may be set back, and a test's clock moves when it is told to
        return time.monotonic() < entry.until_s and entry.asked_at <= self._clock() < entry.until

    async def _look_up(self, key: Hashable, find: Callable[[], Awaitable[_Found[T]]]) -> _Found[T]:
        asked_at, until_s = self._clock(), time.monotonic() + _MAX_AGE.total_seconds()
        try:
            found = await find()
        except DunningError:
            self._entries.pop(key, None)
            raise
        self._entries.pop(key, None)
        while len(self._entries) >= _MAX_ENTRIES:
            self._entries.pop(next(iter(self._entries)))  # the one that was asked for longest ago
        until = asked_at + _MAX_AGE
        if found.valid_until is not None:
            until = min(until, found.valid_until)
        self._entries[key] = _Remembered(found.value, asked_at, until, until_s)
        return found

    def _finished(self, key: Hashable, task: asyncio.Task[_Found[T]]) -> None:
        self._under_way.pop(key, None)
        if not task.cancelled():
            task.exception()  # every caller may have gone; nobody else would look at it then
