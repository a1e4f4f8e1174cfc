"""The example files of the OpenAPI document: where they are shown, and that none is left over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

import dunning_service
from dunning_service.app import create_app
from dunning_service.http.openapi import complete
from dunning_service.settings import Settings

SOURCE = Path(dunning_service.__file__).parent
FILES = sorted(SOURCE.rglob("examples/*.*"))


def operations_of(document: dict[str, Any], package: str) -> dict[str, list[dict[str, Any]]]:
    """The operations whose routes are in that package, by the name of their endpoint."""
    app = create_app(Settings(_env_file=None, database_url="sqlite:///unused.db"))
    found: dict[str, list[dict[str, Any]]] = {}
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute):
            endpoint = route.original_route.endpoint
            if endpoint.__module__.rpartition(".")[0] == package:
                operations = (document["paths"][route.path_format][method.lower()] for method in route.methods or ())
                found.setdefault(endpoint.__name__, []).extend(operations)
    return found


def shown(operation: dict[str, Any], status: str, suffix: str) -> dict[str | None, list[Any]]:
    """The examples of a status, or of the request, by their case; None is the only one."""
    part = operation.get("requestBody", {}) if status == "request" else operation["responses"].get(status, {})
    found: dict[str | None, list[Any]] = {}
    for media_type, content in part.get("content", {}).items():
        if media_type.endswith("xml") == (suffix == "xml"):
            found.setdefault(None, []).append(content.get("example"))
            for case, example in content.get("examples", {}).items():
                found.setdefault(case, []).append(example["value"])
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_every_example_file_is_shown_where_its_name_says(document: dict[str, Any], path: Path) -> None:
    text = path.read_text("utf-8")
    example = json.loads(text) if path.suffix == ".json" else text.rstrip("\n")
    package = ".".join((dunning_service.__name__, *path.parent.parent.relative_to(SOURCE).parts))
    operations = operations_of(document, package)
    *named, suffix = path.name.split(".")
    if len(named) == 1:  # of every operation of the folder that has none of its own
        everywhere = [operation for those in operations.values() for operation in those]
        assert any(example in shown(operation, named[0], suffix).get(None, []) for operation in everywhere)
        return
    name, status, *case = named
    for operation in operations[name]:
        examples = shown(operation, status, suffix)[case[0] if case else None]
        assert all(one == example for one in examples)


def test_an_example_file_is_written_as_json_usually_is() -> None:
    for path in FILES:
        if path.suffix == ".json":
            text = path.read_text("utf-8")
            assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n", path.name


def test_several_examples_of_one_status_are_named_by_their_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pay() -> dict[str, bool]:
        return {"paid": True}

    folder = tmp_path / "examples"
    folder.mkdir()
    for name in ("pay.200.at_once.json", "pay.200.later.json", "404.json"):
        (folder / name).write_text(json.dumps({"shows": name}))
    monkeypatch.setattr("inspect.getfile", lambda _endpoint: str(tmp_path / "routes.py"))
    router = APIRouter()
    router.add_api_route(
        "/pay", pay, methods=["POST"], responses={404: {"content": {"application/problem+json": {}}, "description": ""}}
    )
    app = FastAPI()
    app.include_router(router)
    complete(app.openapi(), app.routes)
    responses = app.openapi()["paths"]["/pay"]["post"]["responses"]
    assert responses["200"]["content"]["application/json"]["examples"] == {
        "at_once": {"value": {"shows": "pay.200.at_once.json"}},
        "later": {"value": {"shows": "pay.200.later.json"}},
    }
    assert responses["404"]["content"]["application/problem+json"] == {"example": {"shows": "404.json"}}
