"""Requests that are sent before the last one is answered: they wait as the bytes they are."""

from __future__ import annotations

import asyncio
from typing import cast

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl

from dunning_service.web.one_protocol import OneProtocol

_SLICE = 2048
"""Most bytes that are parsed at once. Most requests fit in; of the shortest ones a hundred do, and each of them takes
some kilobytes once it is parsed."""


class PipeliningProtocol(OneProtocol):
    """uvicorn's own protocol, except that it reads no further ahead than it answers.

    uvicorn parses all that it has read, and reads more after each answer, however many requests are waiting already:
    one connection that never stops sending would fill the memory. Here at most one slice is parsed ahead, and nothing
    is read while any of what was read is left.
    """

    _unread = memoryview(b"")
    _is_between_requests = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        own = cast(asyncio.Transport, transport)
        super().connection_made(own)
        self.flow = _NoFurtherAhead(own, self)

    def data_received(self, data: bytes) -> None:
        if len(data) <= _SLICE and not self._unread:
            self.parse(data)
            return
        self._unread = memoryview(bytes(self._unread) + data if self._unread else data)
        self.parse_on()

    def parse(self, piece: bytes) -> None:
        """Takes in the next few bytes."""
        super().data_received(piece)

    def parse_on(self) -> bool:
        """Takes in what was left, as far as there is room for it. True when more may be read."""
        if self._is_between_requests:
            return False
        while not self.pipeline and self._has_room():
            if self.transport.is_closing():
                self._unread = memoryview(b"")
                return False
            if not self._unread:
                return True
            piece, self._unread = self._unread[:_SLICE], self._unread[_SLICE:]
            self.parse(bytes(piece))
        return False

    def _has_room(self) -> bool:
        """False while a body waits to be taken by whoever answers its request."""
        waits = self.cycle is not None and not self.cycle.response_complete
        return not waits or len(self.cycle.body) <= HIGH_WATER_LIMIT

    def on_response_complete(self) -> None:
        self._is_between_requests = True  # what is parsed now would be taken for one that has been waiting
        super().on_response_complete()
        self._is_between_requests = False
        self.flow.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unread = memoryview(b"")
        super().connection_lost(exc)


class _NoFurtherAhead(FlowControl):
    """Begins to read again only when nothing that was read is left."""

    def __init__(self, transport: asyncio.Transport, protocol: PipeliningProtocol) -> None:
        super().__init__(transport)
        self._protocol = protocol

    def resume_reading(self) -> None:
        if self.read_paused and not self._transport.is_closing() and self._protocol.parse_on():
            super().resume_reading()
