"""Which media type to answer with: an answer is always found, so nobody is told 406."""

from __future__ import annotations

import re
from functools import lru_cache

from starlette.requests import Request

JSON_TYPES = ("application/json", "text/json")
XML_TYPES = ("application/xml", "text/xml")
REPLY_TYPES = (*JSON_TYPES, *XML_TYPES)

_QUALITY = re.compile(r"[01](?:\.\d{0,3})?", re.ASCII)


def reply_type(request: Request) -> str:
    """The media type of the answer: what Accept likes best; where it leaves the choice, as `*/*` does, that of the
    request's own body; else JSON."""
    accept: list[bytes] = []
    content_type = b""
    for name, value in request.scope["headers"]:
        if name == b"accept":
            accept.append(value)
        elif name == b"content-type":
            content_type = value
    return choose(b",".join(accept), content_type)


@lru_cache(maxsize=256)
def choose(accept: bytes, content_type: bytes) -> str:
    """`reply_type` for these two headers; empty bytes when they were not sent.

    The greatest quality wins, then the most precise range, then the request's own type, then what is listed first.
    """
    own = content_type.decode("latin-1").partition(";")[0].strip().lower()
    family = XML_TYPES if own in XML_TYPES else JSON_TYPES
    wishes = _wishes(accept.decode("latin-1").lower())
    best = own if own in REPLY_TYPES else REPLY_TYPES[0]
    best_rank = (0.0, 0, False, 0)
    for candidate in (*family, *(other for other in REPLY_TYPES if other not in family)):
        for precision, media_range in ((2, candidate), (1, candidate.partition("/")[0] + "/*"), (0, "*/*")):
            if media_range in wishes:
                quality, position = wishes[media_range]
                rank = (quality, precision, candidate == own, -position)
                if quality > 0 and rank > best_rank:
                    best, best_rank = candidate, rank
                break  # a precise range speaks for its type, also when it refuses it
    return best


def _wishes(accept: str) -> dict[str, tuple[float, int]]:
    """Each media range with its quality and its place in the header."""
    wishes: dict[str, tuple[float, int]] = {}
    for position, entry in enumerate(accept.split(",")):
        media_range, *parameters = (part.strip() for part in entry.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q" and _QUALITY.fullmatch(value.strip()):
                quality = min(float(value), 1.0)
        if media_range and media_range not in wishes:
            wishes[media_range] = (quality, position)
    return wishes
