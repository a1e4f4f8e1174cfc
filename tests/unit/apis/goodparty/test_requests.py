from __future__ import annotations

import pytest

from dunning_service.apis.goodparty.requests import choose


@pytest.mark.parametrize(
    ("accept", "content_type", "answer"),
    [
        ("", "", "application/json"),
        ("", "text/xml", "text/xml"),
        ("", "application/xml; charset=utf-8", "application/xml"),
        ("", "text/json", "text/json"),
        ("", "application/x-www-form-urlencoded", "application/json"),
        ("*/*", "application/xml", "application/xml"),
        ("*/*", "", "application/json"),
        ("text/*", "", "text/json"),
        ("text/*", "application/xml", "text/xml"),
        ("application/*", "text/xml", "application/xml"),
        ("text/xml", "application/json", "text/xml"),
        ("TEXT/XML", "application/json", "text/xml"),
        ("text/html", "application/json", "application/json"),
        ("text/html", "application/xml", "application/xml"),
        ("application/json;q=0.5, application/xml;q=0.9", "application/json", "application/xml"),
        ("application/xml;q=0.5, */*;q=0.1", "application/json", "application/xml"),
        ("application/xml, */*", "application/json", "application/xml"),
        ("application/xml, application/json", "", "application/xml"),
        ("application/xml;q=0, */*", "application/xml", "text/xml"),
        ("application/json;q=0", "application/json", "application/json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "", "application/xml"),
        ("application/json;q=nan, text/xml;q=0.3", "", "application/json"),
        (",;q=1,/,", "", "application/json"),
    ],
)
def test_an_answer_is_always_found(accept: str, content_type: str, answer: str) -> None:
    assert choose(accept.encode(), content_type.encode()) == answer
