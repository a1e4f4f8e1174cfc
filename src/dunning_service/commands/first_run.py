"""The first start on an empty database: a merchant to try the service with, and the commands to try."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from shlex import quote

from sqlalchemy.engine import Connection

from dunning_service.gateways.service import choose_sandbox
from dunning_service.merchants.keyring import Keyring
from dunning_service.merchants.service import add_merchant, add_token, list_merchants
from dunning_service.merchants.sources import NewSecret, add_source
from dunning_service.merchants.tokens import Scope

STARTER_CURRENCY = "EUR"
"""Unless `serve --currency` says otherwise: a first list without amounts would show nothing of what the list is for."""

_NAME = "default"


@dataclass(frozen=True, slots=True)
class FirstRun:
    """The merchant, token and source of a first start. Token and secret are shown only then."""

    merchant: str
    currency: str
    token: str
    source: NewSecret


def made_on_empty(connection: Connection, keyring: Keyring, currency: str, now: datetime) -> FirstRun | None:
    """Makes a merchant with a token, a Maple source and the sandbox; None where there are merchants already."""
    if list_merchants(connection):
        return None
    merchant = add_merchant(connection, name=_NAME, default_currency=currency, time_zone="UTC", now=now)
    token = add_token(connection, merchant=merchant, name="first", scopes=Scope, expires_at=None, now=now)
    choose_sandbox(connection, merchant, now=now)
    source = add_source(connection, keyring, merchant=merchant, provider="maple", secret=None, options={}, now=now)
    return FirstRun(merchant.name, currency, token.token, source)


def welcome(made: FirstRun, address: str, now: datetime, *, with_worker: bool) -> str:
    """The text that `serve` prints once. Its `curl` lines can be pasted into a POSIX shell, more than once."""
    another = f"dunning merchant set {quote(made.merchant)} --currency NOK"
    due = "what is due is charged while this service runs" if with_worker else "`dunning worker` charges what is due"
    return f"""\
This database was empty, so here is something to begin with. It is shown only this once.

  merchant  {made.merchant}
  currency  {made.currency}   (of notices that name none; for another: {another})
  token     {made.token}
  source    {address}{made.source.path}   (Maple)
  secret    {made.source.secret}
  gateway   sandbox: it only pretends to charge, and {due}

Report a failed payment with the token, as GoodParty's ActionService takes it:

{_post_with_token(made, address, now)}

Send a signed webhook, as Maple Billing does:

{_signed_webhook(made, address, now)}

See which payments have failed, first in Front Payment's shape and then in the ledger's own:

{_get(made, address, "/api/v1/connect/subscriptions/failed/list")}

{_get(made, address, "/api/v1/failed-payments")}
"""


def later(merchant: str) -> str:
    """The line that `serve` prints on every start after the first."""
    scopes = " ".join(f"--scope {scope}" for scope in Scope)
    return f"For a new token: dunning token add --merchant {quote(merchant)} {scopes}"


def _post_with_token(made: FirstRun, address: str, now: datetime) -> str:
    notice = {
        "InvoiceId": "in_first",
        "PaymentIntentId": "pi_first",
        "AmountDue": 1999,
        "StripeCustomerId": "cus_first",
        "CustomerEmail": "ada@example.com",
        "SubscriptionId": "sub_first",
        "UserId": 1,
        "FailedTimeStamp": _rfc3339(now),
        "AttemptCount": 1,
        "StatusId": 1,
        "ArtistName": "Ada Example",
        "PhoneNumber": "+4741234567",
    }
    return (
        f"curl -sS -w '\\n' -X POST {quote(address + '/api/ActionService/LogInvoicePaymentFailed')}"
        f" -H {quote(f'Authorization: Bearer {made.token}')} -H 'Content-Type: application/json'"
        f" --data-binary {quote(_compact(notice))}"
    )


def _signed_webhook(made: FirstRun, address: str, now: datetime) -> str:
    at = _rfc3339(now)
    amount = {"currency": "EUR", "value_in_cents": 4900}
    payment = {
        "id": "txn_first",
        "company_id": "cmp_first",
        "customer_id": "customer_first",
        "customer": {
            "id": "customer_first",
            "identifier": "C-1",
            "name": "Grace Example",
            "org_name": "Example Ltd",
            "email": "grace@example.com",
        },
        "invoice_uuid": "3f0c2f6e-6f0e-4d55-9d0b-7f2f3c1d9a10",
        "invoice_number": "INV-1",
        "provider_transaction_id": "pi_second",
        "provider_type": "stripe",
        "transaction_type": "charge",
        "payment_method": {"type": "card", "brand": "visa", "name": "Visa", "last_4": "4242"},
        "status": "failed",
        "status_message": "insufficient_funds",
        "total_amount": amount,
        "total_amount_default_currency": amount,
        "total_fee_amount": {"currency": "EUR", "value_in_cents": 0},
        "net_amount": amount,
        "application_fee_amount": {"currency": "EUR", "value_in_cents": 0},
        "stripe_fee_amount": {"currency": "EUR", "value_in_cents": 0},
        "connected_account_transaction": False,
        "is_refundable": False,
        "is_voidable": False,
        "created_at": at,
        "updated_at": at,
        "deleted_at": None,
    }
    event = {"event_type": "payment.failed", "created_at": at, "data_type": "payment", "data": payment}
    # the signature covers the time, so it is made when the line is run and not when it is printed
    return (
        f"t=$(date +%s); body={quote(_compact(event))};"
        f" curl -sS -w '\\n' -X POST {quote(address + made.source.path)} -H 'Content-Type: application/json'"
        ' -H "X-Maple-Signature: t=$t,v1=$(printf %s "$t,$body"'
        f" | openssl dgst -sha256 -hmac {quote(made.source.secret)}"
        """ | sed 's/^.* //')" --data-binary "$body\""""
    )


def _get(made: FirstRun, address: str, path: str) -> str:
    return f"curl -sS -w '\\n' {quote(address + path)} -H {quote(f'Authorization: Bearer {made.token}')}"


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
