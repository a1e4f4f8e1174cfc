"""The connection limit: requests on connections above it are answered 503."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dunning_service.errors import TooManyConnections

OVER_LIMIT = "dunning.over_connection_limit"
"""The key in the scope of a request whose connection is above the limit."""

_EXEMPT = ("/healthz", "/metrics")
"""A process with many callers is healthy, and monitoring has to see it."""


class RejectOverLimit:
    """ASGI middleware that answers requests above the connection limit with 503 in the caller's dialect."""

    def __init__(self, app: ASGIApp, refuse: Callable[[Request, Exception], Awaitable[Response]]) -> None:
        self.app = app
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if OVER_LIMIT in scope and scope["path"] not in _EXEMPT:
            response = await self._refuse(Request(scope, receive, send), TooManyConnections())
            await response(scope, receive, send)
            return
        await self.app(scope, receive, send)


def most_sockets(max_connections: int) -> int:
    """How many connections may be open at most when `max_connections` are served: the rest get a 503."""
    return max_connections + max_connections // 4
