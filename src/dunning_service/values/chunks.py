"""What is too long to be done at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def in_chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """`items`, `size` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
