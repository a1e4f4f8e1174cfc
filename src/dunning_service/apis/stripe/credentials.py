"""The caller's token, which Stripe's clients send as Bearer or as the user name of Basic."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPBasic, HTTPBearer
from starlette.requests import HTTPConnection, Request

from dunning_service.errors import InvalidToken
from dunning_service.http.auth import basic_credentials, bearer_token, require_scope
from dunning_service.merchants.directory import Principal, Scope
from dunning_service.services import services


class _Basic(HTTPBasic):
    """Basic in the OpenAPI document; FastAPI's own reads the header, and refuses a malformed one in its own words."""

    async def __call__(self, request: HTTPConnection) -> None: ...


_BEARER = HTTPBearer(
    auto_error=False, scheme_name="token", description="A token of a merchant, made with `dunning token add`."
)
_BASIC = _Basic(scheme_name="tokenAsUserName", description="The token is the user name.")


def caller(scope: Scope) -> Callable[..., Awaitable[Principal]]:
    """A dependency: the caller, whose token must have `scope`. Raises InvalidToken or MissingScope."""

    async def principal(
        request: Request,
        _bearer: Annotated[object, Depends(_BEARER)],
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
            found = await services(request).directory.principal(token)
        except InvalidToken as error:
            hint = "; of Basic, the token is the user name" if basic else ""
            raise InvalidToken(f"{error.message}{hint}", error.reason) from None
        require_scope(found, scope)
        return found

    return principal
