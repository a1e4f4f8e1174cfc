"""Actions on an existing subscription: terminating it, and retrying a payment of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from dunning_service.billing import commands, queries, retrying
from dunning_service.database.engines import Database
from dunning_service.events import Delivery, kept_headers
from dunning_service.ledger.actions import as_recorded
from dunning_service.ledger.work import ActionRecorded, CommandDone, IdempotencyKey, Recorder
from dunning_service.merchants.directory import MerchantView, Principal


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
    recorder: Recorder,
    merchant: MerchantView,
    subscription_id: str,
    posted: PostedRequest,
    now: datetime,
) -> CommandDone:
    """Terminates a subscription: drops what is scheduled and cancels open failures. A second time changes nothing.

    Raises NotFound, or IdempotencyKeyReused.
    """

    command = commands.terminate(
        merchant,
        subscription_id,
        path=posted.path,
        delivery=posted.delivery(now),
        idempotency_key=posted.idempotency_key,
    )
    return await recorder.execute(command)


async def retry_payment(
    database: Database,
    recorder: Recorder,
    principal: Principal,
    *,
    payment_id: str,
    subscription_id: str,
    reason: str | None,
    idempotency_key: IdempotencyKey | None,
) -> ActionRecorded:
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
