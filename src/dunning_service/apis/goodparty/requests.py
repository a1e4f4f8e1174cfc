"""Requests: their bodies in OpenAPI, the failed payments that a list chooses, and the media type of a reply."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import sqlalchemy as sa
from pydantic import BaseModel
from starlette.requests import Request

from dunning_service.database.engines import Database
from dunning_service.ledger.models import PaymentRow
from dunning_service.providers.goodparty import PROVIDER, PaymentIntentStatusRequest

JSON_TYPES = ("application/json", "text/json")
XML_TYPES = ("application/xml", "text/xml")
REPLY_TYPES = (*JSON_TYPES, *XML_TYPES)

Page: TypeAlias = "Sequence[sa.Row[int, dict[str, Any]]]"

_PAGE = 500
_QUALITY = re.compile(r"[01](?:\.\d{0,3})?", re.ASCII)


def documented_body(model: type[BaseModel], *identities: Mapping[str, Any]) -> dict[str, Any]:
    """The request body of an action, as `openapi_extra` of its route; `identities` are sets of members, of which one is
    required in full."""
    schema = model.model_json_schema()
    if identities:
        schema["allOf"] = [{"anyOf": [{"required": list(named), "properties": named} for named in identities]}]
    for field in schema["properties"].values():
        del field["title"]  # the name again, in another case
        if field.get("default", 0) is None:  # that is "unknown" inside; it cannot be sent everywhere
            del field["default"]
    body = {
        "required": True,
        "description": "Names may be written in any case, and numbers as text; members that are not known are ignored.",
        # a form has the same members, and no schema: generators of clients would offer two bodies of one class
        "content": {**contents_of(schema), "application/x-www-form-urlencoded": {}},
    }
    return {"requestBody": body}


def contents_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A body of this JSON schema in OpenAPI, in each media type."""
    return {
        **{media_type: {"schema": schema} for media_type in JSON_TYPES},
        **{media_type: {"schema": {"type": "string"}} for media_type in XML_TYPES},
    }


async def pages_of_failures(
    database: Database, merchant_id: int, wanted: PaymentIntentStatusRequest
) -> AsyncIterator[Page]:
    """Number and details of each failed payment that is asked for, in the order of the number, some at a time; always
    at least one page. 0 is no filter. Each page is a read of its own, so that a slow reader holds no connection."""
    statement = (
        sa.select(PaymentRow.id, PaymentRow.details)
        .where(
            PaymentRow.merchant_id == merchant_id,
            PaymentRow.provider == PROVIDER.name,
            PaymentRow.order_on.is_not(None),
            PaymentRow.id > sa.bindparam("last", type_=sa.BigInteger),
        )
        .order_by(PaymentRow.id)
        .limit(_PAGE)
    )
    if wanted.UserId:
        statement = statement.where(PaymentRow.details["UserId"].as_integer() == wanted.UserId)
    if wanted.StatusId:
        statement = statement.where(PaymentRow.details["StatusId"].as_integer() == wanted.StatusId)
    last = -1
    while True:
        async with database.read() as connection:
            rows = (await connection.execute(statement, {"last": last})).all()
        yield rows
        if len(rows) < _PAGE:
            return
        last = rows[-1].id


def reply_type(request: Request) -> str:
    """The media type of the reply: what Accept likes best; where it leaves the choice, as `*/*` does, that of the
    request's own body; else JSON. There always is one, so no request is answered 406."""
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
