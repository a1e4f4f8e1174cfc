"""Request bodies as ASP.NET Web API takes them: one object as JSON, as data contract XML or as a form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

from dunning_service.errors import FieldError, UnreadableNotice, UnsupportedMediaType
from dunning_service.providers._data_contract import read_xml
from dunning_service.values.charsets import UTF_8, charset_of
from dunning_service.values.exact_json import UNKEEPABLE, is_keepable, mended, read_json

_MAX_FORM_FIELDS = 1_000


BodyFormat = Literal["JSON", "XML", "form"]

_FORMATS: dict[str, BodyFormat] = {
    "application/json": "JSON",
    "text/json": "JSON",
    "application/xml": "XML",
    "text/xml": "XML",
    "application/x-www-form-urlencoded": "form",
}


class Contract:
    """The data contract of a request: its name and namespace in XML, and the spelling of its properties.

    Those that are `exact` name something: a character of them that cannot be kept is not replaced but refused.
    """

    def __init__(self, root: str, namespace: str, properties: Iterable[str], exact: Set[str] = frozenset()) -> None:
        self.root = root
        self.namespace = namespace
        self.properties = frozenset(properties)
        self._exact = exact
        self._by_folded_name = {name.lower(): name for name in self.properties}

    def named(self, name: str) -> str | None:
        """The property that `name` means, exactly or but for case; None when there is none."""
        return name if name in self.properties else self._by_folded_name.get(name.lower())

    def is_exact(self, name: str) -> bool:
        """True when every character of the property that `name` means has to be right."""
        return self.named(name) in self._exact


def read_properties(body: bytes, content_type: bytes | None, contract: Contract) -> dict[str, Any]:
    """The properties of the object in `body`, under the contract's own names; members it does not know are left out
    or are there to be ignored. Characters that no database keeps are U+FFFD.

    Raises UnsupportedMediaType when the Content-Type is missing or another than those above, and UnreadableNotice
    when the body is not such an object, gives a property twice, or has such a character in one that is exact.
    """
    if not body:
        raise UnreadableNotice(f"the body is empty; send {contract.root} in it")
    body_format = format_of(content_type)
    if body_format == "JSON":
        value = read_json(body, content_type, contract.is_exact)
        if type(value) is not dict:
            raise UnreadableNotice(f"the body must be one JSON object, {contract.root}")
        return value if value.keys() <= contract.properties else _under_own_names(value.items(), contract)
    if body_format == "XML":
        codec = charset_of(content_type)
        pairs = read_xml(body, root=contract.root, namespace=contract.namespace, is_known=contract.named, codec=codec)
        return _under_own_names(_mended(pairs, contract), contract)
    return _under_own_names(_mended(_read_form(body), contract), contract)


@lru_cache(maxsize=64)
def format_of(content_type: bytes | None) -> BodyFormat:
    """The format a Content-Type header names. Raises UnsupportedMediaType for none, for another, and for a charset that
    is not read in it."""
    if not content_type:
        raise UnsupportedMediaType(
            "The request has a body but no Content-Type header, and the inferred media type "
            "'application/octet-stream' is not supported for this resource."
        )
    media_type = content_type.decode("latin-1").partition(";")[0].strip().lower()
    try:
        body_format = _FORMATS[media_type]
    except KeyError:
        raise UnsupportedMediaType(
            f"The request entity's media type '{media_type[:100]}' is not supported for this resource."
        ) from None
    if charset_of(content_type) not in (None, UTF_8) and body_format == "form":
        raise UnsupportedMediaType("a form is read as UTF-8 only: percent-encode it so, and leave out the charset")
    return body_format


def _mended(pairs: Sequence[tuple[str, str | None]], contract: Contract) -> Sequence[tuple[str, str | None]]:
    """`pairs` with U+FFFD for each character that no database keeps. Raises UnreadableNotice for such a character in
    a property that has to be exact."""
    if all(value is None or is_keepable(value) for _, value in pairs):
        return pairs
    exact = [(name, value) for name, value in pairs if contract.is_exact(name)]
    wrong = [FieldError(name, UNKEEPABLE) for name, value in exact if value is not None and not is_keepable(value)]
    if wrong:
        raise UnreadableNotice.of(wrong)
    return [(name, value if value is None else mended(value)) for name, value in pairs]


def _under_own_names(members: Iterable[tuple[str, Any]], contract: Contract) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for given, value in members:
        name = contract.named(given)
        if name is None:
            continue
        if name in result:
            problem = FieldError(name, "it is given twice; names are the same without regard to case")
            raise UnreadableNotice.of([problem])
        result[name] = value
    return result


def _read_form(body: bytes) -> list[tuple[str, str]]:
    pairs = [pair for pair in body.split(b"&") if pair]
    if len(pairs) > _MAX_FORM_FIELDS:
        raise UnreadableNotice(f"the form holds more than {_MAX_FORM_FIELDS} fields")
    return [(_form_text(name), _form_text(value)) for name, _, value in (pair.partition(b"=") for pair in pairs)]


def _form_text(raw: bytes) -> str:
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableNotice("the form is not valid UTF-8") from None
