"""Read by schemathesis at its start: every answer is held against Stripe's contract as the tests understand it."""

from __future__ import annotations

import httpx
import schemathesis

from contract._stripe_contract import require_contract


@schemathesis.check
def keeps_the_contract(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """Fails unless Stripe's own clients could rely on the answer."""
    sent = response.request
    assert sent.method is not None
    assert sent.url is not None
    answered = httpx.Response(
        response.status_code,
        headers=[(name, value) for name, values in response.headers.items() for value in values],
        content=response.content,
        request=httpx.Request(sent.method, "http://127.0.0.1", headers=dict(sent.headers)),
    )
    require_contract(sent.method, httpx.URL(sent.url).path, answered)
