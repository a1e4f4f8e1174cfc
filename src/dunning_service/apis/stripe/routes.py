"""The routes of Stripe's payment records, which Stripe's own SDK calls unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.responses import Response

from dunning_service.apis.stripe import commands, wire
from dunning_service.apis.stripe.commands import Posted
from dunning_service.apis.stripe.credentials import caller
from dunning_service.apis.stripe.errors import headers_for, note_replay, responses
from dunning_service.apis.stripe.forms import Parameters, read_form, read_query
from dunning_service.apis.stripe.queries import find_attempt, find_record, page_of_attempts, page_of_records
from dunning_service.apis.stripe.requests import (
    ListAttempts,
    ListRecords,
    ReportAttempt,
    ReportCanceled,
    ReportFailed,
    ReportGuaranteed,
    ReportInformational,
    ReportPayment,
    ReportRefund,
    Retrieve,
    form_of,
    query_of,
)
from dunning_service.errors import NotFound
from dunning_service.events import Delivery, kept_headers
from dunning_service.http.idempotency import idempotency_key
from dunning_service.http.middleware import had_trailing_slash
from dunning_service.http.notices import CountedNotice
from dunning_service.ledger.work import Command, NoticeRecorded
from dunning_service.merchants.directory import Principal, Scope
from dunning_service.senders import PAYMENT_RECORDS
from dunning_service.services import services

PREFIX = "/v1"
STRIPE_PREFIXES = (PREFIX, "/v2", "/oauth")
"""Paths that Stripe's clients call: what this service does not have there is answered in their envelope too."""

_RECORDS = "/payment_records"
_ATTEMPTS = "/payment_attempt_records"

KEPT_HEADERS = frozenset({"idempotency-key", "stripe-version", "stripe-account", "stripe-context"})
"""Headers of Stripe's clients that are kept with a delivery, so that an operator finds it again."""

router = APIRouter(prefix=PREFIX, tags=["payment records"])

Reader = Annotated[Principal, Depends(caller(Scope.READ))]
Writer = Annotated[Principal, Depends(caller(Scope.WRITE))]

GivenT = TypeVar("GivenT", bound=Parameters)


@router.get(
    _RECORDS,
    summary="List payment records",
    response_model=wire.PaymentRecordList,
    responses=responses(),
    openapi_extra=query_of(ListRecords),
)
async def list_payment_records(request: Request, principal: Reader) -> Response:
    """The records of this merchant, newest first, a page at a time."""
    _require_no_empty_id(request)
    wanted = read_query(request, ListRecords)
    async with services(request).database.read() as connection:
        records, has_more = await page_of_records(connection, principal.merchant.id, wanted)
    return _answer(request, wire.PaymentRecordList(data=records, has_more=has_more))


@router.get(
    f"{_RECORDS}/{{id}}",
    summary="Retrieve a payment record",
    response_model=wire.PaymentRecord,
    responses=responses(),
    openapi_extra=query_of(Retrieve),
)
async def retrieve_payment_record(request: Request, id: str, principal: Reader) -> Response:
    """One record, as its latest attempt has it."""
    read_query(request, Retrieve)
    async with services(request).database.read() as connection:
        return _answer(request, await find_record(connection, principal.merchant.id, id))


@router.get(
    _ATTEMPTS,
    summary="List the attempts of a payment record",
    response_model=wire.PaymentAttemptRecordList,
    responses=responses(),
    openapi_extra=query_of(ListAttempts),
)
async def list_payment_attempt_records(request: Request, principal: Reader) -> Response:
    """The attempts at one payment, newest first, a page at a time."""
    _require_no_empty_id(request)
    wanted = read_query(request, ListAttempts)
    async with services(request).database.read() as connection:
        attempts, has_more = await page_of_attempts(connection, principal.merchant.id, wanted)
    return _answer(request, wire.PaymentAttemptRecordList(data=attempts, has_more=has_more))


@router.get(
    f"{_ATTEMPTS}/{{id}}",
    summary="Retrieve a payment attempt record",
    response_model=wire.PaymentAttemptRecord,
    responses=responses(),
    openapi_extra=query_of(Retrieve),
)
async def retrieve_payment_attempt_record(request: Request, id: str, principal: Reader) -> Response:
    """One attempt at a payment."""
    read_query(request, Retrieve)
    async with services(request).database.read() as connection:
        return _answer(request, await find_attempt(connection, principal.merchant.id, id))


@router.post(
    f"{_RECORDS}/report_payment",
    summary="Report a payment",
    response_model=wire.PaymentRecord,
    responses=responses(is_report=True),
    openapi_extra=form_of(ReportPayment),
)
async def report_payment(request: Request, principal: Writer) -> Response:
    """A new record with its first attempt, which is open unless its outcome is told."""
    return await _report(request, principal, ReportPayment, commands.report_payment)


def _add_report(model: type[GivenT], summary: str, command_of: Callable[[Posted, str, GivenT], Command]) -> None:
    """Adds a route named as the function that makes the command from the id of a record and the parameters."""

    async def endpoint(request: Request, id: str, principal: Writer) -> Response:
        return await _report(request, principal, model, lambda posted, given: command_of(posted, id, given))

    endpoint.__name__, endpoint.__doc__ = command_of.__name__, command_of.__doc__
    router.add_api_route(
        f"{_RECORDS}/{{id}}/{command_of.__name__}",
        endpoint,
        methods=["POST"],
        summary=summary,
        response_model=wire.PaymentRecord,
        responses=responses(is_report=True),
        openapi_extra=form_of(model),
    )


_add_report(ReportAttempt, "Report a payment attempt", commands.report_payment_attempt)
_add_report(ReportFailed, "Report that the latest attempt failed", commands.report_payment_attempt_failed)
_add_report(
    ReportGuaranteed,
    "Report that the funds of the latest attempt are guaranteed",
    commands.report_payment_attempt_guaranteed,
)
_add_report(ReportCanceled, "Report that the latest attempt was canceled", commands.report_payment_attempt_canceled)
_add_report(ReportInformational, "Report what else is known", commands.report_payment_attempt_informational)
_add_report(ReportRefund, "Report a refund", commands.report_refund)


def _require_no_empty_id(request: Request) -> None:
    """Raises NotFound for a list with a slash after it, which is how a client retrieves the record of an empty id: it
    would take the list for the record."""
    if had_trailing_slash(request):
        raise NotFound(
            f"Unrecognized request URL (GET: {request.scope['path']}/). To list objects, leave out the slash at the "
            "end; to retrieve one, send an id that is not empty."
        )


async def _report(
    request: Request, principal: Principal, model: type[GivenT], command_of: Callable[[Posted, GivenT], Command]
) -> Response:
    """The reply to a call that reports something, after its commit; a repeat is answered as the first time."""
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
