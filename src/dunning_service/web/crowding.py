"""Connections that are more than the process serves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dunning_service.errors import TooManyConnections

SURPLUS = "dunning.surplus"
"""In the scope of a request whose connection is one too many."""

_ALWAYS_ANSWERED = ("/healthz", "/metrics")
"""A process with many callers is well, and whoever watches it has to see what happens."""


class TurnsSurplusAway:
    """Answers a request on a connection that is one too many with 503, in the caller's dialect, and closes it."""

    def __init__(self, app: ASGIApp, refuse: Callable[[Request, Exception], Awaitable[Response]]) -> None:
        self.app = app
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if SURPLUS in scope and scope["path"] not in _ALWAYS_ANSWERED:
            response = await self._refuse(Request(scope, receive, send), TooManyConnections())
            await response(scope, receive, send)
            return
        await self.app(scope, receive, send)
