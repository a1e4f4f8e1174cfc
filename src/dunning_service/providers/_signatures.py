"""HMAC signatures of webhooks, as several providers use them; compared as bytes, in constant time."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from dunning_service.errors import BadSignature

HashName = Literal["sha1", "sha256", "sha384", "sha512"]
Encoding = Literal["hex", "base64"]

_MAX_HEADER = 4_096
_MAX_CANDIDATES = 16
_VERSIONED = re.compile(rb"v\d{1,3}=")
_TIMESTAMP = re.compile(rb"\d{1,11}")


@dataclass(frozen=True, slots=True)
class SignatureHeader:
    """A header of the form `t=<unix seconds>,v1=<signature>,v0=<signature>`, or of signatures alone."""

    timestamp: bytes | None
    """As it was sent, because it is part of what is signed; None when there was no `t=`."""
    signatures: tuple[bytes, ...]


def read_signature_header(value: bytes) -> SignatureHeader:
    """The parts of a signature header, with white space around commas and the names of versions taken off.

    Raises BadSignature for a header without a signature, with two timestamps, or of a length or a number of parts that
    no sender has a use for.
    """
    if len(value) > _MAX_HEADER:
        raise BadSignature("the signature header is too long to be one")
    timestamp: bytes | None = None
    signatures: list[bytes] = []
    for part in value.split(b","):
        part = part.strip()
        if part.startswith(b"t="):
            if timestamp is not None:
                raise BadSignature("the signature header holds two timestamps")
            timestamp = part[2:]
            if _TIMESTAMP.fullmatch(timestamp) is None:
                raise BadSignature("the timestamp in the signature header is not a number of seconds since 1970")
        elif part:
            versioned = _VERSIONED.match(part)
            signatures.append(part[versioned.end() :] if versioned else part)
    if not signatures:
        raise BadSignature("the signature header holds no signature")
    if len(signatures) > _MAX_CANDIDATES:
        raise BadSignature("the signature header holds too many signatures")
    return SignatureHeader(timestamp, tuple(signatures))


def require_recent(timestamp: bytes, now: datetime, tolerance_seconds: int) -> None:
    """Raises BadSignature when a signature's time is further from `now`, in either direction, than is tolerated."""
    age = now.timestamp() - int(timestamp)
    if abs(age) > tolerance_seconds:
        direction = "old" if age > 0 else "far in the future"
        raise BadSignature(f"the signature is too {direction}: {abs(age):.0f} s, and {tolerance_seconds} are accepted")


def keyed_hash(secret: bytes, message: bytes, hash_name: HashName, encoding: Encoding) -> bytes:
    """The HMAC of `message`, as text in ASCII."""
    digest = hmac.digest(secret, message, hash_name)
    return digest.hex().encode("ascii") if encoding == "hex" else base64.b64encode(digest)


def is_among(expected: Iterable[bytes], given: Sequence[bytes]) -> bool:
    """True when one of `given` is one of `expected`. Takes as long whichever it is, and looks at all of them."""
    found = False
    for one in expected:
        for other in given:
            found |= hmac.compare_digest(one, other)
    return found
