"""Pydantic models of notices: the types of their fields, and a reader that names every field that is wrong.

`values.reading` has the single values; an adapter whose provider writes one in a way of its own puts a reader on top.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, PlainValidator, StringConstraints, ValidationError, WithJsonSchema

from dunning_service.errors import FieldError, UnreadableNotice
from dunning_service.events import MAX_IDENTIFIER
from dunning_service.values import reading
from dunning_service.values.moments import require_possible
from dunning_service.values.money import MAX_MINOR

Identifier = Annotated[str, StringConstraints(max_length=MAX_IDENTIFIER, pattern=r"\S")]
"""An id that names something: not blank."""

OptionalIdentifier = Annotated[str, StringConstraints(max_length=MAX_IDENTIFIER)] | None
"""An id or an address that may be empty or missing."""

MinorUnits = Annotated[
    int, PlainValidator(reading.minor_units), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MAX_MINOR})
]
"""An amount in whole minor units."""

Currency = Annotated[str, PlainValidator(reading.currency), WithJsonSchema({"type": "string"})]
"""An ISO 4217 code in any case, in upper case once read."""

_MOMENT_SCHEMA = WithJsonSchema({"type": "string", "format": "date-time"})
Moment = Annotated[datetime | None, PlainValidator(reading.moment), _MOMENT_SCHEMA] | None
"""A date and time in UTC; None also for one that was never set."""


class Part(BaseModel):
    """The fields that are read of an object; what else it holds is ignored. Nothing is converted: "12" is no number."""

    model_config = ConfigDict(extra="ignore", strict=True)


PartT = TypeVar("PartT", bound=BaseModel)


def read_part(model: type[PartT], value: Any, where: str = "") -> PartT:
    """The object `value` as a model. Raises UnreadableNotice naming every wrong field by its path after `where`."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise UnreadableNotice.of(reading.field_errors(error, where)) from None


def require_possible_times(times: Mapping[str, datetime | None], received_at: datetime) -> None:
    """Raises UnreadableNotice naming each field whose time cannot be that of a payment reported at `received_at`."""
    wrong = []
    for field, moment in times.items():
        try:
            if moment is not None:
                require_possible(moment, received_at)
        except ValueError as error:
            wrong.append(FieldError(field, str(error)))
    if wrong:
        raise UnreadableNotice.of(wrong)
