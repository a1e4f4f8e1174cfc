"""The merchant's own charging endpoint, called over HTTPS. Its contract is docs/gateways.md."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import secrets
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from typing import Any, ClassVar, Final
from uuid import UUID

import httpx
from standardwebhooks import Webhook

from dunning_service.clock import Clock
from dunning_service.errors import ConfigurationError
from dunning_service.gateways._answers import read_charge, read_lookup
from dunning_service.gateways._base import (
    Charged,
    ChargeRequest,
    NotSent,
    OutcomeUnknown,
    require_key,
)
from dunning_service.gateways._network import (
    AddressRefused,
    NetworkRules,
    PinnedTransport,
    Resolve,
    allowed_url,
    system_addresses,
)

MAX_ANSWER_BYTES: Final = 65_536

_CONNECT_SECONDS = 10.0
_USER_AGENT = f"dunning-service/{version('dunning-service')}"
_SECRET_PREFIX = "whsec_"  # noqa: S105  (how such a secret begins, and none itself)
_SECRET_BYTES = range(24, 65)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes


class HttpGateway:
    """Charges by asking the merchant's endpoint, which knows its payment provider."""

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
        """Raises ConfigurationError for a URL that `rules` do not allow, and for a secret that cannot sign.

        With several secrets each signs, so that the endpoint can change over to a new one.
        """
        self._url = allowed_url(url, rules)
        self._host = httpx.URL(self._url).host
        self._signers = [_signer(secret) for secret in signing_secrets]
        if not self._signers:
            raise ConfigurationError("the charging endpoint needs a signing secret: requests are never sent unsigned")
        self._clock = clock
        self._timeout_seconds = rules.timeout_seconds
        self._max_answer_bytes = max_answer_bytes
        self._client = httpx.AsyncClient(
            transport=PinnedTransport(rules, tls or _tls(), resolve),
            timeout=httpx.Timeout(rules.timeout_seconds, connect=min(rules.timeout_seconds, _CONNECT_SECONDS)),
            follow_redirects=False,
            trust_env=False,  # a proxy of the environment would decide by itself where to connect
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def charge(self, key: str, request: ChargeRequest) -> Charged:
        """See Gateway."""
        require_key(key)
        try:
            answer = await self._ask("POST", self._url, key, charge_body(key, request))
        except AddressRefused as refused:
            raise NotSent(f"nothing was sent: {refused}") from None
        return read_charge(answer.status, answer.body, key, self._clock())

    async def lookup(self, key: str) -> Charged | None:
        """See Gateway."""
        require_key(key)
        try:
            answer = await self._ask("GET", f"{self._url}/{key}", key, "")
        except AddressRefused as refused:
            raise OutcomeUnknown(f"nothing was sent: {refused}") from None
        return read_lookup(answer.status, answer.body, key, self._clock())

    def method_problem(self, payment_method_id: UUID) -> str | None:
        """None: only the endpoint knows its payment methods."""
        return None

    async def close(self) -> None:
        """See Gateway."""
        await self._client.aclose()

    async def _ask(self, method: str, url: str, key: str, body: str) -> _Answer:
        """Raises OutcomeUnknown unless an answer came whole, and AddressRefused."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                request = self._client.build_request(
                    method, url, content=body.encode(), headers=self._headers(key, body)
                )
                response = await self._client.send(request, stream=True)
                try:
                    return _Answer(response.status_code, await self._read(response))
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.TimeoutException):
            problem = f"{self._host} did not answer within {self._timeout_seconds:g} s"
        except httpx.ConnectError as error:
            problem = f"no connection to {self._host}: {error or 'refused'}"
        except (httpx.HTTPError, OSError) as error:
            problem = f"the connection to {self._host} broke: {error or type(error).__name__}"
        raise OutcomeUnknown(problem)

    def _headers(self, key: str, body: str) -> Mapping[str, str]:
        now = self._clock().astimezone(UTC)
        headers = {
            "Idempotency-Key": key,
            "webhook-id": key,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signer.sign(key, now, body) for signer in self._signers),
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # what is packed could unpack to any size
            "User-Agent": _USER_AGENT,
        }
        if body:
            headers["Content-Type"] = "application/json"
        return headers

    async def _read(self, response: httpx.Response) -> bytes:
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise OutcomeUnknown("the endpoint's answer is compressed, which was not asked for")
        body = bytearray()
        async for part in response.aiter_raw():
            body += part
            if len(body) > self._max_answer_bytes:
                raise OutcomeUnknown(f"the endpoint's answer is longer than {self._max_answer_bytes} bytes")
        return bytes(body)


def charge_body(key: str, request: ChargeRequest) -> str:
    """The JSON of a charge: of the same key and request always the same text."""
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


def new_signing_secret() -> str:
    """A secret as Standard Webhooks writes one: `whsec_` and 32 random bytes in base64."""
    return _SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _signer(secret: str) -> Webhook:
    try:
        key = base64.b64decode(secret.strip().removeprefix(_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.strip().startswith(_SECRET_PREFIX) or len(key) not in _SECRET_BYTES:
        raise ConfigurationError(
            f"the signing secret is not {_SECRET_PREFIX} and 24 to 64 bytes in base64, as Standard Webhooks has it"
        )
    return Webhook(key)


@cache
def _tls() -> ssl.SSLContext:
    """The authorities that ship with the client, and those that the system or SSL_CERT_FILE names."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


def _text(identifier: UUID | None) -> str | None:
    return None if identifier is None else str(identifier)
