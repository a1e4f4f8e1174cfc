"""The caller's token, which Stripe's clients send as Bearer or as the user name of Basic."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPBasic
from starlette.requests import HTTPConnection, Request

from dunning_service.errors import InvalidToken
from dunning_service.http.auth import BEARER, basic_credentials, bearer_token, principal_of
from dunning_service.merchants.directory import Principal, Scope


class _Basic(HTTPBasic):
    """Basic in the OpenAPI document; FastAPI's own reads the header, and refuses a malformed one in its own words."""

    async def __call__(self, request: HTTPConnection) -> None: ...


_BASIC = _Basic(scheme_name="tokenAsUserName", description="The token is the user name.")


def caller(scope: Scope) -> Callable[..., Awaitable[Principal]]:
    """A dependency: the caller, whose token must have `scope`. Raises InvalidToken or MissingScope."""

    async def principal(
        request: Request,
        _bearer: Annotated[object, Depends(BEARER)],
        _basic: Annotated[object, Depends(_BASIC)],
    ) -> Principal:
        basic = basic_credentials(request)
        token = bearer_token(request) or (basic and basic[0])
        if not token:
            raise InvalidToken(
                "You did not provide an API key. Send a token of this service as `Authorization: Bearer <token>`, or "
                "as the user name of Basic, once."
            )
        try:
            return await principal_of(request, token, scope)
        except InvalidToken as error:
            hint = "; of Basic, the token is the user name" if basic else ""
            raise InvalidToken(f"{error.message}{hint}", error.reason) from None

    return principal
