"""The token, in any of the places where an ASP.NET client can put one."""

from __future__ import annotations

import base64
import binascii

from fastapi import Depends
from fastapi.security import APIKeyHeader, HTTPBasic, HTTPBearer
from starlette.requests import Request

from dunning_service.errors import InvalidToken
from dunning_service.merchants.directory import Principal, Scope
from dunning_service.web.auth import bearer_token, require_scope
from dunning_service.web.services import services

DOCUMENTED = [
    Depends(
        HTTPBearer(
            auto_error=False, scheme_name="token", description="A token of a merchant, made with `dunning token add`."
        )
    ),
    Depends(HTTPBasic(auto_error=False, scheme_name="tokenAsPassword", description="The token is the password.")),
    Depends(APIKeyHeader(name="X-Api-Key", auto_error=False, scheme_name="tokenAsApiKey", description="The token.")),
]
"""What OpenAPI says about it; routes that solve dependencies would find that these do nothing."""


async def caller(request: Request, scope: Scope) -> Principal:
    """Who is calling. Raises InvalidToken or MissingScope."""
    token = bearer_token(request) or _token_elsewhere(request)
    if token is None:
        raise InvalidToken("a token is needed: as Bearer, as the password of Basic, or in X-Api-Key, once")
    principal = await services(request).directory.principal(token)
    require_scope(principal, scope)
    return principal


def _token_elsewhere(request: Request) -> str | None:
    """The password of Basic, or the one X-Api-Key."""
    authorization: list[bytes] = []
    keys: list[bytes] = []
    for name, value in request.scope["headers"]:
        if name == b"authorization":
            authorization.append(value)
        elif name == b"x-api-key":
            keys.append(value)
    if not authorization:
        return keys[0].strip().decode("latin-1") or None if len(keys) == 1 else None
    scheme, _, credentials = authorization[0].partition(b" ")
    if len(authorization) > 1 or scheme.lower() != b"basic":
        return None
    try:
        user_and_password = base64.b64decode(credentials.strip(), validate=True)
    except binascii.Error:
        return None
    return user_and_password.partition(b":")[2].decode("latin-1") or None
