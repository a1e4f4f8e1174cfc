"""Absolute URLs of pages, for the links of a list."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from fastapi import Request

from dunning_service.services import services


def address(request: Request, path: str, query: Sequence[tuple[str, str]]) -> str:
    """The URL of `path` with `query`: under DUNNING_PUBLIC_URL, else under the host of this request."""
    base = services(request).settings.public_url or str(request.base_url).rstrip("/")
    return f"{base}{quote(path)}{'?' if query else ''}{urlencode(query, quote_via=quote)}"
