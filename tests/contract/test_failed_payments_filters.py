"""What our own list of failed payments can be narrowed by, and which parameters it refuses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from contract._failed_payments import PATH, listed, refused
from contract._payments import a_failed_payment, act
from dunning_service.events import Category
from running import NOON, RunningService


def numbers(body: dict[str, Any]) -> list[str]:
    return [item["id"] for item in body["data"]]


async def test_filters_narrow_list_total_and_summary_alike(service: RunningService) -> None:
    anna = await a_failed_payment(
        service,
        provider_payment_id="in_ANNA%1",
        customer_name="Anna ØSTBY",
        customer_email="Anna@Example.com",
        customer_phone="+47 465 67 468",
        provider_customer_id="cus_A",
        provider_subscription_id="SUB_A",
        description="ÅRSAVGIFT 100%",
        category=Category.EXPIRED_CARD,
        amount_minor=1000,
    )
    service.clock.advance(timedelta(hours=1))
    bert = await a_failed_payment(
        service,
        provider="goodparty",
        customer_name="Bert",
        occurred_at=NOON - timedelta(days=10),
        amount_minor=2000,
        currency="JPY",
    )
    await act(service, bert, "cancel")
    service.clock.advance(timedelta(hours=1))
    cleo = await a_failed_payment(
        service, occurred_at=NOON - timedelta(days=20), amount_minor=None, currency=None, customer_name="Cleo_"
    )

    for query, expected in {
        "": [anna, bert, cleo],
        "status=failed": [anna, cleo],
        "status=failed&status=cancelled": [anna, bert, cleo],
        "status=paid": [],
        "provider=goodparty": [bert],
        "provider=goodparty&provider=maple": [anna, bert, cleo],
        "subscription=SUB_A": [anna],
        "subscription=sub_a": [],
        "customer=cus_A": [anna],
        "email=ANNA@example.COM": [anna],
        "email=anna": [],
        "phone=46567468": [anna],
        "phone=%2B47%20465%2067%20468": [anna],
        "amount_min=1000": [anna, bert],
        "amount_min=1001": [bert],
        "amount_max=1000": [anna],
        "amount_min=1000&amount_max=2000": [anna, bert],
        "currency=nok": [anna],
        "currency=NOK&currency=JPY": [anna, bert],
        "currency=unknown": [cleo],
        "currency=jpy&currency=UNKNOWN": [bert, cleo],
        "category=expired_card": [anna],
        "category=expired_card&category=unknown": [anna, bert, cleo],
        "order_from=2026-11-11": [anna, bert],
        "order_from=2026-11-11&order_to=2026-11-11": [bert],
        "order_to=2026-11-11": [bert, cleo],
        "order_to=2026-11-11&status=cancelled": [bert],
        "last_failed_since=2026-11-11T12:00:00Z": [anna, bert],
        "last_failed_before=2026-11-11T12:00:00Z": [cleo],
        "last_failed_since=2026-11-11T13:00:00%2B01:00&last_failed_before=2026-11-12T00:00:00Z": [bert],
        "updated_since=2026-11-21T13:00:00Z": [bert, cleo],
        "updated_since=2026-11-21T13:00:00+00:00": [bert, cleo],  # the + arrives as a space
        "updated_since=2026-11-21T14:00:00.000001Z": [],
        "q=østby": [anna],
        "q=ANNA": [anna],
        "q=example.com": [anna],
        "q=in_anna%25": [anna],
        "q=%25": [anna],
        "q=_": [anna, bert, cleo],  # in every sender's id
        "q=cus_a": [anna],
        "q=sub_a": [anna],
        "q=årsavgift": [anna],
        "q=Årsavgift": [anna],
        f"q={bert}": [bert],
        f"q=%20{bert.lower()}": [bert],
        f"q={bert}0": [],
        "q=nobody": [],
        "status=failed&currency=NOK&q=anna&amount_min=1": [anna],
    }.items():
        body = await listed(service, f"?{query}" if query else "")
        assert numbers(body) == expected, query
        assert body["total"] == len(expected), query
        summary = (await service.client.get(f"{PATH}/summary?{query}", headers=service.auth)).json()
        assert summary["total"] == len(expected), query
        assert sum(line["count"] for line in summary["data"]) == len(expected), query


WRONG = (
    ("?limit=0", "limit"),
    ("?limit=201", "limit"),
    ("?limit=ten", "limit"),
    ("?limit=1.0", "limit"),
    ("?limit=1_0", "limit"),
    ("?limit=", "limit"),
    ("?limit=" + 5000 * "9", "limit"),
    ("?limit=1&limit=2", "limit"),
    ("?status=open", "status"),
    ("?status=", "status"),
    ("?category=poor", "category"),
    ("?currency=KRONE", "currency"),
    ("?currency=%C3%A6%C3%B8%C3%A5", "currency"),
    ("?sort=name", "sort"),
    ("?amount_min=-1", "amount_min"),
    ("?amount_min=9223372036854775808", "amount_min"),
    ("?amount_min=2&amount_max=1", "amount_max"),
    ("?order_from=yesterday", "order_from"),
    ("?order_from=20261121", "order_from"),
    ("?order_from=2026-13-01", "order_from"),
    ("?order_from=2026-02-01&order_to=2026-01-01", "order_to"),
    ("?updated_since=2026-11-21", "updated_since"),
    ("?updated_since=2026-11-21T12:00:00", "updated_since"),
    ("?updated_since=1700000000", "updated_since"),
    ("?updated_since=0001-01-01T00:00:00%2B01:00", "updated_since"),
    ("?last_failed_since=2026-01-01T00:00:00Z&last_failed_before=2026-01-01T00:00:00Z", "last_failed_before"),
    ("?phone=call%20me", "phone"),
    ("?q=", "q"),
    ("?q=%20", "q"),
    ("?q=a%00b", "q"),
    ("?q=" + 1001 * "a", "q"),
    ("?email=%00", "email"),
    ("?provider=", "provider"),
    ("?provider=%00", "provider"),
    ("?page=2", "page"),
    ("?Status=failed", "Status"),
    ("?%00=1", "\x00"),
    ("/summary?limit=5", "limit"),
    ("/summary?status=open", "status"),
    ("/ODR1?verbose=1", "verbose"),
)


async def test_wrong_parameter_is_named(service: RunningService) -> None:
    for query, field in WRONG:
        body = await refused(service, query)
        assert body["code"] == "invalid_request"
        assert [error["field"] for error in body["errors"]] == [field], query
        assert body["errors"][0]["message"]


async def test_unknown_parameter_is_told_the_known_ones(service: RunningService) -> None:
    body = await refused(service, "?customer_name=anna")

    assert "status, provider, subscription, customer, email" in body["errors"][0]["message"]


async def test_everything_wrong_is_told_at_once(service: RunningService) -> None:
    body = await refused(service, "?limit=0&status=open&status=failed&colour=red")

    assert [error["field"] for error in body["errors"]] == ["colour", "status", "limit"]


async def test_text_no_database_can_hold_finds_nothing(service: RunningService) -> None:
    await a_failed_payment(service)

    for value in ("%ED%A0%80", "%FF", quote("💸"), "%EF%BF%BD"):
        for name in ("q", "subscription", "email", "customer", "provider"):
            assert (await listed(service, f"?{name}={value}"))["total"] == 0
