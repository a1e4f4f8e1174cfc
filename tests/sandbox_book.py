"""Where a sandbox remembers that is made for one test."""

from __future__ import annotations


class BookInMemory:
    """A book for one process and no longer."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    async def get(self, key: str) -> str | None:
        """What is kept under `key`."""
        return self._kept.get(key)

    async def put(self, key: str, value: str) -> str:
        """Keeps `value` unless something is there already; answers what is kept."""
        return self._kept.setdefault(key, value)
