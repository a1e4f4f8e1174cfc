"""Tokens: unguessable, recognisable, and known only by their digest."""

from __future__ import annotations

import hashlib
import re

from dunning_service.merchants.tokens import Scope, new_token, scopes_of, scopes_text, token_digest


def test_a_token_is_dun_and_32_random_bytes() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch(r"dun_[A-Za-z0-9_-]{43}", token) for token in tokens)


def test_the_digest_is_the_sha256_of_the_token() -> None:
    assert token_digest("dun_abc") == hashlib.sha256(b"dun_abc").digest()


def test_any_text_has_a_digest() -> None:
    assert len({token_digest(text) for text in ("", "\u00e6\u00f8\u00e5", "\udcff", "x" * 100_000)}) == 4


def test_scopes_are_stored_in_one_order() -> None:
    assert scopes_text([Scope.WRITE, Scope.INGEST, Scope.WRITE]) == "ingest write"
    assert scopes_of("ingest write") == {Scope.INGEST, Scope.WRITE}
