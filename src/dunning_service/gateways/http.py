"""The merchant's own charging endpoint, called over HTTPS. Only what docs/gateways.md defines is definite."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

import orjson

from dunning_service.errors import DunningError
from dunning_service.events import MAX_IDENTIFIER, MAX_TEXT, Category
from dunning_service.gateways import (
    Charged,
    ChargeOutcome,
    ChargeRequest,
    NotCharged,
    NotSent,
    OutcomeUnknown,
    require_key,
)
from dunning_service.outgoing.client import Answer, NoAnswer, OutgoingClient
from dunning_service.outgoing.network import AddressRefused
from dunning_service.values.clock import Clock
from dunning_service.values.exact_json import read_json
from dunning_service.values.moments import require_possible
from dunning_service.values.reading import moment

_REFUSED: Final = "refused"
_NOT_FOUND: Final = "not_found"
_OUTCOMES: Final = frozenset({*(outcome.value for outcome in ChargeOutcome), _REFUSED, _NOT_FOUND})

_HINTS: Final[Mapping[int, str]] = {
    401: "it does not accept the signature: compare the signing secrets",
    403: "it does not accept the signature: compare the signing secrets",
    404: "nothing answers at this path: check the endpoint's URL",
    405: "it does not take this method: it has to take POST at its URL and GET at its URL, a slash and the key",
    413: "it finds the request too long",
    429: "it is asked too often",
}


class HttpGateway:
    """The gateway that charges through the merchant's own endpoint."""

    name: ClassVar[str] = "http"

    def __init__(self, client: OutgoingClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

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
    body = {
        "key": key,
        "payment_id": request.payment_id,
        "attempt_number": request.attempt_number,
        "amount_minor": request.money.minor,
        "currency": request.money.currency,
        "payment_method_id": request.payment_method_id,
        "transaction_type": request.transaction_type.name.lower(),
        "is_faster_processing": request.is_faster_processing,
        "subscription_id": request.subscription_id,
        "customer_id": request.customer_id,
        "payment_processor_id": request.payment_processor_id,
        "due_on": request.due_on,
    }
    return orjson.dumps(body).decode()


def read_charge(status: int, body: bytes, key: str, now: datetime) -> Charged:
    """The outcome of a charge by the response to it. Raises OutcomeUnknown and NotCharged."""
    answer = _contract_answer(status, body, key)
    outcome = answer["outcome"]
    if outcome == _REFUSED and 400 <= status < 500:
        raise NotCharged(f"the endpoint refused the request: {_reason(answer)}")
    if outcome == ChargeOutcome.DECLINED and 400 <= status < 500:  # 402 is a common way to say it
        return _charged(answer, now)
    return _settled(status, answer, now)


def read_lookup(status: int, body: bytes, key: str, now: datetime) -> Charged | None:
    """The outcome of a charge by the response to a lookup; None for `not_found` only. Raises OutcomeUnknown."""
    answer = _contract_answer(status, body, key)
    if answer["outcome"] == _NOT_FOUND and (status == 404 or 200 <= status < 300):
        return None
    if answer["outcome"] == _REFUSED:
        raise OutcomeUnknown(f"the endpoint refused to look up: {_reason(answer)}")
    return _settled(status, answer, now)


def _contract_answer(status: int, body: bytes, key: str) -> Mapping[str, Any]:
    """The body of a response that follows the contract. Raises OutcomeUnknown saying what is wrong with another."""
    if 300 <= status < 400:
        raise OutcomeUnknown(f"the endpoint answered {status}, a redirect, and none is followed: give its final URL")
    if status >= 500:
        raise OutcomeUnknown(f"the endpoint answered {status}, an error of its own")
    hint = f": {_HINTS[status]}" if status in _HINTS else ""
    try:
        answer = read_json(body, is_exact=lambda _path: False)
    except DunningError as error:
        raise OutcomeUnknown(f"the endpoint answered {status}{hint or ', and ' + error.message}") from None
    said: Mapping[str, Any] = answer if isinstance(answer, dict) else {}
    outcome = said.get("outcome")
    if not isinstance(outcome, str) or outcome not in _OUTCOMES:
        missing = f', and its body has no "outcome" that is one of {", ".join(sorted(_OUTCOMES))}'
        raise OutcomeUnknown(f"the endpoint answered {status}{hint or missing}")
    if said.get("key") != key:
        raise OutcomeUnknown(
            'the endpoint\'s answer is about another charge: "key" in the body has to repeat the Idempotency-Key'
        )
    return said


def _settled(status: int, answer: Mapping[str, Any], now: datetime) -> Charged:
    if not 200 <= status < 300 or answer["outcome"] in (_REFUSED, _NOT_FOUND):
        raise OutcomeUnknown(f'the endpoint contradicts itself: "{answer["outcome"]}" does not go with {status}')
    return _charged(answer, now)


def _charged(answer: Mapping[str, Any], now: datetime) -> Charged:
    """The outcome with its details. A detail that cannot be read is left out: it must not make an outcome unknown."""
    return Charged(
        outcome=ChargeOutcome(answer["outcome"]),
        provider_transaction_id=_identifier(answer, "transaction_id"),
        provider=_text(answer, "provider"),
        code=_text(answer, "code"),
        message=_text(answer, "message", MAX_TEXT),
        provider_advice=_text(answer, "provider_advice"),
        network=_text(answer, "network"),
        network_code=_text(answer, "network_code"),
        network_advice=_text(answer, "network_advice"),
        category=_category(answer),
        occurred_at=_moment(answer, now),
    )


def _text(answer: Mapping[str, Any], name: str, longest: int = MAX_IDENTIFIER) -> str | None:
    """A text, or a whole number as one: codes are often written without quotes."""
    value = answer.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    return value.strip()[:longest] or None


def _identifier(answer: Mapping[str, Any], name: str) -> str | None:
    """An identifier; None when a character of it could not be kept and became U+FFFD."""
    text = _text(answer, name)
    return None if text is None or "\ufffd" in text else text


def _category(answer: Mapping[str, Any]) -> Category | None:
    text = _text(answer, "category")
    try:
        return None if text is None else Category(text.lower())
    except ValueError:
        return None


def _moment(answer: Mapping[str, Any], now: datetime) -> datetime | None:
    try:
        found = moment(_text(answer, "occurred_at"))
        if found is not None:
            require_possible(found, now)
    except ValueError:
        return None
    return found


def _reason(answer: Mapping[str, Any]) -> str:
    said = [text for text in (_text(answer, "message", MAX_TEXT), _text(answer, "code")) if text]
    return " / ".join(said) or "it gave no reason"
