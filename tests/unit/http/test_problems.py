"""Errors and their statuses."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import dunning_service
from dunning_service.errors import DunningError
from dunning_service.http.problems import STATUS


def _all_kinds(kind: type[DunningError] = DunningError) -> Iterator[type[DunningError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _all_kinds(child)


def test_every_kind_of_error_has_a_status_and_a_code_of_its_own() -> None:
    for module in pkgutil.walk_packages(dunning_service.__path__, "dunning_service."):
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    kinds = set(_all_kinds())
    assert set(STATUS) <= kinds
    assert [kind for kind in kinds if not STATUS.keys() & set(kind.__mro__)] == []
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert all(400 <= status < 600 for status in STATUS.values())
