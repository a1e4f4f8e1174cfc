"""What signatures of several providers have in common."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dunning_service.errors import BadSignature
from dunning_service.providers._signatures import is_among, keyed_hash, read_signature_header, require_recent

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AT = int(NOW.timestamp())


def test_header_is_taken_apart() -> None:
    header = read_signature_header(b"t=123, v1=abc,\r\n v0=def ,")
    assert (header.timestamp, header.signatures) == (b"123", (b"abc", b"def"))


def test_base64_keeps_its_padding() -> None:
    assert read_signature_header(b"t=1,v1=ab/+==,cd==").signatures == (b"ab/+==", b"cd==")


def test_known_answer() -> None:
    # RFC 4231, test case 2
    expected = b"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert keyed_hash(b"Jefe", b"what do ya want for nothing?", "sha256", "hex") == expected


@pytest.mark.parametrize("off", [-300, 0, 300])
def test_time_within_the_tolerance_is_recent(off: int) -> None:
    require_recent(str(AT + off).encode(), NOW, 300)


@pytest.mark.parametrize(("off", "said"), [(-301, "old"), (301, "future")])
def test_time_beyond_the_tolerance_is_refused(off: int, said: str) -> None:
    with pytest.raises(BadSignature, match=said):
        require_recent(str(AT + off).encode(), NOW, 300)


@pytest.mark.parametrize(
    ("expected", "given", "found"),
    [([b"a"], [b"b", b"a"], True), ([b"a", b"b"], [b"b"], True), ([b"a"], [b"b"], False), ([], [b"a"], False)],
)
def test_one_match_is_enough(expected: list[bytes], given: list[bytes], found: bool) -> None:
    assert is_among(expected, given) is found


def test_bytes_of_any_kind_can_be_compared() -> None:
    assert is_among([b"abc"], ["æøå".encode(), b"\xff\x00"]) is False
