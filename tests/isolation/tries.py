"""What is tried at a place of an operation, and how a request is made of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from contract._webhooks import signed
from isolation.operations import Key
from isolation.tenants import Asked, World, a_post
from running import RegisteredSource


class Told(Enum):
    """What an answer may tell."""

    MISSING = auto()
    """404."""
    NOTHING = auto()
    """A list, a sum or a count of nothing."""
    REFUSED = auto()
    """422: it is not from this list."""
    OURS = auto()
    """What it told before they came, to the byte."""
    NEW = auto()
    """That it was done, for us, as if they were not there."""
    ADDRESS = auto()
    """401. Whoever knows the address of a source has been told it; it cannot be guessed."""


Value = Any
"""To be sent at a place; or a function that makes it of the world, when it is known only then."""


@dataclass(frozen=True, slots=True)
class Try:
    """Something of theirs, and what is of the same form but nobody's; None: every value is somebody's or nobody's."""

    theirs: Value
    nobodys: Value
    told: Told

    @property
    def is_foreseen(self) -> bool:
        """Whether it could be sent before they came."""
        return not callable(self.theirs)


Base = Callable[[World], Awaitable[dict[str, Any]]]
"""The rest of the request by place, `body` and all, so that it would be accepted; with fresh objects of ours."""


@dataclass(frozen=True, slots=True)
class Probe:
    """All that is tried at one operation, by place; where two places belong together, by both with a space between,
    and the values are pairs."""

    tries: Mapping[str, tuple[Try, ...]]
    base: Base

    @property
    def places(self) -> set[str]:
        return {place for places in self.tries for place in places.split()}


async def asked(world: World, key: Key, base: Base, places: str, value: Value) -> Asked:
    """The request of `base` with `value` at these places."""
    method, path = key
    named = places.split()
    values = value if len(named) > 1 else [value(world) if callable(value) else value]
    given = {**await base(world), **dict(zip(named, values, strict=True))}
    headers, query = {}, []
    for where, what in given.items():
        location, _, name = where.partition(".")
        if location == "path":
            path = path.replace(f"{{{name}}}", what)
        elif location == "query":
            query.append(("expand[]" if name == "expand" else name, what))
        elif location == "header":
            headers[name] = what
    made = Asked(method, path, tuple(query), headers)
    if "body" not in given:
        return made
    body = given["body"]
    if isinstance(body, bytes):
        source = world.our_source if world.our_source.path == path else RegisteredSource("", world.our_source.secret)
        return Asked(method, path, made.query, headers | signed(world.we.service, source, body), body)
    form = a_post(path, body)
    return Asked(method, path, made.query, headers | form.headers, form.content)


async def nothing(_world: World) -> dict[str, Any]:
    """A base for what is refused before anybody looks at it."""
    return {}


def nothing_else(**given: Any) -> Base:
    async def base(world: World) -> dict[str, Any]:
        return {where: what(world) if callable(what) else what for where, what in given.items()}

    return base


def one(theirs: Value, nobodys: Value, told: Told) -> tuple[Try, ...]:
    return (Try(theirs, nobodys, told),)
