"""Query strings and form bodies with brackets: `failed[failed_at]=1794398400&expand[0]=customer`.

Strict, because a payment is at stake: what could be read in two ways is refused.
"""

from __future__ import annotations

import re
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from dunning_service.apis.stripe.errors import INVALID_CHARACTERS, InvalidParameters
from dunning_service.errors import FieldError

MAX_PARAMETERS = 1_000
"""Most parameters of one request, in query and body together."""

MAX_DEPTH = 4
"""Most names in one: `payment_method_details[billing_details][address][city]`."""

MAX_NAME = 500
"""Longest name with its brackets, in characters."""

Node: TypeAlias = "str | list[str] | dict[str, Node]"
"""A value; the elements of `name[]`; or what is in the brackets of a name, with an array's indexes as they stand."""

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_LONGEST_SHOWN = 100


def parse_form(*parts: bytes) -> dict[str, Node]:
    """The parameters of all `parts` together, nested as their brackets say; in time that grows with their length only.

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
                raise InvalidParameters([FieldError("", f"Send at most {MAX_PARAMETERS:,} parameters.")])
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
        raise _refused(_cut(name), f"is a longer name than any parameter has ({len(name):,} characters)")
    match = _NAME.fullmatch(name)
    if match is None:
        if not name:
            raise InvalidParameters([FieldError("", "A value was sent without a name: write name=value.")])
        raise _refused(
            _cut(name), "must be a name with its brackets, each closed, at the end, such as failed[failed_at]"
        )
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
    if isinstance(found, str):
        return "was sent without brackets as well; send one or the other"
    if isinstance(found, list):
        return "was sent with [] as well; send one or the other"
    return "was sent with a name in brackets as well; send one or the other"


def _as_written(raw_name: bytes) -> str:
    """For a message about a name that may not be text."""
    return _cut(
        unquote_to_bytes(raw_name[: 6 * _LONGEST_SHOWN]).decode(errors="backslashreplace").replace("\x00", "\\x00")
    )


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}…"


def _refused(name: str, message: str, code: str | None = None) -> InvalidParameters:
    return InvalidParameters([FieldError(name, message)], code)
