"""Answers as they come in over plain sockets."""

from __future__ import annotations

from dataclasses import dataclass

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
