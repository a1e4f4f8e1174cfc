"""What a caller may be told under load, in its own dialect."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_acknowledgement(self) -> bool:
        return 200 <= self.status < 300

    @property
    def closes(self) -> bool:
        return self.headers.get("connection") == "close"


def next_answer(received: bytearray) -> Answer | None:
    """Takes the first answer off what was received; None while it is not there in full."""
    head_end = received.find(_END_OF_HEAD)
    if head_end < 0:
        return None
    status_line, *lines = bytes(received[:head_end]).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body_begins = head_end + len(_END_OF_HEAD)
    ends = body_begins + int(headers["content-length"])
    if len(received) < ends:
        return None
    body = bytes(received[body_begins:ends])
    del received[:ends]
    return Answer(int(status_line.split()[1]), headers, body)


def _is_goodparty(said: Any, _status: int) -> bool:
    return bool(said.keys() == {"Message"})


def _is_problem(said: Any, status: int) -> bool:
    return bool(said.get("status") == status and said.get("code") and said.get("request_id"))


def _is_stripe(said: Any, status: int) -> bool:
    return bool(said.get("error", {}).get("type") == ("api_error" if status >= 500 else "invalid_request_error"))


def _is_problem_details(said: Any, status: int) -> bool:
    return bool(said.get("status") == status and said.get("code") and said.get("traceId"))


_DIALECTS: dict[str, tuple[str, Callable[[Any, int], bool]]] = {
    "/api/ActionService/": ("application/json; charset=utf-8", _is_goodparty),
    "/webhooks/": ("application/problem+json", _is_problem),
    "/v1/": ("application/json", _is_stripe),
    "/sub-api/": ("application/problem+json", _is_problem_details),
}


def wrong_with(path: str, answer: Answer, *statuses: int) -> str | None:
    """What is wrong with a refusal that should have one of these statuses; None when it is as it should be."""
    if answer.status not in statuses:
        return f"{path} was answered {answer.status}: {answer.body[:200]!r}"
    if answer.status in (429, 503) and not answer.headers.get("retry-after", "").isdigit():
        return f"{path} was answered {answer.status} without Retry-After"
    media_type, is_right = next(found for prefix, found in _DIALECTS.items() if path.startswith(prefix))
    if answer.headers.get("content-type") != media_type or not is_right(json.loads(answer.body), answer.status):
        return f"{path} was answered {answer.status} in another dialect: {answer.headers} {answer.body[:200]!r}"
    return None
