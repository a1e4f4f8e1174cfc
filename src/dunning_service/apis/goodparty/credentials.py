"""Finds the token in a GoodParty request: Bearer, Basic password or X-Api-Key."""

from __future__ import annotations

from fastapi import Depends
from fastapi.security import APIKeyHeader, HTTPBasic
from starlette.requests import Request

from dunning_service.errors import InvalidToken
from dunning_service.http.auth import BEARER, basic_credentials, bearer_token, principal_of
from dunning_service.merchants.directory import Principal, Scope

DOCUMENTED = [
    Depends(BEARER),
    Depends(HTTPBasic(auto_error=False, scheme_name="tokenAsPassword", description="The token is the password.")),
    Depends(APIKeyHeader(name="X-Api-Key", auto_error=False, scheme_name="tokenAsApiKey", description="The token.")),
]
"""The security schemes of the OpenAPI document; the routes do not solve dependencies, so these do nothing else."""


async def caller(request: Request, scope: Scope) -> Principal:
    """The caller, whose token must have `scope`. Raises InvalidToken or MissingScope."""
    token = bearer_token(request) or _token_elsewhere(request)
    if token is None:
        raise InvalidToken("a token is needed: as Bearer, as the password of Basic, or in X-Api-Key, once")
    return await principal_of(request, token, scope)


def _token_elsewhere(request: Request) -> str | None:
    """The password of Basic, or the one X-Api-Key."""
    credentials = basic_credentials(request)
    if credentials is not None:
        return credentials[1] or None
    if any(name == b"authorization" for name, _ in request.scope["headers"]):
        return None
    keys = [value for name, value in request.scope["headers"] if name == b"x-api-key"]
    return keys[0].strip().decode("latin-1") or None if len(keys) == 1 else None
