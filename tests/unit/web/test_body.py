"""Reading a body, counted while it arrives."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from dunning_service.errors import BodyTooLarge, UnsupportedMediaType
from dunning_service.web.body import read_body

LIMIT = 10


def a_request(*parts: bytes, headers: dict[str, str] | None = None, hangs_up: bool = False) -> Request:
    """A request whose body arrives in `parts`."""
    messages: list[Any] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if hangs_up:
        messages.append({"type": "http.disconnect"})
    elif messages:
        messages[-1]["more_body"] = False
    else:
        messages.append({"type": "http.request"})
    waiting = iter(messages)

    async def receive() -> Any:
        return next(waiting)

    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw}, receive)


@pytest.mark.parametrize("parts", [(), (b"",), (b"0123456789",), (b"01234", b"", b"56789"), (b"", b"x", b"")])
async def test_body_up_to_the_limit_is_read(parts: tuple[bytes, ...]) -> None:
    assert await read_body(a_request(*parts), LIMIT) == b"".join(parts)


@pytest.mark.parametrize("parts", [(b"0123456789x",), (b"01234", b"56789", b"x"), (b"x" * 11, b"y")])
async def test_body_over_the_limit_is_refused(parts: tuple[bytes, ...]) -> None:
    with pytest.raises(BodyTooLarge, match="10 bytes"):
        await read_body(a_request(*parts), LIMIT)


@pytest.mark.parametrize("length", ["11", "9" * 5000])
async def test_announced_length_is_enough_to_refuse(length: str) -> None:
    with pytest.raises(BodyTooLarge):
        await read_body(a_request(headers={"Content-Length": length}, hangs_up=True), LIMIT)


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "GZIP"])
async def test_compressed_body_is_refused(encoding: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        await read_body(a_request(b"x", headers={"Content-Encoding": encoding}), LIMIT)


@pytest.mark.parametrize("encoding", ["identity", "Identity", "", " identity "])
async def test_body_that_says_it_is_plain_is_read(encoding: str) -> None:
    assert await read_body(a_request(b"x", headers={"Content-Encoding": encoding}), LIMIT) == b"x"


@pytest.mark.parametrize("parts", [(), (b"01",), (b"01", b"23")])
async def test_sender_that_hangs_up_is_noticed(parts: tuple[bytes, ...]) -> None:
    with pytest.raises(ClientDisconnect):
        await read_body(a_request(*parts, hangs_up=True), LIMIT)
