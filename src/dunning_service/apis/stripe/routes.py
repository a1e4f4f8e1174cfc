"""Stripe's payment records, so that Stripe's own SDK reports to this service unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.responses import Response

from dunning_service.apis.stripe import commands, documentation
from dunning_service.apis.stripe.commands import Posted
from dunning_service.apis.stripe.credentials import caller
from dunning_service.apis.stripe.errors import headers_for, note_replay
from dunning_service.apis.stripe.queries import find_attempt, find_record, page_of_attempts, page_of_records
from dunning_service.apis.stripe.requests import (
    ListAttempts,
    ListRecords,
    Parameters,
    ReportAttempt,
    ReportCanceled,
    ReportFailed,
    ReportGuaranteed,
    ReportInformational,
    ReportPayment,
    ReportRefund,
    Retrieve,
    read_form,
    read_query,
)
from dunning_service.apis.stripe.wire import (
    PaymentAttemptRecord,
    PaymentAttemptRecordList,
    PaymentRecord,
    PaymentRecordList,
)
from dunning_service.errors import NotFound
from dunning_service.events import Delivery, Outcome, kept_headers
from dunning_service.http.idempotency import idempotency_key
from dunning_service.http.middleware import had_trailing_slash
from dunning_service.http.notices import CountedNotice
from dunning_service.ledger.work import Command, NoticeRecorded
from dunning_service.merchants.directory import Principal, Scope
from dunning_service.senders import PAYMENT_RECORDS
from dunning_service.services import services

PREFIX = "/v1"
STRIPE_PREFIXES = (PREFIX, "/v2", "/oauth")
"""Where Stripe's own clients call: what this service does not have there is answered in their envelope too."""

_RECORDS = "/payment_records"
_ATTEMPTS = "/payment_attempt_records"
_REPORT = f"{_RECORDS}/{{id}}/report_"

KEPT_HEADERS = frozenset({"idempotency-key", "stripe-version", "stripe-account", "stripe-context"})
"""What a client of Stripe's says beside the call: kept with it, so that an operator finds it again."""

router = APIRouter(prefix=PREFIX, tags=["payment records"], responses=documentation.ERRORS)

Reader = Annotated[Principal, Depends(caller(Scope.READ))]
Writer = Annotated[Principal, Depends(caller(Scope.WRITE))]

GivenT = TypeVar("GivenT", bound=Parameters)


@router.get(
    _RECORDS,
    summary="List payment records",
    response_model=PaymentRecordList,
    openapi_extra=documentation.LIST_RECORDS,
)
async def list_payment_records(request: Request, principal: Reader) -> Response:
    """The records of this merchant, newest first, a page at a time."""
    _require_no_empty_id(request)
    wanted = read_query(request, ListRecords)
    async with services(request).database.read() as connection:
        records, has_more = await page_of_records(connection, principal.merchant.id, wanted)
    return _answer(request, PaymentRecordList(data=records, has_more=has_more))


@router.get(
    f"{_RECORDS}/{{id}}",
    summary="Retrieve a payment record",
    response_model=PaymentRecord,
    openapi_extra=documentation.RETRIEVE,
)
async def retrieve_payment_record(request: Request, id: str, principal: Reader) -> Response:
    """One record, as its latest attempt has it."""
    read_query(request, Retrieve)
    async with services(request).database.read() as connection:
        record = await find_record(connection, principal.merchant.id, id)
    return _answer(request, record)


@router.get(
    _ATTEMPTS,
    summary="List the attempts of a payment record",
    response_model=PaymentAttemptRecordList,
    openapi_extra=documentation.LIST_ATTEMPTS,
)
async def list_payment_attempt_records(request: Request, principal: Reader) -> Response:
    """The attempts at one payment, newest first, a page at a time."""
    _require_no_empty_id(request)
    wanted = read_query(request, ListAttempts)
    async with services(request).database.read() as connection:
        attempts, has_more = await page_of_attempts(
            connection,
            principal.merchant.id,
            wanted.payment_record,
            limit=wanted.limit,
            starting_after=wanted.starting_after,
        )
    return _answer(request, PaymentAttemptRecordList(data=attempts, has_more=has_more))


@router.get(
    f"{_ATTEMPTS}/{{id}}",
    summary="Retrieve a payment attempt record",
    response_model=PaymentAttemptRecord,
    openapi_extra=documentation.RETRIEVE,
)
async def retrieve_payment_attempt_record(request: Request, id: str, principal: Reader) -> Response:
    """One attempt at a payment."""
    read_query(request, Retrieve)
    async with services(request).database.read() as connection:
        attempt = await find_attempt(connection, principal.merchant.id, id)
    return _answer(request, attempt)


@router.post(
    f"{_RECORDS}/report_payment",
    summary="Report a payment",
    response_model=PaymentRecord,
    openapi_extra=documentation.REPORT_PAYMENT,
)
async def report_payment(request: Request, principal: Writer) -> Response:
    """A new record with its first attempt, which is open unless its outcome is told."""
    return await _report(request, principal, ReportPayment, commands.report_payment)


@router.post(
    f"{_REPORT}payment_attempt",
    summary="Report a payment attempt",
    response_model=PaymentRecord,
    openapi_extra=documentation.REPORT_ATTEMPT,
)
async def report_payment_attempt(request: Request, id: str, principal: Writer) -> Response:
    """One more attempt, when all others have failed or were canceled."""
    return await _report(
        request, principal, ReportAttempt, lambda posted, given: commands.report_attempt(posted, id, given)
    )


@router.post(
    f"{_REPORT}payment_attempt_failed",
    summary="Report that the latest attempt failed",
    response_model=PaymentRecord,
    openapi_extra=documentation.REPORT_FAILED,
)
async def report_payment_attempt_failed(request: Request, id: str, principal: Writer) -> Response:
    """The latest attempt must be open. The payment is a failed payment from then on."""
    return await _report(
        request,
        principal,
        ReportFailed,
        lambda posted, given: commands.settle(posted, id, Outcome.FAILED, given.failed_at, given.metadata),
    )


@router.post(
    f"{_REPORT}payment_attempt_guaranteed",
    summary="Report that the funds of the latest attempt are guaranteed",
    response_model=PaymentRecord,
    openapi_extra=documentation.REPORT_GUARANTEED,
)
async def report_payment_attempt_guaranteed(request: Request, id: str, principal: Writer) -> Response:
    """The latest attempt must be open. The payment is paid from then on."""
    return await _report(
        request,
        principal,
        ReportGuaranteed,
        lambda posted, given: commands.settle(posted, id, Outcome.GUARANTEED, given.guaranteed_at, given.metadata),
    )


@router.post(
    f"{_REPORT}payment_attempt_canceled",
    summary="Report that the latest attempt was canceled",
    response_model=PaymentRecord,
    openapi_extra=documentation.REPORT_CANCELED,
)
async def report_payment_attempt_canceled(request: Request, id: str, principal: Writer) -> Response:
    """The latest attempt must be open."""
    return await _report(
        request,
        principal,
        ReportCanceled,
        lambda posted, given: commands.settle(posted, id, Outcome.CANCELED, given.canceled_at, given.metadata),
    )


@router.post(
    f"{_REPORT}payment_attempt_informational",
    summary="Report what else is known",
    response_model=PaymentRecord,
    openapi_extra=documentation.REPORT_INFORMATIONAL,
)
async def report_payment_attempt_informational(request: Request, id: str, principal: Writer) -> Response:
    """Customer, description, shipping or metadata of the latest attempt; its outcome stays as it is."""
    return await _report(
        request, principal, ReportInformational, lambda posted, given: commands.inform(posted, id, given)
    )


@router.post(
    f"{_REPORT}refund",
    summary="Report a refund",
    response_model=PaymentRecord,
    openapi_extra=documentation.REPORT_REFUND,
)
async def report_refund(request: Request, id: str, principal: Writer) -> Response:
    """Money paid back of a guaranteed attempt, at most what is left of it."""
    return await _report(request, principal, ReportRefund, lambda posted, given: commands.refund(posted, id, given))


def _require_no_empty_id(request: Request) -> None:
    """A client that retrieves the record of an empty id asks for the list with a slash after it, and would take the
    list for the record. Raises NotFound."""
    if had_trailing_slash(request):
        raise NotFound(
            f"Unrecognized request URL (GET: {request.scope['path']}/). To list objects, leave out the slash at the "
            "end; to retrieve one, send an id that is not empty."
        )


async def _report(
    request: Request, principal: Principal, model: type[GivenT], command_of: Callable[[Posted, GivenT], Command]
) -> Response:
    """Reads what is reported and has it recorded; answers after the commit, and a repeat as the first time."""
    found = services(request)
    with CountedNotice(found.metrics, PAYMENT_RECORDS.name, scope=request.scope) as counted:
        given, body = await read_form(request, model)
        posted = Posted(
            merchant=principal.merchant,
            path=request.scope["path"],
            delivery=Delivery(body, kept_headers(request.scope["headers"], KEPT_HEADERS), found.clock()),
            idempotency_key=idempotency_key(request, given.model_dump(mode="json", exclude_unset=True)),
        )
        done = await found.writer.execute(command_of(posted, given))
        if done.answered_before is not None:
            note_replay(request, done.answered_before)
        if done.refusal is not None:
            raise done.refusal
        counted.recorded = NoticeRecorded("recorded", done.answered_before is None, 0)
    return Response(orjson.dumps(done.answer), headers=headers_for(request), media_type="application/json")


def _answer(request: Request, shape: BaseModel) -> Response:
    return Response(
        orjson.dumps(shape.model_dump(mode="json")), headers=headers_for(request), media_type="application/json"
    )
