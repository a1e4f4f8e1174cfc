"""Routes of the own API of failed payments: `/api/v1/failed-payments`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from dunning_service.apis.own import wire
from dunning_service.apis.own.errors import responses
from dunning_service.apis.own.queries import detail_of, page_of
from dunning_service.apis.own.requests import ACTION_REQUEST, FailedPaymentFilters, ListParameters, read_action
from dunning_service.billing.service import retry_payment
from dunning_service.errors import ActionDoesNotApply, FieldError, NotFound
from dunning_service.failed_payments.cursors import CursorError
from dunning_service.failed_payments.public_number import payment_id_of
from dunning_service.failed_payments.queries import find_payment
from dunning_service.http.auth import Reader, Writer
from dunning_service.http.idempotency import REPLAYED, REPLAYED_HEADER, idempotency_key
from dunning_service.http.links import address
from dunning_service.http.parameters import Parameters, openapi_parameters, read_parameters, refused
from dunning_service.ledger.status import ActionKind, ReceiptDue
from dunning_service.ledger.work import NO_SUCH_PAYMENT, ActionRecorded, ActionRequest, IdempotencyKey
from dunning_service.merchants.directory import Principal
from dunning_service.senders import SUBSCRIPTIONS
from dunning_service.services import Services, services

PATH = "/api/v1/failed-payments"

router = APIRouter(prefix=PATH, tags=["failed payments"])

PublicNumber = Annotated[
    str, Path(alias="id", description="public number of the payment: `ODR` and digits", examples=["ODR1276808511"])
]

_LINK = {
    "Link": {
        "description": "RFC 8288: the addresses of the next page (`next`, unless this is the last) and the first one",
        "schema": {"type": "string"},
    }
}


@router.get(
    "",
    summary="List failed payments",
    responses=responses(422, headers=_LINK),
    openapi_extra={"parameters": openapi_parameters(ListParameters)},
)
async def list_failed_payments(request: Request, response: Response, principal: Reader) -> wire.FailedPaymentPage:
    """The failed payments that meet every filter, a page at a time. Follow `next`, or the `Link` header, until it is
    null: no payment that stays as it is will be skipped or repeated."""
    parameters = read_parameters(request, ListParameters)
    try:
        async with services(request).database.read() as connection:
            page = await page_of(connection, principal.merchant.id, parameters)
    except CursorError as error:
        raise refused("query", [FieldError("cursor", str(error))]) from None
    filters = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    links = [f'<{address(request, PATH, filters)}>; rel="first"']
    if page.next is not None:
        links.insert(0, f'<{address(request, PATH, [*filters, ("cursor", page.next)])}>; rel="next"')
    response.headers["Link"] = ", ".join(links)
    return page


@router.get(
    "/summary",
    summary="Count and add up failed payments",
    responses=responses(422),
    openapi_extra={"parameters": openapi_parameters(FailedPaymentFilters)},
)
async def summarise_failed_payments(request: Request, principal: Reader) -> wire.Summary:
    """How many failed payments meet the filters and what they come to, by status and currency."""
    query = read_parameters(request, FailedPaymentFilters).query(principal.merchant.id)
    async with services(request).database.read() as connection:
        groups = await query.groups(connection)
    return wire.Summary(
        data=[
            wire.SummaryLine(
                status=group.status,
                currency=group.currency,
                count=group.payments,
                amount_minor=group.amount_minor,
                without_amount=group.without_amount,
            )
            for group in groups
        ],
        total=sum(group.payments for group in groups),
    )


@router.get("/{id}", summary="Read one failed payment", responses=responses(404, 422))
async def read_failed_payment(request: Request, principal: Reader, number: PublicNumber) -> wire.FailedPaymentDetail:
    """The payment, and its attempts, decisions and receipt in time order. A statement that a later one about the same
    attempt replaced is listed too, marked `superseded`. After each attempt of this service's own stands what was
    decided then: when it is tried again, or why not. A `note` says of a receipt that it may belong to another payment,
    or that it paid another one before, and which action puts that right."""
    read_parameters(request, Parameters)
    async with services(request).database.read() as connection:
        return await detail_of(connection, principal.merchant, number)


@router.post(
    "/{id}/actions",
    summary="Decide about a failed payment",
    responses=responses(400, 404, 408, 409, 413, 415, 422, headers=REPLAYED_HEADER),
    openapi_extra=ACTION_REQUEST,
)
async def act_on_failed_payment(
    request: Request, response: Response, principal: Writer, number: PublicNumber
) -> wire.ActionAnswer:
    """Records what a person decided. A payment that was really paid stays paid, whatever is decided.

    `retry` has a payment of this service's own subscriptions tried again at once, by a worker: also when nothing is
    planned any more, and before the time that is. It does not count as a step of the ladder, which goes on from there.

    `mark_paid` takes `"receipt": "expected"` when the money will still be reported as a receipt: the payer's next
    receipt of the amount goes to this payment then, before any other. `move_receipt` has a receipt pay another failed
    payment of the same payer and amount: `to` names it, `receipt_id` the receipt. What paid that one before is laid
    anew. To undo it, move the receipt back.

    With an `Idempotency-Key` the same request can be sent again: it is answered as the first time, with the header
    `Idempotent-Replayed: true`, and nothing is decided twice.
    """
    payment_id = payment_id_of(number)
    if payment_id is None:
        raise NotFound(NO_SUCH_PAYMENT)
    read_parameters(request, Parameters)
    action = await read_action(request)
    key = idempotency_key(request, action.compared())
    if action.action is ActionKind.RETRY:
        recorded = await _retry(services(request), principal, number, action.reason, key)
    else:
        recorded = await services(request).writer.record_action(
            ActionRequest(
                merchant_id=principal.merchant.id,
                time_zone=principal.merchant.time_zone,
                payment_id=payment_id,
                verb=action.action,
                actor=principal.token_name,
                reason=action.reason,
                decided_at=services(request).clock(),
                receipt=None if action.receipt is None else ReceiptDue(action.receipt),
                provider_receipt_id=action.receipt_id,
                to_payment_id=None if action.to is None else payment_id_of(action.to),
                idempotency_key=key,
            )
        )
    if recorded.is_replay:
        response.headers[REPLAYED] = "true"
    return wire.action_answer(recorded)


async def _retry(
    services: Services, principal: Principal, number: str, reason: str | None, key: IdempotencyKey | None
) -> ActionRecorded:
    """Schedules the payment of that public number to be charged at once.

    Raises NotFound, IdempotencyKeyReused, or ActionDoesNotApply, also for a payment that another system charges.
    """
    async with services.database.read() as connection:
        payment = await find_payment(connection, principal.merchant.id, number)
    if payment.provider != SUBSCRIPTIONS.name:
        raise ActionDoesNotApply(
            f"retry does not apply to a payment that {payment.provider} reported: only the system that charges it can "
            f"try it again, and here that is done for the payments of `{SUBSCRIPTIONS.name}` alone"
        )
    return await retry_payment(
        services.database,
        services.writer,
        principal,
        payment_id=payment.provider_payment_id,
        subscription_id=payment.provider_subscription_id,
        reason=reason,
        idempotency_key=key,
    )
