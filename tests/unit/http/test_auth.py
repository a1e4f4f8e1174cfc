"""Where a bearer token is found."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from dunning_service.http.auth import bearer_token


def a_request(*authorizations: bytes) -> Request:
    return Request({"type": "http", "headers": [(b"authorization", value) for value in authorizations]})


@pytest.mark.parametrize("value", [b"Bearer dun_x", b"bearer dun_x", b"BEARER  dun_x "])
def test_token_is_found(value: bytes) -> None:
    assert bearer_token(a_request(value)) == "dun_x"


@pytest.mark.parametrize(
    "values", [(), (b"",), (b"Bearer",), (b"Bearer ",), (b"Basic dun_x",), (b"dun_x",), (b"Bearer a",) * 2]
)
def test_anything_else_is_no_token(values: tuple[bytes, ...]) -> None:
    assert bearer_token(a_request(*values)) is None


def test_bytes_that_are_no_text_are_no_crash() -> None:
    assert bearer_token(a_request(b"Bearer \xff\xfe")) == "\xff\xfe"
