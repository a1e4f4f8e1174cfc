"""Actions on an existing subscription: terminating it, and retrying a payment of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from dunning_service.billing import commands, queries, retrying
from dunning_service.database.engines import Database
from dunning_service.errors import FailuresChanged
from dunning_service.events import Delivery, kept_headers
from dunning_service.ledger.deciding import as_recorded
from dunning_service.ledger.work import Command, CommandDone, DecisionRecorded, IdempotencyKey, Recorder
from dunning_service.merchants.directory import MerchantView, Principal

_TRIES: Final = 5
"""A payment of the same subscription would have to fail between each two of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedRequest:
    """A posted request: what is stored of it, and its idempotency key."""

    path: str
    headers: Iterable[tuple[bytes, bytes]]
    body: bytes
    idempotency_key: IdempotencyKey | None

    @property
    def content_type(self) -> bytes | None:
        """The value of its Content-Type; None without one."""
        return next((value for name, value in self.headers if name == b"content-type"), None)

    def delivery(self, now: datetime) -> Delivery:
        """The delivery that is stored of it."""
        return Delivery(self.body, kept_headers(list(self.headers)), now)


async def terminate_subscription(
    database: Database,
    recorder: Recorder,
    merchant: MerchantView,
    subscription_id: str,
    posted: PostedRequest,
    now: datetime,
) -> CommandDone:
    """Terminates a subscription: drops what is scheduled and cancels open failures. A second time changes nothing.

    Raises NotFound, or IdempotencyKeyReused.
    """

    def command_of(failed_payment_ids: Collection[str]) -> Command:
        return commands.terminate(
            merchant,
            subscription_id,
            failed_payment_ids,
            path=posted.path,
            delivery=posted.delivery(now),
            idempotency_key=posted.idempotency_key,
        )

    failed = await _failed_payment_ids(database, merchant.id, subscription_id)
    return await execute_naming_failures(database, recorder, merchant.id, subscription_id, command_of, failed)


async def retry_payment(
    database: Database,
    recorder: Recorder,
    principal: Principal,
    *,
    payment_id: str,
    subscription_id: str,
    reason: str | None,
    idempotency_key: IdempotencyKey | None,
) -> DecisionRecorded:
    """Has a payment that has failed tried again at once, by a worker.

    Raises NotFound, ActionDoesNotApply, or IdempotencyKeyReused.
    """
    async with database.read() as connection:
        method = await queries.payment_method_of(connection, principal.merchant.id, subscription_id)
    command = retrying.retry(
        principal,
        payment_id=payment_id,
        subscription_id=subscription_id,
        payment_method_id=method,
        reason=reason,
        idempotency_key=idempotency_key,
    )
    done = await recorder.execute(command)
    return replace(as_recorded(dict(done.answer)), is_replay=done.answered_before is not None)


async def execute_naming_failures(
    database: Database,
    recorder: Recorder,
    merchant_id: int,
    subscription_id: str,
    command_of: Callable[[Collection[str]], Command],
    failed_payment_ids: Collection[str] = (),
) -> CommandDone:
    """Has a command executed that has to name payments of the subscription that stand as failed.

    `command_of` makes it of these ids, and makes it again of all that there are whenever these are not enough. Raises
    what the command does, and FailuresChanged when other payments fail faster than they can be named.
    """
    for _ in range(_TRIES - 1):
        try:
            return await recorder.execute(command_of(failed_payment_ids))
        except FailuresChanged:
            failed_payment_ids = await _failed_payment_ids(database, merchant_id, subscription_id)
    return await recorder.execute(command_of(failed_payment_ids))


async def _failed_payment_ids(database: Database, merchant_id: int, subscription_id: str) -> Collection[str]:
    async with database.read() as connection:
        return await queries.failed_payment_ids(connection, merchant_id, subscription_id)
