"""Stopping without hanging up on anybody who has just sent something."""

from __future__ import annotations

from typing import Any

from dunning_service.web.pipelining import PipeliningProtocol

_ROUND_S = 0.1
_ROUNDS = 20
"""How long a connection that seems idle is listened to before it is closed. In rounds, each of which reads what has
come, so that a process that was held up does not take its own delay for the sender's silence."""


class DrainingProtocol(PipeliningProtocol):
    """A stop does not close an idle keep-alive connection at once, as uvicorn's own protocol does.

    Under load a request is often already waiting in the socket, unread, when its connection looks idle; closed then,
    its sender would hear nothing. Here it is read and answered, and the answer says that it is the connection's last.
    """

    _is_draining = False

    def shutdown(self) -> None:
        self._is_draining = True
        if self.is_idle():
            self._listen_on(_ROUNDS)
        else:
            self.cycle.keep_alive = False

    def on_headers_complete(self) -> None:
        earlier: Any = self.cycle
        super().on_headers_complete()
        if self._is_draining and self.cycle is not earlier:
            self.cycle.keep_alive = False

    def is_idle(self) -> bool:
        """True when every request that was heard in full has been answered."""
        return self.cycle is None or self.cycle.response_complete

    def _listen_on(self, rounds: int) -> None:
        if not self.is_idle():
            return  # its answer closes it
        if rounds == 0:
            self.transport.close()
        elif not self.transport.is_closing():
            self.loop.call_later(_ROUND_S, self._listen_on, rounds - 1)
