"""Notices as providers send them, each of another payment, as whole HTTP requests of one length."""

from __future__ import annotations

import hmac
import itertools
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

_PLACE = "#"
"""Stands in a template for the number of the payment."""
_DIGITS = b"%09d"

RequestOf = Callable[[int], bytes]


def goodparty(token: str, path: str = "/api/ActionService/LogInvoicePaymentFailed") -> RequestOf:
    """The request for payment `n`: JSON with all 17 fields of the contract, and a bearer token."""
    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%d")
    template = _template(
        {
            "Id": 0,
            "InvoiceId": f"in_1QmXbVLkdIwHu7ix{_PLACE}",
            "PaymentIntentId": f"pi_3QmXbWLkdIwHu7ix{_PLACE}",
            "PaymentMethodId": f"pm_1QmXaRLkdIwHu7ix{_PLACE}",
            "AmountDue": 1999,
            "StripeCustomerId": f"cus_Rf{_PLACE}",
            "CustomerEmail": f"listener.{_PLACE}@example.com",
            "SubscriptionId": f"sub_1QmXbVLkdIwHu7ix{_PLACE}",
            "UserId": 481_516,
            "FailedTimeStamp": f"{yesterday}T19:31:58.0620744+00:00",
            "AttemptCount": 1,
            "StatusId": 1,
            "ArtistName": "Ingrid and the Northern Lights",
            "PackageID": 14,
            "PackageExpiryDate": f"{yesterday}T23:59:59.0000000+00:00",
            "PhoneNumber": "+4741234567",
            "ProfileUrl": f"https://goodparty.example.com/artists/{_PLACE}",
        }
    )
    times = template.count(_DIGITS)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: GoodParty/4.2\r\nAccept: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {len(template % ((0,) * times))}\r\n\r\n"
    ).encode()
    whole = head.replace(b"%", b"%%") + template
    return lambda n: whole % ((n,) * times)


def maple(path: str, secret: str) -> RequestOf:
    """The request for payment `n`: an event with the payment of the contract, signed now."""
    at = (datetime.now(UTC) - timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    amount = {"currency": "EUR", "value_in_cents": 4900}
    nothing = {"currency": "EUR", "value_in_cents": 0}
    payment = {
        "id": f"txn_01JD7K2Q{_PLACE}",
        "company_id": "cmp_01HZY3T5N8",
        "customer_id": f"customer_01JC{_PLACE}",
        "customer": {
            "id": f"customer_01JC{_PLACE}",
            "identifier": f"C-{_PLACE}",
            "name": "Grace Example",
            "org_name": "Example Ltd",
            "email": f"grace.{_PLACE}@example.com",
            "parent_customer_id": None,
        },
        "invoice_uuid": f"3f0c2f6e-6f0e-4d55-9d0b-{_PLACE}abc",
        "invoice_number": f"INV-{_PLACE}",
        "provider_transaction_id": f"pi_3QmXbWLkdIwHu7ix{_PLACE}",
        "provider_type": "stripe",
        "transaction_type": "charge",
        "payment_method": {"type": "card", "brand": "visa", "name": "Visa", "last_4": "4242"},
        "status": "failed",
        "status_message": "insufficient_funds",
        "total_amount": amount,
        "total_amount_default_currency": amount,
        "total_fee_amount": nothing,
        "net_amount": amount,
        "application_fee_amount": nothing,
        "stripe_fee_amount": nothing,
        "refundable_amount": nothing,
        "connected_account_transaction": False,
        "is_refundable": False,
        "is_voidable": False,
        "disallow_partial_refund": None,
        "initiated_by": None,
        "initiated_by_type": None,
        "note": None,
        "proposal_id": None,
        "created_at": at,
        "updated_at": at,
        "deleted_at": None,
    }
    template = _template({"event_type": "payment.failed", "created_at": at, "data_type": "payment", "data": payment})
    times = template.count(_DIGITS)
    signed_at = b"%d" % time.time()
    key = secret.encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Convoy/v24.8.1\r\nAccept: */*\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(template % ((0,) * times))}\r\n"
        f"X-Maple-Signature: t={signed_at.decode()},v1="
    ).encode()

    def request(n: int) -> bytes:
        body = template % ((n,) * times)
        signature = hmac.digest(key, b"%b,%b" % (signed_at, body), "sha256").hex().encode()
        return b"%b%b\r\n\r\n%b" % (head, signature, body)

    return request


def made_beforehand(request_of: RequestOf, count: int) -> Iterator[bytes]:
    """One request for each payment, for ever: the first `count` are made now, the others when it is their turn."""
    return itertools.chain([request_of(n) for n in range(count)], map(request_of, itertools.count(count)))


def body_size(request: bytes) -> int:
    return len(request.partition(b"\r\n\r\n")[2])


def _template(notice: dict[str, object]) -> bytes:
    text = json.dumps(notice, separators=(",", ":"))
    return text.replace("%", "%%").encode().replace(_PLACE.encode(), _DIGITS)
