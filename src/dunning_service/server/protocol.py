"""The HTTP protocol class of the server: uvicorn's own, with bounds on memory and time, and without lost requests.

It overrides private members of uvicorn's class, so `pyproject.toml` pins uvicorn to a minor version, and a test fails
when one of the members is gone.
"""

from __future__ import annotations

import asyncio
import math
import sys
from http import HTTPStatus
from typing import Any, cast

import httptools
from typing_extensions import override
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dunning_service.server.bodies import BODY_IS_HERE
from dunning_service.server.connection_limit import OVER_LIMIT, most_sockets

MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 200

_CHUNK = 2048
"""Most bytes that are parsed at once. Most requests fit in; of the shortest ones a hundred do, and each of them takes
some kilobytes once it is parsed."""

_CHECKS = 8
"""How many periodic checks a slow caller may fail. Counted in checks instead of seconds, so that a process that was
held up does not take its own delay for the caller's."""
_OVER_LIMIT_CHECK_S = 1.0

_DRAIN_ROUND_S = 0.1
_DRAIN_ROUNDS = 20
"""How often an idle connection is read again after a shutdown began, before it is closed. Counted in rounds for the
same reason."""

_FRAMING_HEADERS = (b"content-length", b"transfer-encoding")


class ServerProtocol(HttpToolsProtocol):
    """One HTTP/1.1 connection.

    * **Time and size.** A request line and headers of more than MAX_HEAD_BYTES, or more than MAX_HEADERS of them, are
      answered 431; they are counted as they arrive, so a head that comes in one piece may be a little longer. The same
      limit holds for what comes between the chunks of a body, and after it. A head that has begun and is incomplete
      after `receive_timeout_s` is answered 408. The same time-out holds for the rest of a request that was answered
      early, and for a reply that the caller does not read. A body that a route waits for has the time-out of
      `read_body`. A connection that never sends anything is closed when an idle one would be.
    * **Connections.** With `max_connections` open, requests on further ones are marked OVER_LIMIT, and those
      connections are closed by their reply, or after a second. Far above the limit new connections are closed at once.
    * **Pipelining.** uvicorn parses all that it has read, however many requests are waiting, so one connection that
      never stops sending would fill the memory. Here at most one chunk is parsed ahead of the replies, and nothing is
      read while bytes are left to parse.
    * **Upgrade.** Some clients offer h2c with the first request of each connection (Java's does). The parser would take
      the body and all further requests for the other protocol; here the offer is passed over and reading goes on.
    * **Shutdown.** Under load a request is often already in the socket, unread, when its connection looks idle. An idle
      connection is read for two more seconds before it is closed, and its last reply says `Connection: close`.
    """

    _received = b""
    _is_upgrade_offered = False
    """The parser has stopped after the headers of a request that offers another protocol."""

    _unparsed = memoryview(b"")
    _is_between_requests = False

    _is_draining = False

    _is_in_message = False
    _is_in_head = False
    _unproductive_bytes = 0
    _is_over_limit = False
    _is_deaf = False
    """A refusal waits for the replies before it; nothing more is parsed."""
    _failed_checks = 0
    _check_handle: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, receive_timeout_s: float, max_connections: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self._check_s = receive_timeout_s / _CHECKS
        self._max_connections = max_connections

    # The connection

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        own = cast(asyncio.Transport, transport)
        super().connection_made(own)
        self.flow = _NoReadAhead(own, self)
        others = len(self.connections) - 1
        if others >= most_sockets(self._max_connections):
            self.transport.close()
            return
        if others >= self._max_connections:
            self._is_over_limit = True
            self._check_s = min(self._check_s, _OVER_LIMIT_CHECK_S)
        self._check_handle = self.loop.call_later(self._check_s, self._check)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._check_handle is not None:
            self._check_handle.cancel()
        self._unparsed = memoryview(b"")
        super().connection_lost(exc)

    @override
    def shutdown(self) -> None:
        self._is_draining = True
        if self._is_idle():
            self._drain(_DRAIN_ROUNDS)
        else:
            self.cycle.keep_alive = False

    def _drain(self, rounds: int) -> None:
        """Closes the connection unless a request arrives within `rounds`; then its reply closes it."""
        if not self._is_idle():
            return
        if rounds == 0:
            self.transport.close()
        elif not self.transport.is_closing():
            self.loop.call_later(_DRAIN_ROUND_S, self._drain, rounds - 1)

    def _is_idle(self) -> bool:
        """True when every complete request has been answered."""
        return self.cycle is None or self.cycle.response_complete

    # Bytes, a chunk at a time

    @override
    def data_received(self, data: bytes) -> None:
        if len(data) <= _CHUNK and not self._unparsed:
            self._parse(data)
            return
        self._unparsed = memoryview(bytes(self._unparsed) + data if self._unparsed else data)
        self.parse_waiting()

    def parse_waiting(self) -> bool:
        """Parses bytes that were read before, while there is room for what they hold. True when more may be read."""
        if self._is_between_requests:
            return False
        while not self.pipeline and self._has_room():
            if self.transport.is_closing():
                self._unparsed = memoryview(b"")
                return False
            if not self._unparsed:
                return True
            chunk, self._unparsed = self._unparsed[:_CHUNK], self._unparsed[_CHUNK:]
            self._parse(bytes(chunk))
        return False

    def _has_room(self) -> bool:
        """False while a body waits to be read by its route."""
        return self._is_idle() or len(self.cycle.body) <= HIGH_WATER_LIMIT

    def _parse(self, chunk: bytes) -> None:
        if self._is_deaf:
            return
        self._feed(chunk)
        if not self._is_in_message:
            return
        self._unproductive_bytes += len(chunk)
        if self._unproductive_bytes > MAX_HEAD_BYTES or (self._is_in_head and len(self.headers) > MAX_HEADERS):
            self._hang_up(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"The request line and the headers are longer than {MAX_HEAD_BYTES} bytes, or there are more than "
                f"{MAX_HEADERS} headers.",
            )

    def _feed(self, chunk: bytes) -> None:
        self._received = chunk
        super().data_received(chunk)

    @override
    def _unsupported_upgrade_warning(self) -> None:
        """Goes on with a new parser where the old one stopped at an offer to upgrade."""
        stopped: Any = sys.exc_info()[1]
        rest = self._received[stopped.args[0] :]
        framing = b"".join(b"%b: %b\r\n" % header for header in self.headers if header[0] in _FRAMING_HEADERS)
        callbacks = _AfterOffer(self)
        self.parser = httptools.HttpRequestParser(callbacks)
        self._is_upgrade_offered = False
        self._is_in_message = True
        self.parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n")
        callbacks.is_resuming = False
        if rest:
            self._feed(rest)

    # Callbacks of the parser

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_message = self._is_in_head = True
        self._unproductive_bytes = self._failed_checks = 0

    @override
    def on_headers_complete(self) -> None:
        self._is_in_head = False
        if self._is_over_limit:
            self.scope[OVER_LIMIT] = True  # type: ignore[literal-required]
        earlier: Any = self.cycle
        super().on_headers_complete()
        self._is_upgrade_offered = bool(self.parser.should_upgrade())
        if self._is_draining and self.cycle is not earlier:
            self.cycle.keep_alive = False

    @override
    def on_body(self, body: bytes) -> None:
        self._unproductive_bytes = 0
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._is_in_message = False
        if not self._is_upgrade_offered:
            self.scope[BODY_IS_HERE] = True  # type: ignore[literal-required]
            super().on_message_complete()

    # Replies

    @override
    def on_response_complete(self) -> None:
        self._is_between_requests = True  # a request parsed now would overtake one that waits in the pipeline
        super().on_response_complete()
        self._is_between_requests = False
        self.flow.resume_reading()

    @override
    def resume_writing(self) -> None:
        self._failed_checks = 0
        super().resume_writing()

    # Slow callers

    def _check(self) -> None:
        self._check_handle = self.loop.call_later(self._check_s, self._check)
        allowed = self._allowed_checks()
        if allowed is None:
            self._failed_checks = 0
            return
        self._failed_checks += 1
        if self._failed_checks < allowed:
            return
        if self.transport.is_closing() or self.flow.write_paused:
            self.transport.abort()
        else:
            self._hang_up(HTTPStatus.REQUEST_TIMEOUT, "The request did not arrive in time; send it again.")

    def _allowed_checks(self) -> int | None:
        """How many checks the caller may fail; None when nothing is due from it, or a route waits for its body."""
        if self.transport.is_closing() or self.flow.write_paused:
            return _CHECKS  # the caller does not read its reply
        if not self._is_idle():
            return None
        if self._is_over_limit:
            return 1
        if self._is_in_message:
            return _CHECKS
        return math.ceil(self.timeout_keep_alive / self._check_s) if self.cycle is None else None

    def _hang_up(self, status: HTTPStatus, message: str) -> None:
        """Closes the connection, with a reply if the next one is due. Complete requests are answered first."""
        if self.transport.is_closing():
            return
        if self._is_in_head and not self._is_idle():
            self._is_deaf = True
            self.cycle.keep_alive = False
            return
        if self._is_in_head:
            text = message.encode()
            self.transport.write(
                b"HTTP/1.1 %d %b\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
                b"connection: close\r\n\r\n%b" % (status, status.phrase.encode(), len(text), text)
            )
        self.transport.close()


class _AfterOffer:
    """The callbacks of a parser that takes over in the middle of a request, after an offer to upgrade: while it is fed
    that request's framing again, those for a head do nothing, as they have run already."""

    def __init__(self, protocol: ServerProtocol) -> None:
        self._protocol = protocol
        self.is_resuming = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)

    def on_message_begin(self) -> None:
        if not self.is_resuming:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self.is_resuming:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.is_resuming:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self.is_resuming:
            self._protocol.on_headers_complete()


class _NoReadAhead(FlowControl):
    """Flow control that resumes reading only when all bytes that were read are parsed."""

    def __init__(self, transport: asyncio.Transport, protocol: ServerProtocol) -> None:
        super().__init__(transport)
        self._protocol = protocol

    @override
    def resume_reading(self) -> None:
        if self.read_paused and not self._transport.is_closing() and self._protocol.parse_waiting():
            super().resume_reading()
