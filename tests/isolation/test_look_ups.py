"""Whether a token or a source exists cannot be told by the work that is done to find it."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

from contract._webhooks import an_event, signed
from dunning_service.merchants import service as merchants
from dunning_service.merchants import sources
from dunning_service.merchants.tokens import new_token
from running import RegisteredSource, RunningService
from sql_statements import statements

RECORDS = "/v1/payment_records"
LISTS = (
    "/api/v1/failed-payments",
    "/api/v1/connect/subscriptions/failed/list",
    "/sub-api/v1/subscriptions",
    RECORDS,
)

Look = tuple[str, tuple[str, ...]]
"""A statement, and the types of what it was sent with."""


def looks(seen: list[tuple[str, Any]]) -> list[Look]:
    return [
        (
            statement,
            tuple(type(value).__name__ for value in (values.values() if isinstance(values, dict) else values)),
        )
        for statement, values in seen
    ]


def is_among(token: str, seen: list[tuple[str, Any]]) -> bool:
    """Whether a token went to the database, anywhere in a statement or its values."""
    return len(token) > 10 and any(token in repr(one) for one in seen)


async def refused_tokens(service: RunningService) -> dict[str, str]:
    """Tokens that are not accepted, for every reason there is."""
    revoked = await service.add_token(service.merchant, name="revoked")
    with service.database.write() as connection:
        one = next(token for token in merchants.list_tokens(connection) if token.name == "revoked")
        merchants.revoke_token(connection, one.id, now=service.clock())
    expired = await service.add_token(service.merchant, expires_at=service.clock() + timedelta(seconds=1))
    service.clock.advance(timedelta(seconds=5))
    known = service.token
    return {
        "never made": new_token(),
        "revoked": revoked,
        "expired": expired,
        "of another form": "x",
        "very long": "dun_" + "A" * 5_000,
        "not text": "dun_\xff\xfe",
        "known but for its last letter": known[:-1] + ("A" if known[-1] != "A" else "B"),
        "known but for its case": known.swapcase(),
        "the beginning of one": known[:20],
    }


async def test_a_known_token_is_looked_up_as_an_unknown_one_is(service: RunningService) -> None:
    refused = await refused_tokens(service)
    first: Look | None = None
    for path in LISTS:
        answers = set()
        service.clock.advance(timedelta(seconds=5))  # so that nothing is remembered
        for name, token in [*refused.items(), ("known", service.token)]:
            given = f"Bearer {token}".encode("latin-1")
            with statements(service.database) as seen:
                response = await service.client.get(path, headers={"Authorization": given})
            found = looks(seen)
            first = first or found[0]
            assert found[0] == first, (path, name)
            assert not is_among(token, seen), "only its digest is ever asked for"
            if name == "known":
                assert response.status_code == 200
            else:
                assert found == [first], (path, name)
                body = response.text.replace(response.headers["x-request-id"], "")
                answers.add((response.status_code, body, tuple(response.headers)))
        assert [status for status, _, _ in answers] == [401], path


async def test_stripes_basic_form_is_looked_up_in_the_same_way(service: RunningService) -> None:
    refused = await refused_tokens(service)
    with statements(service.database) as by_bearer:
        await service.client.get(RECORDS, headers={"Authorization": f"Bearer {new_token()}"})
    answers = set()
    for name, token in [*refused.items(), ("known", service.token)]:
        given = base64.b64encode(f"{token}:".encode("latin-1")).decode()
        with statements(service.database) as seen:
            response = await service.client.get(RECORDS, headers={"Authorization": f"Basic {given}"})
        assert not is_among(token, seen)
        assert looks(seen)[0] == looks(by_bearer)[0], name
        if name == "known":
            assert response.status_code == 200
        else:
            assert looks(seen) == looks(by_bearer), name
            answers.add((response.status_code, response.text, tuple(response.headers)))
    assert [status for status, _, _ in answers] == [401]


async def test_goodpartys_other_places_for_a_token_are_no_other_path(service: RunningService) -> None:
    def places(token: str) -> list[dict[str, str]]:
        basic = base64.b64encode(f"anybody:{token}".encode()).decode()
        return [{"Authorization": f"Bearer {token}"}, {"Authorization": f"Basic {basic}"}, {"X-Api-Key": token}]

    path = "/api/ActionService/GetInvoicePaymentFailed"
    first: Look | None = None
    for headers in [*places(new_token()), *places(service.token)]:
        service.clock.advance(timedelta(seconds=5))  # so that nothing is remembered
        with statements(service.database) as seen:
            await service.client.post(path, json={}, headers=headers)
        first = first or looks(seen)[0]
        assert looks(seen)[0] == first


async def test_a_known_source_is_looked_up_as_an_unknown_one_is(service: RunningService) -> None:
    source = await service.add_source(service.merchant)
    disabled = await service.add_source(service.merchant)
    with service.database.write() as connection:
        sources.disable_source(connection, disabled.id, now=service.clock())
    other_case, shorter = source.id.swapcase(), source.id[:-1]
    body = an_event()
    first: Look | None = None
    answers = set()
    for name in ("A" * len(source.id), disabled.id, other_case, shorter, source.id):
        with statements(service.database) as seen:
            response = await service.client.post(
                f"/webhooks/{name}", content=body, headers=signed(service, RegisteredSource(name, source.secret), body)
            )
        first = first or looks(seen)[0]
        assert looks(seen)[0] == first, name
        if name == source.id:
            assert response.status_code == 200
        else:
            assert looks(seen) == [first], name
            answers.add((response.status_code, response.text.replace(response.headers["x-request-id"], "")))
    assert [status for status, _ in answers] == [404]
