"""The commands of the ledger for the calls that report something: the rows each one needs, and what it records.

Each public function has the name of its call, and a docstring that is the call's description in the OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dunning_service.apis.stripe import rules
from dunning_service.apis.stripe.errors import NoSuchObject
from dunning_service.apis.stripe.numbers import to_value
from dunning_service.apis.stripe.requests import (
    ReportAttempt,
    ReportCanceled,
    ReportFailed,
    ReportGuaranteed,
    ReportInformational,
    ReportPayment,
    ReportRefund,
)
from dunning_service.apis.stripe.values import GivenMetadata
from dunning_service.apis.stripe.wire import ReportedAttempt, event_of, is_record_id, new_record_id
from dunning_service.errors import RuleBroken
from dunning_service.events import AttemptReported, Delivery, Outcome
from dunning_service.ledger.models import RefundRow
from dunning_service.ledger.work import Command, Effect, IdempotencyKey, Lookup, Snapshot
from dunning_service.merchants.directory import MerchantView
from dunning_service.senders import PAYMENT_RECORDS

Row = Mapping[str, Any]

Change = Callable[[ReportedAttempt, int], ReportedAttempt]
"""A rule: from the latest attempt and the time, in Unix seconds, to the attempt that the record shows next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A request that reports something: its merchant, path, delivery and idempotency key."""

    merchant: MerchantView
    path: str
    delivery: Delivery
    idempotency_key: IdempotencyKey | None


def report_payment(posted: Posted, given: ReportPayment) -> Command:
    """A new record with its first attempt, which is open unless its outcome is told."""
    record_id = new_record_id()

    def execute(snapshot: Snapshot, now: datetime) -> Effect:
        attempt = rules.report_payment(given, record_id=record_id, now=_seconds(now))
        return Effect(_answer(attempt, 0), [event_of(attempt, snapshot.attempts[attempt.record_id], now)])

    return _command(posted, record_id, execute)


def report_payment_attempt(posted: Posted, record_id: str, given: ReportAttempt) -> Command:
    """One more attempt, when all others have failed or were canceled."""
    return _changing(posted, record_id, lambda latest, now: rules.report_attempt(latest, given, now=now))


def report_payment_attempt_failed(posted: Posted, record_id: str, given: ReportFailed) -> Command:
    """The latest attempt must be open. The payment is a failed payment from then on."""
    return _settling(posted, record_id, Outcome.FAILED, given.failed_at, given.metadata)


def report_payment_attempt_guaranteed(posted: Posted, record_id: str, given: ReportGuaranteed) -> Command:
    """The latest attempt must be open. The payment is paid from then on."""
    return _settling(posted, record_id, Outcome.GUARANTEED, given.guaranteed_at, given.metadata)


def report_payment_attempt_canceled(posted: Posted, record_id: str, given: ReportCanceled) -> Command:
    """The latest attempt must be open."""
    return _settling(posted, record_id, Outcome.CANCELED, given.canceled_at, given.metadata)


def report_payment_attempt_informational(posted: Posted, record_id: str, given: ReportInformational) -> Command:
    """Customer, description, shipping or metadata of the latest attempt; its outcome stays as it is."""
    return _changing(posted, record_id, lambda latest, now: rules.inform(latest, given))


def report_refund(posted: Posted, record_id: str, given: ReportRefund) -> Command:
    """Money paid back of a guaranteed attempt, at most what is left of it."""
    merchant_id = posted.merchant.id
    refunds = _refunds_of(merchant_id, record_id)
    lookups = [refunds]
    processor = given.processor_details.custom
    if processor is not None:
        reference = processor.refund_reference
        lookups.append(
            Lookup(RefundRow, ("merchant_id", "provider", "reference"), (merchant_id, PAYMENT_RECORDS.name, reference))
        )

    def execute(snapshot: Snapshot, now: datetime) -> Effect:
        latest = _latest(snapshot, record_id)
        for lookup in lookups[1:]:
            _require_new_reference(snapshot.rows[lookup])
        before = snapshot.rows[refunds]
        refunded_minor = _sum(before)
        refund = rules.refund(latest, given, refunded_minor=refunded_minor, now=_seconds(now))
        attempt = latest.changed(metadata=rules.merged_metadata(latest.metadata, given.metadata))
        row = {
            "merchant_id": merchant_id,
            "provider": PAYMENT_RECORDS.name,
            "provider_payment_id": record_id,
            "number": len(before) + 1,
            "provider_attempt_id": latest.id,
            **refund,
            "received_at": posted.delivery.received_at,
            "delivery_digest": snapshot.delivery_digest,
            "details": {"initiated_at": given.initiated_at, "metadata": given.metadata or {}},
        }
        return Effect(
            _answer(attempt, refunded_minor + refund["amount_minor"]),
            _events(attempt, latest, snapshot, now),
            [(RefundRow, row)],
            touched=[record_id],
        )

    return _command(posted, record_id, execute, lookups)


def _settling(posted: Posted, record_id: str, outcome: Outcome, at: int, metadata: GivenMetadata) -> Command:
    """The command that sets the outcome of a record's latest attempt, as of `at` in Unix seconds."""
    return _changing(posted, record_id, lambda latest, now: rules.settle(latest, outcome, at, metadata))


def _changing(posted: Posted, record_id: str, change: Change) -> Command:
    """The command that changes the latest attempt of a record, or adds one after it."""
    refunds = _refunds_of(posted.merchant.id, record_id)

    def execute(snapshot: Snapshot, now: datetime) -> Effect:
        latest = _latest(snapshot, record_id)
        attempt = change(latest, _seconds(now))
        return Effect(_answer(attempt, _sum(snapshot.rows[refunds])), _events(attempt, latest, snapshot, now))

    return _command(posted, record_id, execute, [refunds])


def _command(
    posted: Posted, record_id: str, execute: Callable[[Snapshot, datetime], Effect], lookups: Sequence[Lookup] = ()
) -> Command:
    """Raises NoSuchObject for what cannot be the id of a record."""
    if not is_record_id(record_id):  # not everything a path can hold can be asked of a database
        raise NoSuchObject("payment_record", record_id)
    return Command(
        merchant_id=posted.merchant.id,
        time_zone=posted.merchant.time_zone,
        provider=PAYMENT_RECORDS.name,
        provider_payment_ids=[record_id],
        origin=posted.path,
        delivery=posted.delivery,
        lookups=lookups,
        idempotency_key=posted.idempotency_key,
        execute=execute,
    )


def _refunds_of(merchant_id: int, record_id: str) -> Lookup:
    return Lookup(
        RefundRow, ("merchant_id", "provider", "provider_payment_id"), (merchant_id, PAYMENT_RECORDS.name, record_id)
    )


def _latest(snapshot: Snapshot, record_id: str) -> ReportedAttempt:
    """Raises NoSuchObject for a record that this merchant does not have."""
    attempts = snapshot.attempts[record_id]
    if not attempts:
        raise NoSuchObject("payment_record", record_id)
    return ReportedAttempt.model_validate(attempts[-1].details)


def _require_new_reference(taken: Sequence[Row]) -> None:
    for row in taken:
        raise RuleBroken(
            f"The refund_reference '{row['reference']}' is that of a refund of "
            f"{to_value(row['amount_minor'], row['currency'])} {row['currency'].lower()} of "
            f"{row['provider_payment_id']}; each refund has a reference of its own."
        )


def _events(
    attempt: ReportedAttempt, latest: ReportedAttempt, snapshot: Snapshot, now: datetime
) -> list[AttemptReported]:
    """The new revision of an attempt; none where nothing changes."""
    return [] if attempt == latest else [event_of(attempt, snapshot.attempts[attempt.record_id], now)]


def _sum(refunds: Sequence[Row]) -> int:
    return sum(row["amount_minor"] for row in refunds)


def _answer(attempt: ReportedAttempt, refunded_minor: int) -> dict[str, Any]:
    return attempt.as_record(refunded_minor).model_dump(mode="json")


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
