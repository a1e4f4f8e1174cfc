"""A program that a user of a generated client might write: it calls every operation of a running service and reads what
is answered.

It is run by the interpreter of the client generator, with the folder of the generated package, the service's address, a
token, a Maple source and its secret. What it prints is one JSON object: by operation the names of the classes that its
answers were read into, in the order of the calls.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib
import json
import pkgutil
import sys
import time
from datetime import UTC, datetime
from typing import Any

import httpx

RECORD = {
    "amount_requested[currency]": "nok",
    "amount_requested[value]": "49900",
    "initiated_at": "1794398400",
    "payment_method_details[type]": "custom",
    "payment_method_details[custom][display_name]": "Vipps",
}
SUBSCRIPTION = {
    "paymentProcessorId": "a7699db0-1e16-4616-b2cf-4e8d4a5320cb",
    "transactionType": 2,
    "amount": 250,
    "currencyId": 578,
    "paymentFrequencyUnit": 3,
    "paymentFrequency": 1,
    "numberOfPayments": 12,
    "customerId": "87d8e330-2878-4742-a86f-dbbb3bf522ac",
    "paymentMethodId": "b6df8625-cd25-4123-b345-638aa7b5d011",
    "customer": {"customerName": "Nafees Rahman"},
}
_DIRECTLY = {"trust_env": False}


class Calls:
    """The generated package, all of its modules imported, and what became of each call through it."""

    def __init__(self, address: str, token: str) -> None:
        self._address = address
        self._package = importlib.import_module("dunning_client")
        self._modules = {
            tuple(module.name.split(".")[-2:]): importlib.import_module(module.name)
            for module in pkgutil.walk_packages(self._package.__path__, "dunning_client.")
        }
        self.client = self.with_token(token)
        self.anyone = self._package.Client(address, httpx_args=_DIRECTLY)
        self.read: dict[str, list[str]] = {
            f"{tag} {name}": [] for (tag, name), module in self._modules.items() if hasattr(module, "sync_detailed")
        }

    def with_token(self, token: str) -> Any:
        return self._package.AuthenticatedClient(self._address, token, httpx_args=_DIRECTLY)

    def model(self, name: str, **members: Any) -> Any:
        """An object of the generated class, from its JSON."""
        return getattr(importlib.import_module("dunning_client.models"), name).from_dict(members)

    def __call__(self, tag: str, operation: str, *ids: Any, status: int = 200, client: Any = None, **given: Any) -> Any:
        """Calls the operation whose name begins so. Fails unless the answer has this status and is read whole."""
        (key,) = [key for key in self.read if key.startswith(f"{tag} {operation}")]
        module: Any = self._modules[tuple(key.split(" "))]
        heard = module.sync_detailed(*ids, client=client or self.client, **given)
        assert heard.status_code == status, (key, heard.status_code, heard.content)
        if isinstance(heard.parsed, str):
            assert heard.parsed == heard.content.decode()
        else:
            parsed = heard.parsed
            again = [one.to_dict() for one in parsed] if isinstance(parsed, list) else parsed.to_dict()
            assert _plain(again) == _plain(json.loads(heard.content)), (key, again, heard.content)
        first = heard.parsed[0] if isinstance(heard.parsed, list) else heard.parsed
        self.read[key].append(type(first).__name__)
        return heard.parsed


def _plain(value: Any) -> Any:
    """Without the two ways to write a moment in UTC. A date that was never set has no offset and stays as it is: a day
    before it, which Python looks at for the local zone, there is no date."""
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, str) and value[10:11] == "T":
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo is None else moment.astimezone(UTC)
    return value


def call_operation(call: Calls) -> None:
    call("operation", "healthz", client=call.anyone)
    call("operation", "readyz", client=call.anyone)
    assert "dunning_notices_total" in call("operation", "metrics", client=call.anyone)


def post_notices(call: Calls, source: str, secret: str) -> None:
    failure = call.model("PaymentIntentFailed", InvoiceId="in_1", UserId=7, AmountDue=1999, ArtistName="Kari Nordmann")
    goodparty, deposit = "good_party_action_service", {"UserId": 8, "DepositAmount": 1, "Currency": "NOK"}
    call(goodparty, "log_invoice", body=failure)
    call(goodparty, "log_invoice", body=call.model("PaymentIntentFailed"), status=400)
    call(goodparty, "invoice_payment", body=call.model("DepositMoneyRequest", **deposit))
    logged = call(goodparty, "get_invoice", body=call.model("PaymentIntentStatusRequest"))
    assert logged.message[0].user_id == 7

    amount = {"currency": "EUR", "value_in_cents": 1250}
    payment = {"id": "txn_1", "company_id": "cmp_1", "total_amount": amount, "created_at": "2026-01-02T03:04:05Z"}
    event = call.model("MaplePaymentEvent", event_type="payment.failed", data=payment)
    body = httpx.Request("POST", "http://a", json=event.to_dict()).content
    now = str(int(time.time()))
    signature = hmac.new(secret.encode(), f"{now},".encode() + body, hashlib.sha256).hexdigest()
    signed = call.anyone.with_headers({"X-Maple-Signature": f"t={now},v1={signature}"})
    call("webhooks", "take", source, client=signed, body=event)
    call("webhooks", "take", "nobody", client=signed, body=event, status=404)


def read_lists(call: Calls) -> None:
    listed = call("failed_payments", "list")
    assert listed.total == 2
    number = listed.data[0].id
    assert call("failed_payments", "summarise").total == 2
    invoice = call.model("ActionRequest", action="invoice", reason="asked for one")
    assert call("failed_payments", "act_on", number, body=invoice).status == "invoiced"
    call("failed_payments", "act_on", number, body=call.model("ActionRequest", action="retry"), status=409)
    kinds = [type(entry).__name__ for entry in call("failed_payments", "read", number).timeline]
    assert kinds == ["AttemptEntry", "ActionEntry"], kinds
    call("failed_payments", "read", "ODR1", status=404)
    call("failed_payments", "list", client=call.with_token("no"), status=401)

    assert call("front_payment", "list_failed_orders_api").data[0].order_uuid
    call("front_payment", "list_failed_orders_of_status", "invoiced")
    call("front_payment", "list_failed_orders_of_status", "sold", status=417)
    call("front_payment", "read_failed", number)
    call("front_payment", "read_failed", "ODR1", status=404)


def charge_subscriptions(call: Calls) -> None:
    made = call("subscriptions", "create", body=call.model("CreateSubscription", **SUBSCRIPTION))
    assert made.pay_now_success
    call("subscriptions", "create", body=call.model("CreateSubscription", **{**SUBSCRIPTION, "amount": -1}), status=400)
    assert call("subscriptions", "list_all").items[0].id == made.id
    assert call("subscriptions", "read", str(made.id)).payment_amount.total_amount == 250
    assert len(call("subscriptions", "list_payments", str(made.id))) == 12
    for spelling in (
        "terminate_sub_api_v1_subscriptions_id_terminate_post",
        "terminate_sub_api_v1_subscriptions_id_terminate_put",
    ):
        call("subscriptions", spelling, str(made.id))
    call("subscriptions", "read", "nobody", status=404)


def report_payments(call: Calls) -> None:
    """The generated client cannot write what Stripe nests in its forms, so the record is made without it."""

    def report(operation: str, name: str, *ids: Any, **parameters: Any) -> Any:
        return call("payment_records", operation, *ids, body=call.model(name, **parameters))

    made = call.client.get_httpx_client().post("/v1/payment_records/report_payment", data=RECORD)
    record = made.raise_for_status().json()["id"]
    assert (
        report("report_payment_attempt_failed", "ReportFailed", record, failed_at=1794398460).amount_failed.value
        == 49900
    )
    report("report_payment_attempt_v1", "ReportAttempt", record, initiated_at=1794398500)
    report("report_payment_attempt_canceled", "ReportCanceled", record, canceled_at=1794398501)
    report("report_payment_attempt_v1", "ReportAttempt", record, initiated_at=1794398600)
    report("report_payment_attempt_guaranteed", "ReportGuaranteed", record, guaranteed_at=1794398601)
    report("report_payment_attempt_informational", "ReportInformational", record, description="Membership")
    assert call("payment_records", "list_payment_records").data[0].id == record
    latest = call("payment_records", "retrieve_payment_record", record).latest_payment_attempt_record
    call("payment_records", "retrieve_payment_attempt", latest)
    assert len(call("payment_records", "list_payment_attempt", payment_record=record).data) == 3
    nested = {"currency": "nok", "value": 1}
    method = {"type": "custom", "custom": {"display_name": "Vipps"}}
    call(
        "payment_records",
        "report_payment_v1",
        body=call.model("ReportPayment", amount_requested=nested, initiated_at=1, payment_method_details=method),
        status=400,
    )
    refund = call.model(
        "ReportRefund", outcome="refunded", processor_details={"type": "custom"}, refunded={"refunded_at": 1}
    )
    call("payment_records", "report_refund", record, body=refund, status=400)


def main(folder: str, address: str, token: str, source: str, secret: str) -> None:
    sys.path.insert(0, folder)
    call = Calls(address, token)
    call_operation(call)
    post_notices(call, source, secret)
    read_lists(call)
    charge_subscriptions(call)
    report_payments(call)
    sys.stdout.write(json.dumps(call.read))


if __name__ == "__main__":
    main(*sys.argv[1:])
