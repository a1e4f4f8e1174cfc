"""The parameters of Front Payment's list: filters, page and status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from dunning_service.errors import FieldError
from dunning_service.failed_payments.queries import FailedPaymentsQuery
from dunning_service.http.parameters import Day, Identifier, Parameters, Phone, Text, refused
from dunning_service.ledger.fields import phone_key
from dunning_service.ledger.status import Status

MAX_PAGE = 2**53 - 1
"""The largest number that every JSON reader keeps exactly."""

STATUS_NAMES = "paid, invoiced, debtCollection, failed, cancelled"

_STATUSES = {status.replace("_", ""): status for status in Status}


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


def read_status(text: str) -> Status:
    """`debtCollection`, `DEBT_COLLECTION` and `debt-collection` are one status."""
    found = _STATUSES.get(text.lower().replace("_", "").replace("-", ""))
    if found is None:
        raise refused("path", [FieldError("status", f"must be one of {STATUS_NAMES}, or left out for all")])
    return found
