"""Query parameters as pydantic models, read strictly; the same models document them in OpenAPI.

They are read here rather than by FastAPI because a list must not answer a question that was not asked: a parameter that
is misspelt or sent twice would otherwise be dropped in silence, and a date may not be a Unix time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, ClassVar, TypeVar, get_origin

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError, WithJsonSchema
from pydantic.fields import FieldInfo

from dunning_service.errors import FieldError
from dunning_service.events import MAX_IDENTIFIER, MAX_TEXT
from dunning_service.ledger.fields import phone_key
from dunning_service.values.reading import day, digits, exact_text, field_errors, moment_with_offset

_SPACE_FOR_PLUS = re.compile(r" (?=[0-9]{2}:?[0-9]{2}$)", re.ASCII)
_MAX_ERRORS = 20


class Parameters(BaseModel):
    """The query parameters of one route; by itself, of a route that takes none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    takes_unknown: ClassVar[bool] = False
    """True: a parameter that is not listed here is passed over, as the API that is spoken does."""

    def disagreements(self) -> Sequence[FieldError]:
        """Errors across fields, of parameters that are each right."""
        return ()


ParametersT = TypeVar("ParametersT", bound=Parameters)


def read_parameters(request: Request, model: type[ParametersT]) -> ParametersT:
    """The request's query parameters.

    Raises RequestValidationError naming each that is wrong, and what would be right.
    """
    errors: list[FieldError] = []
    values: dict[str, Any] = {}
    known = {field.alias or name: field for name, field in model.model_fields.items()}
    query = request.query_params
    for name in query:
        sent = query.getlist(name)
        if name not in known:
            if not model.takes_unknown:
                errors.append(_unknown(name, known))
        elif any("\x00" in value for value in sent):
            errors.append(FieldError(name, "holds the character U+0000, which no stored value has"))
        elif get_origin(known[name].annotation) is tuple:
            values[name] = sent
        elif len(sent) > 1:
            errors.append(FieldError(name, f"was sent {len(sent)} times; send it once"))
        else:
            values[name] = sent[0]
    try:
        parameters = model.model_validate(values)
    except ValidationError as error:
        errors += field_errors(error)
    else:
        errors += parameters.disagreements()
    if errors:
        raise refused("query", errors)
    return parameters


def refused(place: str, errors: Sequence[FieldError]) -> RequestValidationError:
    """The error that FastAPI raises for what it reads itself; `place` is `query` or `body`."""
    return RequestValidationError(
        [
            {"type": "value_error", "loc": (place, *filter(None, [error.field])), "msg": error.message}
            for error in errors[:_MAX_ERRORS]
        ]
    )


def openapi_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    """The parameters as the OpenAPI document states them."""
    schema = plain_schema(model)
    listed = []
    for name, stated in schema.get("properties", {}).items():
        described = {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": stated}
        described["description"] = stated.pop("description", "")
        if examples := stated.pop("examples", []):
            described["example"] = examples[0]
        listed.append(described)
    return listed


def plain_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a model as a query string or a form can carry it: without references, null, and titles that repeat
    names."""
    schema = model.model_json_schema()
    del schema["description"]  # the docstring of the class, for readers of the code
    carried: dict[str, Any] = _plain(schema, schema.pop("$defs", {}))
    return carried


def _plain(part: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(part, list):
        return [_plain(one, definitions) for one in part]
    if not isinstance(part, dict):
        return part
    part = {**definitions.get(str(part.get("$ref")).rpartition("/")[2], {}), **part}
    possible = [one for one in part.get("anyOf", ()) if one != {"type": "null"}]
    if len(possible) == 1:
        del part["anyOf"]
        part = {**possible[0], **part}
        return _plain(part, definitions)
    return {
        name: _plain(value, definitions)
        for name, value in part.items()
        if name != "$ref"
        and not (name == "title" and isinstance(value, str))
        and not (name == "default" and not isinstance(value, (int, str)))
    }


def _unknown(name: str, known: dict[str, FieldInfo]) -> FieldError:
    listed = f"it takes {', '.join(known)}" if known else "it takes none"
    return FieldError(name[:100], f"this route has no such parameter; {listed}")


def _read(reader: Callable[[str], object]) -> BeforeValidator:
    """A validator that applies `reader` to texts and passes other values, such as defaults."""
    return BeforeValidator(lambda value: reader(value) if isinstance(value, str) else value)


def _moment(value: str) -> datetime:
    try:
        # a + that was not percent-encoded arrives as a space
        return moment_with_offset(_SPACE_FOR_PLUS.sub("+", value))
    except ValueError:
        expected = "must be a moment with its offset from UTC, such as 2026-11-21T12:00:00Z (ISO 8601)"
        raise ValueError(expected) from None


def _text_schema(longest: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "minLength": 1, "maxLength": longest})


WholeNumber = Annotated[int, _read(digits)]
"""Digits only: neither `1.0` nor `1_000`."""

Day = Annotated[date, _read(day), WithJsonSchema({"type": "string", "format": "date"})]
"""YYYY-MM-DD and nothing else."""

Moment = Annotated[datetime, _read(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
"""ISO 8601 with an offset, in UTC once read."""

Identifier = Annotated[str, _read(partial(exact_text, longest=MAX_IDENTIFIER)), _text_schema(MAX_IDENTIFIER)]
"""Exact, so nothing is trimmed."""

Text = Annotated[str, _read(partial(exact_text, longest=MAX_TEXT)), _text_schema(MAX_TEXT)]
"""Text to look for."""


def _phone(value: str) -> str:
    if phone_key(value) is None:
        raise ValueError("must hold the digits of a phone number, such as 46567468 or +4746567468")
    return value


Phone = Annotated[
    Identifier,
    AfterValidator(_phone),
    WithJsonSchema({"type": "string", "pattern": "[0-9]", "maxLength": MAX_IDENTIFIER}),
]
