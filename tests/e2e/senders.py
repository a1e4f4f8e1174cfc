"""Who posts notices to a running service: over plain sockets, so that a test knows what was sent and what came back."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import sqlalchemy as sa

import ledgers
from dunning_service.database.engines import Database, database_url
from dunning_service.gateways.service import choose_sandbox
from dunning_service.ledger.models import PaymentRow
from dunning_service.merchants import service as merchants
from dunning_service.merchants import sources
from dunning_service.merchants.directory import Scope
from dunning_service.merchants.keyring import Keyring
from dunning_service.values.clock import utc_now
from e2e.processes import HOST
from running import SECRET_KEY

LOG_FAILURE = "/api/ActionService/LogInvoicePaymentFailed"
GOODPARTY_REPLY = b'{"status":"Success","Message":{"Success":true}}'
_ANSWER_WITHIN_S = 30


@dataclass(frozen=True, slots=True)
class Account:
    """What a merchant's systems need to know to post notices, and to read the list."""

    merchant_id: int
    token: str
    source_id: str
    secret: str

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def open_account(url: str) -> Account:
    """A new merchant in this database, with a token and a Maple source, who charges through the sandbox."""
    database = Database(database_url(url))
    now = utc_now()
    try:
        with database.write() as connection:
            merchant = merchants.add_merchant(
                connection, name=f"merchant {time.monotonic_ns()}", default_currency="NOK", time_zone="UTC", now=now
            )
            token = merchants.add_token(
                connection, merchant=merchant, name="e2e", scopes=frozenset(Scope), expires_at=None, now=now
            )
            source = sources.add_source(
                connection,
                Keyring(SECRET_KEY),
                merchant=merchant,
                provider="maple",
                secret=None,
                options={},
                now=now,
            )
            choose_sandbox(connection, merchant, now=now)
    finally:
        database.write_engine.dispose()
    return Account(merchant.id, token.token, source.id, source.secret)


@dataclass(frozen=True, slots=True)
class Posted:
    """One notice on the wire, and the `provider_payment_id` under which the ledger must know it."""

    payment: str
    path: str
    headers: dict[str, str]
    body: bytes
    media_type: str = "application/json"


def a_goodparty_notice(account: Account, invoice: str, **fields: Any) -> Posted:
    """A failed invoice payment, posted with the token."""
    notice = {
        "InvoiceId": invoice,
        "PaymentIntentId": f"pi_{invoice}",
        "AmountDue": 1999,
        "StripeCustomerId": f"cus_{invoice}",
        "SubscriptionId": "sub_1",
        "UserId": 7,
        "FailedTimeStamp": "2026-01-11T19:31:58Z",
        "AttemptCount": 1,
    }
    return Posted(invoice, LOG_FAILURE, account.auth, json.dumps(notice | fields).encode())


def a_maple_notice(account: Account, payment: str, event_type: str = "payment.failed", **fields: Any) -> Posted:
    """A payment that failed, or succeeded, as a signed webhook."""
    document = {
        "id": payment,
        "company_id": "cmp_1",
        "total_amount": {"currency": "NOK", "value_in_cents": 4900},
        "created_at": "2026-01-11T19:31:58Z",
        "status_message": "insufficient_funds",
    }
    document |= fields
    body = json.dumps({"event_type": event_type, "data": document}).encode()
    now = str(int(time.time()))
    signature = hmac.new(account.secret.encode(), now.encode() + b"," + body, hashlib.sha256).hexdigest()
    headers = {"X-Maple-Signature": f"t={now},v1={signature}"}
    return Posted(f"cmp_1/{fields.get('invoice_uuid', payment)}", f"/webhooks/{account.source_id}", headers, body)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class HungUpError(Exception):
    """The connection ended without an answer to what had been sent in full."""


class Line:
    """One keep-alive connection: one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Line:
        return cls(*await asyncio.open_connection(HOST, port))

    async def post(self, posted: Posted) -> Answer:
        """Raises HungUpError when no whole answer came."""
        headers = {"Content-Type": posted.media_type} | posted.headers
        return await self.ask("POST", posted.path, headers, posted.body)

    async def get(self, path: str, headers: dict[str, str]) -> Answer:
        """Raises HungUpError when no whole answer came."""
        return await self.ask("GET", path, headers)

    async def ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        """Raises HungUpError when no whole answer came."""
        head = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", f"Content-Length: {len(body)}"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        try:
            self._writer.write("\r\n".join([*head, "", ""]).encode() + body)
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                return await self._answer()
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise HungUpError from error

    async def _answer(self) -> Answer:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {}
        for line in head[1:-2]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding") == "chunked":
            body = b"".join([chunk async for chunk in self._chunks()])
        else:
            body = await self._reader.readexactly(int(headers["content-length"]))
        return Answer(int(head[0].split()[1]), headers, body)

    async def _chunks(self) -> AsyncIterator[bytes]:
        while True:
            size = int(await self._reader.readuntil(b"\r\n"), 16)
            yield (await self._reader.readexactly(size + 2))[:size]
            if size == 0:
                return

    def close(self) -> None:
        self._writer.close()

    async def closed(self) -> None:
        """Closes it, and returns when that is done."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


@asynccontextmanager
async def lines(port: int, count: int) -> AsyncIterator[list[Line]]:
    """That many open connections."""
    opened = [await Line.open(port) for _ in range(count)]
    try:
        yield opened
    finally:
        for line in opened:
            line.close()


async def together(*jobs: Awaitable[None]) -> None:
    """All of them at once; returns when all have ended, and raises the first error."""
    for result in await asyncio.gather(*jobs, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def listed(base_url: str, account: Account) -> list[dict[str, Any]]:
    """Every failed payment of a merchant, page by page as a dashboard would read it."""
    found: list[dict[str, Any]] = []
    parameters = {"limit": "200"}
    with httpx.Client(base_url=base_url, headers=account.auth, trust_env=False, timeout=30) as client:
        while True:
            response = client.get("/api/v1/failed-payments", params=parameters)
            assert response.status_code == 200, response.text
            page = response.json()
            found += page["data"]
            if page["next"] is None:
                assert page["total"] == len(found)
                return found
            parameters["cursor"] = page["next"]


def payments_of(url: str, account: Account) -> list[str]:
    """The `provider_payment_id` of every payment of a merchant, straight from the database."""
    database = Database(database_url(url))
    wanted = sa.select(PaymentRow.provider_payment_id).where(PaymentRow.merchant_id == account.merchant_id)
    try:
        with database.write() as connection:
            return list(connection.scalars(wanted))
    finally:
        database.write_engine.dispose()


def complaints(url: str) -> list[str]:
    """What `dunning ledger check` has to say about this database."""
    database = Database(database_url(url))
    try:
        return ledgers.complaints(database)
    finally:
        database.write_engine.dispose()
