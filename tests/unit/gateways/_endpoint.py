"""A merchant's charging endpoint on loopback: answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from dunning_service.gateways import ChargeRequest
from dunning_service.gateways.http import HttpGateway
from dunning_service.outgoing.client import OutgoingClient
from dunning_service.outgoing.network import NetworkRules
from dunning_service.values.money import Money

NOW = datetime(2027, 1, 4, 9, tzinfo=UTC)
KEY = "7f9c24e5:1"
PAID = {"key": KEY, "outcome": "succeeded", "transaction_id": "ch_1"}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


Answer = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Endpoint:
    """What the server does next, where it listens, and what it was asked."""

    answer: Answer
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("latin-1").split("\r\n")
                method, path, _ = first.split(" ")
                pairs = (line.split(":", 1) for line in lines if line)
                headers = {name.lower(): value.strip() for name, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.asked.append(Asked(method, path, headers, body))
                await self.answer(self.asked[-1], writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Endpoint]:
    """An endpoint while it serves."""
    endpoint = Endpoint(answer)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(endpoint.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    endpoint.port = server.sockets[0].getsockname()[1]
    try:
        yield endpoint
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def raw_response(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """A response on the wire."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def says(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Answers that to everything; what is no bytes becomes JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def answer(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(raw_response(status, content, headers))

    return answer


def writes(*parts: bytes, then_hangs: bool = False) -> Answer:
    """Writes the bytes as they are, then hangs up or keeps silent for ever."""

    async def answer(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.writelines(parts)
        await writer.drain()
        if then_hangs:
            await asyncio.Event().wait()
        writer.close()

    return answer


def a_gateway(endpoint: Endpoint | None = None, **given: Any) -> HttpGateway:
    """One that may call the endpoint by plain HTTP on loopback."""
    port = 9 if endpoint is None else endpoint.port
    url = given.pop("url", f"http://127.0.0.1:{port}/charges")
    rules = {
        "hosts": [f"127.0.0.1:{port}"],
        "allow_http": True,
        "allow_private_addresses": True,
        "timeout_seconds": 5.0,
    }
    rules |= given.pop("rules", {})
    given = {"clock": lambda: NOW, "signing_secrets": [SECRET], **given}
    client = OutgoingClient(url, given.pop("signing_secrets"), rules=NetworkRules(**rules), **given)
    return HttpGateway(client, given["clock"])


def a_request(**given: Any) -> ChargeRequest:
    """A first try at 19.99 EUR."""
    return ChargeRequest(
        **{
            "payment_id": "7f9c24e5",
            "attempt_number": 1,
            "money": Money(1999, "EUR"),
            "payment_method_id": UUID("5f0c3f5e-7b51-4c0e-9d0b-9a6f2f2f7f11"),
            **given,
        }
    )
