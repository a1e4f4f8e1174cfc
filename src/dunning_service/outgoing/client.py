"""The HTTP client for outgoing requests: signed, to one allowed host, bounded in time and in what it reads."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from typing import Final

import httpx

from dunning_service.outgoing.network import NetworkRules, PinnedTransport, Resolve, allowed_url, system_addresses
from dunning_service.outgoing.signing import Signer
from dunning_service.values.clock import Clock

MAX_ANSWER_BYTES: Final = 65_536

_CONNECT_SECONDS = 10.0
_USER_AGENT = f"dunning-service/{version('dunning-service')}"


class NoAnswer(Exception):
    """The error for a request whose answer did not arrive whole: the receiver may have acted on it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The status and the whole body of a response."""

    status: int
    body: bytes


class OutgoingClient:
    """Sends signed JSON requests to one URL and to paths below it. Redirects, proxies and cookies are not followed."""

    def __init__(
        self,
        url: str,
        signing_secrets: Sequence[str],
        *,
        rules: NetworkRules,
        clock: Clock,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = system_addresses,
    ) -> None:
        """Raises ConfigurationError for a URL that `rules` do not allow, and for a secret that cannot sign."""
        self._url = allowed_url(url, rules)
        self._host = httpx.URL(self._url).host
        self._signer = Signer(signing_secrets)
        self._clock = clock
        self._timeout_seconds = rules.timeout_seconds
        self._client = httpx.AsyncClient(
            transport=PinnedTransport(rules, tls or _tls(), resolve),
            timeout=httpx.Timeout(rules.timeout_seconds, connect=min(rules.timeout_seconds, _CONNECT_SECONDS)),
            follow_redirects=False,
            trust_env=False,  # a proxy of the environment would decide by itself where to connect
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def send(
        self, method: str, message_id: str, body: str = "", *, path: str = "", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The answer to a request. Raises NoAnswer, and AddressRefused when nothing was sent."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                request = self._client.build_request(
                    method,
                    self._url + path,
                    content=body.encode(),
                    headers={**self._headers(message_id, body), **(headers or {})},
                )
                response = await self._client.send(request, stream=True)
                try:
                    return Answer(response.status_code, await self._read(response))
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.TimeoutException):
            problem = f"{self._host} did not answer within {self._timeout_seconds:g} s"
        except httpx.ConnectError as error:
            problem = f"no connection to {self._host}: {error or 'refused'}"
        except (httpx.HTTPError, OSError) as error:
            problem = f"the connection to {self._host} broke: {error or type(error).__name__}"
        raise NoAnswer(problem)

    async def close(self) -> None:
        """Closes the connections that are kept alive."""
        await self._client.aclose()

    def _headers(self, message_id: str, body: str) -> Mapping[str, str]:
        headers = {
            **self._signer.headers(message_id, self._clock(), body),
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # a compressed body could unpack to any size
            "User-Agent": _USER_AGENT,
        }
        if body:
            headers["Content-Type"] = "application/json"
        return headers

    async def _read(self, response: httpx.Response) -> bytes:
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise NoAnswer("the endpoint's answer is compressed, which was not asked for")
        body = bytearray()
        async for part in response.aiter_raw():
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                raise NoAnswer(f"the endpoint's answer is longer than {MAX_ANSWER_BYTES} bytes")
        return bytes(body)


@cache
def _tls() -> ssl.SSLContext:
    """The TLS context: the authorities that ship with httpx, and those of the system or SSL_CERT_FILE."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context
