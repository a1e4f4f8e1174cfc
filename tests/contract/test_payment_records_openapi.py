"""What our own OpenAPI document says of Stripe's calls: what the contract says."""

from __future__ import annotations

from typing import Any

from contract._stripe_contract import CONTRACT, operations

FORM = "application/x-www-form-urlencoded"


def test_every_call_of_the_contract_is_there_and_no_other(document: dict[str, Any]) -> None:
    ours = [
        (method, path) for path, methods in document["paths"].items() if path.startswith("/v1") for method in methods
    ]

    assert sorted(ours) == sorted(operations())


def test_every_call_takes_the_parameters_of_the_contract(document: dict[str, Any]) -> None:
    for method, path in operations():
        ours, theirs = document["paths"][path][method], CONTRACT["paths"][path][method]
        assert _query_of(ours) == _query_of(theirs), (method, path)
        if method == "post":
            schema = ours["requestBody"]["content"][FORM]["schema"]
            if "$ref" in schema:
                schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            wanted = theirs["requestBody"]["content"][FORM]["schema"]
            assert sorted(schema["properties"]) == sorted(wanted["properties"]), path
            assert sorted(schema.get("required", [])) == sorted(wanted.get("required", [])), path


def test_everything_is_described(document: dict[str, Any]) -> None:
    for method, path in operations():
        operation = document["paths"][path][method]
        assert operation["summary"], path
        assert operation["security"], path
        assert "application/json" in operation["responses"]["200"]["content"]
        assert {"application/json"} == set(operation["responses"]["default"]["content"])


def _query_of(operation: dict[str, Any]) -> dict[str, bool]:
    """Each parameter in the path or the query, and whether it is needed; arrays may be named with their brackets."""
    return {
        parameter["name"].removesuffix("[]"): parameter["required"]
        for parameter in operation.get("parameters", [])
        if parameter["in"] in ("path", "query")
    }
