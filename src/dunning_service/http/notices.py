"""Routes for notices: matched before the framework's middleware, and called without it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from dunning_service.http.middleware import note_notice
from dunning_service.http.problems import status_of
from dunning_service.ledger.work import NoticeRecorded
from dunning_service.operation.metrics import Metrics

Endpoint = Callable[[Request], Awaitable[Response]]


class NoticeRoute(APIRoute):
    """A route whose endpoint takes the plain request and answers a response.

    No dependencies are solved and no response model is applied: that machinery costs several times as much as reading
    a notice does. What OpenAPI should say, path parameters included, is given in `openapi_extra`. Errors propagate to
    the application's exception handlers.
    """

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        super().__init__(path, endpoint, **options)

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            response = await endpoint(Request(scope, receive, send))
            await response(scope, receive, send)

        self.app = answer

    def get_route_handler(self) -> Any:
        # used in place of `app` where the route's router has been included rather than its routes added
        return self.endpoint


class NoticeMiddleware:
    """Middleware that answers requests for notice routes, and passes all others to the application.

    Each layer between the server and a route is paid for by every notice, and the framework's own do nothing for one.
    The routes belong to the application all the same: it answers other methods at their paths and documents them.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: Sequence[NoticeRoute],
        refuse: Callable[[Request, Exception], Awaitable[Response]],
    ) -> None:
        self.app = app
        self._routes = tuple(routes)
        self._by_place = {
            (method, route.path): {"route": route, "endpoint": route.endpoint}
            for route in routes
            if not route.param_convertors
            for method in route.methods or ()
        }
        """What to add to the scope of a request for a path without parameters."""
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._match(scope) if scope["type"] == "http" else None
        if found is None:
            await self.app(scope, receive, send)
            return
        scope.update(found)
        request = Request(scope, receive, send)
        try:
            response = await found["endpoint"](request)
        except Exception as error:
            response = await self._refuse(request, error)
        await response(scope, receive, send)

    def _match(self, scope: Scope) -> Mapping[str, Any] | None:
        found = self._by_place.get((scope["method"], scope["path"]))
        if found is not None and not scope["root_path"]:
            return {"path_params": {}, **found}
        for route in self._routes:
            match, child_scope = route.matches(scope)
            if match is Match.FULL:
                return child_scope
        return None


class CountedNotice:
    """Context manager that counts a notice by its outcome: that of `recorded`, or the status of the error raised. The
    outcome goes into the log line of the request too.

    Set `provider` when it is known, and `recorded` after the commit. A sender that hangs up is not counted, as nothing
    has been answered.
    """

    __slots__ = ("_metrics", "_scope", "_started", "provider", "recorded")

    def __init__(self, metrics: Metrics, provider: str | None = None, *, scope: Scope) -> None:
        self._metrics = metrics
        self._scope = scope
        self.provider = provider
        self.recorded: NoticeRecorded | None = None

    def __enter__(self) -> CountedNotice:
        self._started = time.perf_counter()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if error is not None:
            outcome = _outcome_of(error)
        else:
            assert self.recorded is not None
            outcome = self.recorded.outcome if self.recorded.is_new else "repeated"
        if outcome is not None:
            note_notice(self._scope, outcome)
            self._metrics.notice(self.provider, outcome, time.perf_counter() - self._started)


def _outcome_of(error: BaseException) -> str | None:
    if isinstance(error, ClientDisconnect) or not isinstance(error, Exception):
        return None
    status = status_of(error)
    if status < 500:
        return "refused"
    return "unavailable" if status == 503 else "crashed"


class Acknowledgement(Response):
    """A reply that is always the same, rendered once and sent any number of times."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # a copy of the headers, as middleware may add to the list it is handed
        await send({"type": "http.response.start", "status": self.status_code, "headers": [*self.raw_headers]})
        await send({"type": "http.response.body", "body": self.body})
