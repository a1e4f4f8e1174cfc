"""Stripe's contract for payment records, and whether an answer keeps it: more strictly than the file itself says."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs

CONTRACT_FILE = Path(__file__).parents[1] / "fixtures" / "contracts" / "stripe-payment-records.openapi.json"
CONTRACT: dict[str, Any] = json.loads(CONTRACT_FILE.read_text("utf-8"))

AMOUNTS = ("authorized", "canceled", "failed", "guaranteed", "refunded", "requested")
_SCHEMAS: dict[str, Any] = CONTRACT["components"]["schemas"]
_CUSTOM_METHOD = {"billing_details", "custom", "payment_method", "type"}
"""What a payment that was reported to us says of its method; the contract also has every method that Stripe offers."""


def require_contract(method: str, path: str, response: httpx.Response) -> None:
    """Fails unless this is an answer that Stripe's own clients can rely on: to any request under /v1."""
    path = path.rstrip("/")  # which is no part of an address here
    headers = response.headers
    assert headers["content-type"] == "application/json", (method, path, headers)
    assert headers["request-id"], (method, path, headers)
    assert headers["request-id"] == headers["x-request-id"]
    _require_echoed_version(response)
    if method.upper() == "HEAD":
        assert response.content == b""
        return
    answer = response.json()
    if response.status_code == 200:
        template = operation_of(method, path)
        assert template is not None, f"{method} {path} is not in the contract, but answered 200"
        _require_valid(_answer_validator(method.lower(), template), answer, method, path)
        for shown in answer["data"] if answer["object"] == "list" else [answer]:
            _require_sound(shown)
        if answer["object"] == "list":
            assert answer["url"] == path
    else:
        _require_valid(_error_validator(), answer, method, path)
        _require_error(response, answer["error"])


def operations() -> list[tuple[str, str]]:
    """Every operation, as ("post", "/v1/payment_records/{id}/report_refund")."""
    return [
        (method, path) for path, methods in CONTRACT["paths"].items() for method in methods if method in ("get", "post")
    ]


def operation_of(method: str, path: str) -> str | None:
    """The template that is meant; one without an id before one with it, as OpenAPI says."""
    for candidate, template in sorted(operations(), key=lambda operation: operation[1].count("{")):
        if candidate == method.lower() and re.fullmatch(template.replace("{id}", "[^/]+"), path):
            return template
    return None


def _require_valid(validator: jsonschema_rs.Validator, answer: Any, method: str, path: str) -> None:
    wrong = [f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(answer)]
    assert wrong == [], (method, path, answer)


def _require_echoed_version(response: httpx.Response) -> None:
    sent = response.request.headers.get("stripe-version")
    assert sent is None or response.headers.get("stripe-version") == sent


def _require_error(response: httpx.Response, error: dict[str, Any]) -> None:
    """The one place where a client looks for what to do next."""
    assert response.status_code >= 400
    assert error["message"].strip()
    assert None not in error.values()
    if response.status_code >= 500:
        assert error["type"] == "api_error"
    else:
        assert error["type"] in ("idempotency_error", "invalid_request_error")
    assert error["type"] != "idempotency_error" or response.status_code == 400
    wanted = {401: "www-authenticate", 405: "allow", 503: "retry-after"}.get(response.status_code)
    assert wanted is None or response.headers[wanted]


def _require_sound(shown: dict[str, Any]) -> None:
    """What the schema cannot say of a record or an attempt."""
    letters = re.escape(shown["id"].partition("_")[2][:24])
    prefix = {"payment_record": "pr", "payment_attempt_record": "par"}[shown["object"]]
    assert re.fullmatch(rf"{prefix}_[A-Za-z0-9]{{24}}\d*", shown["id"])
    other = shown.get("latest_payment_attempt_record") or shown.get("payment_record")
    assert re.fullmatch(rf"(pr|par)_{letters}\d*", other)
    assert (shown["livemode"], shown["application"], shown["reported_by"]) == (True, None, "self")
    amount = shown["amount"]
    assert shown["amount_requested"] == amount
    assert amount["value"] >= 1
    assert re.fullmatch("[a-z]{3}", amount["currency"])
    values = {name: shown[f"amount_{name}"]["value"] for name in AMOUNTS}
    assert {shown[f"amount_{name}"]["currency"] for name in AMOUNTS} == {amount["currency"]}
    settled = [values[name] for name in ("canceled", "failed", "guaranteed")]
    assert sorted(settled) in ([0, 0, 0], [0, 0, amount["value"]])
    assert 0 <= values["refunded"] <= values["guaranteed"]
    for key, value in shown["metadata"].items():
        assert 1 <= len(key) <= 40
        assert 1 <= len(value) <= 500


@cache
def _answer_validator(method: str, template: str) -> jsonschema_rs.Validator:
    content = CONTRACT["paths"][template][method]["responses"]["200"]["content"]["application/json"]
    return jsonschema_rs.validator_for(_as_json_schema(content["schema"]))


@cache
def _error_validator() -> jsonschema_rs.Validator:
    schema = _as_json_schema(_SCHEMAS["error"])
    error = schema["properties"]["error"]
    error["required"] = ["message", "type"]  # what is not known of an error is left out of it
    return jsonschema_rs.validator_for(schema)


def _as_json_schema(schema: dict[str, Any], name: str = "") -> dict[str, Any]:
    """OpenAPI 3.0 as JSON schema: `nullable` and references are resolved, open enums may have other values.

    Of every object all members are wanted that may be null, and none that are not in the contract.
    """
    if "$ref" in schema:
        return _as_json_schema(_SCHEMAS[schema["$ref"].rpartition("/")[2]], name)
    translated: dict[str, Any] = {"type": schema["type"]} if "type" in schema else {}
    if "enum" in schema and not schema.get("x-stripe-open-enum"):
        translated["enum"] = schema["enum"]
    if "items" in schema:
        translated["items"] = _as_json_schema(schema["items"])
    if "properties" in schema:
        properties = schema["properties"]
        if name == "payment_method_details":
            properties = {member: properties[member] for member in _CUSTOM_METHOD}
        translated["properties"] = {member: _as_json_schema(properties[member], member) for member in properties}
        nullable = {member for member in properties if properties[member].get("nullable")}
        translated["required"] = sorted({*schema.get("required", ()), *nullable})
        translated["additionalProperties"] = False
    elif "additionalProperties" in schema:
        translated["additionalProperties"] = _as_json_schema(schema["additionalProperties"])
    return {"anyOf": [translated, {"type": "null"}]} if schema.get("nullable") else translated
