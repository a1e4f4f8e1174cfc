"""Stripe's own Python client in each of its forms, unchanged but for where it sends and that its answers are checked.

Whatever it is answered is held against the contract before the client makes an object of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
import stripe

from contract._stripe_contract import require_contract


def _require(method: str, url: str, headers: Any, answer: tuple[Any, int, Any]) -> None:
    content, status, received = answer
    request = httpx.Request(method, url, headers=headers)
    plain = {name: value for name, value in received.items() if name.lower() != "content-encoding"}
    response = httpx.Response(status, headers=plain, content=content, request=request)
    require_contract(method, urlsplit(url).path, response)


class _CheckedRequests(stripe.RequestsClient):
    """What the client takes by itself for calls that wait."""

    def request(self, method: str, url: str, headers: Any, post_data: Any = None, **rest: Any) -> Any:
        answer = super().request(method, url, headers, post_data, **rest)
        _require(method, url, headers, answer)
        return answer


class _CheckedHttpx(stripe.HTTPXClient):
    """What it takes for calls that are awaited."""

    async def request_async(self, method: str, url: str, headers: Any, post_data: Any = None) -> Any:
        answer = await super().request_async(method, url, headers, post_data)
        _require(method, url, headers, answer)
        return answer


@asynccontextmanager
async def _transport() -> AsyncIterator[stripe.HTTPClient]:
    awaited = _CheckedHttpx()
    waiting = _CheckedRequests(async_fallback_client=awaited)
    try:
        yield waiting
    finally:
        waiting.close()
        await awaited.close_async()


class Client(Protocol):
    """One way to write the calls; `noun` is "payment_record" or "payment_attempt_record"."""

    async def call(self, noun: str, verb: str, *ids: str, options: Mapping[str, Any] = ..., **params: Any) -> Any: ...

    async def all_of(self, page: Any) -> list[Any]:
        """Everything in a list, by the client's own paging."""
        ...


class ByClient:
    """`client.v1.payment_records.report_payment(params={...})`."""

    def __init__(self, client: stripe.StripeClient) -> None:
        self.client = client

    async def call(self, noun: str, verb: str, *ids: str, options: Any = None, **params: Any) -> Any:
        return getattr(getattr(self.client.v1, f"{noun}s"), verb)(*ids, params=params, options=options or {})

    async def all_of(self, page: Any) -> list[Any]:
        return list(page.auto_paging_iter())


class ByClientAwaited(ByClient):
    """`await client.v1.payment_records.report_payment_async(params={...})`."""

    async def call(self, noun: str, verb: str, *ids: str, options: Any = None, **params: Any) -> Any:
        service = getattr(self.client.v1, f"{noun}s")
        return await getattr(service, f"{verb}_async")(*ids, params=params, options=options or {})

    async def all_of(self, page: Any) -> list[Any]:
        return [one async for one in page.auto_paging_iter()]


_CLASSES: dict[str, Any] = {
    "payment_record": stripe.PaymentRecord,
    "payment_attempt_record": stripe.PaymentAttemptRecord,
}


class ByModule:
    """`stripe.PaymentRecord.report_payment(...)`."""

    async def call(self, noun: str, verb: str, *ids: str, options: Any = None, **params: Any) -> Any:
        return getattr(_CLASSES[noun], verb)(*ids, **(options or {}), **params)

    async def all_of(self, page: Any) -> list[Any]:
        return list(page.auto_paging_iter())


class ByModuleAwaited(ByModule):
    """`await stripe.PaymentRecord.report_payment_async(...)`."""

    async def call(self, noun: str, verb: str, *ids: str, options: Any = None, **params: Any) -> Any:
        return await getattr(_CLASSES[noun], f"{verb}_async")(*ids, **(options or {}), **params)

    async def all_of(self, page: Any) -> list[Any]:
        return [one async for one in page.auto_paging_iter()]


@asynccontextmanager
async def stripe_client(key: str, address: str, **options: Any) -> AsyncIterator[stripe.StripeClient]:
    """A `StripeClient` that talks to this address."""
    async with _transport() as transport:
        yield stripe.StripeClient(key, base_addresses={"api": address}, http_client=transport, **options)


@asynccontextmanager
async def stripe_module(key: str, address: str) -> AsyncIterator[None]:
    """The module's own settings, as a program sets them that has no client object; as they were, at the end."""
    before = (stripe.api_key, stripe.api_base, stripe.default_http_client)
    async with _transport() as transport:
        stripe.api_key, stripe.api_base, stripe.default_http_client = key, address, transport
        try:
            yield
        finally:
            stripe.api_key, stripe.api_base, stripe.default_http_client = before
