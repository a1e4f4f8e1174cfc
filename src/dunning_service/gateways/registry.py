"""The gateways of merchants: read from the database, made once, and kept open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_service.database.engines import Database, is_outage
from dunning_service.errors import NotFound, Unavailable
from dunning_service.gateways import Gateway
from dunning_service.gateways.http import HttpGateway
from dunning_service.gateways.models import GatewayKind, GatewayRow, SandboxChargeRow
from dunning_service.gateways.sandbox import Sandbox
from dunning_service.gateways.service import signing_secrets
from dunning_service.ledger.work import Command, Effect, Lookup, Recorder, Snapshot
from dunning_service.merchants.keyring import Keyring
from dunning_service.merchants.lookup_cache import Found, LookupCache
from dunning_service.merchants.models import Merchant
from dunning_service.outgoing.client import OutgoingClient
from dunning_service.outgoing.network import NetworkRules
from dunning_service.values.clock import Clock


@dataclass(frozen=True, slots=True)
class Chosen:
    """The current gateway of a merchant."""

    id: int
    """Under which `MerchantGateways.gateway` finds it also when it is not the chosen one any more."""
    gateway: Gateway


class MerchantGateways:
    """Finds the gateways of a merchant, and keeps their connections open for the next charge.

    What an operator changes holds within seconds in every process.
    """

    def __init__(
        self, database: Database, keyring: Keyring, recorder: Recorder, clock: Clock, rules: NetworkRules
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._recorder = recorder
        self._clock = clock
        self._rules = rules
        self._chosen: LookupCache[Chosen] = LookupCache(clock)
        self._found: LookupCache[Gateway] = LookupCache(clock)
        self._sandboxes: dict[int, Sandbox] = {}
        self._endpoints: dict[tuple[str, Sequence[str], int], HttpGateway] = {}

    async def chosen(self, merchant_id: int) -> Chosen | None:
        """The current gateway of a merchant; None without one.

        Raises ConfigurationError for one that cannot be used as things are, and Unavailable when the database cannot
        be asked.
        """
        try:
            return await self._chosen.get(merchant_id, lambda: self._find_chosen(merchant_id))
        except NotFound:
            return None

    async def gateway(self, merchant_id: int, gateway_id: int) -> Gateway:
        """A present or former gateway. Raises as `chosen` does, and NotFound for one that never was."""
        return await self._found.get((merchant_id, gateway_id), lambda: self._find(merchant_id, gateway_id))

    async def close(self) -> None:
        """Closes all connections."""
        for endpoint in self._endpoints.values():
            await endpoint.close()

    async def _find_chosen(self, merchant_id: int) -> Found[Chosen]:
        row = await self._row(_CHOSEN, {"merchant_id": merchant_id})
        return Found(Chosen(row.id, self._made(row)))

    async def _find(self, merchant_id: int, gateway_id: int) -> Found[Gateway]:
        return Found(self._made(await self._row(_GATEWAY, {"merchant_id": merchant_id, "id": gateway_id})))

    async def _row(self, statement: sa.Executable, key: dict[str, int]) -> Any:
        async with _reading(self._database) as connection:
            row = (await connection.execute(statement, key)).one_or_none()
        if row is None:
            raise NotFound("the merchant has no such gateway")
        return row

    def _made(self, row: Any) -> Gateway:
        match GatewayKind(row.kind):
            case GatewayKind.SANDBOX:
                return self._sandbox(row)
            case GatewayKind.HTTP:
                return self._endpoint(row)
            case kind:
                assert_never(kind)

    def _sandbox(self, row: Any) -> Sandbox:
        made = self._sandboxes.get(row.merchant_id)
        if made is None:
            book = SandboxBook(self._database, self._recorder, row.merchant_id, row.time_zone)
            made = self._sandboxes[row.merchant_id] = Sandbox(book, self._clock)
        return made

    def _endpoint(self, row: Any) -> HttpGateway:
        # one for each there ever was: charges under way through an earlier one must not be cut off
        secrets = tuple(signing_secrets(self._keyring, row.name, row.secrets))
        identity = (row.url, secrets, row.merchant_id)
        made = self._endpoints.get(identity)
        if made is None:
            client = OutgoingClient(row.url, secrets, rules=self._rules, clock=self._clock)
            made = self._endpoints[identity] = HttpGateway(client, self._clock)
        return made


@dataclass(frozen=True, slots=True)
class SandboxBook:
    """The sandbox's charges of one merchant, in a table that all processes share. See ChargeBook."""

    database: Database
    recorder: Recorder
    merchant_id: int
    time_zone: str

    async def get(self, key: str) -> str | None:
        """The record stored under `key`."""
        async with _reading(self.database) as connection:
            kept: str | None = (
                await connection.execute(_CHARGE, {"merchant_id": self.merchant_id, "key": key})
            ).scalar_one_or_none()
        return kept

    async def put(self, key: str, value: str) -> str:
        """Stores `value` unless there is a record already; returns the stored one. It rides in the ledger's commits."""
        lookup = Lookup(SandboxChargeRow, ("merchant_id", "key"), (self.merchant_id, key))

        def execute(snapshot: Snapshot, now: datetime) -> Effect:
            if snapshot.rows[lookup]:
                return Effect({"value": snapshot.rows[lookup][0]["value"]})
            row = {"merchant_id": self.merchant_id, "key": key, "value": value, "created_at": now}
            return Effect({"value": value}, inserts=[(SandboxChargeRow, row)])

        done = await self.recorder.execute(
            Command(
                merchant_id=self.merchant_id,
                time_zone=self.time_zone,
                provider=Sandbox.name,
                lookups=[lookup],
                is_idempotent=True,
                execute=execute,
            )
        )
        return str(done.answer["value"])


@asynccontextmanager
async def _reading(database: Database) -> AsyncIterator[AsyncConnection]:
    """A connection for reading. Raises Unavailable when the database is out of reach."""
    try:
        async with database.read() as connection:
            yield connection
    except sa.exc.TimeoutError as error:
        raise Unavailable("all connections to the database are busy") from error
    except DBAPIError as error:
        if not is_outage(error):
            raise
        raise Unavailable("the database cannot be reached") from error


_GATEWAYS = (
    sa.select(
        GatewayRow.merchant_id,
        GatewayRow.id,
        GatewayRow.kind,
        GatewayRow.url,
        GatewayRow.secrets,
        Merchant.name,
        Merchant.time_zone,
    )
    .join(Merchant, Merchant.id == GatewayRow.merchant_id)
    .where(GatewayRow.merchant_id == sa.bindparam("merchant_id"))
)
_CHOSEN = _GATEWAYS.where(GatewayRow.is_current)
_GATEWAY = _GATEWAYS.where(GatewayRow.id == sa.bindparam("id"))

_CHARGE = sa.select(SandboxChargeRow.value).where(
    SandboxChargeRow.merchant_id == sa.bindparam("merchant_id"), SandboxChargeRow.key == sa.bindparam("key")
)
