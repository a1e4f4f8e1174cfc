"""Connections to PostgreSQL that do not wait for ever for a server that has stopped answering.

A server that is gone resets its connections, and one that was cut off is noticed by the network's own timeouts. One
that hangs (its machine is frozen, or its storage) keeps its connections open and says nothing, and no timeout of the
server's own can help. A statement may take long for good reasons, so its silence alone proves nothing: whether the
server still answers is asked of it anew, through another door.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

_SILENT_S = 2.0
"""After so much silence the server is asked whether it is there, and again after as much."""
_ANSWER_S = 3.0
"""How long it may take to answer that: any healthy one does within milliseconds."""
_READER_S = 40.0
"""How long a reader waits at the most, though the server answers others: longer than its own timeouts."""

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""Asks whether the server speaks TLS, which any answers at once, with one byte, and to anybody."""

T = TypeVar("T")
_Steps = Generator[Any, Any, T]


class WatchedConnection(psycopg.Connection[Any]):
    """A connection that raises OperationalError, and is closed, when the server does not answer any more."""

    def wait(self, gen: _Steps[T], *arguments: Any, **options: Any) -> T:
        while True:
            try:
                return super().wait(_interrupted(gen), *arguments, **options)
            except _SilentError:
                if not _answers(*_door(self)):
                    raise _given_up(self) from None


class WatchedAsyncConnection(psycopg.AsyncConnection[Any]):
    """The same for readers, which moreover wait no longer than any statement may take."""

    async def wait(self, gen: _Steps[T], *arguments: Any, **options: Any) -> T:
        until = time.monotonic() + _READER_S
        while True:
            try:
                return await super().wait(_interrupted(gen), *arguments, **options)
            except _SilentError:
                if time.monotonic() > until or not await asyncio.to_thread(_answers, *_door(self)):
                    raise _given_up(self) from None


class _SilentError(Exception):
    """The server has said nothing for a while; what was begun can be waited for again."""


def _interrupted(steps: _Steps[T]) -> _Steps[T]:
    """`steps`, until the server has been silent for too long."""
    try:
        wanted = next(steps)
        since = time.monotonic()
        while True:
            ready = yield wanted
            if ready:
                since = time.monotonic()
            elif time.monotonic() - since > _SILENT_S:
                raise _SilentError
            wanted = steps.send(ready)
    except StopIteration as finished:
        result: T = finished.value
        return result


def _door(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> tuple[str, int]:
    return connection.info.hostaddr or connection.info.host, connection.info.port


def _answers(host: str, port: int) -> bool:
    try:
        with _dialled(host, port) as line:
            line.sendall(_SSL_REQUEST)
            return bool(line.recv(1))
    except OSError:
        return False


def _dialled(host: str, port: int) -> socket.socket:
    if not host.startswith(("/", "@")):
        return socket.create_connection((host, port), _ANSWER_S)
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(_ANSWER_S)
    folder = host if host.startswith("/") else f"\0{host[1:]}"  # libpq writes @ for sockets that are no files
    try:
        line.connect(f"{folder}/.s.PGSQL.{port}")
    except OSError:
        line.close()
        raise
    return line


def _given_up(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> psycopg.OperationalError:
    """Closed is closed: what the server makes of it, if it wakes up, is known to nobody."""
    connection.pgconn.finish()
    return psycopg.OperationalError("the database server does not answer any more")
