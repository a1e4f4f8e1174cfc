"""Parameters in query strings and form bodies, such as `failed[failed_at]=1794398400&expand[0]=customer`: parsed,
validated against the model of a call, and refused with the name of each that is wrong.

Strict, because a payment is at stake: what could be read in two ways is refused.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar, get_args, get_origin
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from dunning_service.apis.stripe.errors import EMPTY, INVALID_CHARACTERS, MISSING, UNKNOWN, InvalidParameters, cut
from dunning_service.apis.stripe.values import NO_CODE, shown
from dunning_service.apis.stripe.wire import Shape
from dunning_service.errors import FieldError
from dunning_service.http.body import read_body
from dunning_service.services import services

FORM_TYPE = "application/x-www-form-urlencoded"

MAX_PARAMETERS = 1_000
"""Most parameters of one request, in query and body together."""

MAX_DEPTH = 4
"""Most names in one: `payment_method_details[billing_details][address][city]`."""

MAX_NAME = 500
"""Longest name with its brackets, in characters."""

Node: TypeAlias = "str | list[str] | dict[str, Node]"
"""A value; the elements of `name[]`; or what is in the brackets of a name, with an array's indexes as sent."""

_MOST_ADVISED = 50
"""Most unknown names for which advice is looked for, which takes time."""

_DOTTED = re.compile(r"[^\[\].]+(?:\.[^\[\].]+)+")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_LONGEST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Wrong:
    """One wrong parameter: `message` is the rest of a sentence that begins with its name."""

    name: str
    message: str
    code: str | None = None
    """Stripe's, if it has one."""
    is_misshapen: bool = False
    """Whether it is a single value where there should be a hash, or the reverse."""


class Parameters(Shape):
    """The base of the models of parameters, one for each call."""

    @classmethod
    def disagreements(cls, form: Mapping[str, Node]) -> Sequence[Wrong]:
        """The errors between parameters, whether or not each is valid by itself."""
        return ()


ParametersT = TypeVar("ParametersT", bound=Parameters)


async def read_form(request: Request, model: type[ParametersT]) -> tuple[ParametersT, bytes]:
    """The parameters of a POST, those in its body and those in its query together; and the bytes of both.

    Raises InvalidParameters naming every one that is wrong; BodyTooLarge and UnsupportedMediaType for a body that is
    not a form, or is compressed.
    """
    body = await read_body(request, services(request).bodies)
    if body:
        _require_form(request)
    query = request.scope["query_string"]
    return _validated(parse_form(query, body), model), b"&".join(filter(None, (query, body)))


def read_query(request: Request, model: type[ParametersT]) -> ParametersT:
    """The parameters of a GET. Raises InvalidParameters naming every one that is wrong."""
    return _validated(parse_form(request.scope["query_string"]), model)


def _require_form(request: Request) -> None:
    given = [value.decode("latin-1").strip() for name, value in request.scope["headers"] if name == b"content-type"]
    media_type, _, options = ", ".join(filter(None, given)).partition(";")
    advice = f"send the parameters as a form, with the header Content-Type: {FORM_TYPE}"
    if media_type.strip().lower() != FORM_TYPE:
        what = f"This call does not read {media_type.strip()[:100]}" if media_type else "The body has no Content-Type"
        raise _refused("", f"{what}: {advice}.")
    charset = options.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise _refused("", f"The body is read as UTF-8, not as {charset[:40]}: {advice}.")


def _validated(form: Mapping[str, Node], model: type[ParametersT]) -> ParametersT:
    wrong = list(model.disagreements(form))
    try:
        parameters = model.model_validate(form)
    except ValidationError as error:
        wrong = [*_in_words(error, model), *wrong]
    else:
        if not wrong:
            return parameters
    wrong.sort(key=_precedence)
    raise InvalidParameters([FieldError(one.name, one.message) for one in wrong], wrong[0].code)


def parse_form(*parts: bytes) -> dict[str, Node]:
    """The parameters of all `parts` together, nested as their brackets say; in time linear in their length.

    Raises InvalidParameters, which names the parameter as it was written, for bytes that are not UTF-8, broken percent
    escapes, U+0000, a name without =, brackets that do not match or lead too deep, a name that comes twice, or both
    with and without brackets, and more than MAX_PARAMETERS.
    """
    form: dict[str, Node] = {}
    count = 0
    for part in parts:
        for pair in part.split(b"&"):
            if not pair:
                continue
            count += 1
            if count > MAX_PARAMETERS:
                raise _refused("", f"Send at most {MAX_PARAMETERS:,} parameters.")
            raw_name, equals, raw_value = pair.partition(b"=")
            name = _decoded(raw_name, raw_name)
            path = _path(name)
            if not equals:
                raise _refused(name, "has no = after it; write name=value, or name= for an empty value")
            _put(form, name, path, _decoded(raw_value, raw_name))
    return form


def _decoded(raw: bytes, raw_name: bytes) -> str:
    """Raises InvalidParameters, naming the parameter, for what is not text."""
    if _BAD_ESCAPE.search(raw):
        raise _refused(
            _as_written(raw_name), "has a % that two hexadecimal digits do not follow; write % itself as %25"
        )
    try:
        text = unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise _refused(_as_written(raw_name), "must be UTF-8, percent-encoded", INVALID_CHARACTERS) from None
    if "\x00" in text:
        raise _refused(_as_written(raw_name), "must not have the character U+0000", INVALID_CHARACTERS)
    return text


def _path(name: str) -> list[str]:
    """`["a", "b", ""]` for `a[b][]`."""
    if len(name) > MAX_NAME:
        raise _refused(cut(name, _LONGEST_SHOWN), f"is a longer name than any parameter has ({len(name):,} characters)")
    match = _NAME.fullmatch(name)
    if match is None:
        if not name:
            raise _refused("", "A value was sent without a name: write name=value.")
        message = "must be a name with its brackets, each closed, at the end, such as failed[failed_at]"
        raise _refused(cut(name, _LONGEST_SHOWN), message)
    base, brackets = match.groups()
    path = [base, *brackets[1:-1].split("][")] if brackets else [base]
    if "" in path[:-1]:
        raise _refused(name, "has [] before its end: no call takes an array of hashes or arrays")
    if len(path) - (path[-1] == "") > MAX_DEPTH:
        raise _refused(name, f"is nested deeper than any parameter is: at most {MAX_DEPTH} names deep")
    return path


def _put(form: dict[str, Node], name: str, path: list[str], value: str) -> None:
    *outer, key = path[:-1] if path[-1] == "" else path
    inside = form
    for step in outer:
        found = inside.setdefault(step, {})
        if not isinstance(found, dict):
            raise _refused(name, _sent_as_well(found))
        inside = found
    found_here = inside.get(key)
    if path[-1] == "" and isinstance(found_here, list):
        found_here.append(value)
    elif found_here is None:
        inside[key] = [value] if path[-1] == "" else value
    elif isinstance(found_here, str) and path[-1] != "":
        raise _refused(name, "was sent twice; send it once")
    else:
        raise _refused(name, _sent_as_well(found_here))


def _sent_as_well(found: Node) -> str:
    how = {str: "without brackets", list: "with []", dict: "with a name in brackets"}[type(found)]
    return f"was sent {how} as well; send one or the other"


def _as_written(raw_name: bytes) -> str:
    """A raw name as text for a message, even if it is not valid UTF-8."""
    name = unquote_to_bytes(raw_name[: 6 * _LONGEST_SHOWN]).decode(errors="backslashreplace")
    return cut(name.replace("\x00", "\\x00"), _LONGEST_SHOWN)


def _refused(name: str, message: str, code: str | None = None) -> InvalidParameters:
    return InvalidParameters([FieldError(name, message)], code)


def _precedence(wrong: Wrong) -> int:
    """Sorts errors: a name that is unknown, or a value of another shape, comes before a missing parameter, which it may
    be meant to be."""
    if wrong.is_misshapen:
        return 1
    return {UNKNOWN: 0, MISSING: 2}.get(wrong.code or "", 3)


def _in_words(error: ValidationError, model: type[BaseModel]) -> list[Wrong]:
    """The errors of `model`, each with the parameter's name as the caller wrote it and what would be right."""
    return [
        wrong
        for count, detail in enumerate(error.errors(include_url=False))
        for wrong in _explained(detail, model, [str(step) for step in detail["loc"]], count)
    ]


def _explained(detail: Any, model: type[BaseModel], path: Sequence[str], count: int) -> Iterator[Wrong]:
    name, kind, given = _bracketed(path), detail["type"], detail["input"]
    if kind == "extra_forbidden":
        advice = f"; {_advice(model, path)}" if count < _MOST_ADVISED else ""
        yield Wrong(cut(name, _LONGEST_SHOWN), f"is not a parameter of this call{advice}", UNKNOWN)
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
            yield Wrong(cut(field.field, _LONGEST_SHOWN), field.message)
    else:
        yield Wrong(name, detail["ctx"]["message"], None if kind == NO_CODE else kind)


def _bracketed(path: Sequence[str]) -> str:
    """`a[b][c]` for `["a", "b", "c"]`."""
    return path[0] + "".join(f"[{step}]" for step in path[1:])


def _advice(model: type[BaseModel], path: Sequence[str]) -> str:
    """The rest of the message about an unknown name: the name that may have been meant, or all that are known."""
    outer = _model_at(model, path[:-1])
    known = list(outer.model_fields) if outer else []
    given = path[-1]
    if len(path) == 1 and len(given) <= _LONGEST_SHOWN and _DOTTED.fullmatch(given):
        return f"names are nested with brackets: {_bracketed(given.split('.'))}"
    near = difflib.get_close_matches(given[:_LONGEST_SHOWN], known, n=1, cutoff=0.7)
    if near:
        return f"did you mean {_bracketed([*path[:-1], near[0]])}?"
    where = f"{_bracketed(path[:-1])} takes" if len(path) > 1 else "it takes"
    return f"{where} {', '.join(known)}"


def _what_it_takes(model: type[BaseModel], path: Sequence[str]) -> str:
    """The rest of the message about a missing or empty parameter: what to send under its name, if that is known."""
    inner = _model_at(model, path)
    if inner is not None:
        required = [name for name, field in inner.model_fields.items() if field.is_required()]
        names = [_bracketed([*path, name]) for name in required or inner.model_fields]
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
