"""Query parameters as pydantic models, read strictly; the same models document them in OpenAPI.

They are read here rather than by FastAPI because a list must not answer a question that was not asked: a parameter that
is misspelt or sent twice would otherwise be dropped in silence, and a date may not be a Unix time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
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
    """The query parameters of one route."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    takes_unknown: ClassVar[bool] = False
    """True: a parameter that is not listed here is passed over, as the API that is spoken does."""

    def disagreements(self) -> Sequence[FieldError]:
        """Errors across fields, of parameters that are each right."""
        return ()


class NoParameters(Parameters):
    """The parameters of a route that takes none."""


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
        elif _is_repeatable(known[name]):
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


def openapi_parameters(model: type[Parameters]) -> list[dict[str, Any]]:
    """The parameters as the OpenAPI document states them."""
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    listed = []
    for name, stated in schema.get("properties", {}).items():
        inlined = _inlined(stated, definitions)
        described = {"name": name, "in": "query", "required": False, "description": inlined.pop("description", "")}
        examples = inlined.pop("examples", [])
        if examples:
            described["example"] = examples[0]
        if inlined.get("default", ...) in (None, []):
            inlined.pop("default")
        described["schema"] = inlined
        listed.append(described)
    return listed


def _inlined(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A schema without references, and without null, which no query string can carry."""
    if "$ref" in schema:
        schema = {**definitions[schema["$ref"].rsplit("/", 1)[-1]], **{k: v for k, v in schema.items() if k != "$ref"}}
    if "anyOf" in schema:
        stated = [one for one in schema["anyOf"] if one != {"type": "null"}]
        if len(stated) == 1:
            schema = {**_inlined(stated[0], definitions), **{k: v for k, v in schema.items() if k != "anyOf"}}
    if isinstance(schema.get("items"), dict):
        schema = {**schema, "items": _inlined(schema["items"], definitions)}
    return {key: value for key, value in schema.items() if key != "title"}


def _is_repeatable(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is tuple


def _unknown(name: str, known: dict[str, FieldInfo]) -> FieldError:
    listed = f"it takes {', '.join(known)}" if known else "it takes none"
    return FieldError(name[:100], f"this route has no such parameter; {listed}")


def _read(reader: Callable[[str], object]) -> BeforeValidator:
    """A validator that applies `reader` to texts and passes other values, such as defaults."""
    return BeforeValidator(lambda value: reader(value) if isinstance(value, str) else value)


def _moment(value: str) -> datetime:
    try:
        return moment_with_offset(
            _SPACE_FOR_PLUS.sub("+", value)
        )  # a + that was not percent-encoded arrives as a space
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
