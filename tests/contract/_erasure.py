"""A merchant who has heard of Kari in every way there is, and what the whole database says of her."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

from contract._gateways import NO_MONEY
from contract._goodparty import A_DEPOSIT, A_FAILURE, LOG, SUCCEEDED
from contract._goodparty import post as post_to_action_service
from contract._payment_records import FAILED, Records, a_payment, answer
from contract._subscriptions import a_request, created, send
from contract._webhooks import an_event
from contract._webhooks import post as post_webhook
from dunning_service.database.name_index import NAMES
from dunning_service.erasure.person import Person
from dunning_service.erasure.service import Erased, erase_person
from dunning_service.gateways.sandbox import PAYS
from dunning_service.ledger.models import PaymentRow
from dunning_service.merchants.directory import MerchantView
from ledgers import MONEY, every_row
from running import RegisteredSource, RunningService

KARI = "cus_kari"
KARI_AT_ARISE = "11111111-2222-4333-8444-555555555555"
EMAIL = "Kari.Nordmann@example.com"
PERSONAL = ("kari", "nordmann", "91234567", KARI_AT_ARISE, "4242", "storgata")


def personal_in(text: str) -> list[str]:
    """The words of PERSONAL in a text. Four digits may be in any digest, so they count by themselves only."""
    digits = r"(?<![0-9a-z])4242(?![0-9a-z])"
    return [word for word in PERSONAL if re.search(digits if word == "4242" else re.escape(word), text)]


"""What must not be found anywhere afterwards, in any case."""

A_REASON = "Kari Nordmann rang and will pay"


def a_failure_of_kari(**fields: Any) -> dict[str, Any]:
    return A_FAILURE | {
        "StripeCustomerId": KARI,
        "CustomerEmail": EMAIL,
        "ArtistName": "Kari Nordmann",
        "PaymentMethodId": "pm_kari",
        **fields,
    }


def a_maple_failure_of_kari(**fields: Any) -> bytes:
    told = {
        "id": "txn_k",
        "invoice_uuid": "inv_k",
        "customer": {"id": KARI, "name": "Kari Nordmann", "email": EMAIL},
        "customer_id": KARI,
        "status_message": "the card of Kari Nordmann was declined",
        "payment_method": {"brand": "visa", "last_4": "4242", "type": "card"},
    }
    return an_event(**(told | fields))


class Kari:
    """Everything that a merchant can be told about one customer, told."""

    def __init__(self, service: RunningService, source: RegisteredSource) -> None:
        self.service = service
        self.source = source
        self.records = Records(service)
        self.bodies: list[bytes] = []
        """Of the webhooks, as they were sent."""
        self.record_id = ""

    @classmethod
    async def tells_everything(cls, service: RunningService) -> Kari:
        kari = cls(service, await service.add_source(service.merchant))
        await kari._goodparty()
        await kari._webhooks()
        await kari._payment_records()
        await kari._subscriptions()
        return kari

    async def goodparty(self, path: str, **fields: Any) -> None:
        response = await post_to_action_service(self.service, path, fields)
        assert response.status_code == 200, response.text

    async def webhook(self, body: bytes) -> None:
        self.bodies.append(body)
        assert (await post_webhook(self.service, self.source, body)).status_code == 200

    async def _goodparty(self) -> None:
        await self.goodparty(LOG, **a_failure_of_kari())
        await self.goodparty(LOG, **a_failure_of_kari(InvoiceId="in_2", AmountDue=4900))
        # the same payment again, told with nothing that names her but the payer
        nobody = {"CustomerEmail": None, "ArtistName": None, "PhoneNumber": None}
        await self.goodparty(LOG, **a_failure_of_kari(InvoiceId="in_2", AmountDue=4900, AttemptCount=2, **nobody))
        # the same statement in other bytes: no fact says that this one came
        await self.goodparty(LOG, **a_failure_of_kari(Id=77))
        await self.goodparty(SUCCEEDED, **(A_DEPOSIT | {"StripeCustomerId": KARI}))
        # of a failure that nobody has heard of
        await self.goodparty(
            SUCCEEDED, **(A_DEPOSIT | {"StripeCustomerId": KARI, "TransactionNo": "ch_2", "DepositAmount": 5})
        )
        await self.goodparty(LOG, **A_FAILURE | {"InvoiceId": "in_ola", "StripeCustomerId": "cus_ola", "UserId": 10,
                             "CustomerEmail": "ola@example.com", "ArtistName": "Ola", "PhoneNumber": "22222222",
                             "ProfileUrl": None})  # fmt: skip

    async def _webhooks(self) -> None:
        await self.webhook(a_maple_failure_of_kari())
        await self.webhook(a_maple_failure_of_kari(updated_at="2026-11-21T11:40:00Z", status="again"))
        await self.webhook(an_event("customer.updated", customer_id=KARI, customer={"email": EMAIL}))
        await self.webhook(b'{"event_type":"payment.failed","data":{"customer":"Kari.Nordmann\\u0040EXAMPLE.com"}}')
        await self.webhook(an_event(customer={"id": "cus_ola", "name": "Ola"}, customer_id="cus_ola"))

    async def _payment_records(self) -> None:
        told = {
            "customer_details": {"customer": KARI, "email": EMAIL, "name": "Kari Nordmann", "phone": "+4791234567"},
            "description": "shoes for Kari",
            "metadata": {"who": "Kari"},
            "shipping_details": {"name": "Kari", "address": {"line1": "Storgata 1"}},
        }
        self.report = a_payment(**told, **FAILED)
        record = answer(await self.records.post("/v1/payment_records/report_payment", self.report, key="key-1"))
        self.record_id = record["id"]
        await self.records.inform(record["id"], metadata={"who": "Kari N"})
        await self.records.attempt(record["id"], outcome="guaranteed", guaranteed={"guaranteed_at": 1_700_000_000})
        await self.records.refund(record["id"], amount={"currency": "usd", "value": 5}, metadata={"to": "Kari"})

    async def _subscriptions(self) -> None:
        told = {
            "customerId": KARI_AT_ARISE,
            "customer": {"customerName": "Kari Nordmann", "emailAddress": EMAIL, "phoneNumber": "+4791234567"},
            "paymentMethodId": NO_MONEY,
        }
        self.subscription_id = (await created(self.service, **told))["id"]
        self.paid_subscription_id = (await created(self.service, **told | {"paymentMethodId": PAYS}))["id"]
        await created(self.service, **a_request())

    async def terminate(self) -> None:
        for subscription_id in (self.subscription_id, self.paid_subscription_id):
            assert (await send(self.service, "POST", f"/{subscription_id}/terminate")).status_code == 200

    async def decide(self) -> None:
        """Somebody decides about each of her failures, and writes down why."""
        listed = await self.service.client.get("/api/v1/failed-payments?limit=200", headers=self.service.auth)
        for payment in listed.json()["data"]:
            if payment["status"] == "failed" and payment["customer"]["id"] == KARI:
                response = await self.service.client.post(
                    f"/api/v1/failed-payments/{payment['id']}/actions",
                    headers={**self.service.auth, "Idempotency-Key": payment["id"]},
                    json={"action": "invoice", "reason": A_REASON},
                )
                assert response.status_code == 200, response.text


def everything(service: RunningService, *, but: MerchantView | None = None) -> str:
    """All rows of all tables, as one text in lower case; without those of one merchant."""
    lines = []
    with service.database.write() as connection:
        for table, values in every_row(connection):
            if but is not None and (values.get("merchant_id") == but.id or table.startswith(NAMES)):
                continue  # the rows of names are those of the payments, by their number
            lines += [f"{table}: {_text(value)}" for value in values.values()]
    return "\n".join(lines).casefold()


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").replace("\\u0040", "@")
    return str(value)


def money(service: RunningService, merchant: MerchantView) -> dict[int, tuple[Any, ...]]:
    """What every payment of the merchant is about, and what has become of it."""
    table = PaymentRow.__table__.c
    with service.database.write() as connection:
        rows = connection.execute(sa.select(table).where(table.merchant_id == merchant.id)).mappings()
        return {row["id"]: tuple(row[name] for name in MONEY) for row in rows}


async def summary(service: RunningService) -> Any:
    """Counts and amounts as a dashboard is told them."""
    response = await service.client.get("/api/v1/failed-payments/summary", headers=service.auth)
    assert response.status_code == 200, response.text
    return response.json()


WHO = Person.named([KARI, KARI_AT_ARISE], [EMAIL])


def erase(service: RunningService, person: Person = WHO) -> Erased:
    return erase_person(service.database, service.merchant, person, service.clock)
