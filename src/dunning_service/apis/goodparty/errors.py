"""Errors in ASP.NET Web API's own form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dunning_service.apis.goodparty import xml
from dunning_service.apis.goodparty.requests import XML_TYPES, reply_type
from dunning_service.http.auth import offer_basic

if TYPE_CHECKING:
    from dunning_service.http.problems import Refusal

HttpError = Mapping[str, str | Mapping[str, Sequence[str]]]


def render(request: Request, refusal: Refusal) -> Response:
    """`refusal` as an HttpError, in JSON or XML as an answer to `request` would be."""
    media_type = reply_type(request)
    error = _error(request, refusal)
    content = xml.error(error) if media_type in XML_TYPES else orjson.dumps(error)
    headers = {**refusal.headers, "content-type": f"{media_type}; charset=utf-8"}
    return offer_basic(Response(content, refusal.status, headers))


def _error(request: Request, refusal: Refusal) -> HttpError:
    status = refusal.status
    if status in (400, 422):
        return {"Message": "The request is invalid.", "ModelState": _model_state(refusal)}
    if status == 401:
        return {"Message": "Authorization has been denied for this request."}
    if status == 404:
        address = _address(request)
        return {
            "Message": f"No HTTP resource was found that matches the request URI '{address}'.",
            "MessageDetail": f"No action was found on the controller 'ActionService' that matches '{address}'.",
        }
    if status == 405:
        return {"Message": f"The requested resource does not support http method '{request.method}'."}
    if status >= 500 and status != 503:
        return {"Message": "An error has occurred."}
    return {"Message": refusal.message}


def _model_state(refusal: Refusal) -> dict[str, list[str]]:
    """The messages of each wrong field under `request.<Property>`; what is wrong with the whole body is `request`."""
    state: dict[str, list[str]] = {}
    for wrong in refusal.fields:
        state.setdefault(f"request.{wrong.field}" if wrong.field else "request", []).append(wrong.message)
    return state or {"request": [refusal.message]}


def _address(request: Request) -> str:
    """As it was asked for, without the query, which may hold what should not be repeated."""
    scope = request.scope
    host = request.headers.get("host", "")
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
    return f"{scope['scheme']}://{host}{path}"
