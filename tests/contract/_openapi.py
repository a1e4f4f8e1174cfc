"""The OpenAPI document as a checker sees it: its operations, its schemas and the examples that go with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs

COMPONENTS = "#/components/schemas/"
_VALUES = ("const", "default", "enum", "example", "examples")
_NAMES = ("$defs", "content", "headers", "paths", "properties", "responses", "schemas", "securitySchemes", "mapping")


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation, by `post /v1/payment_records/report_payment`."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, or the component that it refers to."""
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].removeprefix(COMPONENTS)]
    return found


def parts(part: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the document that is no value and no list of names, with where it is."""
    if isinstance(part, list):
        for number, one in enumerate(part):
            yield from parts(one, f"{where}/{number}")
    elif isinstance(part, dict):
        yield where, part
        for name, value in part.items():
            if name in _NAMES and isinstance(value, dict):
                for inner, one in value.items():
                    yield from parts(one, f"{where}/{name}/{inner}")
            elif name not in _VALUES:
                yield from parts(value, f"{where}/{name}")


def wrong_examples(document: dict[str, Any]) -> list[str]:
    """Every example, of bodies, parameters and members, that its own schema refuses; each with the reason."""
    found = []
    for where, part in parts(document):
        examples = list(part.get("examples", ())) if isinstance(part.get("examples"), list) else []
        schema = part.get("schema", part)
        if "example" in part:
            examples.append(part["example"])
        if "schema" in part and isinstance(part.get("examples"), dict):
            examples += [case["value"] for case in part["examples"].values()]
        for example in examples:
            found += [f"{where}: {reason}" for reason in refusals(document, schema, example)]
    return found


def refusals(document: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    """Why the schema refuses the value; empty when it takes it."""
    validator = jsonschema_rs.validator_for({**schema, "components": document["components"]})
    return [f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(value)]
