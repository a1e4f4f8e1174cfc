"""What a request asks for, before anything is made of it: its JSON, and what makes two requests the same."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from starlette.requests import Request

from dunning_service.billing.commands import NO_SUCH_SUBSCRIPTION
from dunning_service.errors import NotFound, UnreadableNotice
from dunning_service.http.body import content_type_of, read_body, require_json
from dunning_service.http.idempotency import idempotency_key
from dunning_service.ledger.work import IdempotencyKey
from dunning_service.server.bodies import Bodies
from dunning_service.values.exact_json import read_json
from dunning_service.values.reading import uuid


async def json_body(request: Request, bodies: Bodies) -> bytes:
    """The body as it was sent. Raises UnsupportedMediaType for what does not say that it is JSON, and
    whatever `read_body` does."""
    body = await read_body(request, bodies)
    require_json(request, "the subscription", "text/json")
    return body


def key_of(request: Request, body: bytes) -> IdempotencyKey | None:
    """The request's idempotency key; its body counts as what it says, however that is written, or as its bytes where it
    is nested too deeply for that.

    A body that says nothing is no error here: whoever reads it says what is wrong with it.
    """
    try:
        return idempotency_key(request, _canonical(read_json(body, content_type_of(request), _never)))
    except UnreadableNotice:
        return idempotency_key(request, None)
    except RecursionError:
        return idempotency_key(request, body.hex())


def _never(_path: str) -> bool:
    """What has to be exact, which is for the reader of the request to say: nothing."""
    return False


def subscription_id_of(text: str) -> str:
    """The id of a path. Raises NotFound for what no subscription can be called."""
    try:
        return str(uuid(text))
    except ValueError:
        raise NotFound(NO_SUCH_SUBSCRIPTION) from None


def _canonical(value: Any) -> Any:
    """A JSON value with its numbers as texts, each number always as the same one: 25, 25.0 and 2.5e1 are equal. Texts
    are marked, so that a number is not mistaken for a text of its digits."""
    if isinstance(value, dict):
        return {name: _canonical(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, str):
        return f"'{value}"
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return _number(Decimal(value))
    return value


def _number(value: Decimal) -> str:
    """Digits without zeros at the end, and the power of ten: exact, whatever the size."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    significant = text.rstrip("0")
    return f"{'-' * sign}{significant}e{exponent + len(text) - len(significant)}" if significant else "0"
