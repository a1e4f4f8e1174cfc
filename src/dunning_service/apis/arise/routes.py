"""Routes of ARISE's API of subscriptions: `/sub-api/v1/subscriptions`."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Path, Request, Response

from dunning_service.apis.arise import replies, wire
from dunning_service.apis.arise.errors import responses
from dunning_service.apis.arise.requests import CREATE_REQUEST, KEY, SubscriptionFilters, key_of, subscription_id_of
from dunning_service.apis.arise.rules import read_new_subscription
from dunning_service.billing import commands, queries
from dunning_service.billing.service import create_subscription
from dunning_service.http.auth import Reader, Writer
from dunning_service.http.body import read_body, require_json
from dunning_service.http.idempotency import REPLAYED, REPLAYED_HEADER, idempotency_key
from dunning_service.http.parameters import openapi_parameters, read_parameters
from dunning_service.services import services

PATH = "/sub-api/v1/subscriptions"

router = APIRouter(prefix=PATH, tags=["subscriptions"])

SubscriptionId = Annotated[
    str,
    Path(alias="id", description="id of the subscription", examples=["629626a9-2ecc-48c0-b45a-cc1d4d71074e"]),
]


@router.post(
    "",
    summary="Create a subscription",
    response_model=wire.SubscriptionCreated,
    responses=responses(400, 408, 409, 413, 415, 422, headers=REPLAYED_HEADER),
    openapi_extra=CREATE_REQUEST,
)
async def create(request: Request, principal: Writer) -> Response:
    """Its payments are charged as they fall due, and tried again by rule where they fail.

    Without `paymentStartDateTime` the first payment is charged before this answers, and the `payNow` members say what
    became of it. A charge that fails is no error: the subscription is there, `payNowSuccess` is false, and
    `nextAttemptDateTime` says when it is tried again. `payNowSuccess` is false, too, while nobody knows whether the
    money moved (`status` is Pending or Unknown then): the gateway is asked again later, and so should you, with
    `GET /{id}/payments`.

    With an `Idempotency-Key` the same request can be sent again for 24 hours: nothing is created or charged twice. It
    is answered as the first time, or with what has become of a charge whose outcome was not known then. While the first
    request is still waiting for the gateway, the second waits up to five seconds with it.
    """
    found = services(request)
    body = await read_body(request, found.bodies)
    require_json(request, "the subscription", "text/json")
    posted = commands.PostedRequest(
        path=PATH,
        headers=request.scope["headers"],
        body=body,
        idempotency_key=key_of(request, body),
        received_at=found.clock(),
    )
    created = await create_subscription(
        found.charging, principal, posted, partial(read_new_subscription, posted.body, posted.content_type)
    )
    return _answer(replies.subscription_created(created.id, created.paid), is_replay=created.is_replay)


@router.get(
    "",
    summary="List subscriptions",
    response_model=wire.SubscriptionPage,
    responses=responses(400),
    openapi_extra={"parameters": openapi_parameters(SubscriptionFilters)},
)
async def list_all(request: Request, principal: Reader) -> Response:
    """A page of the subscriptions that meet every filter, the newest first unless another order is asked for."""
    filters = read_parameters(request, SubscriptionFilters)
    async with services(request).database.read() as connection:
        views, total = await queries.list_subscriptions(connection, principal.merchant.id, filters.query)
    return _answer(replies.subscription_page(views, total))


@router.get("/{id}", summary="Read a subscription", response_model=wire.Subscription, responses=responses(404))
async def read(request: Request, principal: Reader, identifier: SubscriptionId) -> Response:
    """What was agreed, what has been paid and what comes next."""
    subscription_id = subscription_id_of(identifier)
    async with services(request).database.read() as connection:
        view = await queries.read_subscription(connection, principal.merchant.id, subscription_id)
    return _answer(replies.subscription(view))


@router.get(
    "/{id}/payments",
    summary="List the payments of a subscription",
    response_model=list[wire.SubscriptionPayment],
    responses=responses(404),
)
async def list_payments(request: Request, principal: Reader, identifier: SubscriptionId) -> Response:
    """All its payments in their order, each with every attempt at it; of a subscription without an end, those up to the
    next one. An attempt that is being made is Pending, and Unknown once the gateway could not say what became of it."""
    subscription_id = subscription_id_of(identifier)
    async with services(request).database.read() as connection:
        views = await queries.list_payments(connection, principal.merchant.id, subscription_id)
    return _answer([replies.subscription_payment(view) for view in views])


@router.put(
    "/{id}/terminate",
    summary="Terminate a subscription",
    response_model=wire.SubscriptionTerminated,
    responses=responses(400, 404, 422, headers=REPLAYED_HEADER),
    openapi_extra=KEY,
)
@router.post(
    "/{id}/terminate",
    summary="Terminate a subscription",
    response_model=wire.SubscriptionTerminated,
    responses=responses(400, 404, 422, headers=REPLAYED_HEADER),
    openapi_extra=KEY,
)
async def terminate(request: Request, principal: Writer, identifier: SubscriptionId) -> Response:
    """Nothing more is charged: what is scheduled is dropped, failed payments are cancelled and not tried again, and
    what is being charged at this moment has its outcome recorded. POST and PUT do the same, any body is ignored, and
    to terminate again is answered again."""
    subscription_id = subscription_id_of(identifier)
    found = services(request)
    posted = commands.PostedRequest(
        path=f"{PATH}/{subscription_id}/terminate",
        headers=request.scope["headers"],
        body=b"",
        idempotency_key=idempotency_key(request, None),
        received_at=found.clock(),
    )
    done = await found.writer.execute(commands.terminate(principal.merchant, subscription_id, posted))
    return _answer(replies.subscription_terminated(UUID(subscription_id)), is_replay=done.answered_before is not None)


def _answer(content: Any, *, is_replay: bool = False) -> Response:
    headers = {REPLAYED: "true"} if is_replay else None
    return Response(orjson.dumps(content), headers=headers, media_type="application/json")
