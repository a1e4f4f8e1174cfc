"""What an application can be asked: every route in its tree, and every place in a request that can name something."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Mount

Key = tuple[str, str]
"""Method and path, as `("GET", "/v1/payment_records/{id}")`; method `*` is whatever a route takes that is none of our
own, such as a mounted application or a websocket."""

_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at one path."""

    key: Key
    places: frozenset[str]
    """Where a caller can name something: `path.id`, `query.cursor`, `header.Idempotency-Key`, `body`."""


def operations_of(app: FastAPI) -> list[Operation]:
    """All of them, also those of included routers and mounts, and those that the OpenAPI document leaves out."""
    documented = app.openapi()["paths"]
    return [_operation(key, documented) for key in _keys(app.routes)]


def uncovered(app: FastAPI, covered: Mapping[Key, Iterable[str]], open_to_all: Iterable[Key]) -> list[str]:
    """What nobody has tried with another merchant's token, each as a line to read.

    `covered` has the places that have been tried; `open_to_all` what needs no token and shows no merchant's rows. What
    stands there and is no route of the application is a line, too.
    """
    free, missing = set(open_to_all), []
    operations = operations_of(app)
    for operation in operations:
        method, path = operation.key
        if operation.key in free:
            continue
        if operation.key not in covered:
            missing.append(f"{method} {path} is not covered")
            continue
        tried = set(covered[operation.key])
        missing += [f"{method} {path}: {place} is not covered" for place in sorted(operation.places - tried)]
        missing += [f"{method} {path} has no {place}" for place in sorted(tried - operation.places)]
    known = {operation.key for operation in operations}
    return missing + [f"there is no {method} {path}" for method, path in sorted({*covered, *free} - known)]


def _keys(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[Key]:
    for found in iter_route_contexts(routes):
        if isinstance(found.original_route, Mount) and found.original_route.routes:
            yield from _keys(found.original_route.routes, prefix + found.original_route.path)
            continue
        path = prefix + (found.path_format or found.path or getattr(found.original_route, "path", "?"))
        methods = set(found.methods or {"*"})
        for method in sorted(methods - {"HEAD"} if "GET" in methods else methods):
            yield method, path


def _operation(key: Key, documented: Mapping[str, Any]) -> Operation:
    method, path = key
    places = {f"path.{name}" for name in _PARAMETER.findall(path)}
    described = documented.get(path, {}).get(method.lower(), {})
    places |= {f"{one['in']}.{one['name']}" for one in described.get("parameters", ())}
    if "requestBody" in described:
        places.add("body")
    return Operation(key, frozenset(places))
