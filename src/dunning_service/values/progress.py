"""The progress of long work: the protocol by which it reports steps and counts."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the counts of the steps of long work."""

    def begin(self, step: str, total: int | None = None) -> None:
        """A step begins, or goes on; `total` is how much there is to do in it, where that is known."""
        ...

    def advance(self, count: int = 1) -> None:
        """So much more of the step is done, and stays done if the work is interrupted."""
        ...


class Unreported:
    """Progress that is not shown."""

    def begin(self, step: str, total: int | None = None) -> None:
        pass

    def advance(self, count: int = 1) -> None:
        pass
