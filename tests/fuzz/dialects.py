"""In which words each part of the service refuses, looked at from outside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import unquote
from xml.etree import ElementTree

_PROBLEM = {"type", "title", "status", "detail"}
_OF_THE_SERVER = ("Invalid HTTP request received.", "The request ")


def is_the_servers_own(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """What is not HTTP, or too much of it, is answered before anybody has looked at the path: as text, and hung up."""
    told = body.decode("latin-1").startswith(_OF_THE_SERVER)
    return "x-request-id" not in headers and status in (400, 408, 431) and (told or not body)


def require_dialect(target: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Fails unless an answer of 400 or more to a request of `target` is in the words of that path."""
    assert headers["x-request-id"]
    kind = headers["content-type"].partition(";")[0]
    path = _path(target)
    if _is_under(path, "/api/actionservice"):
        assert kind in ("application/json", "text/json", "application/xml", "text/xml")
        is_xml = kind.endswith("xml")
        assert ElementTree.fromstring(body).findtext("Message") if is_xml else json.loads(body)["Message"]
        return
    told = json.loads(body)
    if _is_under(path, "/api/v1/connect"):
        assert kind == "application/json"
        assert (told["status_code"], told["is_error"], told["is_data"]) == (status, status != 404, False)
        assert told["message"]
    elif _is_under(path, "/sub-api/v1/subscriptions"):
        assert kind == "application/problem+json"
        assert told.keys() >= {*_PROBLEM, "code", "traceId"}
        assert told["status"] == status
    elif _is_under(path, "/v1"):
        assert kind == "application/json"
        assert told["error"]["message"]
        assert told["error"]["type"] in ("api_error", "idempotency_error", "invalid_request_error")
    else:
        assert kind == "application/problem+json"
        assert told.keys() == {*_PROBLEM, "code", "errors", "request_id"}
        assert told["status"] == status


def _path(target: str) -> str:
    """As the service sees it: decoded once, without query and fragment, host and slashes at the end."""
    if "://" in target.partition("?")[0] and not target.startswith("/"):
        target = "/" + target.partition("://")[2].partition("/")[2]
    path = unquote(target.partition("#")[0].partition("?")[0]).lower()
    return path.rstrip("/") or "/"


def _is_under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")
