"""The OpenAPI document: what FastAPI generates for the routes, corrected in one place for every route, with examples.

Examples are files in the folder `examples/` beside the module of a route. NAME is that of the route's endpoint, the
first part of its operation id:

    NAME.request.json      the body of a request
    NAME.200.json          the reply of that status
    NAME.400.CASE.json     one of several replies of that status (or requests), named by what it shows
    401.json default.json  the reply of that status, of every operation of the folder that has no file of its own for it

A media type of XML has `.xml` in place of `.json`; a form has the object of its members, as `.json`.
"""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

Document = dict[str, Any]

_COMPONENTS = "#/components/schemas/"
_DEFINITIONS = "#/$defs/"
_KEYWORDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "min_length": "minLength",
    "max_length": "maxLength",
}
"""pydantic's names of constraints, which it leaves as they are where a validator runs before the type's own, and what
JSON Schema calls them."""

_VALUES = frozenset({"const", "default", "enum", "example", "examples"})
"""Members that hold values of a caller's rather than parts of the document."""

_MAPS = frozenset({"$defs", "content", "headers", "paths", "properties", "responses", "schemas", "securitySchemes"})
"""Members whose own members are named by us, so that their names mean nothing to OpenAPI."""


def complete(document: Document, routes: Sequence[BaseRoute]) -> None:
    """Corrects in place the document that FastAPI has generated for these routes.

    * What a route states itself (`responses`, `openapi_extra`) is there as it was written: FastAPI leaves out nulls,
      in examples too, and makes floats of limits.
    * Constraints have JSON Schema's names, and members no title that only repeats their name.
    * Bodies whose schema has a name, its `title`, are references to a component of that name.
    * Every operation has `security`; it is empty where nothing is asked for.
    * Every body has the examples that the files say.

    Raises ValueError for two different schemas of one name.
    """
    _restore(document, routes)
    _visit(document, _rename_constraints)
    _visit(document, _drop_made_titles)
    components: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})

    def make_components(part: dict[str, Any]) -> None:
        for media_type in part["content"].values() if isinstance(part.get("content"), dict) else ():
            if "schema" in media_type:
                media_type["schema"] = _body_schema(media_type["schema"], components)

    _visit(document["paths"], make_components)
    document["components"]["schemas"] = dict(sorted(components.items()))
    for methods in document["paths"].values():
        for operation in methods.values():
            operation.setdefault("security", [])


def _restore(document: Document, routes: Sequence[BaseRoute]) -> None:
    for route in iter_route_contexts(routes):
        if not isinstance(route.original_route, APIRoute) or not route.include_in_schema:
            continue
        for method in route.methods or ():
            operation = document["paths"][route.path_format][method.lower()]
            for status, response in (route.responses or {}).items():
                _overlay(operation["responses"][str(status)], {**response, "model": None})
            _overlay(operation, route.openapi_extra or {})
            _attach_examples(operation, route.original_route.endpoint)


def _overlay(described: dict[str, Any], stated: Mapping[str, Any]) -> None:
    """Puts into a part of the document what was stated about it, with its nulls and numbers as they were written."""
    for name, value in stated.items():
        if name in _VALUES or (name in described and isinstance(value, (int, float, str))):
            described[name] = copy.deepcopy(value)
        elif isinstance(value, Mapping) and isinstance(described.get(name), dict):
            _overlay(described[name], value)


def _attach_examples(operation: dict[str, Any], endpoint: Callable[..., Any]) -> None:
    folder = Path(inspect.getfile(endpoint)).parent / "examples"
    if not folder.is_dir():
        return
    for status, part in [("request", operation.get("requestBody", {})), *operation["responses"].items()]:
        for media_type, content in part.get("content", {}).items():
            suffix = ".xml" if media_type.endswith("xml") else ".json"
            content.update(_examples(folder, f"{endpoint.__name__}.{status}", suffix, shared=f"{status}{suffix}"))


def _examples(folder: Path, name: str, suffix: str, *, shared: str) -> dict[str, Any]:
    """The member `example` or `examples` of a media type; none without a file."""
    cases = {path.name[len(name) + 1 : -len(suffix)]: path for path in sorted(folder.glob(f"{name}.*{suffix}"))}
    if cases:
        return {"examples": {case: {"value": _read_example(path)} for case, path in cases.items()}}
    alone = next((path for path in (folder / f"{name}{suffix}", folder / shared) if path.is_file()), None)
    return {} if alone is None else {"example": _read_example(alone)}


def _read_example(path: Path) -> Any:
    text = path.read_text("utf-8")
    return json.loads(text) if path.suffix == ".json" else text.rstrip("\n")


def _visit(part: Any, act: Callable[[dict[str, Any]], None]) -> None:
    """Calls `act` with every object of the document from `part` down, but for those that only hold names."""
    if isinstance(part, list):
        for one in part:
            _visit(one, act)
    elif isinstance(part, dict):
        act(part)
        for name, value in part.items():
            if name in _MAPS and isinstance(value, dict):
                for one in value.values():
                    _visit(one, act)
            elif name not in _VALUES:
                _visit(value, act)


def _rename_constraints(part: dict[str, Any]) -> None:
    for name in part.keys() & _KEYWORDS.keys():
        part[_KEYWORDS[name]] = part.pop(name)


def _drop_made_titles(part: dict[str, Any]) -> None:
    """Removes the titles that pydantic derives from names, such as `Provider Payment Id`."""
    members = part.get("properties")
    for schema in [part.get("schema"), *(members.values() if isinstance(members, dict) else ())]:
        if isinstance(schema, dict) and "properties" not in schema:
            schema.pop("title", None)


def _body_schema(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    """The schema of a body in the document: a reference where it has a name of its own."""
    schema = dict(schema)
    definitions = {key: dict(found) for key, found in schema.pop("$defs", {}).items()}
    named = {_DEFINITIONS + key: _COMPONENTS + found["title"] for key, found in definitions.items()}

    def point_at_components(part: dict[str, Any]) -> None:
        if part.get("$ref") in named:
            part["$ref"] = named[part["$ref"]]

    _visit([schema, *definitions.values()], point_at_components)
    for found in definitions.values():
        _add(found, components)
    if isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [_body_schema(one, components) for one in schema["anyOf"]]
    is_named = "properties" in schema and str(schema.get("title", "")).isidentifier()
    return _add(schema, components) if is_named else schema


def _add(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, str]:
    """Adds a schema as a component; returns the reference to it."""
    name: str = schema["title"]
    if components.setdefault(name, schema) != schema:
        raise ValueError(f"two schemas of the OpenAPI document are called {name}: give one of them another `title`")
    return {"$ref": _COMPONENTS + name}
