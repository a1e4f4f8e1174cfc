"""The ASGI application: routes, error formats, middleware and lifespan, without logic of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from dunning_service.apis.arise import errors as subscription_errors
from dunning_service.apis.arise import routes as subscriptions
from dunning_service.apis.frontpayment import errors as frontpayment_errors
from dunning_service.apis.frontpayment import routes as frontpayment
from dunning_service.apis.goodparty import errors as action_service_errors
from dunning_service.apis.goodparty import routes as action_service
from dunning_service.apis.own import routes as failed_payments
from dunning_service.apis.stripe import errors as payment_records_errors
from dunning_service.apis.stripe import routes as payment_records
from dunning_service.http import health
from dunning_service.http.idempotency import ORIGINAL_REQUEST, REPLAYED
from dunning_service.http.middleware import RequestMiddleware
from dunning_service.http.notices import NoticeMiddleware, NoticeRoute
from dunning_service.http.openapi import complete
from dunning_service.http.problems import Problems
from dunning_service.intake import routes as webhooks
from dunning_service.operation.heap import freeze_startup_heap
from dunning_service.operation.logs import configure_logs
from dunning_service.server.connection_limit import RejectOverLimit
from dunning_service.services import Services, opened_services, worker_of, working
from dunning_service.settings import Settings, load_settings
from dunning_service.values.clock import Clock, utc_now

DIALECTS = {
    action_service.router.prefix: action_service_errors.render,
    "/api/v1/connect": frontpayment_errors.render,
    subscriptions.router.prefix: subscription_errors.render,
    **dict.fromkeys(payment_records.STRIPE_PREFIXES, payment_records_errors.render),
}
"""The format of errors by path; elsewhere they are problem+json."""

_DESCRIPTION = (
    "A ledger of failed payments: providers post their notices, dashboards ask which payments have failed and what has "
    "become of them."
)
_TAGS = [
    {"name": "webhooks", "description": "Notices that payment providers send, signed in their own way"},
    {"name": "GoodParty ActionService", "description": "Failed invoice payments and deposits, as GoodParty posts them"},
    {"name": "failed payments", "description": "The list of failed payments, and what is decided about each"},
    {"name": "Front Payment", "description": "The same list in the shape of Front Payment's API"},
    {"name": "subscriptions", "description": "Subscriptions that this service charges, in the shape of ARISE's API"},
    {"name": "payment records", "description": "Payments made elsewhere, as Stripe's clients report them"},
    {"name": "operation", "description": "Health and metrics of the process; no token is needed"},
]
_NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}


class Application(FastAPI):
    """FastAPI with three layers of our own around its middleware."""

    def __init__(self, problems: Problems, **options: Any) -> None:
        self._problems = problems
        self._document: dict[str, Any] | None = None
        super().__init__(**options)
        problems.answer_for(self)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, generated once."""
        generated = super().openapi()
        if generated is not self._document:  # FastAPI's own, also that after routes were added
            complete(generated, self.routes)
            self._document = generated
        return generated

    def build_middleware_stack(self) -> ASGIApp:
        """FastAPI's middleware with our layers around it, the connection limit outside of direct notices."""
        notices = [route for route in self.router.routes if isinstance(route, NoticeRoute)]
        refuse = self._problems.answer
        return RequestMiddleware(
            RejectOverLimit(NoticeMiddleware(super().build_middleware_stack(), notices, refuse), refuse)
        )


def create_app(settings: Settings, clock: Clock = utc_now, *, owns_process: bool = False) -> FastAPI:
    """The application. Its lifespan opens the database, starts the ledger's writer and, where the settings say so, a
    worker; and finishes and closes them. With `owns_process` it sets up the process's garbage collector too.

    It does not start on a database that acknowledges commits before the disk has them.
    """
    app = Application(
        Problems(DIALECTS),
        title="dunning-service",
        version=version("dunning-service"),
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        servers=[{"url": settings.public_url or "/"}],
        # themselves, not included: only so are they found first and called directly
        routes=[*webhooks.router.routes, *action_service.router.routes],
        redirect_slashes=False,
        middleware=_cors(settings),
        lifespan=partial(_lifespan, settings, clock, owns_process),
        telemetry=_NO_TELEMETRY,  # whether it is wanted would be asked again on every request, at 15 us
    )
    for routes in (failed_payments, frontpayment, subscriptions, payment_records, health):
        app.include_router(routes.router)
    return app


def create_operation_app(found: Services) -> FastAPI:
    """Health and metrics of a process that serves nothing else."""
    app = Application(Problems({}), docs_url=None, redoc_url=None, openapi_url=None, telemetry=_NO_TELEMETRY)
    app.state.services = found
    app.include_router(health.router)
    return app


def app_from_environment() -> FastAPI:
    """The application for uvicorn's processes: settings from the environment, logs as JSON lines."""
    settings = load_settings()
    configure_logs(settings.log_level)
    return create_app(settings, owns_process=True)


def _cors(settings: Settings) -> list[Middleware]:
    if not settings.cors_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Stripe-Account",
                "Stripe-Version",
                "X-Request-Id",
            ],
            expose_headers=[
                REPLAYED,
                ORIGINAL_REQUEST,
                "Link",
                "Request-Id",
                "Retry-After",
                "Stripe-Should-Retry",
                "Stripe-Version",
                "X-Request-Id",
            ],
        )
    ]


@asynccontextmanager
async def _lifespan(settings: Settings, clock: Clock, owns_process: bool, app: FastAPI) -> AsyncIterator[None]:
    async with AsyncExitStack() as opened:
        found = await opened.enter_async_context(opened_services(settings, clock, with_worker=settings.with_worker))
        app.state.services = found
        if settings.with_worker:
            await opened.enter_async_context(working(worker_of(found)))
        if owns_process:
            freeze_startup_heap()
        yield
