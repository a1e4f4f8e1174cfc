"""Reading a decision about a payment from a request, and the one that is no decision of the ledger's alone."""

from __future__ import annotations

from fastapi import Request
from pydantic import ValidationError

from dunning_service.apis.own.schemas import ActionRequest
from dunning_service.billing.service import retry_payment
from dunning_service.errors import ActionDoesNotApply, FieldError, UnreadableNotice
from dunning_service.failed_payments.queries import find_payment
from dunning_service.http.body import content_type_of, read_body, require_json
from dunning_service.http.parameters import field_errors, refused
from dunning_service.ledger.work import ActionRecorded, IdempotencyKey
from dunning_service.merchants.directory import Principal
from dunning_service.senders import SUBSCRIPTIONS
from dunning_service.services import Services, services
from dunning_service.values.exact_json import read_json


async def read_action(request: Request) -> ActionRequest:
    """The decision in the body, which is JSON and holds nothing else.

    Raises UnsupportedMediaType, BodyTooLarge, or RequestValidationError naming what is wrong.
    """
    body = await read_body(request, services(request).bodies)
    require_json(request, "the decision")
    try:
        action = ActionRequest.model_validate(read_json(body, content_type_of(request), _is_exact))
    except UnreadableNotice as error:
        raise refused("body", [FieldError("", error.message)]) from None
    except ValidationError as error:
        raise refused("body", field_errors(error)) from None
    errors = action.misfits()
    if errors:
        raise refused("body", errors)
    return action


def _is_exact(path: str) -> bool:
    """False for the reason, which is only shown."""
    return path != "reason"


async def retry(
    services: Services, principal: Principal, number: str, reason: str | None, key: IdempotencyKey | None
) -> ActionRecorded:
    """Has the payment of that public number tried again at once.

    Raises NotFound, IdempotencyKeyReused, or ActionDoesNotApply, also for a payment that another system charges.
    """
    async with services.database.read() as connection:
        payment = await find_payment(connection, principal.merchant.id, number)
    if payment.provider != SUBSCRIPTIONS.name:
        raise ActionDoesNotApply(
            f"retry does not apply to a payment that {payment.provider} reported: only the system that charges it can "
            f"try it again, and here that is done for the payments of `{SUBSCRIPTIONS.name}` alone"
        )
    return await retry_payment(
        services.database,
        services.writer,
        principal,
        payment_id=payment.provider_payment_id,
        subscription_id=payment.provider_subscription_id,
        reason=reason,
        idempotency_key=key,
    )
