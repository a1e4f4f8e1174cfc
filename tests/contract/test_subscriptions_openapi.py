"""What the OpenAPI document says of subscriptions."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from contract._openapi import resolved
from dunning_service.apis.arise.wire import (
    CreateSubscription,
    ProblemDetails,
    Subscription,
    SubscriptionCreated,
    SubscriptionPage,
    SubscriptionPayment,
    SubscriptionTerminated,
)

PATH = "/sub-api/v1/subscriptions"


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method} {path}": operation
        for path, methods in document["paths"].items()
        if path.startswith(PATH)
        for method, operation in methods.items()
    }


def test_every_route_is_there(document: dict[str, Any]) -> None:
    assert sorted(operations(document)) == sorted(
        [
            f"post {PATH}",
            f"get {PATH}",
            f"get {PATH}/{{id}}",
            f"get {PATH}/{{id}}/payments",
            f"post {PATH}/{{id}}/terminate",
            f"put {PATH}/{{id}}/terminate",
        ]
    )


def test_everything_is_described_with_an_example(document: dict[str, Any]) -> None:
    identifiers = [operation["operationId"] for operation in operations(document).values()]
    assert len(set(identifiers)) == len(identifiers)
    for name, operation in operations(document).items():
        assert operation["summary"], name
        assert operation["description"], name
        assert operation["security"], name
        assert {"401", "403", "500", "503", "default"} <= set(operation["responses"]), name
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (name, parameter["name"])
            assert "$ref" not in str(parameter), (name, parameter["name"])
        for status, response in operation["responses"].items():
            assert response["description"], (name, status)
            ((media_type, content),) = response["content"].items()
            assert "schema" in content, (name, status)
            assert "example" in content, (name, status)
            assert media_type == ("application/json" if status == "200" else "application/problem+json")


def test_every_error_is_of_the_documented_shape(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        for status, response in operation["responses"].items():
            if status == "200":
                continue
            example = response["content"]["application/problem+json"]["example"]
            ProblemDetails.model_validate(example)
            assert status in ("default", str(example["status"])), name


def test_examples_are_of_the_documented_shape(document: dict[str, Any]) -> None:
    def shown(name: str) -> Any:
        return operations(document)[name]["responses"]["200"]["content"]["application/json"]["example"]

    SubscriptionCreated.model_validate(shown(f"post {PATH}"))
    SubscriptionPage.model_validate(shown(f"get {PATH}"))
    Subscription.model_validate(shown(f"get {PATH}/{{id}}"))
    TypeAdapter(list[SubscriptionPayment]).validate_python(shown(f"get {PATH}/{{id}}/payments"))
    SubscriptionTerminated.model_validate(shown(f"put {PATH}/{{id}}/terminate"))
    asked = operations(document)[f"post {PATH}"]["requestBody"]["content"]["application/json"]
    CreateSubscription.model_validate(asked["example"])
    assert sorted(resolved(document, asked["schema"])["properties"]) == sorted(asked["example"])


def test_what_is_sent_and_answered_is_named_as_on_the_wire(document: dict[str, Any]) -> None:
    create = operations(document)[f"post {PATH}"]
    schema = resolved(document, create["requestBody"]["content"]["application/json"]["schema"])
    assert "paymentProcessorId" in schema["required"]
    assert "isFasterProcessing" not in schema["required"]
    assert schema["properties"]["transactionType"]["anyOf"][0] == {"enum": [1, 2, 11]}
    listed = [parameter["name"] for parameter in operations(document)[f"get {PATH}"]["parameters"]]
    assert listed == ["page", "pageSize", "customerIds", "statusIds", "search", "orderBy", "asc"]
    answered = document["components"]["schemas"]["Subscription"]["properties"]
    assert "paymentAmount" in answered
    assert "payment_amount" not in answered
