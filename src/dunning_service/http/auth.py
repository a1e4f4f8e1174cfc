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

BEARER = HTTPBearer(
    auto_error=False, scheme_name="token", description="A token of a merchant, made with `dunning token add`."
)
"""The security scheme of the OpenAPI document; the routes read the header themselves."""

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
    token = _credentials(request, b"bearer")
    return token.decode("latin-1") if token else None


def basic_credentials(request: Request) -> tuple[str, str] | None:
    """User name and password of `Authorization: Basic ...`; None without them, and with two such headers."""
    credentials = _credentials(request, b"basic")
    if credentials is None:
        return None
    try:
        user, _, password = base64.b64decode(credentials, validate=True).partition(b":")
    except binascii.Error:
        return None
    return user.decode("latin-1"), password.decode("latin-1")


def _credentials(request: Request, wanted: bytes) -> bytes | None:
    """What the one Authorization header has after this scheme."""
    given = [value for name, value in request.scope["headers"] if name == b"authorization"]
    if len(given) != 1:
        return None
    scheme, _, credentials = given[0].partition(b" ")
    return credentials.strip() if scheme.lower() == wanted else None


async def principal_of(request: Request, token: str, scope: Scope) -> Principal:
    """The principal of a token, which must have `scope`. Raises InvalidToken or MissingScope."""
    principal = await services(request).directory.principal(token)
    if scope not in principal.scopes:
        raise MissingScope(f"this token does not have the scope {scope.value!r}")
    return principal


def scoped(scope: Scope) -> Callable[..., Awaitable[Principal]]:
    """A dependency: `Annotated[Principal, Depends(scoped(Scope.READ))]`."""

    async def principal(
        request: Request, _documented: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
    ) -> Principal:
        token = bearer_token(request)
        if token is None:
            raise InvalidToken("a token is needed: send the header `Authorization: Bearer <token>` once")
        return await principal_of(request, token, scope)

    return principal


Reader = Annotated[Principal, Depends(scoped(Scope.READ))]
"""The caller of a route that reads."""

Writer = Annotated[Principal, Depends(scoped(Scope.WRITE))]
"""The caller of a route that changes something."""
