"""The server's HTTP protocol, with bounds on what it has not bounded itself."""

from __future__ import annotations

import asyncio
import math
from http import HTTPStatus
from typing import Any

from dunning_service.web.crowding import SURPLUS
from dunning_service.web.draining import DrainingProtocol

MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 200

_LOOKS = 8
"""How often a connection is looked at while its caller may be slow. Counted in looks, and not by a clock, so that a
process that was held up does not take its own delay for the caller's."""
_SURPLUS_LOOK_S = 1.0


class BoundedHttp(DrainingProtocol):
    """Hangs up on whoever owes it something for too long, or owes too much.

    * A request line and headers of more than MAX_HEAD_BYTES, or more than MAX_HEADERS of them, are answered 431. They
      are counted as they arrive, so a head that comes in one piece may be a little longer. As much is allowed for what
      comes between the parts of a chunked body, and after it.
    * A head that has begun and is not there in full after `receive_timeout_s` is answered 408. So long may also the
      rest of a request take that was answered before it was heard in full, and an answer to be read. A body that
      somebody waits for is theirs to give up (see `read_body`).
    * A connection that was opened and says nothing is closed when an idle one would be.
    * With `max_connections` open, requests on more are marked as `SURPLUS`, and their connections closed: by their
      answer, or after a second. Far above that, new connections are closed at once.
    """

    _is_in_message = False
    _is_in_head = False
    _unproductive_bytes = 0
    _is_surplus = False
    _is_deaf = False
    _looks = 0
    _looking: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, receive_timeout_s: float, max_connections: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self._look_s = receive_timeout_s / _LOOKS
        self._max_connections = max_connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        others = len(self.connections) - 1
        if others >= most_sockets(self._max_connections):
            self.transport.close()
            return
        if others >= self._max_connections:
            self._is_surplus = True
            self._look_s = min(self._look_s, _SURPLUS_LOOK_S)
        self._looking = self.loop.call_later(self._look_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_message = self._is_in_head = True
        self._unproductive_bytes = self._looks = 0

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        if self._is_surplus:
            self.scope[SURPLUS] = True  # type: ignore[literal-required]
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unproductive_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_message = False
        super().on_message_complete()

    def resume_writing(self) -> None:
        self._looks = 0
        super().resume_writing()

    def parse(self, piece: bytes) -> None:
        if self._is_deaf:
            return
        super().parse(piece)
        if not self._is_in_message:
            return
        self._unproductive_bytes += len(piece)
        if self._unproductive_bytes > MAX_HEAD_BYTES or (self._is_in_head and len(self.headers) > MAX_HEADERS):
            self._hang_up(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"The request line and the headers are longer than {MAX_HEAD_BYTES} bytes, or there are more than "
                f"{MAX_HEADERS} headers.",
            )

    def _look(self) -> None:
        self._looking = self.loop.call_later(self._look_s, self._look)
        patience = self._patience()
        if patience is None:
            self._looks = 0
            return
        self._looks += 1
        if self._looks < patience:
            return
        if self.transport.is_closing() or self.flow.write_paused:
            self.transport.abort()
        else:
            self._hang_up(HTTPStatus.REQUEST_TIMEOUT, "The request did not arrive in time; send it again.")

    def _patience(self) -> int | None:
        """How many looks the caller has for what it owes; None when it owes nothing, or somebody else waits for it."""
        if self.transport.is_closing() or self.flow.write_paused:
            return _LOOKS  # has not read its answer
        if not self.is_idle():
            return None
        if self._is_surplus:
            return 1
        if self._is_in_message:
            return _LOOKS
        return math.ceil(self.timeout_keep_alive / self._look_s) if self.cycle is None else None

    def _hang_up(self, status: HTTPStatus, message: str) -> None:
        """Says why, where that is the next answer. What was heard in full before is answered first."""
        if self.transport.is_closing():
            return
        if self._is_in_head and not self.is_idle():
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


def most_sockets(max_connections: int) -> int:
    """How many connections are open at the most, when no more than `max_connections` are served."""
    return max_connections + max_connections // 4
