"""No row is reachable with another merchant's token: walked over the application's own routes, so that none is missed.

A new route, parameter or body fails the first test here until `probes.py` says how a second merchant would try it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

import httpx
import pytest
import sqlalchemy as sa
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from dunning_service.app import create_app
from dunning_service.ledger.models import PaymentRow
from dunning_service.senders import all_senders
from dunning_service.settings import Settings
from isolation.operations import Key, uncovered
from isolation.probes import OPEN_TO_ALL, PROBES
from isolation.tenants import Asked, Tenant, World, tell, two_tenants
from isolation.tries import Told, Try, asked, nothing
from running import RunningService

COVERED = {key: probe.places for key, probe in PROBES.items()}


def an_app() -> FastAPI:
    return create_app(Settings(_env_file=None, database_url="sqlite:///unused.db"))


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return an_app()


def test_every_route_and_every_place_in_a_request_is_tried(app: FastAPI) -> None:
    assert uncovered(app, COVERED, OPEN_TO_ALL) == []


def test_a_route_that_nobody_tried_is_reported() -> None:
    app = an_app()

    async def leak(request: Request, id: str = "", cursor: str = "") -> Response:
        return PlainTextResponse("everybody's")

    inner, outer = APIRouter(prefix="/inner"), APIRouter(prefix="/outer")
    inner.get("/hidden", include_in_schema=False)(leak)
    inner.post("/{id}/known")(leak)
    outer.include_router(inner)
    app.include_router(outer)
    app.router.routes.append(Mount("/mounted", routes=[Route("/page", lambda request: Response())]))
    app.router.routes.append(Mount("/foreign", app=lambda scope, receive, send: None))
    known: dict[Key, set[str]] = {("POST", "/outer/inner/{id}/known"): {"path.id"}}

    assert sorted(uncovered(app, COVERED | known, OPEN_TO_ALL)) == [
        "* /foreign/{path} is not covered",
        "GET /mounted/page is not covered",
        "GET /outer/inner/hidden is not covered",
        "POST /outer/inner/{id}/known: query.cursor is not covered",
    ]


def test_whichever_route_is_left_out_is_reported(app: FastAPI) -> None:
    for left_out in (*COVERED, *OPEN_TO_ALL):
        rest = {key: places for key, places in COVERED.items() if key != left_out}
        free = [key for key in OPEN_TO_ALL if key != left_out]
        assert uncovered(app, rest, free) == [f"{' '.join(left_out)} is not covered"]


def test_a_place_that_is_left_out_or_gone_is_reported(app: FastAPI) -> None:
    key = ("GET", "/api/v1/failed-payments")
    changed = COVERED | {key: COVERED[key] - {"query.cursor"} | {"query.offset"}, ("GET", "/gone"): set()}
    assert uncovered(app, changed, OPEN_TO_ALL) == [
        "GET /api/v1/failed-payments: query.cursor is not covered",
        "GET /api/v1/failed-payments has no query.offset",
        "there is no GET /gone",
    ]


async def test_nothing_of_another_merchant_is_there(service: RunningService) -> None:
    world = await two_tenants(service)
    before = {(key, places, at): await world.we.ask(request) async for key, places, at, request in _foreseen(world)}
    await tell(world)
    async with service.database.read() as connection:  # and every sender that the ledger can hold has an entry
        providers = await connection.execute(sa.select(PaymentRow.provider).distinct())
        assert {row.provider for row in providers} == set(all_senders())
    theirs = await world.they.everything()
    await _require_a_token(world)

    for key, places, at, one in _tries():
        request = await asked(world, key, PROBES[key].base, places, one.theirs)
        answer = await world.we.ask(request)
        _require(one.told, answer, request, world)
        if (key, places, at) in before:
            assert _compared(answer) == _compared(before[key, places, at]), request
        if one.nobodys is not None:
            nobodys = await asked(world, key, PROBES[key].base, places, one.nobodys)
            _require_alike(one.told, answer, await world.we.ask(nobodys))
        if key in _READING and one.told in (Told.NOTHING, Told.MISSING):
            own = await world.they.ask(request)
            assert own.status_code == 200, (request, own.text)
            assert one.told is Told.MISSING or not _is_nothing(own.json()), (
                f"it finds nothing of theirs either: {request}"
            )
    for key in OPEN_TO_ALL:
        _require_no_marks(await world.we.ask(Asked(*key)), "", world)

    assert await world.they.everything() == theirs


_READING = {key for key in PROBES if key[0] == "GET" or "/GetInvoicePaymentFailed" in key[1]} - {
    ("GET", "/v1/payment_attempt_records")  # it begins in a record of ours
}


async def _require_a_token(world: World) -> None:
    """Fails unless everything is refused without a token, or with one that nobody has, whatever it asks for."""
    nobody = Tenant(world.we.service, world.we.merchant, "dun_" + "A" * 43)
    for key, places, _, one in _tries():
        if key[1].startswith("/webhooks"):
            continue  # what is posted there is signed
        request = await asked(world, key, nothing, places, one.theirs)
        refused = await nobody.ask(request)
        assert refused.status_code == 401, (request, refused.text)
        _require_no_marks(refused, _sent(request), world)
        if one.nobodys is not None:
            other = await nobody.ask(await asked(world, key, nothing, places, one.nobodys))
            assert _compared(other) == _compared(refused)


def _tries() -> Iterator[tuple[Key, str, int, Try]]:
    for key, probe in PROBES.items():
        for places, tries in probe.tries.items():
            for at, one in enumerate(tries):
                yield key, places, at, one


async def _foreseen(world: World) -> Any:
    """What can be asked before they came, and must be answered the same afterwards."""
    for key, places, at, one in _tries():
        if key[0] == "GET" and one.is_foreseen and one.told in (Told.OURS, Told.NOTHING):
            yield key, places, at, await asked(world, key, PROBES[key].base, places, one.theirs)


def _require(told: Told, answer: httpx.Response, request: Asked, world: World) -> None:
    """Fails when an answer tells more than it may."""
    status = {Told.MISSING: 404, Told.REFUSED: 422, Told.ADDRESS: 401}.get(told, 200)
    assert answer.status_code == status, (request, answer.text)
    assert "idempotent-replayed" not in answer.headers, request
    if told is Told.NOTHING:
        assert _is_nothing(answer.json()), (request, answer.text)
    _require_no_marks(answer, _sent(request), world)


def _sent(request: Asked) -> str:
    return f"{request.path} {request.query} {request.headers} {unquote_plus((request.content or b'').decode())}"


def _require_no_marks(answer: httpx.Response, sent: str, world: World) -> None:
    said = f"{answer.headers.multi_items()} {answer.text}"
    assert [mark for mark in world.marks if mark in said and mark not in sent] == [], answer.text


def _require_alike(told: Told, theirs: httpx.Response, nobodys: httpx.Response) -> None:
    """Fails when one could tell them apart: by status, headers or body, but for what was sent and what is new."""
    if told is Told.NEW:
        assert (nobodys.status_code, nobodys.headers.keys()) == (theirs.status_code, theirs.headers.keys())
        assert _shape(nobodys.json()) == _shape(theirs.json())
    elif told is not Told.OURS:
        assert _compared(nobodys) == _compared(theirs)


_ECHO = re.compile(r"'[^']*'|(?<=links).*")


def _compared(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], str]:
    """What a caller could compare: everything, but for the request's id, a date, and an id that is only repeated."""
    request_id = answer.headers["x-request-id"]
    headers = [(name, value) for name, value in answer.headers.items() if name not in ("link", "content-length")]
    text = answer.text.replace(request_id, "...")
    return (
        answer.status_code,
        [(name, value.replace(request_id, "...")) for name, value in headers],
        _ECHO.sub("", text),
    )


def _is_nothing(said: dict[str, Any]) -> bool:
    """An empty list with its totals, or a count of 0."""
    rows = next(said[name] for name in ("data", "items", "Message") if name in said)
    totals = [said.get("total", 0), said.get("metaData", {}).get("total", 0), said.get("totalCount", 0)]
    return not rows and not any(totals) and not said.get("has_more", False)


def _shape(said: Any) -> Any:
    """Names and types: what is new differs in its ids and in what was sent."""
    if isinstance(said, dict):
        return {name: _shape(value) for name, value in said.items() if name != "metadata"}
    if isinstance(said, list):
        return [_shape(value) for value in said[:1]]
    return type(said).__name__ if said is not None else None


def test_shapes_are_compared_by_type() -> None:
    assert _shape(json.loads('{"a": [1, 2], "b": null}')) == {"a": ["int"], "b": None}
