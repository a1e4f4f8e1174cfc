"""Packages import one way."""

from __future__ import annotations

import ast
from pathlib import Path

import dunning_service

SOURCE = Path(dunning_service.__file__).parent
LAYERS = (
    "providers",
    "merchants",
    "recovery",
    "ledger",
    "outgoing",
    "gateways",
    "subscriptions",
    "due",
    "charging",
    "services",
    "failed_payments",
    "erasure",
    "commands",
)
"""Packages, and the module `services`: each may import those before it. Routes stand above all, wherever they are."""


def test_no_package_imports_one_that_builds_on_it() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)} imports {module}"
        for number, layer in enumerate(LAYERS)
        for path in (SOURCE / layer).glob("*.py")
        if path.name != "routes.py"
        for module in _imported(path)
        if module.split(".")[1:2] and module.split(".")[1] in LAYERS[number + 1 :]
    ]
    assert wrong == []


def _imported(path: Path) -> list[str]:
    nodes = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    return [str(node.module) for node in nodes]
