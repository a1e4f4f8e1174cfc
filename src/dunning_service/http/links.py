"""Absolute addresses of pages, for callers to follow."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from fastapi import Request

from dunning_service.services import services


def address(request: Request, path: str, query: Sequence[tuple[str, str]]) -> str:
    """`path` with `query`, as the caller can reach it: under DUNNING_PUBLIC_URL, else where this request came in."""
    base = services(request).settings.public_url or str(request.base_url).rstrip("/")
    return f"{base}{quote(path)}{'?' if query else ''}{urlencode(query, quote_via=quote)}"


def query_without(request: Request, *names: str) -> list[tuple[str, str]]:
    """The request's query parameters but `names`, in their order."""
    return [(name, value) for name, value in request.query_params.multi_items() if name not in names]
