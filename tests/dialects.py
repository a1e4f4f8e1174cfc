"""In which words each API refuses, looked at from outside."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import unquote
from xml.etree import ElementTree

_PROBLEM = {"type", "title", "status", "detail", "code"}
_OF_THE_SERVER = ("Invalid HTTP request received.", "The request ")


class Answer(Protocol):
    """What came back; the names of its headers are in lower case."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...


def is_the_servers_own(answer: Answer) -> bool:
    """What is not HTTP, or too much of it, is answered before anybody has looked at the path: as text, and hung up."""
    told = answer.body.decode("latin-1").startswith(_OF_THE_SERVER)
    return "x-request-id" not in answer.headers and answer.status in (400, 408, 431) and (told or not answer.body)


def wrong_with(target: str, answer: Answer, *statuses: int) -> str | None:
    """What is wrong with a refusal of a request of `target`, which should have one of these statuses where some are
    named; None when it is as it should be."""
    if answer.status not in (statuses or range(400, 600)):
        return f"{target} was answered {answer.status}: {answer.body[:200]!r}"
    if answer.status in (429, 503) and not _is_positive(answer.headers.get("retry-after", "")):
        return f"{target} was answered {answer.status} without Retry-After"
    if not answer.headers.get("x-request-id"):
        return f"{target} was answered {answer.status} without X-Request-ID: {answer.headers}"
    path = _path(target)
    media_types, is_right = next((found for prefix, found in _DIALECTS.items() if _is_under(path, prefix)), _DEFAULT)
    media_type = answer.headers.get("content-type", "")
    if media_type not in media_types or not is_right(_told(media_type, answer.body), answer.status):
        return f"{target} was answered {answer.status} in another dialect: {answer.headers} {answer.body[:200]!r}"
    return None


def _is_goodparty(told: Any, status: int) -> bool:
    more = {400: {"ModelState"}, 422: {"ModelState"}, 404: {"MessageDetail"}}.get(status, set())
    return bool(told.get("Message") and told.keys() - {"Message"} <= more)


def _is_front_payment(told: Any, status: int) -> bool:
    said = (told["status_code"], told["is_error"], told["is_data"])
    return bool(said == (status, status != 404, False) and told["message"])


def _is_problem_details(told: Any, status: int) -> bool:
    is_whole = told.keys() >= {*_PROBLEM, "traceId"} and told["code"] and told["traceId"]
    return bool(is_whole and told["status"] == status)


def _is_stripe(told: Any, status: int) -> bool:
    kinds = ("api_error",) if status >= 500 else ("idempotency_error", "invalid_request_error")
    return bool(told["error"]["message"] and told["error"]["type"] in kinds)


def _is_problem(told: Any, status: int) -> bool:
    is_whole = told.keys() == {*_PROBLEM, "errors", "request_id"} and told["code"] and told["request_id"]
    return bool(is_whole and told["status"] == status)


_Dialect = tuple[tuple[str, ...], Callable[[Any, int], bool]]

_GOODPARTY = tuple(f"{kind}/{form}; charset=utf-8" for kind in ("application", "text") for form in ("json", "xml"))
_JSON = ("application/json",)
_PROBLEM_JSON = ("application/problem+json",)

_DIALECTS: dict[str, _Dialect] = {
    "/api/actionservice": (_GOODPARTY, _is_goodparty),
    "/api/v1/connect": (_JSON, _is_front_payment),
    "/sub-api/v1/subscriptions": (_PROBLEM_JSON, _is_problem_details),
    "/v1": (_JSON, _is_stripe),
    "/v2": (_JSON, _is_stripe),
    "/oauth": (_JSON, _is_stripe),
}
"""By the path in lower case, as the service tells them apart."""
_DEFAULT: _Dialect = (_PROBLEM_JSON, _is_problem)


def _told(media_type: str, body: bytes) -> Any:
    if media_type.partition(";")[0].endswith("/xml"):
        return {element.tag: element.text for element in ElementTree.fromstring(body)}
    return json.loads(body)


def _is_positive(text: str) -> bool:
    return text.isdigit() and int(text) >= 1


def _path(target: str) -> str:
    """As the service sees it: decoded once, without query and fragment, host and slashes at the end."""
    if "://" in target.partition("?")[0] and not target.startswith("/"):
        target = "/" + target.partition("://")[2].partition("/")[2]
    path = unquote(target.partition("#")[0].partition("?")[0]).lower()
    return path.rstrip("/") or "/"


def _is_under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")
