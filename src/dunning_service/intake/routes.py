"""`POST /webhooks/{source_id}`: where providers send their notices."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from dunning_service.intake.service import receive
from dunning_service.providers import provider_named
from dunning_service.services import services
from dunning_service.web.body import read_body
from dunning_service.web.middleware import log_with
from dunning_service.web.notices import Acknowledgement, CountedNotice, NoticeRoute
from dunning_service.web.problems import DOCUMENTED

router = APIRouter(route_class=NoticeRoute, tags=["webhooks"], responses=DOCUMENTED)

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
        "description": "The notice in its provider's own format, signed in the provider's own way.",
        "content": {"application/json": {"schema": {}}},
    },
}


@router.post(
    "/webhooks/{source_id}",
    summary="Take in a provider's notice",
    openapi_extra=_OPENAPI,
    response_class=Response,
    responses={
        200: {"description": "The notice is safe on disk. The same notice again is answered in the same way."},
        401: {"description": "The signature is missing, wrong, or of another time"},
        404: {"description": "There is no such source, or it is disabled"},
        408: {"description": "The body did not arrive in time"},
        413: {"description": "The body is too large"},
        415: {"description": "The body is compressed"},
        503: {"description": "It is not known to be recorded; send it again"},
    },
)
async def take_webhook(request: Request) -> Response:
    """Answers 2xx only when the notice is safe on disk, and within a second.

    A notice of a kind that is not recorded, or one with a good signature that cannot be understood, is kept and
    answered 2xx as well: sending it again would change nothing.
    """
    found = services(request)
    scope = request.scope
    with CountedNotice(found.metrics) as counted:
        # first, so that nobody has a body kept in memory for a source that does not exist
        source = await found.directory.source(scope["path_params"]["source_id"])
        counted.provider = source.provider.name
        log_with(request, source=source.number)
        body = await read_body(request, found.bodies)
        counted.recorded = await receive(found, source, body, scope["headers"], found.clock())
    return _acknowledgement(source.provider.name)


@cache
def _acknowledgement(provider: str) -> Acknowledgement:
    reply = provider_named(provider).reply
    return Acknowledgement(reply.body, reply.status, media_type=reply.media_type)
