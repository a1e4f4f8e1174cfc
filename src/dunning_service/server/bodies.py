"""The limits of request bodies, and the memory that arriving ones may take."""

from __future__ import annotations

from dataclasses import dataclass, field

BODY_IS_HERE = "dunning.body_is_here"
"""The key in the scope of a request whose body has arrived in full."""


@dataclass(slots=True, kw_only=True)
class Bodies:
    """The limits of the request bodies of a process."""

    max_bytes: int
    """Of each."""
    timeout_s: float
    """How long each may take to arrive."""
    max_arriving_bytes: int
    """Of all together that have begun to arrive and are not there in full."""
    arriving_bytes: int = field(default=0, init=False)
