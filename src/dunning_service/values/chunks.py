"""Sequences cut into chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def in_chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Chunks of at most `size` items, in order."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
