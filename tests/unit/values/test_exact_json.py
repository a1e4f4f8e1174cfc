"""What is refused of a JSON text, and that finding it is cheap."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import pytest
from hypothesis import given

from dunning_service.errors import UnreadableNotice
from dunning_service.values.exact_json import read_json

_MANY = 100_000


def test_a_name_twice_is_refused_by_its_name() -> None:
    with pytest.raises(UnreadableNotice, match="the name 'b' stands twice"):
        read_json(b'{"a":1,"b":2,"c":{"b":3},"b":4}')


def test_the_last_of_many_names_is_found_in_one_pass() -> None:
    """Comparing each with each would take minutes."""
    names = [f"n{number}" for number in range(_MANY)]
    members = ",".join(f"{json.dumps(name)}:0" for name in [*names, names[-1]])
    with pytest.raises(UnreadableNotice, match=f"the name '{names[-1]}' stands twice"):
        read_json(f"{{{members}}}".encode())


def test_only_what_has_to_be_exact_is_refused_for_a_character_that_cannot_be_kept() -> None:
    body = rb'{"id":"a\ud800","name":"\u0000b","customer":{"id":["c\udfff"]},"\ud800":1,"face":"\ud83d\ude00"}'

    read = read_json(body, is_exact=lambda path: False)
    assert read == {
        "id": "a\ufffd", "name": "\ufffdb", "customer": {"id": ["c\ufffd"]}, "\ufffd": 1, "face": "\U0001f600"
    }  # fmt: skip
    with pytest.raises(UnreadableNotice) as caught:
        read_json(body, is_exact=lambda path: path.endswith("id"))
    assert {problem.field for problem in caught.value.fields} == {"id", "customer.id"}
    with pytest.raises(UnreadableNotice) as caught:
        read_json(body)
    assert {problem.field for problem in caught.value.fields} == {"id", "name", "customer.id"}


def test_looking_for_such_characters_does_not_depend_on_the_depth() -> None:
    body = b'{"x":' * 900 + rb'"\ud800"' + b"}" * 900

    assert read_json(body, is_exact=lambda path: False)


@given(
    st.recursive(
        st.text() | st.integers(-9, 9), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
    )
)
def test_what_is_read_can_always_be_kept(value: object) -> None:
    read = read_json(json.dumps([value]).encode(), is_exact=lambda path: False)

    assert "\x00" not in json.dumps(read, ensure_ascii=False).encode().decode()
    assert r"\u0000" not in json.dumps(read, ensure_ascii=False)
