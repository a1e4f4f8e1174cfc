"""What a payment is searched by."""

from __future__ import annotations

from dataclasses import replace

from building import NOON, a_failure
from dunning_service.events import AttemptReported
from dunning_service.ledger.facts import Receipt, attempt_of
from dunning_service.ledger.texts import FoldedTexts
from dunning_service.ledger.working_set import Payment


def texts(provider: str, *events: AttemptReported, receipt: Receipt | None = None) -> FoldedTexts:
    payment = Payment((1, provider, "in_1"), 1, "UTC", receipt=receipt)
    for number, event in enumerate(events, 1):
        payment.put_attempt(attempt_of(event, delivery_digest=None, received_at=NOON, number=number))
    return payment.texts


def test_what_is_shown_is_folded() -> None:
    shown = a_failure(
        customer_name="STRA\u1e9eE \u00c5s",
        customer_email="Ada@Example.COM",
        customer_phone="+47 465 67",
        description="\u00c5rsavgift",
    )
    assert texts("maple", shown)[:4] == ("strasse as", "ada@example.com", "+4746567", "arsavgift")
    assert texts("maple", replace(shown, customer_name="", customer_phone="", description=""))[2:4] == (None, None)


def test_ids_are_those_of_every_revision_and_of_the_receipt() -> None:
    first = a_failure(attempt="txn_1", provider_customer_id="cus_A", details={"provider_transaction_id": "ch_\u00c9"})
    corrected = replace(first, provider_customer_id="cus_B", details={"status": "failed"}, amount_minor=1)
    receipt = Receipt(
        provider_receipt_id="TX-1", digest=b"", payer_key="7:cus_A", amount_minor=None, currency=None, received_at=NOON
    )
    found = texts("maple", first, corrected, a_failure(attempt="txn_2"), receipt=receipt).identifiers_folded
    assert found.split("\n") == ["ch_\u00e9", "cus_a", "cus_b", "in_1", "tx-1", "txn_1", "txn_2"]


def test_ids_are_what_the_sender_says_they_are() -> None:
    details = {
        "UserId": 9,
        "PackageID": 0,
        "StatusId": 3,
        "PaymentMethodId": None,
        "PaymentIntentId": "pi_1",
        "metadata": {"order": "6735"},
        "payment_method_details": {"type": "custom", "payment_method": "pm_1"},
    }
    failure = a_failure(attempt="2", details=details)
    for provider, expected in {
        "goodparty": ["9", "in_1", "pi_1"],
        "payment_records": ["2", "6735", "in_1", "pm_1"],
        "nobody": ["in_1"],
    }.items():
        assert texts(provider, failure).identifiers_folded.split("\n") == expected
