"""Error responses: the table from errors to HTTP statuses, and the dialect of each API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
import sqlalchemy as sa
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

from dunning_service.database.engines import is_outage
from dunning_service.database.outages import why
from dunning_service.errors import (
    ActionDoesNotApply,
    BadSignature,
    BodyTooLarge,
    BodyTooSlow,
    ConfigurationError,
    DunningError,
    FieldError,
    IdempotencyKeyReused,
    InvalidInput,
    InvalidToken,
    MissingScope,
    NotFound,
    NoUsableGateway,
    ReceiptContradicted,
    RuleBroken,
    TooManyConnections,
    Unavailable,
    UnreadableNotice,
    UnsupportedMediaType,
)
from dunning_service.http.middleware import log_with, request_id

log = structlog.get_logger(__name__)

STATUS: dict[type[DunningError], int] = {
    InvalidInput: 400,
    UnreadableNotice: 400,
    ReceiptContradicted: 400,
    BodyTooLarge: 413,
    BodyTooSlow: 408,
    UnsupportedMediaType: 415,
    InvalidToken: 401,
    MissingScope: 403,
    BadSignature: 401,
    NotFound: 404,
    ActionDoesNotApply: 409,
    RuleBroken: 400,
    IdempotencyKeyReused: 422,
    NoUsableGateway: 409,
    Unavailable: 503,
    TooManyConnections: 503,
    ConfigurationError: 500,
}

PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "type": "object",
    "description": "An error (RFC 9457)",
    "required": ["type", "title", "status", "detail", "code", "errors", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was wrong, and what would be right"},
        "code": {"type": "string", "description": "The same for the same problem, for ever"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "field": {"type": "string", "description": 'As the caller wrote it; "" for the whole input'},
                    "message": {"type": "string"},
                },
            },
        },
        "request_id": {"type": "string", "description": "Under this id the log knows more"},
    },
}

_CODES = {404: NotFound.code, 405: "method_not_allowed"}
"""Of the statuses that the framework itself answers with."""

_HUNG_UP = 499
_ABOUT_CREDENTIALS = (401, 403)
"""Refusals whose reasons are in our own words throughout, so that the log may have them."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error response before an API's dialect formats it."""

    status: int
    code: str
    message: str
    fields: tuple[FieldError, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)


Responses = dict[int | str, dict[str, Any]]
"""Responses of the OpenAPI document, by status or `default`, as a route states them."""

Dialect = Callable[[Request, Refusal], Response]


def problem(request: Request, refusal: Refusal) -> Response:
    """A problem of RFC 9457, with a stable `code` and `errors`."""
    body = {
        "type": "about:blank",
        "title": title_of(refusal.status),
        "status": refusal.status,
        "detail": refusal.message,
        "code": refusal.code,
        "errors": [{"field": wrong.field, "message": wrong.message} for wrong in refusal.fields],
        "request_id": request_id(request),
    }
    return Response(orjson.dumps(body), refusal.status, refusal.headers, "application/problem+json")


# which of RFC 9110's words Python's table has depends on its version
_RENAMED = {413: "Content Too Large", 422: "Unprocessable Content"}


def title_of(status: int) -> str:
    """The reason phrase of a status, in RFC 9110's words; "Error" for a status that has none."""
    try:
        return _RENAMED.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def problem_responses(descriptions: Mapping[int | str, str]) -> Responses:
    """Problems as responses of the OpenAPI document, by status; their examples are files."""
    content = {"application/problem+json": {"schema": PROBLEM_SCHEMA}}
    return {status: {"description": text, "content": content} for status, text in descriptions.items()}


class Problems:
    """The exception handlers of an application; `dialects` are by path prefix, in any case."""

    def __init__(self, dialects: Mapping[str, Dialect]) -> None:
        self._dialects = {prefix.lower(): dialect for prefix, dialect in dialects.items()}
        self._answers: dict[type[Exception], Callable[[Request, Any], Response]] = {
            DunningError: self._on_dunning_error,
            RequestValidationError: self._on_validation_error,
            HTTPException: self._on_http_exception,
            sa.exc.SQLAlchemyError: self._on_database_error,
            ClientDisconnect: _on_hung_up,
            Exception: self.crashed,
        }

    def answer_for(self, app: FastAPI) -> None:
        """Makes `app` answer every error in the caller's dialect."""
        for kind in self._answers:
            app.add_exception_handler(kind, self.answer)

    async def answer(self, request: Request, error: Exception) -> Response:
        """The answer to any exception."""
        return next(self._answers[kind] for kind in type(error).__mro__ if kind in self._answers)(request, error)

    def render(self, request: Request, refusal: Refusal) -> Response:
        """`refusal` in the dialect of the path. Its code goes into the request's line in the log."""
        log_with(request, code=refusal.code)
        path = request.scope["path"].removeprefix(request.scope.get("root_path", "")).lower()
        for prefix, dialect in self._dialects.items():
            if path == prefix or path.startswith(prefix + "/"):
                return dialect(request, refusal)
        return problem(request, refusal)

    def _on_dunning_error(self, request: Request, error: DunningError) -> Response:
        status = status_of(error)
        if status == 500:
            return self.crashed(request, error)
        if status in _ABOUT_CREDENTIALS:
            log_with(request, reason=error.reason)
        return self.render(
            request,
            Refusal(status, error.code, error.message, getattr(error, "fields", ()), _headers_for(error)),
        )

    def _on_validation_error(self, request: Request, error: RequestValidationError) -> Response:
        fields = tuple(_field_error(detail) for detail in error.errors())
        return self.render(request, Refusal(422, InvalidInput.code, InvalidInput.of(fields).message, fields))

    def _on_http_exception(self, request: Request, error: HTTPException) -> Response:
        status, headers = error.status_code, dict(error.headers or {})
        message = error.detail
        if status == 404:
            message = "there is nothing at this address"
        elif status == 405:
            headers = {"allow": ", ".join(_allowed_methods(request))}
            message = f"{request.method} is not possible here; possible: {headers['allow']}"
        return self.render(request, Refusal(status, _CODES.get(status, "http_error"), message, (), headers))

    def _on_database_error(self, request: Request, error: sa.exc.SQLAlchemyError) -> Response:
        if not is_outage(error):
            return self.crashed(request, error)
        log.warning("database.unavailable", **why(error))
        return self._on_dunning_error(request, Unavailable("the database cannot be reached at the moment; try again"))

    def crashed(self, request: Request, error: Exception) -> Response:
        """The response to an unexpected exception: it is logged, and the caller gets the request id."""
        log.error("request.crashed", exc_info=error)
        refusal = Refusal(
            500,
            DunningError.code,
            f"something went wrong on our side; the log has it under the request id {request_id(request)}",
        )
        return self.render(request, refusal)


def _on_hung_up(request: Request, error: ClientDisconnect) -> Response:
    """The response to a caller that has disconnected: its status is for the log."""
    return Response(status_code=_HUNG_UP)


def status_of(error: Exception) -> int:
    """The HTTP status of one of our refusals, 503 for a database that is out of reach, and 500 for the unexpected."""
    if isinstance(error, DunningError):
        return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
    return STATUS[Unavailable] if is_outage(error) else 500


def _headers_for(error: DunningError) -> dict[str, str]:
    if isinstance(error, InvalidToken):
        return {"www-authenticate": "Bearer"}
    if isinstance(error, BodyTooSlow):
        return {"connection": "close"}  # the rest of the body would be taken for the next request's
    if isinstance(error, TooManyConnections):
        return {"retry-after": str(error.retry_after), "connection": "close"}
    if isinstance(error, Unavailable) and error.retry_after is not None:
        return {"retry-after": str(error.retry_after)}
    return {}


def _field_error(detail: Any) -> FieldError:
    """The parameter as the caller wrote it, without the place FastAPI found it in."""
    location = [str(part) for part in detail["loc"]]
    message = str(detail["msg"]).removeprefix("Value error, ")
    return FieldError(".".join(location[1:]), message)


def _allowed_methods(request: Request) -> list[str]:
    """Every method that some route of the application has at this path."""
    routes = request.app.router.routes
    allowed = []
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        scope = {"type": "http", "method": method, "path": request.scope["path"]}
        scope["root_path"] = request.scope.get("root_path", "")
        if any(route.matches(scope)[0] is Match.FULL for route in routes):
            allowed.append(method)
            if method == "GET":
                allowed.append("HEAD")
    return allowed
