"""Front Payment's FPGO Connect API: the failed payment list and the details of one, for what already speaks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from dunning_service.apis.frontpayment.documentation import DETAILS, LIST
from dunning_service.apis.frontpayment.wire import (
    FailedOrderAnswer,
    FailedOrderList,
    order_details,
    order_item,
)
from dunning_service.errors import FieldError
from dunning_service.failed_payments.queries import FailedPaymentsQuery, find_payment
from dunning_service.http.auth import scoped
from dunning_service.http.links import address
from dunning_service.http.parameters import (
    Day,
    Identifier,
    Parameters,
    Phone,
    Text,
    openapi_parameters,
    read_parameters,
    refused,
)
from dunning_service.ledger.fields import phone_key
from dunning_service.ledger.status import Status
from dunning_service.merchants.directory import Principal, Scope
from dunning_service.services import services

PER_PAGE = 50
MAX_PAGE = 2**53 - 1
"""The largest number that every JSON reader keeps exactly."""

PATH = "/api/v1/connect/subscriptions/failed"

router = APIRouter(prefix=PATH, tags=["Front Payment"])

Reader = Annotated[Principal, Depends(scoped(Scope.READ))]

_STATUSES = {status.replace("_", ""): status for status in Status}
_STATUS_NAMES = "paid, invoiced, debtCollection, failed, cancelled"


def _page(value: object) -> object:
    if isinstance(value, str):
        digits = value if value.isascii() and value.isdigit() else ""
        if not digits or len(digits) > len(str(MAX_PAGE)) or not 1 <= int(digits) <= MAX_PAGE:
            raise ValueError("must be a positive whole number")
        return int(digits)
    return value


def _none_if_empty(value: object) -> object:
    """A form that was left empty sends `name=`, and means no filter."""
    return None if isinstance(value, str) and not value.strip() else value


class FailedOrderParameters(Parameters):
    """The filters that Front Payment's list knows."""

    takes_unknown = True

    page: Annotated[int, BeforeValidator(_page), WithJsonSchema({"type": "integer", "minimum": 1})] = Field(
        1, description="page number; a page holds 50 orders", examples=[1]
    )
    subscriptionUuid: Annotated[Identifier | None, BeforeValidator(_none_if_empty)] = Field(  # noqa: N815
        None,
        description="orders of this subscription: the id exactly as its sender wrote it",
        examples=["SUB2532543787"],
    )
    phone: Annotated[Phone | None, BeforeValidator(_none_if_empty)] = Field(
        None,
        description="the customer's number, however it is written: `msisdn`, or the country code (`+47`, `0047`, `47`) "
        "and `msisdn`",
        examples=["46567468"],
    )
    customerName: Annotated[  # noqa: N815
        Annotated[Text, AfterValidator(str.strip)] | None, BeforeValidator(_none_if_empty)
    ] = Field(None, description="part of the customer's name, in any case and with any accents", examples=["nafees"])
    startDate: Annotated[Day | None, BeforeValidator(_none_if_empty)] = Field(  # noqa: N815
        None, description="earliest order date, together with endDate", examples=["2024-12-01"]
    )
    endDate: Annotated[Day | None, BeforeValidator(_none_if_empty)] = Field(  # noqa: N815
        None, description="latest order date, inclusive, together with startDate", examples=["2024-12-31"]
    )

    def disagreements(self) -> Sequence[FieldError]:
        together = "startDate and endDate are used together"
        if self.startDate is not None and self.endDate is None:
            return (FieldError("endDate", f"is missing: {together}"),)
        if self.startDate is None and self.endDate is not None:
            return (FieldError("startDate", f"is missing: {together}"),)
        if self.startDate is not None and self.endDate is not None and self.startDate > self.endDate:
            return (FieldError("endDate", "must not be before startDate"),)
        return ()

    def query(self, merchant_id: int, status: Status | None) -> FailedPaymentsQuery:
        """These filters on the failed payments of one merchant."""
        return FailedPaymentsQuery(
            merchant_id=merchant_id,
            statuses=frozenset() if status is None else frozenset({status}),
            subscription=self.subscriptionUuid,
            phone_key=phone_key(self.phone),
            name=self.customerName,
            order_from=self.startDate,
            order_to=self.endDate,
        )


@router.get(
    "/list",
    summary="Get failed payment list",
    response_model=FailedOrderList,
    responses=LIST,
    openapi_extra={"parameters": openapi_parameters(FailedOrderParameters)},
)
async def list_failed_orders(request: Request, principal: Reader) -> Response:
    """Failed payments of every status, newest order first."""
    return await _list(request, principal, None)


@router.get(
    "/list/{status}",
    summary="Get failed payment list of one status",
    response_model=FailedOrderList,
    responses=LIST,
    openapi_extra={"parameters": openapi_parameters(FailedOrderParameters)},
)
async def list_failed_orders_of_status(
    request: Request,
    principal: Reader,
    status: Annotated[
        str, Path(description=f"{_STATUS_NAMES}; in any case, also debt_collection", examples=["debtCollection"])
    ],
) -> Response:
    """Failed payments of one status, newest order first."""
    return await _list(request, principal, status)


@router.get(
    "/details/{orderUuid}",
    summary="Get failed payment details",
    response_model=FailedOrderAnswer,
    responses=DETAILS,
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
    status = None if status_text is None else _status(status_text)
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


def _status(text: str) -> Status:
    """`debtCollection`, `DEBT_COLLECTION` and `debt-collection` are one status."""
    found = _STATUSES.get(text.lower().replace("_", "").replace("-", ""))
    if found is None:
        raise refused("path", [FieldError("status", f"must be one of {_STATUS_NAMES}, or left out for all")])
    return found


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
