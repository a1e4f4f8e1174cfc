"""Rows of other tables that commands look up, insert and change, so that each sees what the one before it did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from dunning_service.database.engines import Base
from dunning_service.ledger.work import Lookup

Row = dict[str, Any]
_Identity = tuple[type[Base], tuple[Any, ...]]


class RowCache:
    """The rows of other tables that one batch looks up: read once, written once."""

    def __init__(self, lookups: Iterable[Lookup]) -> None:
        self._found: dict[Lookup, list[Row]] = {lookup: [] for lookup in lookups}
        self._rows: dict[_Identity, Row] = {}
        self._new: dict[_Identity, Row] = {}
        self._changed: dict[_Identity, Row] = {}

    def hold(self, lookup: Lookup, row: Mapping[str, Any]) -> None:
        """Takes in what the database has. A row that two lookups find is one row."""
        held = self._rows.setdefault(_identity(lookup.model, row), dict(row))
        self._found[lookup].append(held)

    def find(self, lookup: Lookup) -> list[Row]:
        """The rows with the changes of this batch; the lookup is one that the row cache was made with."""
        return self._found[lookup]

    def insert(self, model: type[Base], row: Row) -> None:
        """A new row, which the next command finds."""
        identity = _identity(model, row)
        held = self._rows[identity] = self._new[identity] = dict(row)
        for lookup, rows in self._found.items():
            if lookup.model is model and tuple(held[name] for name in lookup.by) == lookup.key:
                rows.append(held)

    def update(self, model: type[Base], changes: Row) -> None:
        """Changes a row that a lookup found: `changes` has its primary key, and none of a lookup's columns."""
        identity = _identity(model, changes)
        held = self._rows[identity]
        held.update(changes)
        if identity not in self._new:
            self._changed[identity] = held

    def new(self) -> dict[type[Base], list[Row]]:
        """The rows to be inserted."""
        return _by_model(self._new)

    def changed(self) -> dict[type[Base], list[Row]]:
        """The rows to be updated, whole."""
        return _by_model(self._changed)


def _identity(model: type[Base], row: Mapping[str, Any]) -> _Identity:
    table: Any = model.__table__
    return model, tuple(row[column.name] for column in table.primary_key)


def _by_model(rows: Mapping[_Identity, Row]) -> dict[type[Base], list[Row]]:
    grouped: dict[type[Base], list[Row]] = defaultdict(list)
    for (model, _), row in rows.items():
        grouped[model].append(row)
    return grouped
