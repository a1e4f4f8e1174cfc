"""No row is reachable with another merchant's token: by any route, filter, cursor or id."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from building import a_failure, a_notice, a_success
from dunning_service.events import Event
from dunning_service.merchants.directory import MerchantView
from property._stories import several_examples
from running import RunningService

LIST = "/api/v1/failed-payments"
CONNECT = "/api/v1/connect/subscriptions/failed"
_names = itertools.count(1)

# both merchants draw from the same few names, so that whatever is not told apart by merchant gets mixed up
payments = st.sampled_from(["in_1", "in_2", "in_3"])
people: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "provider_subscription_id": st.sampled_from(["sub_1", None]),
        "provider_customer_id": st.sampled_from(["cus_1", None]),
        "customer_email": st.sampled_from(["anna@example.com", None]),
        "customer_phone": st.sampled_from(["+4746567468", None]),
        "customer_name": st.sampled_from(["Anna", None]),
        "details": st.just({"UserId": 7, "StatusId": 1}),
    }
)
stories = st.lists(
    st.one_of(
        st.builds(lambda payment, person: a_failure(payment, **person), payments, people),
        st.builds(lambda payment, person: a_success(payment, **person), payments, people),
    ),
    min_size=1,
    max_size=5,
)
FILTERS = [
    {},
    {"subscription": "sub_1"},
    {"customer": "cus_1"},
    {"email": "anna@example.com"},
    {"phone": "+4746567468"},
    {"q": "anna"},
    {"status": "failed"},
    {"provider": "goodparty"},
    {"currency": "NOK"},
    {"next_attempt": "none"},
]
CONNECT_FILTERS: list[dict[str, str]] = [
    {},
    {"subscriptionUuid": "sub_1"},
    {"phone": "46567468"},
    {"customerName": "anna"},
    {"startDate": "2000-01-01", "endDate": "2100-01-01"},
]


async def _tell(service: RunningService, story: list[Event]) -> tuple[MerchantView, dict[str, str]]:
    merchant = await service.add_merchant(f"merchant {next(_names)}", "NOK")
    for event in story:
        await service.writer.record(a_notice(event, merchant_id=merchant.id, provider="goodparty"))
    return merchant, {"Authorization": f"Bearer {await service.add_token(merchant)}"}


async def _listed(service: RunningService, auth: dict[str, str], **query: str) -> set[str]:
    answer = (await service.client.get(LIST, params=query, headers=auth)).json()
    assert answer["total"] == len(answer["data"])
    return {item["id"] for item in answer["data"]}


@settings(several_examples, max_examples=12)
@given(ours=stories, theirs=stories)
async def test_another_merchants_rows_are_not_there(
    service: RunningService, ours: list[Event], theirs: list[Event]
) -> None:
    _, our_auth = await _tell(service, ours)
    _, their_auth = await _tell(service, theirs)
    our_ids, their_ids = await _listed(service, our_auth), await _listed(service, their_auth)
    assert not our_ids & their_ids

    for query in FILTERS:
        assert await _listed(service, our_auth, **query) <= our_ids
    for filters in CONNECT_FILTERS:
        page = (await service.client.get(f"{CONNECT}/list", params=filters, headers=our_auth)).json()
        assert {item["orderUuid"] for item in page["data"]} <= our_ids
        assert page["metaData"]["total"] == len(page["data"])
    summary = (await service.client.get(f"{LIST}/summary", headers=our_auth)).json()
    assert sum(line["count"] for line in summary["data"]) == len(our_ids)
    logged = await service.client.post("/api/ActionService/GetInvoicePaymentFailed", json={}, headers=our_auth)
    assert {f"ODR{item['Id']}" for item in logged.json()["Message"]} == our_ids

    for number in their_ids:
        unknown = "ODR" + "9" * 12
        for path in (f"{LIST}/{{}}", f"{CONNECT}/details/{{}}"):
            seen = await service.client.get(path.format(number), headers=our_auth)
            never = await service.client.get(path.format(unknown), headers=our_auth)
            assert seen.status_code == 404
            assert _without_request_id(seen.json()) == _without_request_id(never.json())
        acted = await service.client.post(f"{LIST}/{number}/actions", json={"action": "cancel"}, headers=our_auth)
        assert acted.status_code == 404
    page = (await service.client.get(LIST, params={"limit": 1}, headers=their_auth)).json()
    if page["next"] is not None:
        stolen = await service.client.get(LIST, params={"limit": 1, "cursor": page["next"]}, headers=our_auth)
        assert stolen.status_code == 422
    assert await _listed(service, their_auth) == their_ids


def _without_request_id(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "request_id"}
