"""XML as .NET's DataContractSerializer writes it: one element per property, all in one namespace, `i:nil` for null."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from dunning_service.errors import UnreadableNotice

_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_MAX_ELEMENTS = 1_000


def read_xml(body: bytes, *, root: str, namespace: str) -> list[tuple[str, str | None]]:
    """The child elements of `root` that are in `namespace`, as (name, text) in their order; None for `i:nil`.

    Stricter than the serializer about the root, wider about the rest: any order, elements of another namespace are
    passed over. Raises UnreadableNotice for another root, a document type or entities, an element inside a property,
    and what is not XML.
    """
    target = _Properties(root, namespace)
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    try:
        parser.feed(body)
        parser.close()
    except DefusedXmlException:
        raise UnreadableNotice("the body has a document type or entities, which are not read; leave them out") from None
    except ParseError as error:
        raise UnreadableNotice(f"the body is not well-formed XML: {error}") from None
    except (LookupError, ValueError):  # from the decoder of the encoding that the XML declaration names
        raise UnreadableNotice("the body is in an encoding that cannot be read; send UTF-8") from None
    return target.properties


class _Properties:
    """Takes what the parser reports and keeps no tree, so that depth costs nothing."""

    def __init__(self, root: str, namespace: str) -> None:
        self.properties: list[tuple[str, str | None]] = []
        self._root = root
        self._prefix = f"{{{namespace}}}"
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
            self._name = tag.removeprefix(self._prefix)
            self._is_nil = attributes.get(_NIL, "").strip() in ("true", "1")
        elif self._depth == 3 and self._name is not None:
            raise UnreadableNotice(f"the element {self._name[:100]!a} holds another element; it must hold text")

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
