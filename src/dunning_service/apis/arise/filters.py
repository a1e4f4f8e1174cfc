"""What the list of subscriptions can be asked for, in the names that ARISE's API uses."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from dunning_service.apis.arise.wire_values import reader_of
from dunning_service.billing.states import SubscriptionState
from dunning_service.billing.views import SubscriptionOrder, SubscriptionQuery
from dunning_service.http.parameters import Parameters, Text, WholeNumber
from dunning_service.values.reading import uuid

MAX_PAGE_SIZE = 200
MAX_PAGE = 10_000
"""How far in a page may lie: what is skipped has to be read."""


class Order(StrEnum):
    """By what the list can be ordered: these members of a subscription."""

    CREATION_DATE = "creationDate"
    START_DATE = "subscriptionStartDate"
    CUSTOMER_NAME = "customerName"
    STATUS = "status"
    NUMBER_OF_PAYMENTS = "numberOfPayments"


_ORDERS = {order.lower(): order for order in Order}
_ORDERED_BY = {
    Order.CREATION_DATE: SubscriptionOrder.CREATED,
    Order.START_DATE: SubscriptionOrder.START,
    Order.CUSTOMER_NAME: SubscriptionOrder.CUSTOMER_NAME,
    Order.STATUS: SubscriptionOrder.STATE,
    Order.NUMBER_OF_PAYMENTS: SubscriptionOrder.NUMBER_OF_PAYMENTS,
}


def _order(value: object) -> object:
    """Clients of ARISE name columns that this list does not have; they get it in its own order."""
    return _ORDERS.get(value.lower(), Order.CREATION_DATE) if isinstance(value, str) else value


def _yes_or_no(value: object) -> object:
    if isinstance(value, str):
        if value.lower() not in ("true", "false"):
            raise ValueError("must be true or false")
        return value.lower() == "true"
    return value


def _uuids(values: object) -> object:
    return tuple(uuid(value) for value in values) if isinstance(values, list) else values


def _statuses(values: object) -> object:
    if not isinstance(values, list):
        return values
    read = reader_of(SubscriptionState)
    return tuple(read(int(value) if value.isascii() and value.isdigit() and len(value) < 4 else 0) for value in values)


class SubscriptionFilters(Parameters):
    """Query parameters of the list. `customerIds` and `statusIds` may be sent several times: any of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    page: WholeNumber = Field(1, ge=1, le=MAX_PAGE, description="which page; 1 is the first")
    page_size: WholeNumber = Field(
        50,
        alias="pageSize",
        ge=1,
        le=MAX_PAGE_SIZE,
        description="subscriptions a page: 50 unless it says otherwise, 200 at the most",
    )
    customer_ids: Annotated[
        tuple[UUID, ...],
        BeforeValidator(_uuids),
        WithJsonSchema({"type": "array", "items": {"type": "string", "format": "uuid"}}),
    ] = Field((), alias="customerIds", description="only of these customers")
    status_ids: Annotated[
        tuple[SubscriptionState, ...],
        BeforeValidator(_statuses),
        WithJsonSchema({"type": "array", "items": {"type": "integer", "enum": [1, 2, 3, 4, 5]}}),
    ] = Field(
        (), alias="statusIds", description="only of these statuses; several by repeating it: `statusIds=1&statusIds=5`"
    )
    search: Text | None = Field(
        None, description="part of the customer's or the company's name, whatever its case and accents"
    )
    order: Annotated[Order, BeforeValidator(_order), WithJsonSchema({"type": "string", "enum": [*Order]})] = Field(
        Order.CREATION_DATE,
        alias="orderBy",
        description="by `creationDate`, `subscriptionStartDate`, `customerName`, `status` or `numberOfPayments`; "
        "anything else is as the first of them",
    )
    is_ascending: Annotated[bool, BeforeValidator(_yes_or_no), WithJsonSchema({"type": "boolean"})] = Field(
        False, alias="asc", description="true: the earliest or smallest first"
    )

    @property
    def query(self) -> SubscriptionQuery:
        """These parameters in the domain's own terms."""
        return SubscriptionQuery(
            customer_ids=self.customer_ids,
            states=self.status_ids,
            search=self.search,
            order=_ORDERED_BY[self.order],
            is_ascending=self.is_ascending,
            offset=(self.page - 1) * self.page_size,
            limit=self.page_size,
        )
