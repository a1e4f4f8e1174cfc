"""The one middleware around every request: a tidy path, an id, and one line in the log."""

from __future__ import annotations

import random
import re
import time
from typing import Any

import structlog
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dunning_service.operation.logs import current_request_id

_HEADER = b"x-request-id"
_ACCEPTABLE = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SCOPE_KEY = "dunning.request_id"
_SLASH_KEY = "dunning.trailing_slash"
_LOG_KEY = "dunning.log"
_HUNG_UP = 499
"""The logged status of a request whose caller disconnected before the answer."""

log = structlog.get_logger("dunning_service.requests")


def request_id(request: HTTPConnection) -> str:
    """The id of this request: the caller's `X-Request-Id`, or one made here. It is on the answer and in the log."""
    found: str = request.scope.get(_SCOPE_KEY, "")
    return found


def note_notice(scope: Scope, outcome: str) -> None:
    """Puts what became of the notice in this request, such as `repeated`, into the request's line in the log."""
    line: dict[str, Any] | None = scope.get(_LOG_KEY)
    if line is not None:
        line["notice"] = outcome


def had_trailing_slash(request: HTTPConnection) -> bool:
    """True when a trailing slash was removed from the path."""
    return _SLASH_KEY in request.scope


def log_with(request: HTTPConnection, **fields: Any) -> None:
    """Adds fields to the request's line in the log: no secret, and nothing of a person."""
    line: dict[str, Any] | None = request.scope.get(_LOG_KEY)
    if line is not None:
        line.update(fields)


class RequestMiddleware:
    """The outermost middleware.

    * A trailing slash is not part of a path, so a POST with one is answered and not redirected.
    * HEAD is answered as GET is; the server leaves out the body.
    * `X-Request-Id` comes in, or is made, and goes out with the answer.
    * The log gets the route's template, never the path, which may hold an id, nor the query; and the metrics the same.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        method: str = scope["method"]
        if method == "HEAD":
            scope = {**scope, "method": "GET"}
        path: str = scope["path"]
        if path[-1:] == "/" and len(path) > 1:
            scope["path"] = path.rstrip("/") or "/"
            scope[_SLASH_KEY] = True
        identifier = b""
        for name, value in scope["headers"]:
            if name == _HEADER and _ACCEPTABLE.fullmatch(value):
                identifier = value
                break
        # nothing secret: it only has to be another one each time, and to cost nothing
        text = identifier.decode("ascii") if identifier else f"{random.getrandbits(96):024x}"
        header = (_HEADER, identifier or text.encode("ascii"))
        scope[_SCOPE_KEY] = text
        line: dict[str, Any] = {}
        scope[_LOG_KEY] = line
        token = current_request_id.set(text)
        status = _HUNG_UP

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], header]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except Exception:
            # It has been logged, and answered if that was possible: see `Problems.crashed`. Where an answer had begun,
            # the server closes the connection, which is how the caller learns of it.
            has_begun = status != _HUNG_UP
            status = 500
            if not has_begun:
                raise
        finally:
            seconds = time.perf_counter() - started
            route = _template(scope)
            # without the lifespan there are no services, and so no metrics
            found = getattr(scope["app"].state, "services", None) if "app" in scope else None
            if found is not None:
                found.metrics.request(method, route, status, seconds)
            write = log.info if status < 500 else log.warning
            write("request", method=method, route=route, status=status, duration_ms=round(seconds * 1000, 3), **line)
            current_request_id.reset(token)


def _template(scope: Scope) -> str | None:
    """The template of the request's route, None where no route has its path."""
    found = getattr(scope.get("route"), "path_format", None)
    if found is None and "endpoint" in scope:
        # a route that FastAPI makes by itself, for its document, is Starlette's, which leaves only its endpoint behind
        own = (route for route in scope["app"].routes if getattr(route, "endpoint", None) is scope["endpoint"])
        found = getattr(next(own, None), "path_format", None)
    return found
