"""A caller that offers to speak another protocol is answered in this one, and loses nothing by having offered."""

from __future__ import annotations

import sys
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_FRAMING = (b"content-length", b"transfer-encoding")


class OneProtocol(HttpToolsProtocol):
    """uvicorn's own protocol, except that `Upgrade` is not taken up without a word being lost.

    Some clients offer h2c with every first request of a connection; Java's does. The parser then takes whatever
    follows the headers for the other protocol: the body would be dropped, and every further request with it.
    """

    _received = b""
    _is_offered = False
    """The parser has stopped at the headers of such a request."""
    _is_resuming = False

    def data_received(self, data: bytes) -> None:
        self._received = data
        super().data_received(data)

    def on_message_begin(self) -> None:
        if not self._is_resuming:
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._is_resuming:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_resuming:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self._is_resuming:
            super().on_headers_complete()
            self._is_offered = bool(self.parser.should_upgrade())

    def on_message_complete(self) -> None:
        if not self._is_offered:
            super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Called where the parser has stopped: another one reads on from there, as if nothing had been offered."""
        stopped: Any = sys.exc_info()[1]
        rest = self._received[stopped.args[0] :]
        framing = b"".join(b"%b: %b\r\n" % header for header in self.headers if header[0] in _FRAMING)
        self.parser = httptools.HttpRequestParser(self)
        self._is_offered = False
        self._is_resuming = True
        self.parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n")
        self._is_resuming = False
        if rest:
            OneProtocol.data_received(self, rest)
