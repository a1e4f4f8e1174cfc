"""The routes `/api/ActionService`: the actions of GoodParty's service that concern failed payments."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Match
from starlette.types import Scope as AsgiScope

from dunning_service.apis.goodparty import wire, xml
from dunning_service.apis.goodparty.credentials import DOCUMENTED, caller
from dunning_service.apis.goodparty.errors import refused_deposit, responses
from dunning_service.apis.goodparty.requests import (
    REPLY_TYPES,
    XML_TYPES,
    documented_body,
    pages_of_failures,
    reply_type,
)
from dunning_service.errors import ReceiptContradicted
from dunning_service.events import Delivery, kept_headers
from dunning_service.http.body import content_type_of, read_body
from dunning_service.http.notices import Acknowledgement, CountedNotice, NoticeRoute
from dunning_service.ledger.work import Notice, NoticeRecorded
from dunning_service.merchants.directory import Scope
from dunning_service.providers import Options
from dunning_service.providers.goodparty import (
    ACTION_HEADER,
    LOG_FAILURE,
    PROVIDER,
    RECORD_SUCCESS,
    DepositMoneyRequest,
    PaymentIntentFailed,
    PaymentIntentStatusRequest,
    read_request,
)
from dunning_service.services import services

_NAME = {"type": "string", "minLength": 1}
_NUMBER = {"type": "integer", "not": {"const": 0}}


class ActionRoute(NoticeRoute):
    """A route whose path is the same in any case, as Web API's are."""

    def matches(self, scope: AsgiScope) -> tuple[Match, AsgiScope]:
        given: str = scope["path"]
        if not given.endswith(self.path) and given.lower().endswith(self.path.lower()):
            scope = {**scope, "path": given[: -len(self.path)] + self.path}
        return super().matches(scope)


router = APIRouter(
    prefix="/api/ActionService",
    route_class=ActionRoute,
    tags=["GoodParty ActionService"],
    dependencies=DOCUMENTED,
)


def _answer(media_type: str, as_json: bytes, as_xml: bytes) -> Acknowledgement:
    content = as_xml if media_type in XML_TYPES else as_json
    return Acknowledgement(content, headers={"content-type": f"{media_type}; charset=utf-8"})


_LOGGED = {media_type: _answer(media_type, PROVIDER.reply.body, xml.success()) for media_type in REPLY_TYPES}


@router.post(
    "/LogInvoicePaymentFailed",
    summary="Record a failed payment of an invoice",
    openapi_extra=documented_body(
        PaymentIntentFailed,
        {"InvoiceId": _NAME},
        {"PaymentIntentId": _NAME},
        {"UserId": _NUMBER, "FailedTimeStamp": {"type": "string", "format": "date-time"}},
    ),
    responses=responses(wire.reply_schema(LOG_FAILURE, wire.LOGGED)),
    response_class=Response,
    response_description="It is safe on disk. The same notice again is answered in the same way.",
)
async def log_invoice_payment_failed(request: Request) -> Response:
    """The payment is named by InvoiceId, or by PaymentIntentId, or by UserId and FailedTimeStamp together.

    AmountDue is in minor units of the merchant's currency. The token needs the scope `ingest`.
    """
    await _record(request, LOG_FAILURE)
    return _LOGGED[reply_type(request)]


@router.post(
    "/InvoicePaymentSucceeded",
    summary="Record a deposit, which pays the open failure that it matches",
    openapi_extra=documented_body(DepositMoneyRequest, {"UserId": _NUMBER}, {"StripeCustomerId": _NAME}),
    responses=responses(wire.reply_schema(RECORD_SUCCESS, wire.RESOLVED)),
    response_class=Response,
    response_description="It is safe on disk; `Message` is the number of failures it has paid, 0 or 1.",
)
async def invoice_payment_succeeded(request: Request) -> Response:
    """It pays the failure of the same UserId, StripeCustomerId and amount, once for each TransactionNo.

    Send a TransactionNo with every deposit: without one the exact body is its identity, so a second deposit in the same
    words counts as a repeat of the first. A TransactionNo that is recorded with another payer, amount or currency is
    refused, and what is recorded stays.

    DepositAmount is in major units of Currency. The token needs the scope `ingest`.
    """
    resolved = (await _record(request, RECORD_SUCCESS)).resolved
    return _answer(reply_type(request), b'{"status":"Success","Message":%d}' % resolved, xml.count(resolved))


@router.post(
    "/GetInvoicePaymentFailed",
    summary="All failed payments that were logged here",
    openapi_extra=documented_body(PaymentIntentStatusRequest),
    responses=responses(wire.reply_schema("GetInvoicePaymentFailed", wire.FAILURES)),
    response_class=Response,
    response_description="In the order of Id, each with what its newest attempt said.",
)
async def get_invoice_payment_failed(request: Request) -> Response:
    """UserId and StatusId choose among them; 0, or none, is any. The token needs the scope `read`."""
    found = services(request)
    principal = await caller(request, Scope.READ)
    body = await read_body(request, found.bodies)
    wanted = read_request(PaymentIntentStatusRequest, body, content_type_of(request))
    media_type = reply_type(request)
    reply = await wire.written(media_type, pages_of_failures(found.database, principal.merchant.id, wanted))
    return StreamingResponse(reply, headers={"content-type": f"{media_type}; charset=utf-8"})


async def _record(request: Request, action: str) -> NoticeRecorded:
    """Reads the notice and has it recorded; returns after the commit.

    Raises UnreadableNotice for one that cannot be understood, and for a deposit that contradicts a recorded one.
    """
    found = services(request)
    with CountedNotice(found.metrics, PROVIDER.name, scope=request.scope) as counted:
        found.writer.require_room()
        merchant = (await caller(request, Scope.INGEST)).merchant
        body = await read_body(request, found.bodies)
        headers = [(ACTION_HEADER.encode(), action.encode()), *kept_headers(request.scope["headers"])]
        delivery = Delivery(body, headers, found.clock())
        notice = Notice(
            merchant_id=merchant.id,
            time_zone=merchant.time_zone,
            provider=PROVIDER.name,
            origin=action,
            delivery=delivery,
            outcome="recorded",
            events=PROVIDER.parse(delivery, _options(merchant.default_currency)),
        )
        counted.recorded = recorded = await found.writer.record(notice)
        if isinstance(recorded.refusal, ReceiptContradicted):
            raise refused_deposit(recorded.refusal)
    return recorded


@cache
def _options(default_currency: str | None) -> Options:
    return Options(default_currency=default_currency)
