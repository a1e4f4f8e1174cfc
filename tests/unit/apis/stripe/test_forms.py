"""Forms with brackets."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_service.apis.stripe.errors import InvalidParameters
from dunning_service.apis.stripe.forms import MAX_DEPTH, MAX_NAME, MAX_PARAMETERS, parse_form


def refused(*parts: bytes) -> InvalidParameters:
    with pytest.raises(InvalidParameters) as caught:
        parse_form(*parts)
    return caught.value


@pytest.mark.parametrize(
    ("form", "nested"),
    [
        (b"", {}),
        (b"&&", {}),
        (b"a=1", {"a": "1"}),
        (b"a=", {"a": ""}),
        (b"a=b=c", {"a": "b=c"}),
        (b"a=1;b=2", {"a": "1;b=2"}),
        (b"a=x+y%20z%2B", {"a": "x y z+"}),
        (b"a=%C3%A6%f0%9f%92%b3", {"a": "æ💳"}),
        ("a=æ".encode(), {"a": "æ"}),
        (b"a[b]=1&a[c][d]=2&e=3", {"a": {"b": "1", "c": {"d": "2"}}, "e": "3"}),
        (b"a%5Bb%5D=1&a%5bc%5d=2", {"a": {"b": "1", "c": "2"}}),
        (b"a[b][c][d]=1", {"a": {"b": {"c": {"d": "1"}}}}),
        (b"a[]=1&a[]=2", {"a": ["1", "2"]}),
        (b"a[b][]=1", {"a": {"b": ["1"]}}),
        (b"a[1]=y&a[0]=x", {"a": {"1": "y", "0": "x"}}),
        (b"m[order+id]=1&m[%26%3D]=2", {"m": {"order id": "1", "&=": "2"}}),
    ],
)
def test_brackets_nest(form: bytes, nested: dict[str, Any]) -> None:
    assert parse_form(form) == nested


def test_query_and_body_are_read_together() -> None:
    assert parse_form(b"a[b]=1", b"a[c]=2") == {"a": {"b": "1", "c": "2"}}
    assert refused(b"a=1", b"a=2").fields[0].field == "a"


@pytest.mark.parametrize(
    ("form", "name", "told"),
    [
        (b"a=1&a=1", "a", "twice"),
        (b"a[b]=1&a%5Bb%5D=2", "a[b]", "twice"),
        (b"a=1&a[b]=2", "a[b]", "without brackets as well"),
        (b"a[b]=2&a=1", "a", "with a name in brackets as well"),
        (b"a=&a[b]=2", "a[b]", "without brackets as well"),
        (b"a[]=1&a[b]=2", "a[b]", "with [] as well"),
        (b"a[b]=2&a[]=1", "a[]", "with a name in brackets as well"),
        (b"a=2&a[]=1", "a[]", "without brackets as well"),
        (b"a[]=2&a=1", "a", "with [] as well"),
        (b"a[b=1", "a[b", "each closed"),
        (b"a]=1", "a]", "each closed"),
        (b"[a]=1", "[a]", "each closed"),
        (b"a[b]c=1", "a[b]c", "at the end"),
        (b"a[[b]]=1", "a[[b]]", "each closed"),
        (b"a[][b]=1", "a[][b]", "before its end"),
        (b"a", "a", "no ="),
        (b"=1", "", "without a name"),
        (b"a=%", "a", "%25"),
        (b"a=100%25%", "a", "%25"),
        (b"a=%4", "a", "%25"),
        (b"a=%zz", "a", "%25"),
        (b"a=%u00e6", "a", "%25"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(form: bytes, name: str, told: str) -> None:
    refusal = refused(form)

    assert [wrong.field for wrong in refusal.fields] == [name]
    assert told in refusal.message
    assert name in refusal.message


@pytest.mark.parametrize("raw", [b"%FF", b"\xff", b"%C3", b"%ED%A0%80", b"%C0%80", b"%00", b"\x00"])
def test_what_no_text_holds_is_refused(raw: bytes) -> None:
    value = refused(b"a[b]=x" + raw)
    name = refused(raw + b"=x")

    assert (value.fields[0].field, value.code) == ("a[b]", "invalid_characters")
    assert name.code == "invalid_characters"
    assert "\x00" not in name.message


def test_nothing_is_nested_deeper_than_parameters_are() -> None:
    brackets = b"[b]" * (MAX_DEPTH - 1)

    assert parse_form(b"a" + brackets + b"=1", b"c" + brackets + b"[]=1")
    for deeper in (b"a" + brackets + b"[c]=1", b"a" + brackets + b"[c][]=1"):
        assert "deeper" in refused(deeper).message


def test_names_and_parameters_are_limited() -> None:
    assert parse_form(b"a" * MAX_NAME + b"=1")
    assert len(refused(b"a" * (MAX_NAME + 1) + b"=1").message) < 300
    many = b"&".join(b"a[%d]=1" % number for number in range(MAX_PARAMETERS))
    assert len(parse_form(many)["a"]) == MAX_PARAMETERS
    assert "1,000" in refused(many, b"b=1").message


@pytest.mark.parametrize(
    "body",
    [
        b"a[" * 500_000,
        b"a" + b"[b]" * 350_000 + b"=1",
        b"a" + b"[]" * 500_000 + b"=1",
        b"&" * 1_000_000,
        b"a=" + b"%41" * 350_000,
        b"a=" + b"+" * 1_000_000,
        b"%41" * 350_000 + b"=1",
        b"a=1&" * 250_000,
        b"a[]=1&" * 170_000,
        b"a=" + b"%" * 1_000_000,
        b"&".join(b"a[%d]=%s" % (number, b"x" * 1_000) for number in range(1_000)),
    ],
    ids=lambda body: body[:12].decode(),
)
def test_a_large_body_takes_no_longer_than_its_length(body: bytes) -> None:
    started = time.process_time()
    with suppress(InvalidParameters):
        parse_form(body)

    assert time.process_time() - started < 2


_NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0[]"), min_size=1, max_size=20)
_VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_FORMS = st.dictionaries(_NAMES, _VALUES | st.dictionaries(_NAMES, _VALUES, min_size=1, max_size=4), max_size=6)


@given(_FORMS, st.sampled_from(["", "[]"]))
def test_what_was_written_is_what_is_read(form: dict[str, Any], unescaped: str) -> None:
    pairs = []
    for name, value in form.items():
        if isinstance(value, dict):
            pairs += [(f"{name}[{key}]", text) for key, text in value.items()]
        else:
            pairs.append((name, value))
    written = urlencode(pairs, safe=unescaped, quote_via=quote)

    assert parse_form(written.encode()) == form


@given(st.binary(max_size=60) | st.text("ab[]=&%05+", max_size=30).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(InvalidParameters):
        assert isinstance(parse_form(body), dict)
