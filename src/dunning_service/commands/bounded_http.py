"""The server's HTTP protocol, with a bound on what it has not bounded itself."""

from __future__ import annotations

from dunning_service.web.draining import DrainingProtocol

MAX_HEAD_BYTES = 65_536

_MESSAGE = f"The request line and the headers are longer than {MAX_HEAD_BYTES} bytes.".encode()
_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\n"
    b"content-length: " + str(len(_MESSAGE)).encode() + b"\r\n"
    b"connection: close\r\n"
    b"\r\n" + _MESSAGE
)


class BoundedHttp(DrainingProtocol):
    """Hangs up on a request line and headers that do not end: the parser would keep them in memory for ever.

    It is counted as it arrives, so a head that comes in one piece may be a little longer.
    """

    _is_in_head = False
    _head_bytes = 0

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LONG)
            self.transport.close()
