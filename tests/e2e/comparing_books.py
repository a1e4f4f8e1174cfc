"""What the merchant's book says, what the ledger says, and what was agreed: all three, payment by payment."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from e2e.charging_book import Book, Customer, Entry
from e2e.senders import Account, complaints, listed

_TIMEOUT_S = 60
_AT_ONCE = 8
_ATTEMPT_STATUS = {"succeeded": "Succeeded", "declined": "Declined"}


@dataclass(frozen=True, slots=True)
class Agreed:
    """A subscription that was created."""

    id: str
    customer: Customer
    asked: dict[str, Any]
    told: Sequence[dict[str, Any]]
    """What the request was answered, each time that it was sent."""


async def differences(
    url: str, account: Account, addresses: Sequence[str], agreed: Sequence[Agreed], book: Book
) -> list[str]:
    """One sentence for each difference; none when all is well."""
    found = [f"endpoint: {complaint}" for complaint in book.complaints]
    found += [f"ledger check: {complaint}" for complaint in complaints(url)]
    entries = book.of_payments()
    taken = Counter(payment for payment, _ in book.money)
    found += [
        f"{payment} was charged {count} times: {entries[payment]}" for payment, count in taken.items() if count > 1
    ]
    waiting = list(enumerate(agreed))
    first_payments: dict[str, str] = {}
    async with httpx.AsyncClient(headers=account.auth, trust_env=False, timeout=_TIMEOUT_S) as client:

        async def read() -> None:
            while waiting:
                number, one = waiting.pop()
                address = addresses[number % len(addresses)]
                response = await client.get(f"{address}/sub-api/v1/subscriptions/{one.id}/payments")
                assert response.status_code == 200, response.text
                payments = response.json()
                first = payments[0]["id"]
                first_payments[first] = one.id
                found.extend(
                    f"payment {first} of subscription {one.id}, declines {list(one.customer.declines)}: {problem}; "
                    f"in the book: {_told(book, first)}; in the ledger: {payments[0]}"
                    for problem in _wrong_with(one, payments, entries.get(first, []), taken[first])
                )

        await asyncio.gather(*(read() for _ in range(_AT_ONCE)))
    found += [
        f"the book has {payment}, which nobody agreed to pay" for payment in entries.keys() - first_payments.keys()
    ]
    failed = {
        payment: _failure(entries[payment])
        for payment in first_payments
        if any(entry.outcome == "declined" for entry in entries.get(payment, []))
    }
    for address in addresses:
        found += await asyncio.to_thread(_wrong_with_lists, address, account, failed, first_payments)
    return found


def _wrong_with(one: Agreed, payments: Sequence[dict[str, Any]], entries: Sequence[Entry], taken: int) -> list[str]:
    first, *later = payments
    customer, wrong = one.customer, []
    if taken != customer.pays:
        wrong.append(f"it was charged {taken} times instead of {customer.pays:d}")
    if first["status"] != ("Paid" if customer.pays else "Failed"):
        wrong.append(f"it stands as {first['status']}")
    outcomes = ["declined"] * len(customer.declines) + ["succeeded"] * customer.pays
    if [(entry.number, entry.outcome) for entry in entries] != list(enumerate(outcomes, 1)):
        wrong.append(f"the book has other tries than {outcomes}")
    recorded = [(attempt["status"], attempt["transactionId"]) for attempt in first["attempts"]]
    if recorded != [(_ATTEMPT_STATUS.get(str(entry.outcome)), entry.transaction_id) for entry in entries]:
        wrong.append("the ledger has other attempts than the book")
    asked_for = {entry.charge["amount_minor"] for entry in entries}
    if asked_for != {one.asked["amount"] * 100}:
        wrong.append(f"{asked_for} was charged instead of {one.asked['amount'] * 100}")
    count = one.asked["numberOfPayments"]
    if [payment["paymentOrder"] for payment in payments] != list(range(1, len(payments) + 1)):
        wrong.append(f"the payments are {[payment['paymentOrder'] for payment in payments]}")
    if (count and len(payments) != count) or (not count and customer.pays and len(payments) != 2):
        wrong.append(f"there are {len(payments)} payments of {count or 'an open end'}")
    wrong += [f"a later one was tried: {payment}" for payment in later if payment["attempts"]]
    told = {answer["transactionId"] for answer in one.told if answer["payNowSuccess"]}
    if told and [told] != [{entry.transaction_id} for entry in entries[:1] if entry.outcome == "succeeded"]:
        wrong.append(f"its creation was answered with {one.told}")
    return wrong


@dataclass(frozen=True, slots=True)
class _Failure:
    status: str
    attempts: int
    failed_attempts: int


def _failure(entries: Sequence[Entry]) -> _Failure:
    declined = sum(entry.outcome == "declined" for entry in entries)
    return _Failure("paid" if len(entries) > declined else "failed", len(entries), declined)


def _wrong_with_lists(
    address: str, account: Account, failed: dict[str, _Failure], first_payments: dict[str, str]
) -> list[str]:
    """The failed payments, as both lists have them."""
    items = listed(address, account)
    ours = {
        item["provider_payment_id"]: _Failure(item["status"], item["attempt_count"], item["failed_attempt_count"])
        for item in items
    }
    found = [
        f"the list has {ours.get(payment)} of {payment} where the book has {failed.get(payment)}"
        for payment in ours.keys() | failed.keys()
        if ours.get(payment) != failed.get(payment)
    ]
    found += [f"still planned: {item}" for item in items if item["next_attempt_at"] is not None]
    theirs = _front_payment_list(address, account)
    wanted = Counter((first_payments[payment], failure.status.upper()) for payment, failure in failed.items())
    if theirs != wanted:
        found.append(f"Front Payment's list has {theirs - wanted} too many and {wanted - theirs} too few")
    return found


def _front_payment_list(address: str, account: Account) -> Counter[tuple[str, str]]:
    """Subscription and status of each order of the list, page by page."""
    found: Counter[tuple[str, str]] = Counter()
    page, last = 1, 1
    with httpx.Client(base_url=address, headers=account.auth, trust_env=False, timeout=_TIMEOUT_S) as client:
        while page <= last:
            response = client.get("/api/v1/connect/subscriptions/failed/list", params={"page": page})
            assert response.status_code == 200, response.text
            body = response.json()
            found.update((order["subscriptionUuid"], order["status"]) for order in body["data"])
            page, last = page + 1, body["metaData"]["lastPage"]
    return found


def _told(book: Book, payment_id: str) -> dict[str, list[str]]:
    return {key: entry.story for key, entry in book.entries.items() if entry.payment_id == payment_id}
