"""Read by schemathesis at its start: what every answer of ours must be like, whatever was asked."""

from __future__ import annotations

import json
import os

import schemathesis
from schemathesis.specs.openapi.checks import content_type_conformance

from dialects import is_the_servers_own, wrong_with
from overload.answers import Answer


def _answer(response: schemathesis.Response) -> Answer:
    headers = {name.lower(): values[0] for name, values in response.headers.items()}
    return Answer(response.status_code, headers, response.content)


@schemathesis.check
def speaks_its_dialect(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """Fails for a kind of content that is not in the document, and for an error in other words than its path's."""
    answer = _answer(response)
    if is_the_servers_own(answer):
        return
    content_type_conformance(ctx, response, case)
    sent = response.request
    assert sent.url is not None
    if answer.status >= 400 and sent.method != "HEAD":
        target = "/" + sent.url.partition("://")[2].partition("/")[2]
        assert (wrong := wrong_with(target, answer)) is None, wrong


@schemathesis.check
def tells_no_secret(ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """Fails when a token, a secret or a key is in an answer."""
    said = f"{response.headers} {response.content.decode('latin-1')}"
    assert [secret for secret in json.loads(os.environ["FUZZ_SECRETS"]) if secret in said] == []
