"""Two merchants of one service: they, who have one of everything, and we, who try to see it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from contract._gateways import NO_MONEY, use_sandbox
from contract._payment_records import a_payment, a_refund, encoded
from contract._subscriptions import a_request
from contract._webhooks import an_event, signed
from dunning_service.merchants.directory import MerchantView
from running import NOON, RegisteredSource, RunningService

OUR_LIST = "/api/v1/failed-payments"
GOODPARTY = "/api/ActionService"
SUBSCRIPTIONS = "/sub-api/v1/subscriptions"
RECORDS = "/v1/payment_records"
ATTEMPTS = "/v1/payment_attempt_records"
FORM = "application/x-www-form-urlencoded"

DAY = timedelta(days=1)
THEIR_DAY = NOON - 10 * DAY
"""When their payments failed."""

OUR_DAY = NOON - 400 * DAY
"""When ours did: before any of theirs."""

BETWEEN = NOON + timedelta(minutes=30)
"""What the service heard from us it heard before, and what it heard from them after."""

THEIR_METHOD = str(NO_MONEY)
THEIR_CUSTOMER = "7d0a4a3c-4c9e-4a37-9d55-2f1c6a4b7e10"
THEIR_AMOUNT = 777_700

THEIR_WORDS = {
    "name": "Viktoria Hemlig",
    "email": "viktoria@their.example",
    "phone": "+46701234567",
    "customer": "cus_theirs",
    "subscription": "sub_theirs",
    "invoice": "in_theirs",
    "reference": "ref_theirs",
    "description": "their own purchase",
    "reason": "their own reason",
}
"""What only they have said. None of it may stand in an answer to us, unless we have just sent it ourselves."""

_KEYS = (
    *("act", "subscribe", "terminate", "terminate by PUT", "report", "report_refund"),
    *(f"report_payment_attempt{outcome}" for outcome in ("", "_failed", "_guaranteed", "_canceled", "_informational")),
)
THEIR_KEYS = {name: f"their-key-{name}" for name in _KEYS}
"""What they sent as `Idempotency-Key`, by what we send it with."""


@dataclass(frozen=True)
class Asked:
    """One request, but for who sends it."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None


class Tenant:
    """A merchant's own program."""

    def __init__(self, service: RunningService, merchant: MerchantView, token: str) -> None:
        self.service = service
        self.merchant = merchant
        self.auth = {"Authorization": f"Bearer {token}"}

    async def ask(self, asked: Asked) -> httpx.Response:
        return await self.service.client.request(
            asked.method,
            asked.path,
            params=list(asked.query),
            headers=self.auth | asked.headers,
            content=asked.content,
        )

    async def post(self, path: str, body: Any, key: str | None = None) -> Any:
        """`body` as a form under /v1 and as JSON elsewhere; answers what was answered, when it is no refusal."""
        response = await self.ask(a_post(path, body, key))
        assert response.status_code == 200, response.text
        return response.json()

    async def get(self, path: str, **query: str) -> Any:
        response = await self.ask(Asked("GET", path, tuple(query.items())))
        assert response.status_code == 200, response.text
        return response.json()

    async def everything(self) -> list[Any]:
        """All that this merchant can see."""
        found = [
            await self.get(OUR_LIST, limit="200"),
            await self.get(f"{OUR_LIST}/summary"),
            await self.get("/api/v1/connect/subscriptions/failed/list"),
            await self.post(f"{GOODPARTY}/GetInvoicePaymentFailed", {}),
            await self.get(SUBSCRIPTIONS, pageSize="200"),
            await self.get(RECORDS, limit="100"),
        ]
        found += [await self.get(f"{OUR_LIST}/{listed['id']}") for listed in found[0]["data"]]
        found += [await self.get(f"{SUBSCRIPTIONS}/{listed['id']}/payments") for listed in found[4]["items"]]
        found += [await self.get(ATTEMPTS, payment_record=listed["id"]) for listed in found[5]["data"]]
        return found

    async def fails(self, invoice: str, **stated: Any) -> str:
        """Logs a failure as GoodParty does, and answers its public number."""
        notice = {"InvoiceId": invoice, "PaymentIntentId": f"pi_{invoice}", "UserId": 1, "AmountDue": 1111}
        moment = {"FailedTimeStamp": OUR_DAY.isoformat()}
        await self.post(f"{GOODPARTY}/LogInvoicePaymentFailed", {**notice, **moment, **stated})
        listed = (await self.get(OUR_LIST, q=invoice))["data"]
        return str(listed[0]["id"])

    async def subscribes(self, key: str | None = None, **stated: Any) -> str:
        """Creates a subscription, and answers its id."""
        return str((await self.post(SUBSCRIPTIONS, a_request(**stated), key))["id"])

    async def reports(self, key: str | None = None, **stated: Any) -> str:
        """Reports a payment as Stripe's clients do, and answers the id of its record."""
        return str((await self.post(f"{RECORDS}/report_payment", a_payment(**stated), key))["id"])


def a_post(path: str, body: Any, key: str | None = None) -> Asked:
    headers = {} if key is None else {"Idempotency-Key": key}
    if path.startswith("/v1"):
        return Asked("POST", path, headers=headers | {"Content-Type": FORM}, content=encoded(body).encode())
    return Asked("POST", path, headers=headers | {"Content-Type": "application/json"}, content=_json(body))


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()


@dataclass
class World:
    """Both of them, and what of theirs has an id."""

    we: Tenant
    they: Tenant
    our_source: RegisteredSource
    their_source: RegisteredSource
    number: str = ""
    """The public number of a failed payment of theirs."""
    subscription: str = ""
    record: str = ""
    """A payment record whose latest attempt is open."""
    attempt: str = ""
    """The latest attempt of `paid`."""
    paid: str = ""
    """A payment record that is guaranteed and partly refunded."""
    cursor: str = ""
    """The `next` of their first page."""

    @property
    def marks(self) -> set[str]:
        """What would tell that something is theirs."""
        ids = {self.number, self.subscription, self.record, self.attempt, self.paid, self.cursor}
        return {*THEIR_WORDS.values(), *THEIR_KEYS.values(), THEIR_CUSTOMER, str(THEIR_AMOUNT), *ids} - {""}


async def two_tenants(service: RunningService) -> World:
    """We have a payment, a subscription and a record; they have nothing yet."""
    merchants = [await service.add_merchant(name, currency) for name, currency in (("We", "NOK"), ("They", "SEK"))]
    we, they = [Tenant(service, merchant, await service.add_token(merchant)) for merchant in merchants]
    sources = [
        await service.add_source(merchant, secret=secret)
        for merchant, secret in zip(merchants, ("our own secret", "their own secret"), strict=True)
    ]
    for merchant in merchants:
        use_sandbox(service, merchant)
    await we.fails("in_ours", StripeCustomerId="cus_ours", CustomerEmail="us@our.example", PhoneNumber="+4799999999")
    await we.subscribes()
    await we.reports()
    return World(we, they, *sources)


async def tell(world: World) -> None:
    """Their whole story, an hour after ours: something of theirs for every route to find."""
    they, words, service = world.they, THEIR_WORDS, world.they.service
    service.clock.now = NOON + timedelta(hours=1)
    world.number = await they.fails(words["invoice"], **their_notice())
    await they.post(
        f"{OUR_LIST}/{world.number}/actions",
        {"action": "send_to_collection", "reason": words["reason"]},
        THEIR_KEYS["act"],
    )
    body = their_event()
    response = await service.client.post(
        world.their_source.path, content=body, headers=signed(service, world.their_source, body)
    )
    assert response.status_code == 200, response.text
    world.subscription = await they.subscribes(THEIR_KEYS["subscribe"], **their_subscription())
    ended = await they.subscribes(**their_subscription())
    for name in ("terminate", "terminate by PUT"):
        await they.post(f"{SUBSCRIPTIONS}/{ended}/terminate", {}, THEIR_KEYS[name])
    world.record = await they.reports(THEIR_KEYS["report"], **their_payment())
    moment = int(THEIR_DAY.timestamp())
    world.paid = await they.reports(**their_payment(), outcome="guaranteed", guaranteed={"guaranteed_at": moment + 5})
    refund = a_refund(words["reference"], amount={"value": 77, "currency": "sek"}, refunded={"refunded_at": moment + 9})
    shown = await they.post(f"{RECORDS}/{world.paid}/report_refund", refund, THEIR_KEYS["report_refund"])
    world.attempt = shown["latest_payment_attempt_record"]
    for name in _KEYS[-5:]:
        path = f"{RECORDS}/{world.record}/report_payment_attempt_informational"
        await they.post(path, {"description": words["description"]}, THEIR_KEYS[name])
    world.cursor = (await they.get(OUR_LIST, limit="1"))["next"]
    assert world.cursor is not None


def their_notice() -> dict[str, Any]:
    """What they told of a failure in GoodParty's words."""
    words = THEIR_WORDS
    return {
        "InvoiceId": words["invoice"],
        "PaymentIntentId": f"pi_{words['invoice']}",
        "UserId": 4242,
        "StatusId": 77,
        "AmountDue": THEIR_AMOUNT,
        "StripeCustomerId": words["customer"],
        "CustomerEmail": words["email"],
        "PhoneNumber": words["phone"],
        "SubscriptionId": words["subscription"],
        "ArtistName": words["name"],
        "FailedTimeStamp": THEIR_DAY.isoformat(),
    }


def their_event() -> bytes:
    """What Maple told them."""
    words, moment = THEIR_WORDS, THEIR_DAY.isoformat()
    return an_event(
        id=f"txn_{words['invoice']}",
        invoice_uuid=words["invoice"],
        total_amount={"currency": "SEK", "value_in_cents": THEIR_AMOUNT},
        customer={"id": words["customer"], "name": words["name"], "email": words["email"]},
        customer_id=words["customer"],
        created_at=moment,
        updated_at=moment,
    )


def their_subscription() -> dict[str, Any]:
    """What is declined at once and tried again later."""
    return {
        "amount": THEIR_AMOUNT / 100,
        "currencyId": 752,
        "customerId": THEIR_CUSTOMER,
        "paymentMethodId": THEIR_METHOD,
        "customer": {"customerName": THEIR_WORDS["name"], "emailAddress": THEIR_WORDS["email"]},
    }


def their_payment() -> dict[str, Any]:
    """What they reported in Stripe's words."""
    words = THEIR_WORDS
    return {
        "amount_requested": {"currency": "sek", "value": THEIR_AMOUNT},
        "initiated_at": int(THEIR_DAY.timestamp()),
        "customer_details": {"customer": words["customer"], "name": words["name"], "email": words["email"]},
        "payment_method_details": {"type": "custom", "custom": {"display_name": words["name"]}},
        "description": words["description"],
        "metadata": {"subscription": words["subscription"]},
    }
