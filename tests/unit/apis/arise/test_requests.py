"""The list's query parameters."""

from __future__ import annotations

from uuid import UUID

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request

from dunning_service.apis.arise.requests import SubscriptionFilters
from dunning_service.billing.states import SubscriptionState
from dunning_service.billing.views import SubscriptionOrder
from dunning_service.http.parameters import openapi_parameters, read_parameters

CUSTOMER = "87d8e330-2878-4742-a86f-dbbb3bf522ac"
OTHER = "a7699db0-1e16-4616-b2cf-4e8d4a5320cb"


def asked(query: str) -> SubscriptionFilters:
    request = Request({"type": "http", "query_string": query.encode(), "headers": []})
    return read_parameters(request, SubscriptionFilters)


def test_nothing_asked_is_the_first_page_of_all() -> None:
    found = asked("")
    assert (found.page, found.page_size, found.query.offset) == (1, 50, 0)
    assert (found.customer_ids, found.status_ids, found.search) == ((), (), None)


def test_pages_and_filters_are_read() -> None:
    found = asked(f"page=3&pageSize=20&customerIds={CUSTOMER}&customerIds={OTHER}&statusIds=1&statusIds=5&search=naf")
    assert (found.page, found.page_size, found.query.offset) == (3, 20, 40)
    assert found.customer_ids == (UUID(CUSTOMER), UUID(OTHER))
    assert found.status_ids == (SubscriptionState.ACTIVE, SubscriptionState.TERMINATED)
    assert found.search == "naf"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=1.0", "page"),
        ("page=10001", "page"),
        ("pageSize=201", "pageSize"),
        ("page_size=20", "page_size"),
        ("customerIds=5", "customerIds"),
        ("statusIds=9", "statusIds"),
        ("statusIds=active", "statusIds"),
        ("status=1", "status"),
        ("search=", "search"),
        ("asc=1", "asc"),
    ],
)
def test_what_cannot_be_meant_is_named(query: str, field: str) -> None:
    with pytest.raises(RequestValidationError) as refused:
        asked(query)
    assert [error["loc"] for error in refused.value.errors()] == [("query", field)]


@pytest.mark.parametrize(
    ("query", "order", "is_ascending"),
    [
        ("", SubscriptionOrder.CREATED, False),
        ("orderBy=subscriptionStartDate&asc=true", SubscriptionOrder.START, True),
        ("orderBy=CustomerName&asc=False", SubscriptionOrder.CUSTOMER_NAME, False),
        ("orderBy=amountPerPayment&asc=true", SubscriptionOrder.CREATED, True),
        ("orderBy=", SubscriptionOrder.CREATED, False),
    ],
)
def test_an_order_that_is_not_known_is_no_mistake(query: str, order: SubscriptionOrder, is_ascending: bool) -> None:
    found = asked(query)
    assert (found.order, found.is_ascending) == (order, is_ascending)


def test_openapi_tells_the_same_names() -> None:
    listed = [stated["name"] for stated in openapi_parameters(SubscriptionFilters)]
    assert listed == ["page", "pageSize", "customerIds", "statusIds", "search", "orderBy", "asc"]
