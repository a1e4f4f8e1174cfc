"""Bearer tokens: their text, their digest and their scopes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from enum import StrEnum

PREFIX = "dun_"
"""What every token begins with, so that one that leaked is recognised for what it is."""


class Scope(StrEnum):
    """A permission of a token."""

    INGEST = "ingest"
    READ = "read"
    WRITE = "write"


def new_token() -> str:
    """A random token: `dun_` and 32 random bytes as urlsafe base64."""
    return PREFIX + secrets.token_urlsafe(32)


def token_digest(token: str) -> bytes:
    """SHA-256 of a token: all that is ever stored of it, and what it is looked up by."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def scopes_text(scopes: Iterable[Scope]) -> str:
    """Scopes as they are stored: space-separated, in the order of the enum."""
    given = set(scopes)
    return " ".join(scope for scope in Scope if scope in given)


def scopes_of(text: str) -> frozenset[Scope]:
    """The scopes a stored text names."""
    return frozenset(Scope(word) for word in text.split())
