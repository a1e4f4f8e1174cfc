"""Routes of Front Payment's FPGO Connect API: the failed payment list and the details of one."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Request, Response

from dunning_service.apis.frontpayment.errors import INVALID, responses
from dunning_service.apis.frontpayment.requests import STATUS_NAMES, FailedOrderParameters, read_status
from dunning_service.apis.frontpayment.wire import FailedOrderAnswer, FailedOrderList, order_details, order_item
from dunning_service.failed_payments.queries import find_payment
from dunning_service.http.auth import Reader
from dunning_service.http.links import address
from dunning_service.http.parameters import openapi_parameters, read_parameters
from dunning_service.merchants.directory import Principal
from dunning_service.services import services

PER_PAGE = 50

PATH = "/api/v1/connect/subscriptions/failed"

router = APIRouter(prefix=PATH, tags=["Front Payment"])


@router.get(
    "/list",
    summary="Get failed payment list",
    response_model=FailedOrderList,
    responses=responses(INVALID),
    openapi_extra={"parameters": openapi_parameters(FailedOrderParameters)},
)
async def list_failed_orders(request: Request, principal: Reader) -> Response:
    """Failed payments of every status, newest order first."""
    return await _list(request, principal, None)


@router.get(
    "/list/{status}",
    summary="Get failed payment list of one status",
    response_model=FailedOrderList,
    responses=responses(INVALID),
    openapi_extra={"parameters": openapi_parameters(FailedOrderParameters)},
)
async def list_failed_orders_of_status(
    request: Request,
    principal: Reader,
    status: Annotated[
        str, Path(description=f"{STATUS_NAMES}; in any case, also debt_collection", examples=["debtCollection"])
    ],
) -> Response:
    """Failed payments of one status, newest order first."""
    return await _list(request, principal, status)


@router.get(
    "/details/{orderUuid}",
    summary="Get failed payment details",
    response_model=FailedOrderAnswer,
    responses=responses(404),
)
async def read_failed_order(
    request: Request,
    principal: Reader,
    number: Annotated[str, Path(alias="orderUuid", description="`ODR` and digits", examples=["ODR1276808511"])],
) -> Response:
    """One failed payment in full."""
    async with services(request).database.read() as connection:
        row = await find_payment(connection, principal.merchant.id, number)
    return _answer("orderRetrievedSuccessfully", is_data=True, data=order_details(row))


async def _list(request: Request, principal: Principal, status_text: str | None) -> Response:
    parameters = read_parameters(request, FailedOrderParameters)
    status = None if status_text is None else read_status(status_text)
    query = parameters.query(principal.merchant.id, status)
    offset = (parameters.page - 1) * PER_PAGE
    async with services(request).database.read() as connection:
        total = await query.total(connection)
        rows = await query.numbered_page(connection, offset=offset, limit=PER_PAGE) if offset < total else ()

    last_page = max(1, -(-total // PER_PAGE))
    path = f"{PATH}/list" if status_text is None else f"{PATH}/list/{status_text}"
    filters = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name in FailedOrderParameters.model_fields and name != "page" and value.strip()
    ]

    def link(page: int) -> str | None:
        is_shown = rows and 1 <= page <= last_page
        return address(request, path, [*filters, ("page", str(page))]) if is_shown else None

    return _answer(
        "failedSubscriptionOrdersRetrievedSuccessfully!",
        is_data=bool(rows),
        data=[order_item(row, principal.merchant.name) for row in rows],
        metaData={
            "total": total,
            "perPage": PER_PAGE,
            "currentPage": parameters.page,
            "lastPage": last_page,
        },
        links={"previous": link(parameters.page - 1), "next": link(parameters.page + 1)},
    )


def _answer(message: str, *, is_data: bool, data: Any, **beside: Any) -> Response:
    body = {
        "status_code": 200,
        "status_message": "OK",
        "message": message,
        "is_data": is_data,
        "data": data,
        **beside,
    }
    return Response(orjson.dumps(body), media_type="application/json")
