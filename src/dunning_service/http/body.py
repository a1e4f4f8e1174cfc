"""Request bodies: their exact bytes, limited in size and time while they arrive."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from dunning_service.errors import BodyTooLarge, BodyTooSlow, Unavailable, UnsupportedMediaType
from dunning_service.server.bodies import BODY_IS_HERE, Bodies


def require_json(request: Request, what: str, *others: str) -> None:
    """Raises UnsupportedMediaType unless the request says that its body is JSON; `others` are further names of it.
    `what` is what it should have sent."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in ("application/json", *others):
        return
    if not (media_type.startswith("application/") and media_type.endswith("+json")):
        raise UnsupportedMediaType(f"send {what} as JSON, with the header `Content-Type: application/json`")


def content_type_of(request: Request) -> bytes | None:
    """The header Content-Type as it was sent."""
    for name, value in request.scope["headers"]:
        if name == b"content-type":
            return bytes(value)
    return None


async def read_body(request: Request, bodies: Bodies) -> bytes:
    """The exact bytes that were sent, chunked or not.

    Raises BodyTooLarge as soon as there are, or are going to be, more than may be; BodyTooSlow when they have not
    arrived in time; UnsupportedMediaType for a compressed body; Unavailable when too many bodies are arriving at once;
    ClientDisconnect when the sender hangs up in the middle.
    """
    limit = bodies.max_bytes
    for name, value in request.scope["headers"]:
        if name == b"content-length":
            # more than 19 digits: too large whatever they say
            if value.isdigit() and (len(value) > 19 or int(value) > limit):
                raise _too_large(limit)
        elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise UnsupportedMediaType("compressed bodies are not read: send it without Content-Encoding")
    if BODY_IS_HERE in request.scope:  # most are, and a time-out costs more than to take it
        return await _whole(request, bodies)
    try:
        async with asyncio.timeout(bodies.timeout_s):
            return await _whole(request, bodies)
    except TimeoutError:
        raise BodyTooSlow(f"the body did not arrive within {bodies.timeout_s:g} seconds; send it again") from None


async def _whole(request: Request, bodies: Bodies) -> bytes:
    """The body, part by part. Only what has to be waited for is counted: what arrives at once is not kept here."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    first: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(first) > bodies.max_bytes:
            raise _too_large(bodies.max_bytes)
        return first
    body, counted = bytearray(first), 0
    try:
        while True:
            if len(body) > bodies.max_bytes:
                raise _too_large(bodies.max_bytes)
            bodies.arriving_bytes += len(body) - counted
            counted = len(body)
            if bodies.arriving_bytes > bodies.max_arriving_bytes:
                raise Unavailable("too many bodies are arriving at once; send it again")
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
    finally:
        bodies.arriving_bytes -= counted
    if len(body) > bodies.max_bytes:
        raise _too_large(bodies.max_bytes)
    return bytes(body)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {limit} bytes, which is the most this service takes")
