"""`POST /webhooks/{source_id}`: where providers send their notices."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter, Depends
from fastapi.security import APIKeyHeader
from starlette.requests import Request
from starlette.responses import Response

from dunning_service.http.body import read_body
from dunning_service.http.middleware import log_with
from dunning_service.http.notices import Acknowledgement, CountedNotice, NoticeRoute
from dunning_service.http.problems import problem_responses
from dunning_service.intake.service import receive
from dunning_service.providers import all_providers, provider_named
from dunning_service.services import services

_SENDERS = [provider for provider in all_providers().values() if provider.takes_webhooks]
_SIGNATURES = [
    Depends(
        APIKeyHeader(
            name=sender.signature_header,
            scheme_name=f"{sender.name}Signature",
            description=f"{sender.title}'s signature of the body, made with a secret of the source.",
            auto_error=False,
        )
    )
    for sender in _SENDERS
]
"""What OpenAPI says about them; this route solves no dependencies, and `receive` verifies."""

router = APIRouter(route_class=NoticeRoute, tags=["webhooks"], dependencies=_SIGNATURES)

_OPENAPI = {
    "parameters": [
        {
            "name": "source_id",
            "in": "path",
            "required": True,
            "description": "The id that `dunning source add` printed.",
            "schema": {"type": "string"},
        }
    ],
    "requestBody": {
        "required": True,
        "description": "The notice in its provider's own format. Events of other kinds are taken in as well, and "
        "change nothing.",
        "content": {
            "application/json": {"schema": {"anyOf": [schema for one in _SENDERS for schema in one.notice_schemas]}}
        },
    },
}


@router.post(
    "/webhooks/{source_id}",
    summary="Take in a provider's notice",
    openapi_extra=_OPENAPI,
    response_class=Response,
    responses={
        200: {
            "description": "The notice is safe on disk. The same notice again is answered in the same way.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        **problem_responses(
            {
                401: "The signature is missing, wrong, or of another time",
                404: "There is no such source, or it is disabled",
                408: "The body did not arrive in time",
                413: "The body is too large",
                415: "The body is compressed",
                503: "It is not known to be recorded; send it again",
                "default": "A problem (RFC 9457)",
            }
        ),
    },
)
async def take_webhook(request: Request) -> Response:
    """Answers 2xx only when the notice is safe on disk, and within a second.

    A notice of a kind that is not recorded, or one with a good signature that cannot be understood, is kept and
    answered 2xx as well: sending it again would change nothing.
    """
    found = services(request)
    scope = request.scope
    with CountedNotice(found.metrics, scope=scope) as counted:
        # first, so that no body is held in memory for a source that does not exist
        source = await found.directory.source(scope["path_params"]["source_id"])
        counted.provider = source.provider.name
        log_with(request, source=source.number)
        found.writer.require_room()
        body = await read_body(request, found.bodies)
        counted.recorded = await receive(found, source, body, scope["headers"], found.clock())
    return _acknowledgement(source.provider.name)


@cache
def _acknowledgement(provider: str) -> Acknowledgement:
    reply = provider_named(provider).reply
    return Acknowledgement(reply.body, reply.status, media_type=reply.media_type)
