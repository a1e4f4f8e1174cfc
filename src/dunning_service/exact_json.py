"""JSON as money wants it read: strictly, and with exact numbers."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from dunning_service.errors import UnreadableNotice

_INT64 = range(-(2**63), 2**63)


def read_json(body: bytes) -> Any:
    """The value of a JSON text: integers as int, other numbers as Decimal.

    Raises UnreadableNotice for what RFC 8259 forbids or leaves open and for what a database cannot keep: a byte order
    mark, invalid UTF-8, NaN and Infinity, a name twice in one object, an integer past 64 bits, nesting too deep to
    read, a lone surrogate, U+0000.
    """
    if body.startswith(b"\xef\xbb\xbf"):
        raise UnreadableNotice("the body begins with a byte order mark; send UTF-8 without one")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableNotice(f"the body is not valid UTF-8 at byte {error.start}") from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise UnreadableNotice(f"the body is not valid JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise UnreadableNotice("the body is nested too deeply") from None
    if "\\u" in text:  # only an escape can smuggle these past the UTF-8 check
        _refuse_unkeepable(value)
    return value


def _refuse_unkeepable(value: Any) -> None:
    """Looks at every text, also at names. Not recursive, as the value may be nested as deep as the decoder allows."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            require_keepable(item)
        elif isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def require_keepable(text: str) -> None:
    """Raises UnreadableNotice for text that UTF-8 or PostgreSQL cannot hold."""
    if "\x00" in text:
        raise UnreadableNotice("the body holds the character U+0000, which cannot be stored")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UnreadableNotice("the body holds half of a surrogate pair, which is not a character") from None


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise UnreadableNotice(f"the name {_first_repeated(pairs)[:100]!a} stands twice in one object")
    return result


def _first_repeated(pairs: list[tuple[str, Any]]) -> str:
    """In one pass, as whoever sent the body chose how many names there are."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    raise AssertionError("no name stands twice")


def _int64(digits: str) -> int:
    if len(digits) < 19:
        return int(digits)
    if len(digits) > 20 or int(digits) not in _INT64:
        raise UnreadableNotice("the body holds an integer that does not fit 64 bits")
    return int(digits)


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:
        raise UnreadableNotice("the body holds a number whose exponent is out of range") from None


def _no_such_number(name: str) -> NoReturn:
    raise UnreadableNotice(f"the body holds {name}, which is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object_without_repeats,
    parse_int=_int64,
    parse_float=_decimal,
    parse_constant=_no_such_number,
)
