"""Proxies in front of PostgreSQL: what passes them can be counted, delayed or cut off."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from sqlalchemy.engine import make_url


class DatabaseProxy:
    """A proxy in front of the server of `url`. Passes everything on; a subclass looks at it, or cuts the connection by
    answering False."""

    def __init__(self, url: str) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._server = url
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The same database, through the proxy."""
        through = make_url(self._server).set(host="127.0.0.1", port=self._listening.getsockname()[1], query={})
        return through.render_as_string(hide_password=False)

    def close(self) -> None:
        self._listening.close()

    def from_caller(self, data: bytes) -> bool:
        """Looks at what the caller says before it is passed on; False cuts the connection."""
        return True

    def from_server(self, data: bytes) -> bool:
        """Looks at what the server says before it is passed on; False cuts the connection."""
        return True

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(caller, _dialled(self._server)), daemon=True).start()

    def _connect(self, caller: socket.socket, server: socket.socket) -> None:
        with caller, server:
            back = threading.Thread(target=_pass_on, args=(server, caller, self.from_server))
            back.start()
            _pass_on(caller, server, self.from_caller)
            back.join()


def _pass_on(from_: socket.socket, to: socket.socket, look: Callable[[bytes], bool]) -> None:
    try:
        while (data := from_.recv(1 << 18)) and look(data):
            to.sendall(data)
        for end in (from_, to) if data else (to,):
            end.shutdown(socket.SHUT_RDWR if data else socket.SHUT_WR)
    except OSError:
        pass  # the other direction has ended


def _dialled(url: str) -> socket.socket:
    server = make_url(url)
    folder = server.query.get("host")
    if folder is None:
        return socket.create_connection((server.host or "127.0.0.1", server.port or 5432))
    line = socket.socket(socket.AF_UNIX)
    line.connect(f"{folder}/.s.PGSQL.{server.port or 5432}")
    return line
