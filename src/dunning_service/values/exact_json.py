"""The JSON reader: strict, and with exact numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from dunning_service.errors import FieldError, UnreadableNotice
from dunning_service.values.charsets import UTF_16, charset_of, decoded

UNKEEPABLE = "it holds U+0000, half of a surrogate pair or another character that cannot be stored; leave it out"
"""The problem of a text with characters that cannot be stored."""

_UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")
_SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|[\ud800-\udfff]")
_LONGEST_PATH = 200
_INT64 = range(-(2**63), 2**63)


def _every_member(_path: str) -> bool:
    return True


def read_json(body: bytes, content_type: bytes | None = None, is_exact: Callable[[str], bool] = _every_member) -> Any:
    """The value of a JSON text: integers as int, other numbers as Decimal. A byte order mark is skipped, and
    `content_type` may name the charset.

    A lone surrogate and U+0000, which no database keeps, become U+FFFD. `is_exact` is asked about the path of a member
    that holds one, such as `customer.id`, and says whether its characters have to be right; those of every member have
    to be unless it is given.

    Raises UnreadableNotice for those, and for what RFC 8259 forbids or leaves open and what a database cannot keep:
    bytes that are not in the charset, NaN and Infinity, a name twice in one object, an integer past 64 bits, nesting
    too deep to read. Raises UnsupportedMediaType for a charset that is not read.
    """
    charset = charset_of(content_type)
    text = decoded(body, charset)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise UnreadableNotice(f"the body is not valid JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise UnreadableNotice("the body is nested too deeply") from None
    # only an escape or UTF-16 can bring these past the decoder
    if ("\\u" in text or charset == UTF_16 or body[:1] >= b"\xfe") and _SUSPECT.search(text):
        return _mended(value, is_exact)
    return value


def is_keepable(text: str) -> bool:
    """False for text that UTF-8 or PostgreSQL cannot hold."""
    return _UNKEEPABLE.search(text) is None


def mended(text: str) -> str:
    """`text` with U+FFFD for each character that no database keeps."""
    return _UNKEEPABLE.sub("\ufffd", text)


def _mended(value: Any, is_exact: Callable[[str], bool]) -> Any:
    """`value` with its texts mended in place. Not recursive, as it may be nested as deep as the decoder allows."""
    problems: list[FieldError] = []
    outermost = [value]
    waiting: list[tuple[str, dict[str, Any] | list[Any]]] = [("", outermost)]
    while waiting:
        path, container = waiting.pop()
        members: Iterable[tuple[Any, Any]] = (
            list(container.items()) if isinstance(container, dict) else enumerate(container)
        )
        for name, item in members:
            where, key = path, name
            if isinstance(container, dict):
                key = mended(name)
                where = f"{path}.{key}"[:_LONGEST_PATH] if path else key
                if key != name:
                    del container[name]
                    container[key] = item
            if isinstance(item, str):
                if not is_keepable(item):
                    container[key] = mended(item)
                    if is_exact(where):
                        problems.append(FieldError(where, UNKEEPABLE))
            elif isinstance(item, (dict, list)):
                waiting.append((where, item))
    if problems:
        raise UnreadableNotice.of(problems)
    return outermost[0]


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise UnreadableNotice(f"the name {_first_repeated(pairs)[:100]!a} stands twice in one object")
    return result


def _first_repeated(pairs: list[tuple[str, Any]]) -> str:
    """The first name that comes twice, in one pass: the sender chooses how many names there are."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    raise AssertionError("no name comes twice")


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
