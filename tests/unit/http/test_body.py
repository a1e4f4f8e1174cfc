"""Reading a body, counted while it arrives."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from dunning_service.errors import BodyTooLarge, BodyTooSlow, Unavailable, UnsupportedMediaType
from dunning_service.http.body import read_body
from dunning_service.server.bodies import Bodies

LIMIT = 10


def some_bodies(**limits: Any) -> Bodies:
    return Bodies(**{"max_bytes": LIMIT, "timeout_s": 10, "max_arriving_bytes": 1_000, **limits})


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
    assert await read_body(a_request(*parts), some_bodies()) == b"".join(parts)


@pytest.mark.parametrize("parts", [(b"0123456789x",), (b"01234", b"56789", b"x"), (b"x" * 11, b"y")])
async def test_body_over_the_limit_is_refused(parts: tuple[bytes, ...]) -> None:
    with pytest.raises(BodyTooLarge, match="10 bytes"):
        await read_body(a_request(*parts), some_bodies())


@pytest.mark.parametrize("length", ["11", "9" * 5000])
async def test_announced_length_is_enough_to_refuse(length: str) -> None:
    with pytest.raises(BodyTooLarge):
        await read_body(a_request(headers={"Content-Length": length}, hangs_up=True), some_bodies())


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "GZIP"])
async def test_compressed_body_is_refused(encoding: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        await read_body(a_request(b"x", headers={"Content-Encoding": encoding}), some_bodies())


@pytest.mark.parametrize("encoding", ["identity", "Identity", "", " identity "])
async def test_body_that_says_it_is_plain_is_read(encoding: str) -> None:
    assert await read_body(a_request(b"x", headers={"Content-Encoding": encoding}), some_bodies()) == b"x"


@pytest.mark.parametrize("parts", [(), (b"01",), (b"01", b"23")])
async def test_sender_that_hangs_up_is_noticed(parts: tuple[bytes, ...]) -> None:
    with pytest.raises(ClientDisconnect):
        await read_body(a_request(*parts, hangs_up=True), some_bodies())


async def test_body_that_does_not_arrive_in_time_is_given_up() -> None:
    async def receive() -> Any:
        await asyncio.sleep(0.001)
        return {"type": "http.request", "body": b"", "more_body": True}

    bodies = some_bodies(timeout_s=0.02)
    slow = Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)
    with pytest.raises(BodyTooSlow, match=r"0\.02 seconds"):
        await read_body(slow, bodies)
    assert bodies.arriving_bytes == 0


async def test_bodies_that_arrive_together_may_take_only_so_much() -> None:
    bodies = some_bodies(max_arriving_bytes=12)
    has_begun, others_go_on = asyncio.Event(), asyncio.Event()
    parts = iter([b"01234567", b"8"])

    async def receive() -> Any:
        part = next(parts)
        if part == b"8":
            has_begun.set()
            await others_go_on.wait()
        return {"type": "http.request", "body": part, "more_body": part != b"8"}

    first = asyncio.create_task(
        read_body(Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive), bodies)
    )
    await has_begun.wait()
    with pytest.raises(Unavailable):
        await read_body(a_request(b"01234", b"5"), bodies)
    assert await read_body(a_request(b"0123456789"), bodies) == b"0123456789"  # there at once, so not kept here
    others_go_on.set()
    assert await first == b"012345678"
    assert await read_body(a_request(b"01234", b"5"), bodies) == b"012345"
    assert bodies.arriving_bytes == 0
