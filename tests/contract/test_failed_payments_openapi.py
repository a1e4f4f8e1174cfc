"""What the OpenAPI document says of both lists."""

from __future__ import annotations

from typing import Any

from contract._openapi import COMPONENTS, resolved
from dunning_service.apis.frontpayment.wire import ErrorEnvelope, FailedOrderAnswer, FailedOrderList
from dunning_service.apis.own.requests import ActionRequest, FailedPaymentFilters
from dunning_service.apis.own.wire import (
    ActionAnswer,
    FailedPaymentDetail,
    FailedPaymentPage,
    Summary,
)
from dunning_service.http.problems import PROBLEM_SCHEMA
from dunning_service.ledger.status import ActionKind

OURS = "/api/v1/failed-payments"
THEIRS = "/api/v1/connect/subscriptions/failed"


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in document["paths"].items()
        if path.startswith((OURS, "/api/v1/connect"))
        for method, operation in methods.items()
    ]


def test_every_route_is_there(document: dict[str, Any]) -> None:
    assert [name for name, _ in operations(document)] == [
        f"get {OURS}",
        f"get {OURS}/summary",
        f"get {OURS}/{{id}}",
        f"post {OURS}/{{id}}/actions",
        f"get {THEIRS}/list",
        f"get {THEIRS}/list/{{status}}",
        f"get {THEIRS}/details/{{orderUuid}}",
    ]


def test_everything_is_described_with_an_example(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["description"], name
        assert operation["security"], name
        for parameter in operation["parameters"]:
            assert parameter["description"], (name, parameter["name"])
            assert "$ref" not in str(parameter), (name, parameter["name"])
            assert "null" not in str(parameter["schema"]), (name, parameter["name"])
        for status, response in operation["responses"].items():
            assert response["description"], (name, status)
            for content in response["content"].values():
                assert "schema" in content, (name, status)
                assert "example" in content, (name, status)


def test_every_error_is_in_the_dialect_of_its_path(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            if status == "200":
                continue
            ((media_type, content),) = response["content"].items()
            if OURS in name:
                assert media_type == "application/problem+json", (name, status)
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}, (name, status)
                require_problem(content["example"], None if status == "default" else int(status))
            else:
                assert media_type == "application/json", (name, status)
                assert content["schema"] == {"$ref": "#/components/schemas/ErrorEnvelope"}, (name, status)
                ErrorEnvelope.model_validate(content["example"])
    assert document["components"]["schemas"]["Problem"] == PROBLEM_SCHEMA


def require_problem(example: dict[str, Any], status: int | None) -> None:
    """Fails unless `example` has the members that are documented, of the types that are."""
    assert set(example) == set(PROBLEM_SCHEMA["required"]) == set(PROBLEM_SCHEMA["properties"])
    kinds = {"string": str, "integer": int, "array": list}
    for member, value in example.items():
        assert isinstance(value, kinds[PROBLEM_SCHEMA["properties"][member]["type"]]), member
    for wrong in example["errors"]:
        assert set(wrong) == {"field", "message"}
    assert status in (None, example["status"])


def test_every_filter_is_listed(document: dict[str, Any]) -> None:
    def listed(path: str) -> list[str]:
        return [parameter["name"] for parameter in document["paths"][path]["get"]["parameters"]]

    filters = list(FailedPaymentFilters.model_fields)
    assert listed(f"{OURS}/summary") == filters
    assert listed(OURS) == [*filters, "limit", "sort", "cursor"]
    front = ["page", "subscriptionUuid", "phone", "customerName", "startDate", "endDate"]
    assert listed(f"{THEIRS}/list") == front
    assert sorted(listed(f"{THEIRS}/list/{{status}}")) == sorted(["status", *front])


def test_every_action_can_be_chosen(document: dict[str, Any]) -> None:
    body = document["paths"][f"{OURS}/{{id}}/actions"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    action = resolved(document, body)["properties"]["action"]
    assert document["components"]["schemas"][action["$ref"].removeprefix(COMPONENTS)]["enum"] == list(ActionKind)
    responses = document["paths"][f"{OURS}/{{id}}/actions"]["post"]["responses"]
    words = responses["422"]["content"]["application/problem+json"]["example"]["detail"]
    assert all(f"'{verb}'" in words for verb in ActionKind)


def test_examples_are_of_the_documented_shape(document: dict[str, Any]) -> None:
    def shown(path: str, method: str = "get") -> Any:
        return document["paths"][path][method]["responses"]["200"]["content"]["application/json"]["example"]

    FailedPaymentPage.model_validate(shown(OURS))
    Summary.model_validate(shown(f"{OURS}/summary"))
    FailedPaymentDetail.model_validate(shown(f"{OURS}/{{id}}"))
    ActionAnswer.model_validate(shown(f"{OURS}/{{id}}/actions", "post"))
    body = document["paths"][f"{OURS}/{{id}}/actions"]["post"]["requestBody"]
    ActionRequest.model_validate(body["content"]["application/json"]["example"])
    FailedOrderList.model_validate(shown(f"{THEIRS}/list"))
    FailedOrderList.model_validate(shown(f"{THEIRS}/list/{{status}}"))
    FailedOrderAnswer.model_validate(shown(f"{THEIRS}/details/{{orderUuid}}"))
