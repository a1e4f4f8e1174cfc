"""The merchant's own charging endpoint, called over HTTPS. Its contract is docs/gateways.md."""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from dunning_service.gateways import Charged, ChargeRequest, NotSent, OutcomeUnknown, require_key
from dunning_service.gateways._answers import read_charge, read_lookup
from dunning_service.outgoing.client import MAX_ANSWER_BYTES, Answer, NoAnswer, OutgoingClient
from dunning_service.outgoing.network import AddressRefused, NetworkRules, Resolve, system_addresses
from dunning_service.values.clock import Clock


class HttpGateway:
    """The gateway that charges through the merchant's own endpoint."""

    name: ClassVar[str] = "http"

    def __init__(
        self,
        url: str,
        signing_secrets: Sequence[str],
        *,
        rules: NetworkRules,
        clock: Clock,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = system_addresses,
    ) -> None:
        """Raises ConfigurationError for a URL that `rules` do not allow, and for a secret that cannot sign."""
        self._clock = clock
        self._client = OutgoingClient(
            url,
            signing_secrets,
            rules=rules,
            clock=clock,
            max_answer_bytes=max_answer_bytes,
            tls=tls,
            resolve=resolve,
        )

    async def charge(self, key: str, request: ChargeRequest) -> Charged:
        """See Gateway."""
        require_key(key)
        try:
            answer = await self._ask("POST", key, charge_body(key, request))
        except AddressRefused as refused:
            raise NotSent(f"nothing was sent: {refused}") from None
        return read_charge(answer.status, answer.body, key, self._clock())

    async def lookup(self, key: str) -> Charged | None:
        """See Gateway."""
        require_key(key)
        try:
            answer = await self._ask("GET", key, path=f"/{key}")
        except AddressRefused as refused:
            raise OutcomeUnknown(f"nothing was sent: {refused}") from None
        return read_lookup(answer.status, answer.body, key, self._clock())

    def method_problem(self, payment_method_id: UUID) -> str | None:
        """None: only the endpoint knows its payment methods."""
        return None

    async def close(self) -> None:
        """See Gateway."""
        await self._client.close()

    async def _ask(self, method: str, key: str, body: str = "", *, path: str = "") -> Answer:
        """The response of the endpoint. Raises OutcomeUnknown unless it arrived whole, and AddressRefused."""
        try:
            return await self._client.send(method, key, body, path=path, headers={"Idempotency-Key": key})
        except NoAnswer as problem:
            raise OutcomeUnknown(str(problem)) from None


def charge_body(key: str, request: ChargeRequest) -> str:
    """The JSON body of a charge, the same for the same key and request."""
    body: dict[str, Any] = {
        "key": key,
        "payment_id": request.payment_id,
        "attempt_number": request.attempt_number,
        "amount_minor": request.money.minor,
        "currency": request.money.currency,
        "payment_method_id": str(request.payment_method_id),
        "transaction_type": request.transaction_type.value,
        "is_faster_processing": request.is_faster_processing,
        "subscription_id": request.subscription_id,
        "customer_id": _text(request.customer_id),
        "payment_processor_id": _text(request.payment_processor_id),
        "due_on": None if request.due_on is None else request.due_on.isoformat(),
    }
    return json.dumps(body, separators=(",", ":"))


def _text(identifier: UUID | None) -> str | None:
    return None if identifier is None else str(identifier)
