"""What holds for the whole OpenAPI document, so that linters pass it and generators of clients understand it."""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI

from contract._openapi import COMPONENTS, operations, parts, refusals, resolved, wrong_examples
from dunning_service.app import create_app
from dunning_service.http.openapi import complete
from dunning_service.providers import all_providers
from dunning_service.settings import Settings
from dunning_service.values.money import MAX_MINOR

FIXTURES = Path(__file__).parents[1] / "fixtures" / "providers"
ACTIONS = "/api/ActionService"

_OF_JSON_SCHEMA = {
    *("$ref", "type", "format", "title", "description", "default", "example", "examples", "enum", "const", "pattern"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
    *("items", "minItems", "maxItems", "uniqueItems", "prefixItems", "properties", "required", "additionalProperties"),
    *("minProperties", "maxProperties", "allOf", "anyOf", "oneOf", "not", "discriminator"),
}
"""The members of a schema that OpenAPI 3.1 knows and this document uses."""


def schemas(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every schema in the document, also those within others."""
    roots = [(where, part["schema"]) for where, part in parts(document["paths"]) if "schema" in part]
    roots += list(document["components"]["schemas"].items())
    return [found for where, root in roots for found in parts(root, where) if not found[0].endswith("/discriminator")]


def bodies(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Operation, status (or "request") and media type object of everything that is sent or answered."""
    return [
        (name, status, content)
        for name, operation in operations(document)
        for status, part in [("request", operation.get("requestBody", {})), *operation["responses"].items()]
        for content in part.get("content", {}).values()
    ]


def test_schemas_have_members_that_json_schema_knows(document: dict[str, Any]) -> None:
    assert len(schemas(document)) > 500
    assert [(where, name) for where, schema in schemas(document) for name in schema.keys() - _OF_JSON_SCHEMA] == []


def test_limits_are_whole_numbers_as_they_were_written(document: dict[str, Any]) -> None:
    amount = document["components"]["schemas"]["PaymentIntentFailed"]["properties"]["AmountDue"]
    assert amount["maximum"] == MAX_MINOR
    limits = [(where, schema[name]) for where, schema in schemas(document) for name in schema if name[1:] == "imum"]
    assert [found for found in limits if isinstance(found[1], float) and found[1].is_integer()] == []


def test_every_example_is_one_of_its_schema(document: dict[str, Any]) -> None:
    assert wrong_examples(document) == []
    listed = document["paths"]["/api/v1/failed-payments"]["get"]["responses"]["200"]["content"]["application/json"]
    assert listed["example"]["data"][0]["code"] is None


def test_an_example_that_is_none_of_its_schema_is_found(document: dict[str, Any]) -> None:
    broken = copy.deepcopy(document)
    content = broken["paths"]["/api/v1/failed-payments"]["get"]["responses"]["401"]["content"]
    del content["application/problem+json"]["example"]["code"]
    (found,) = wrong_examples(broken)
    assert "code" in found


def test_every_body_with_a_name_is_a_component(document: dict[str, Any]) -> None:
    inlined = [
        (name, status)
        for name, status, content in bodies(document)
        for schema in [content.get("schema", {}), *content.get("schema", {}).get("anyOf", ())]
        if "properties" in schema
    ]
    assert inlined == []
    assert not re.search(r"#/\$defs/", json.dumps(document))


def test_every_error_is_one_of_five_components_or_xml(document: dict[str, Any]) -> None:
    kinds: Counter[str] = Counter()
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            if status == "200":
                continue
            assert response["content"], (name, status)
            for media_type, content in response["content"].items():
                if media_type.endswith("/xml"):
                    assert content["schema"] == {"type": "string"}
                else:
                    kinds[content["schema"]["$ref"].removeprefix(COMPONENTS)] += 1
    assert set(kinds) == {"Problem", "ErrorEnvelope", "ProblemDetails", "StripeErrorEnvelope", "ActionServiceError"}


@pytest.mark.parametrize(("public_url", "server"), [(None, "/"), ("https://dunning.example.com", None)])
def test_it_says_where_the_service_is(public_url: str | None, server: str | None) -> None:
    app = create_app(Settings(_env_file=None, database_url="sqlite:///unused.db", public_url=public_url))
    assert app.openapi()["servers"] == [{"url": server or public_url}]


def test_every_operation_says_what_it_is_called_with(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    free = []
    for name, operation in operations(document):
        assert all(set(wanted) <= set(schemes) for wanted in operation["security"]), name
        if operation["security"] == []:
            free.append(name)
    assert free == ["get /healthz", "get /readyz", "get /metrics"]
    signed = document["paths"]["/webhooks/{source_id}"]["post"]["security"]
    assert {"mapleSignature": []} in signed
    assert schemes["mapleSignature"] == {
        "type": "apiKey",
        "in": "header",
        "name": "X-Maple-Signature",
        "description": "Maple's signature of the body, made with a secret of the source.",
    }


def test_one_of_several_is_told_by_a_discriminator(document: dict[str, Any]) -> None:
    found = [schema for _, schema in schemas(document) if "oneOf" in schema]
    assert found
    for schema in found:
        discriminator = schema["discriminator"]
        assert sorted(discriminator["mapping"].values()) == sorted(one["$ref"] for one in schema["oneOf"])
        for value, reference in discriminator["mapping"].items():
            component = resolved(document, {"$ref": reference})
            assert component["properties"][discriminator["propertyName"]]["const"] == value
            assert discriminator["propertyName"] in component["required"]


def test_tags_are_declared_and_operations_have_names_of_their_own(document: dict[str, Any]) -> None:
    declared = {tag["name"]: tag["description"] for tag in document["tags"]}
    assert all(declared.values())
    assert {tag for _, operation in operations(document) for tag in operation["tags"]} == set(declared)
    assert all(len(operation["tags"]) == 1 for _, operation in operations(document))
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("action", "enough", "too_little"),
    [
        (
            "LogInvoicePaymentFailed",
            [
                {"InvoiceId": "in_1"},
                {"PaymentIntentId": "pi_1"},
                {"UserId": 1, "FailedTimeStamp": "2026-01-11T19:31:58Z"},
            ],
            [{}, {"UserId": 1}, {"InvoiceId": None}, {"InvoiceId": "", "AmountDue": 1}, {"UserId": 0, "AmountDue": 1}],
        ),
        (
            "InvoicePaymentSucceeded",
            [{"UserId": 1, "DepositAmount": 19.99}, {"StripeCustomerId": "cus_1"}],
            [{}, {"DepositAmount": 19.99}, {"UserId": 0, "StripeCustomerId": ""}],
        ),
        ("GetInvoicePaymentFailed", [{}, {"UserId": 1, "StatusId": 2}], [{"UserId": 2**31}]),
    ],
)
def test_goodpartys_bodies_say_what_is_required(
    document: dict[str, Any], action: str, enough: list[Any], too_little: list[Any]
) -> None:
    content = document["paths"][f"{ACTIONS}/{action}"]["post"]["requestBody"]["content"]
    schema = content["application/json"]["schema"]
    assert content["text/json"]["schema"] == schema
    assert [body for body in enough if refusals(document, schema, body)] == []
    assert [body for body in too_little if not refusals(document, schema, body)] == []


def test_a_webhooks_body_says_what_is_required(document: dict[str, Any]) -> None:
    schema = document["paths"]["/webhooks/{source_id}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    taken, refused = [], []
    for folder in sorted((FIXTURES / "maple").iterdir()):
        recorded = json.loads((folder / "expected.json").read_text("utf-8")).get("events")
        if recorded:
            taken.append(json.loads((folder / "request.body").read_text("utf-8")))
    event = next(body for body in taken if "event_type" in body)
    for member in ("id", "company_id"):
        refused.append({**event, "data": {name: value for name, value in event["data"].items() if name != member}})
        refused.append({name: value for name, value in event["data"].items() if name != member})
    refused += [{}, {"event_type": "payment.failed"}, {**event, "data": {**event["data"], "total_amount": 12}}]
    assert len(taken) >= 4
    assert [reason for body in taken for reason in refusals(document, schema, body)] == []
    assert [body for body in refused if not refusals(document, schema, body)] == []


def test_every_provider_of_webhooks_states_its_signature_and_its_bodies() -> None:
    for provider in all_providers().values():
        assert bool(provider.signature_header) == bool(provider.notice_schemas) == provider.takes_webhooks


def test_two_schemas_of_one_name_are_refused() -> None:
    def a_body(member: str) -> dict[str, Any]:
        schema = {"title": "Thing", "type": "object", "properties": {member: {"type": "string"}}}
        return {"requestBody": {"content": {"application/json": {"schema": schema}}}}

    router = APIRouter()
    router.add_api_route("/a", lambda: None, methods=["POST"], openapi_extra=a_body("one"))
    router.add_api_route("/b", lambda: None, methods=["POST"], openapi_extra=a_body("another"))
    app = FastAPI()
    app.include_router(router)
    with pytest.raises(ValueError, match="called Thing: give one of them another `title`"):
        complete(app.openapi(), app.routes)


def test_it_is_generated_again_when_a_route_is_added() -> None:
    app = create_app(Settings(_env_file=None, database_url="sqlite:///unused.db"))
    first = app.openapi()
    assert app.openapi() is first
    app.add_api_route("/more", lambda: None, tags=["operation"])
    assert app.openapi()["paths"]["/more"]["get"]["security"] == []
    assert app.openapi()["paths"].keys() - first["paths"].keys() == {"/more"}
