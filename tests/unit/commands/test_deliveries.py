"""How a stored body is shown."""

from __future__ import annotations

from dunning_service.commands.deliveries import body_for_people, body_for_programs


def test_text_is_shown_as_text() -> None:
    assert body_for_people('{"name":"Bj\u00f8rn"}\n\tend'.encode()) == '{"name":"Bj\u00f8rn"}\n\tend'
    assert body_for_programs(b"{}") == {"body": "{}"}


def test_what_would_move_the_cursor_is_escaped() -> None:
    assert body_for_people(b"\x1b[2Jgone\r") == "\\x1b[2Jgone\\r"


def test_what_is_no_text_is_base64() -> None:
    assert body_for_people(b"\xff\x00") == "(not UTF-8; base64) /wA="
    assert body_for_programs(b"\xff\x00") == {"body": None, "body_base64": "/wA="}


def test_a_pruned_body_says_so() -> None:
    assert body_for_people(None) == "(pruned)"
    assert body_for_programs(None) == {"body": None}
