"""Authentication: the bearer token of a request, its principal and its scopes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from starlette.requests import Request
from starlette.responses import Response

from dunning_service.errors import InvalidToken, MissingScope
from dunning_service.merchants.directory import Principal, Scope
from dunning_service.services import services

_DOCUMENTED = HTTPBearer(
    auto_error=False, scheme_name="token", description="A token of a merchant, made with `dunning token add`."
)


_CHALLENGES = ('Basic realm="dunning", charset="UTF-8"', 'Bearer realm="dunning"')
"""One header each, and Basic first: some clients read no more than the first header, or the first scheme of one."""


def offer_basic(response: Response) -> Response:
    """Adds the schemes Bearer and Basic to WWW-Authenticate of a 401: for APIs that take a token in either."""
    if response.status_code == 401:
        del response.headers["www-authenticate"]
        for challenge in _CHALLENGES:
            response.headers.append("www-authenticate", challenge)
    return response


def bearer_token(request: Request) -> str | None:
    """The token of `Authorization: Bearer <token>`; None without one, with another scheme, or with two such headers."""
    given = [value for name, value in request.scope["headers"] if name == b"authorization"]
    if len(given) != 1:
        return None
    scheme, _, token = given[0].partition(b" ")
    if scheme.lower() != b"bearer":
        return None
    return token.strip().decode("latin-1") or None


def basic_credentials(request: Request) -> tuple[str, str] | None:
    """User name and password of `Authorization: Basic ...`; None without them, and with two such headers."""
    given = [value for name, value in request.scope["headers"] if name == b"authorization"]
    if len(given) != 1:
        return None
    scheme, _, credentials = given[0].partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, _, password = base64.b64decode(credentials.strip(), validate=True).partition(b":")
    except binascii.Error:
        return None
    return user.decode("latin-1"), password.decode("latin-1")


async def principal_with(request: Request, scope: Scope) -> Principal:
    """The principal of a request, for routes that solve no dependencies. Raises InvalidToken or MissingScope."""
    token = bearer_token(request)
    if token is None:
        raise InvalidToken("a token is needed: send the header `Authorization: Bearer <token>` once")
    principal = await services(request).directory.principal(token)
    require_scope(principal, scope)
    return principal


def require_scope(principal: Principal, scope: Scope) -> None:
    """Raises MissingScope unless the token may do what `scope` allows."""
    if scope not in principal.scopes:
        raise MissingScope(f"this token does not have the scope {scope.value!r}")


def scoped(scope: Scope) -> Callable[..., Awaitable[Principal]]:
    """A dependency: `Annotated[Principal, Depends(scoped(Scope.READ))]`."""

    async def principal(
        request: Request, _documented: Annotated[HTTPAuthorizationCredentials | None, Depends(_DOCUMENTED)]
    ) -> Principal:
        return await principal_with(request, scope)

    return principal
