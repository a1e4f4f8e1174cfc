"""XML as .NET's DataContractSerializer writes it: one element per property, all in one namespace, `i:nil` for null."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from dunning_service.errors import FieldError, UnreadableNotice
from dunning_service.values.charsets import CODECS, READ, UTF_8, UTF_16, decoded

_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_MAX_ELEMENTS = 1_000

_DECLARED = re.compile(rb"""<\?xml[^>]{1,100}?\sencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})""")

_FORBIDDEN = "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_NOT_CONTENT = r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<\?.*?(?:\?>|\Z)"
_SUSPECT = re.compile(f"{_NOT_CONTENT}|&#([0-9]{{1,10}}|x[0-9A-Fa-f]{{1,8}});|{_FORBIDDEN}", re.DOTALL)
"""What is or may hold a character that XML 1.0 has no way to write: a reference to one, or the character itself. In
comments, CDATA sections and processing instructions nothing is a reference."""
_FORBIDDEN_CHARACTER = re.compile(_FORBIDDEN)
_PLACEHOLDERS = range(0xFDD0, 0xFDF0)
"""Code points that are no characters, and that XML 1.0 allows all the same."""

UNKEPT = "\x00"
"""In a text that was read: a character that XML 1.0 forbids."""


def read_xml(
    body: bytes, *, root: str, namespace: str, is_known: Callable[[str], object], codec: str | None = None
) -> list[tuple[str, str | None]]:
    """The child elements of `root` that are in `namespace` and known, as (name, text) in their order; None for `i:nil`.
    What is forbidden in XML 1.0, and .NET writes as `&#xB;` all the same, is `UNKEPT` in a text.

    Stricter than the serializer about the root, wider about the rest: any order, elements that are not known or of
    another namespace are passed over with all they hold. A byte order mark says what the encoding is, else `codec`,
    which is that of Content-Type, else the XML declaration (RFC 7303, section 3). Raises UnreadableNotice for another
    root, a document type or entities, an element inside a property, and what is not XML.
    """
    text = _decoded(body, codec)
    placeholder = ""
    try:
        try:
            properties = _parsed(body if text is None else text, root, namespace, is_known)
        except (ParseError, UnicodeEncodeError):
            repaired, placeholder = ("", "") if text is None else _without_forbidden(text)
            if not placeholder:
                raise
            properties = _parsed(repaired, root, namespace, is_known)
    except ParseError as error:
        raise UnreadableNotice(f"the body is not well-formed XML: {error}") from None
    except DefusedXmlException:
        raise UnreadableNotice("the body has a document type or entities, which are not read; leave them out") from None
    except (LookupError, ValueError):  # from the decoder of the encoding that the XML declaration names
        raise UnreadableNotice(f"the body is in an encoding that cannot be read; send {READ}") from None
    if placeholder:
        return [(name, value and value.replace(placeholder, UNKEPT)) for name, value in properties]
    return properties


def _parsed(
    source: str | bytes, root: str, namespace: str, is_known: Callable[[str], object]
) -> list[tuple[str, str | None]]:
    target = _Properties(root, namespace, is_known)
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    parser.feed(source)
    parser.close()
    return target.properties


def _decoded(body: bytes, codec: str | None) -> str | None:
    """The text; None where only the parser may know the encoding that is declared. Raises UnreadableNotice."""
    if codec is None:
        if body[:2] in (b"<\x00", b"\x00<"):
            codec = UTF_16
        elif declared := _DECLARED.match(body.removeprefix(b"\xef\xbb\xbf")):
            codec = CODECS.get(declared[1].decode().lower())
            if codec is None:
                return None
            if codec == UTF_16:  # what was read byte by byte is not: .NET's StringWriter always declares it
                codec = UTF_8
    return decoded(body, codec)


def _without_forbidden(text: str) -> tuple[str, str]:
    """`text` with a placeholder for each forbidden character, and the placeholder; it is empty when there is none."""
    placeholder = next((chr(point) for point in _PLACEHOLDERS if chr(point) not in text), "")

    def repaired(found: re.Match[str]) -> str:
        reference = found[1]
        if reference is None:
            return _FORBIDDEN_CHARACTER.sub(placeholder, found[0])
        point = int(reference[1:], 16) if reference.startswith("x") else int(reference)
        is_allowed = point <= 0x10FFFF and not _FORBIDDEN_CHARACTER.match(chr(point))
        return found[0] if is_allowed else placeholder

    result = _SUSPECT.sub(repaired, text) if placeholder else text
    return (result, placeholder) if result != text else (text, "")


class _Properties:
    """The target of the XML parser: collects properties and builds no tree, so that depth costs nothing."""

    def __init__(self, root: str, namespace: str, is_known: Callable[[str], object]) -> None:
        self.properties: list[tuple[str, str | None]] = []
        self._root = root
        self._prefix = f"{{{namespace}}}"
        self._is_known = is_known
        self._depth = 0
        self._elements = 0
        self._name: str | None = None
        self._is_nil = False
        self._text: list[str] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._elements > _MAX_ELEMENTS:
            raise UnreadableNotice(f"the body holds more than {_MAX_ELEMENTS} elements")
        if self._depth == 1 and tag != self._prefix + self._root:
            raise UnreadableNotice(
                f"the root element is {tag[:200]!a}; it must be {self._root} in the namespace {self._prefix[1:-1]}"
            )
        if self._depth == 2 and tag.startswith(self._prefix):
            name = tag.removeprefix(self._prefix)
            if self._is_known(name):
                self._name = name
                self._is_nil = attributes.get(_NIL, "").strip() in ("true", "1")
        elif self._depth == 3 and self._name is not None:
            raise UnreadableNotice.of([FieldError(self._name, "it holds another element; it must hold text")])

    def data(self, text: str) -> None:
        if self._name is not None:
            self._text.append(text)

    def end(self, _tag: str) -> None:
        if self._depth == 2 and self._name is not None:
            self.properties.append((self._name, None if self._is_nil else "".join(self._text)))
            self._name = None
            self._text = []
        self._depth -= 1

    def close(self) -> None:
        """Called by the parser at the end; what has been read is in `properties`."""
