"""What is refused of a JSON text, and that finding it is cheap."""

from __future__ import annotations

import json

import pytest

from dunning_service.errors import UnreadableNotice
from dunning_service.exact_json import read_json

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
