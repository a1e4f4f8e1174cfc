"""The application in this process, driven over ASGI, with a clock that stands still."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.routing import BaseRoute

from dunning_service.app import create_app
from dunning_service.database.engines import Database
from dunning_service.ledger.writer import LedgerWriter
from dunning_service.merchants import service as merchants
from dunning_service.merchants import sources
from dunning_service.merchants.directory import MerchantView, Scope
from dunning_service.merchants.keyring import Keyring
from dunning_service.settings import Settings

SECRET_KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass
class FrozenClock:
    """Says what it was told to say."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, step: timedelta) -> None:
        self.now += step


@dataclass(frozen=True)
class RegisteredSource:
    """A source and what its provider was told."""

    id: str
    secret: str

    @property
    def path(self) -> str:
        return f"/webhooks/{self.id}"


@dataclass
class RunningService:
    """The running application and ways to prepare it."""

    app: FastAPI
    client: httpx.AsyncClient
    clock: FrozenClock
    settings: Settings
    merchant: MerchantView = field(init=False)
    token: str = field(init=False)

    @property
    def database(self) -> Database:
        found: Database = self.app.state.services.database
        return found

    @property
    def writer(self) -> LedgerWriter:
        found: LedgerWriter = self.app.state.services.writer
        return found

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def add_merchant(self, name: str, currency: str | None = None, time_zone: str = "UTC") -> MerchantView:
        with self.database.write() as connection:
            return merchants.add_merchant(
                connection, name=name, default_currency=currency, time_zone=time_zone, now=self.clock()
            )

    async def add_token(
        self,
        merchant: MerchantView,
        scopes: Sequence[str] = ("ingest", "read", "write"),
        expires_at: datetime | None = None,
        name: str = "test",
    ) -> str:
        with self.database.write() as connection:
            return merchants.add_token(
                connection,
                merchant=merchant,
                name=name,
                scopes=frozenset(Scope(scope) for scope in scopes),
                expires_at=expires_at,
                now=self.clock(),
            ).token

    async def add_source(
        self, merchant: MerchantView, provider: str = "maple", secret: str = "whsec_0123456789abcdef", **options: Any
    ) -> RegisteredSource:
        with self.database.write() as connection:
            added = sources.add_source(
                connection,
                Keyring(self.settings.secret_key or ""),
                merchant=merchant,
                provider=provider,
                secret=secret,
                options=options,
                now=self.clock(),
            )
        return RegisteredSource(added.id, secret)


_compiled_routers: dict[int, BaseRoute] = {}


def _compiled(route: BaseRoute) -> BaseRoute:
    """An included router as the first application of this process has it: what its routes declare is the same in all,
    and to read that takes longer than most tests do."""
    included = getattr(route, "original_router", None)
    return route if included is None else _compiled_routers.setdefault(id(included), route)


@asynccontextmanager
async def run_service(database_url: str, **settings: Any) -> AsyncIterator[RunningService]:
    """The application on `database_url`, started and, at the end, shut down as a server would."""
    chosen = Settings(_env_file=None, database_url=database_url, secret_key=SECRET_KEY, **settings)
    clock = FrozenClock()
    app = create_app(chosen, clock)
    app.router.routes[:] = map(_compiled, app.router.routes)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        running = RunningService(app, client, clock, chosen)
        running.merchant = await running.add_merchant("Sweden & Co", "NOK", "Europe/Oslo")
        running.token = await running.add_token(running.merchant)
        yield running
