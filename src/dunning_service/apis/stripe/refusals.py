"""What is wrong with the parameters of a call, in words and in Stripe's codes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from dunning_service.apis.stripe.errors import EMPTY, MISSING, UNKNOWN
from dunning_service.apis.stripe.values import NO_CODE, shown

_MOST_ADVISED = 50
"""Advice takes time to find; more of it than anybody reads would only be a way to keep us busy."""
_LONGEST_NAME = 100
_DOTTED = re.compile(r"[^\[\].]+(?:\.[^\[\].]+)+")


@dataclass(frozen=True, slots=True)
class Wrong:
    """One wrong parameter: `message` is the rest of a sentence that begins with its name."""

    name: str
    message: str
    code: str | None = None
    """Stripe's, if it has one."""
    is_misshapen: bool = False
    """True for a single value where there should be a hash, or the reverse."""


def precedence(wrong: Wrong) -> int:
    """Sorts what is wrong: what is not known or of another shape comes before what is missing, which it may be meant
    to be."""
    if wrong.is_misshapen:
        return 1
    return {UNKNOWN: 0, MISSING: 2}.get(wrong.code or "", 3)


def in_words(error: ValidationError, model: type[BaseModel]) -> list[Wrong]:
    """Everything that `model` refused, each named as the caller wrote it, with what would be right."""
    return [
        wrong
        for count, detail in enumerate(error.errors(include_url=False))
        for wrong in _explained(detail, model, [str(step) for step in detail["loc"]], count)
    ]


def _explained(detail: Any, model: type[BaseModel], path: Sequence[str], count: int) -> Iterator[Wrong]:
    name, kind, given = bracketed(path), detail["type"], detail["input"]
    if kind == "extra_forbidden":
        advice = f"; {_advice(model, path)}" if count < _MOST_ADVISED else ""
        yield Wrong(_cut(name), f"is not a parameter of this call{advice}", UNKNOWN)
    elif kind == "missing":
        yield Wrong(name, f"is missing{_what_it_takes(model, path)}", MISSING)
    elif given == "":
        yield Wrong(name, f"must not be empty{_what_it_takes(model, path)}", EMPTY)
    elif kind == "model_type":
        yield Wrong(name, f"is a hash{_what_it_takes(model, path)}", is_misshapen=True)
    elif not isinstance(given, str) and kind in ("string_type", "int_type", "literal_error"):
        yield Wrong(name, "must be a single value, without brackets after its name", is_misshapen=True)
    elif kind == "literal_error":
        yield Wrong(name, f"must be {detail['ctx']['expected']}; {shown(given)} is not")
    elif fields := detail["ctx"]["fields"]:
        for field in fields:
            yield Wrong(_cut(field.field), field.message)
    else:
        yield Wrong(name, detail["ctx"]["message"], None if kind == NO_CODE else kind)


def bracketed(path: Sequence[str]) -> str:
    """`a[b][c]` for `["a", "b", "c"]`."""
    return path[0] + "".join(f"[{step}]" for step in path[1:])


def _advice(model: type[BaseModel], path: Sequence[str]) -> str:
    """What may have been meant by a name that is not known."""
    outer = _model_at(model, path[:-1])
    known = list(outer.model_fields) if outer else []
    given = path[-1]
    if len(path) == 1 and len(given) <= _LONGEST_NAME and _DOTTED.fullmatch(given):
        return f"names are nested with brackets: {bracketed(given.split('.'))}"
    near = difflib.get_close_matches(given[:_LONGEST_NAME], known, n=1, cutoff=0.7)
    if near:
        return f"did you mean {bracketed([*path[:-1], near[0]])}?"
    where = f"{bracketed(path[:-1])} takes" if len(path) > 1 else "it takes"
    return f"{where} {', '.join(known)}"


def _what_it_takes(model: type[BaseModel], path: Sequence[str]) -> str:
    """What to send under a name, if that is known."""
    inner = _model_at(model, path)
    if inner is not None:
        required = [name for name, field in inner.model_fields.items() if field.is_required()]
        names = [bracketed([*path, name]) for name in required or inner.model_fields]
        return f": send {' and '.join(names) if required else ', '.join(names[:-1]) + ' or ' + names[-1]}"
    outer = _model_at(model, path[:-1])
    field = outer.model_fields.get(path[-1]) if outer else None
    if field is None:
        return ""
    if get_origin(field.annotation) is Literal:
        return f": send {' or '.join(get_args(field.annotation))}"
    return f": {field.description}" if field.description else ""


def _model_at(model: type[BaseModel], path: Sequence[str]) -> type[BaseModel] | None:
    """The model of the hash under `path`; None if there is another value, or nothing."""
    for step in path:
        field = model.model_fields.get(step)
        inner = next(_models_in(field.annotation), None) if field else None
        if inner is None:
            return None
        model = inner
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
