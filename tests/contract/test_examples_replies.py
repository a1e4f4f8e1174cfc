"""The example files against real replies: a story for each API, in which every reply is the one that is shown."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

import dunning_service
from building import a_receipt
from contract._gateways import use_sandbox
from contract._payments import an_attempt, public_number_of, record
from running import RunningService

APIS = Path(dunning_service.__file__).parent / "apis"
OWN = "/api/v1/failed-payments"
FRONT = "/api/v1/connect/subscriptions/failed"
ARISE = "/sub-api/v1/subscriptions"
UNKNOWN = "629626a9-2ecc-48c0-b45a-cc1d4d71074e"

PAYER = {"payer_key": "4711:cus_1", "provider_customer_id": "cus_1"}
NAFEES = {
    "customer_name": "Nafees",
    "customer_email": "nafees@example.com",
    "customer_phone": "+47 465 67 468",
    "provider_subscription_id": "SUB2532543787",
    "description": "Membership, December",
    **PAYER,
}
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REQUEST_ID = re.compile(r'("(?:request_id|traceId)": ?)"[^"]*"')


def shown(api: str, name: str) -> Any:
    return json.loads((APIS / api / "examples" / f"{name}.json").read_text("utf-8"))


def comparable(value: Any) -> Any:
    """JSON with each id that the service gives replaced by the order in which it first appears."""
    text = json.dumps(value)
    for number, found in enumerate(dict.fromkeys(_UUID.findall(text))):
        text = text.replace(found, f"uuid {number}")
    return json.loads(_REQUEST_ID.sub(r'\1"id"', text))


def require_shown(api: str, name: str, reply: httpx.Response | Any) -> None:
    """Fails unless the reply is the example, but for ids."""
    body = reply.json() if isinstance(reply, httpx.Response) else reply
    assert comparable(body) == comparable(shown(api, name)), name


def at(service: RunningService, month: int, day: int, hour: int = 8, minute: int = 0, second: int = 0) -> datetime:
    year = 2025 if month == 1 else 2024
    service.clock.now = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    return service.clock.now


async def failed_and_invoiced(service: RunningService) -> tuple[str, str]:
    """The story of the failed lists; returns the public numbers of the payment that is shown and of an older one.

    A payment fails twice and is invoiced, a receipt pays it, and then an older failure of the payer is reported, which
    the receipt pays since.
    """
    for attempt, day in (("1", 19), ("2", 22)):
        received_at = at(service, 12, day, 9, 30, 1)
        failure = an_attempt(
            provider_payment_id="in_1",
            provider_attempt_id=attempt,
            occurred_at=received_at.replace(second=0),
            **NAFEES,
        )
        await record(service, [failure], provider="goodparty", received_at=received_at)
    number = await public_number_of(service, "in_1", provider="goodparty")
    service.token = await service.add_token(service.merchant, name="dashboard")
    at(service, 12, 27)
    reason = "card expired, customer asked for an invoice"
    await act(service, number, {"action": "invoice", "reason": reason})
    receipt = a_receipt("T-1", PAYER["payer_key"], amount_minor=250_000, currency="NOK")
    await record(service, [receipt], provider="goodparty", received_at=at(service, 12, 28))
    older = an_attempt(provider_payment_id="in_0", occurred_at=datetime(2024, 12, 18, 9, tzinfo=UTC), **PAYER)
    await record(service, [older], provider="goodparty", received_at=at(service, 12, 29))
    unknown = an_attempt(occurred_at=datetime(2024, 12, 1, 9, tzinfo=UTC), amount_minor=None, currency=None)
    await record(service, [unknown], provider="maple", received_at=at(service, 12, 30))
    return number, await public_number_of(service, "in_0", provider="goodparty")


async def act(service: RunningService, number: str, body: Any, **headers: str) -> httpx.Response:
    return await service.client.post(f"{OWN}/{number}/actions", headers={**service.auth, **headers}, json=body)


async def test_the_own_api_replies_what_its_examples_show(service: RunningService) -> None:
    number, older = await failed_and_invoiced(service)

    def named(reply: httpx.Response) -> Any:
        return json.loads(reply.text.replace(number, "ODR1276808511").replace(older, "ODR1276808512"))

    async def get(path: str = "") -> Any:
        return named(await service.client.get(f"{OWN}{path}", headers=service.auth))

    page = await get("?limit=1")
    assert page["next"]
    require_shown("own", "list_failed_payments.200", page | {"next": shown("own", "list_failed_payments.200")["next"]})
    require_shown("own", "summarise_failed_payments.200", await get("/summary"))
    require_shown("own", "read_failed_payment.200", await get(f"/{number}"))
    at(service, 1, 20, 12)
    body = shown("own", "act_on_failed_payment.request")
    require_shown("own", "act_on_failed_payment.200", named(await act(service, number, body)))

    await act(service, number, {"action": "cancel"})
    refused = {
        "400": await act(service, number, body, **{"Idempotency-Key": ""}),
        "409": await act(service, number, body),
        "413": await act(service, number, "a" * 2**20),
        "415": await service.client.post(f"{OWN}/{number}/actions", headers=service.auth, content=b"{}"),
        "422": await act(service, number, body | {"action": "forgive"}),
    }
    read_only = await service.add_token(service.merchant, ["read"])
    service.token = read_only
    refused["403"] = await act(service, number, body)
    for status, reply in refused.items():
        require_shown("own", f"act_on_failed_payment.{status}", reply)
    require_shown("own", "404", await get("/ODR1"))
    require_shown("own", "422", await get("?limit=some"))
    require_shown("own", "default", await service.client.put(OWN, headers=service.auth))
    require_shown("own", "401", await service.client.get(OWN))
    service.token = await service.add_token(service.merchant, ["write"])
    require_shown("own", "403", await get())


async def test_front_payments_api_replies_what_its_examples_show(service: RunningService) -> None:
    number, _ = await failed_and_invoiced(service)

    async def get(path: str) -> Any:
        reply = await service.client.get(f"{FRONT}{path}", headers=service.auth)
        return json.loads(reply.text.replace(number, "ODR1276808511"))

    require_shown("frontpayment", "list_failed_orders_of_status.200", await get("/list/invoiced"))
    of_subscription = await get("/list?subscriptionUuid=SUB2532543787")
    require_shown("frontpayment", "list_failed_orders.200", of_subscription)
    require_shown("frontpayment", "read_failed_order.200", await get(f"/details/{number}"))
    require_shown("frontpayment", "read_failed_order.404", await get("/details/ODR1"))
    require_shown("frontpayment", "417", await get("/list?page=0"))
    require_shown("frontpayment", "default", await service.client.put(f"{FRONT}/list", headers=service.auth))
    require_shown("frontpayment", "401", await service.client.get(f"{FRONT}/list"))
    service.token = await service.add_token(service.merchant, ["write"])
    require_shown("frontpayment", "403", await get("/list"))


async def test_arises_api_replies_what_its_examples_show(service: RunningService) -> None:
    service.clock.now = datetime(2027, 1, 31, 12, tzinfo=UTC)
    service.token = await service.add_token(service.merchant, name="billing")
    body = shown("arise", "create.request")

    async def send(method: str, path: str = "", **how: Any) -> httpx.Response:
        headers = service.auth | how.pop("headers", {})
        return await service.client.request(method, f"{ARISE}{path}", headers=headers, **how)

    require_shown("arise", "create.409", await send("POST", json=body))
    use_sandbox(service)
    created = await send("POST", json=body, headers={"Idempotency-Key": "order-1009-subscribe"})
    require_shown("arise", "create.200", created)
    path = f"/{created.json()['id']}"
    require_shown("arise", "list_all.200", await send("GET"))
    require_shown("arise", "read.200", await send("GET", path))
    require_shown("arise", "list_payments.200", (await send("GET", f"{path}/payments")).json()[:1])
    require_shown("arise", "terminate.200", await send("POST", f"{path}/terminate"))

    wrong = body | {"amount": 0, "isFasterProcessing": True}
    require_shown("arise", "create.400", await send("POST", json=wrong))
    require_shown("arise", "create.413", await send("POST", json={"customer": "a" * 2**20}))
    require_shown("arise", "create.415", await send("POST", content=b"{}"))
    require_shown("arise", "422", await send("POST", json=wrong, headers={"Idempotency-Key": "order-1009-subscribe"}))
    require_shown("arise", "terminate.400", await send("POST", f"{path}/terminate", headers={"Idempotency-Key": ""}))
    require_shown("arise", "list_all.400", await send("GET", "?page=one"))
    require_shown("arise", "404", await send("GET", f"/{UNKNOWN}"))
    require_shown("arise", "default", await send("DELETE"))
    require_shown("arise", "401", await service.client.get(ARISE))
    service.token = await service.add_token(service.merchant, ["read"])
    require_shown("arise", "403", await send("POST", json=body))
