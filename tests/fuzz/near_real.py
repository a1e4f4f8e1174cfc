"""Bodies that are nearly what real senders send: hypothesis strategies that begin with a real one and damage it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote_plus

from hypothesis import strategies as st

Path = tuple[str | int, ...]

ODD_TEXTS = (
    *(
        "",
        " ",
        "\x00",
        "a\x00b",
        "\ud800",
        "\udfff\ud83d",
        "\ufffe",
        "\u202e",
        "\x1b[0m",
        "\r\n",
        "ß" * 200,
        "x" * 70_000,
    ),
    *(
        "NaN",
        "Infinity",
        "-0",
        "1e999999",
        "0x10",
        "१२",
        "1_000",
        "null",
        "true",
        "[]",
        "{}",
        "' OR 1=1 --",
        "%00",
        "%s",
    ),
    *("2026-02-30T00:00:00Z", "0000-00-00", "9999-12-31T23:59:59.999999999-14:00", "2026-01-01T00:00:00+99:99"),
    *(
        "/Date(99999999999999999)/",
        "/Date(-62135596800001)/",
        "00000000-0000-0000-0000-000000000000",
        "../../etc/passwd",
    ),
    *("kari@example.com" * 40, "NOK", "nok", "XXX", "XTS", "KWD", "12.345", "1,50", "-1", "9" * 400),
)
_NUMBERS = (0, -1, 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**400, 1e308, 1e-320, 0.1, -0.0)
_NOT_JSON = (math.nan, math.inf, -math.inf)

odd_texts = st.sampled_from(ODD_TEXTS) | st.text(max_size=30)
odd_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.sampled_from(_NUMBERS + _NOT_JSON) | st.integers() | odd_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


class Pairs(list[tuple[str, Any]]):
    """An object whose names may stand in it twice."""


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    inner: Sequence[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    for name, one in inner:
        yield from _paths(one, (*path, name))


def _changed(value: Any, path: Path, change: Any) -> Any:
    """`value` with `change` made where `path` leads."""
    if not path:
        return change(value)
    name, *rest = path
    if isinstance(value, dict) and name in value:
        return {**value, name: _changed(value[name], tuple(rest), change)}
    if isinstance(value, list) and isinstance(name, int) and name < len(value):
        return [*value[:name], _changed(value[name], tuple(rest), change), *value[name + 1 :]]
    return value


@st.composite
def near_values(draw: st.DrawFn, real: Any) -> Any:
    """A JSON value near `real`: some of it left out, of another type, deeper, renamed, repeated, or more."""
    value = real
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(_paths(value))))
        kind = draw(st.sampled_from(["replace", "drop", "retype", "wrap", "rename", "repeat", "more"]))
        odd = draw(odd_values)
        last = path[-1] if path else None

        def change(old: Any, kind: str = kind, odd: Any = odd) -> Any:
            if kind == "retype":
                return str(old) if isinstance(old, (int, float)) else [old] if isinstance(old, dict) else len(str(old))
            if kind == "wrap":
                return {"value": old, "data": [old]}
            if kind == "repeat" and isinstance(old, dict):
                return Pairs([*old.items(), *list(old.items())[:1]])
            if kind == "more" and isinstance(old, dict):
                return {**old, "extra": odd, "": odd}
            return odd

        if kind == "drop" and isinstance(last, str):
            value = _changed(value, path[:-1], lambda old, last=last: _without(old, last))
        elif kind == "rename" and isinstance(last, str):
            value = _changed(value, path[:-1], lambda old, last=last: _renamed(old, last))
        else:
            value = _changed(value, path, change)
    return value


def _without(old: Any, name: str) -> Any:
    return {key: one for key, one in old.items() if key != name} if isinstance(old, dict) else old


def _renamed(old: Any, name: str) -> Any:
    return {(key.swapcase() if key == name else key): one for key, one in old.items()} if isinstance(old, dict) else old


def as_json(value: Any) -> str:
    """As `json.dumps`, but that Pairs may hold a name twice, and that surrogates stand as they are."""
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(name)}:{as_json(one)}" for name, one in value) + "}"
    if isinstance(value, dict):
        return as_json(Pairs((str(name), one) for name, one in value.items()))
    if isinstance(value, list):
        return "[" + ",".join(map(as_json, value)) + "]"
    return json.dumps(value)


_CODECS = (*("utf-8",) * 16, "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp037")


@st.composite
def written(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> bytes:
    """A text as bytes: nearly always whole, and in UTF-8."""
    text, codec = draw(texts), draw(st.sampled_from(_CODECS))
    body = text.encode(codec, "surrogatepass" if codec.startswith("utf") else "replace")
    damage = draw(st.sampled_from(["none"] * 16 + ["cut", "behind", "before", "inside", "twice"]))
    if damage == "cut":
        return body[: draw(st.integers(0, len(body)))]
    if damage == "behind":
        return body + draw(st.sampled_from([b"\x00", b" ", b"}", b"\xff", b"&", b"<a/>", b",{}"]))
    if damage == "before":
        return draw(st.sampled_from([b"\x00", b" \r\n", b"\xef\xbb\xbf\xef\xbb\xbf", b"\xfe\xff", b")]}',\n"])) + body
    if damage == "inside":
        at = draw(st.integers(0, len(body)))
        return body[:at] + draw(st.binary(min_size=1, max_size=4)) + body[at:]
    return body + body if damage == "twice" else body


DEPTHS = (
    *(opening * 50_000 for opening in ("[", '{"a":', "<a>", "a[", "%5B")),
    '{"a":' * 5_000 + "1" + "}" * 5_000,
    "[" * 900 + "]" * 900,
    "<a>" * 5_000 + "</a>" * 5_000,
    "a" + "[b]" * 20_000 + "=1",
    "&".join(f"a{number}=1" for number in range(5_000)),
    '{"' + '","'.join(f'a{number}":1,"b' for number in range(3_000)) + '":1}',
    "1" * 100_000,
    '{"id":1' + "0" * 100_000 + "}",
    '{"id":1e' + "9" * 100 + "}",
)
"""What costs a careless reader more than it is worth."""


@st.composite
def mostly(draw: st.DrawFn, near: st.SearchStrategy[str]) -> bytes:
    """A text near a real one; now and then something that is deep, or nothing of the kind."""
    kind = draw(st.integers(0, 11))
    if kind == 0:
        return draw(st.binary(max_size=60))
    return draw(written(st.sampled_from(DEPTHS) if kind == 1 else near))


def near_json(real: Any) -> st.SearchStrategy[bytes]:
    """A body near the JSON of `real`."""
    return mostly(near_values(real).map(as_json))


_ENCODINGS = ("utf-8", "UTF-16", "utf-7", "ebcdic-cp-us", "no-such", "idna", "rot13", "hex", "punycode", "", "x" * 300)
_PROLOGUES = (
    *("",) * 12,
    *("<!-- a -->", "<?a b?>", " ", "<?xml version='9.9'?>"),
    *(f"<?xml version='1.0' encoding='{name}'?>" for name in _ENCODINGS),
    "<!DOCTYPE a>",
    "<!DOCTYPE a [<!ENTITY b 'c'>]>",
    "<!DOCTYPE a SYSTEM 'file:///etc/passwd'>",
    "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>",
    "<!DOCTYPE a [<!ENTITY % b SYSTEM 'http://127.0.0.1:1/x'> %b;]>",
    "<!DOCTYPE a [<!ENTITY a0 'ha'>" + "".join(f"<!ENTITY a{n + 1} '{f'&a{n};' * 10}'>" for n in range(9)) + "]>",
)
_INSIDES = (
    *(
        "&b;",
        "&a9;",
        "&#0;",
        "&#xD800;",
        "&#x10FFFF;",
        "&lt;",
        "<![CDATA[x]]>",
        "<b/>",
        "<b><c/></b>",
        "<!-- a -->",
        "\x00",
    ),
    *("]]>", "<", "&", "\ud800", "<?a?>"),
)


@st.composite
def near_xml(draw: st.DrawFn, real: bytes) -> bytes:
    """A body near this XML document, which has a namespace and text in its elements."""
    text = real.decode()
    for _ in range(draw(st.integers(0, 3))):
        places = [at + 1 for at, letter in enumerate(text) if letter == ">"]
        at = draw(st.sampled_from(places or [0]))
        kind = draw(st.sampled_from(["put", "cut", "double", "name", "attribute"]))
        if kind == "put":
            text = text[:at] + draw(st.sampled_from(_INSIDES) | odd_texts) + text[at:]
        elif kind == "cut":
            text = text[:at] + text[draw(st.sampled_from(places or [0])) :]
        elif kind == "double":
            text = text[:at] + text[max(0, at - 60) : at] + text[at:]
        elif kind == "name":
            text = text.replace("ns0:", draw(st.sampled_from(["ns1:", "", "xml:", "xmlns:", "NS0:"])), 3)
        else:
            text = (
                text[: at - 1] + draw(st.sampled_from([" i:nil='true'", " a='b' a='b'", " xmlns=''"])) + text[at - 1 :]
            )
    return draw(mostly(st.just(draw(st.sampled_from(_PROLOGUES)) + text)))


_FORM_ODDITIES = (
    *(
        "",
        "=",
        "&&",
        "=1",
        "a",
        "a=1;b=2",
        "%",
        "%z",
        "%ff=1",
        "a=%ff",
        "%00=1",
        "a=%00",
        "+=+",
        "a==b",
        "[]=1",
        "a[=1",
        "a]=1",
    ),
    *(
        "a[][b]=1",
        "a[b]=1&a=2",
        "a=2&a[b]=1",
        "a[0]=1&a[]=2",
        "a[b][c][d][e][f]=1",
        "__proto__[a]=1",
        "a[-1]=1",
        "a=1&a=2",
    ),
    *(
        "metadata[" + "k" * 41 + "]=1",
        "metadata[a]=" + "v" * 501,
        "metadata=",
        "expand[]=",
        "expand[99999999]=a",
        "é=é",
    ),
)


@st.composite
def near_forms(draw: st.DrawFn, real: Sequence[tuple[str, str]]) -> bytes:
    """A body near this form."""
    pairs = list(real)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(0, len(pairs) - 1)))
        kind = draw(st.sampled_from(["value", "drop", "repeat", "name"]))
        if not pairs or kind == "repeat":
            pairs.append(pairs[at] if pairs else ("a", "b"))
        elif kind == "drop":
            del pairs[at]
        elif kind == "value":
            pairs[at] = (pairs[at][0], draw(odd_texts))
        else:
            pairs[at] = (pairs[at][0] + draw(st.sampled_from(["[]", "[a]", "[0]", "x", " ", "\x00"])), pairs[at][1])
    text = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in pairs)
    for oddity in draw(st.lists(st.sampled_from(_FORM_ODDITIES), max_size=1)):
        text += f"&{oddity}"
    return draw(mostly(st.just(text)))


def _quoted(text: str) -> str:
    return quote_plus(text.encode("utf-8", "surrogatepass"), safe="[]")


CONTENT_TYPES = (
    *(
        "application/json",
        "application/json; charset=utf-8",
        "text/json",
        "application/xml",
        "text/xml; charset=utf-16",
    ),
    *(
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "text/plain",
        "",
    ),
    *(
        "application/json;" * 200,
        "APPLICATION/JSON",
        "application/json; charset",
        "application/problem+json",
        "*/*",
        "json",
        ";",
    ),
    *("application/json; charset=\xff", "application/json, text/xml", "a/" + "b" * 5_000, "application/+json", "\x0b"),
)

content_types = st.sampled_from(CONTENT_TYPES)
