"""The raw body, counted while it arrives."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request

from dunning_service.errors import BodyTooLarge, UnsupportedMediaType


async def read_body(request: Request, limit: int) -> bytes:
    """The exact bytes that were sent, chunked or not.

    Raises BodyTooLarge as soon as there are, or are going to be, more than `limit`; UnsupportedMediaType for a
    compressed body; ClientDisconnect when the sender hangs up in the middle.
    """
    for name, value in request.scope["headers"]:
        if name == b"content-length":
            # more than 19 digits: too large whatever they say
            if value.isdigit() and (len(value) > 19 or int(value) > limit):
                raise _too_large(limit)
        elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise UnsupportedMediaType("compressed bodies are not read: send it without Content-Encoding")
    receive = request.receive
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts, size = [body], len(body)
    while message.get("more_body", False):
        if size > limit:
            raise _too_large(limit)
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
    if size > limit:
        raise _too_large(limit)
    return b"".join(parts)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {limit} bytes, which is the most this service takes")
