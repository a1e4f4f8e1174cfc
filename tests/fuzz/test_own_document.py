"""Whatever our OpenAPI document allows or forbids, a running service answers soon, and as the document says."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from fuzz.conftest import BOTH
from fuzz.own_document import fuzz
from fuzz.tally import EXAMPLES, MANY, Tally
from fuzz.target import Target

DATABASE = "postgresql"
"""Where `make test` does this: it refuses more than SQLite does."""

ELSEWHERE = ("/v1/", "/webhooks/", "/api/ActionService/")
"""What only the other tests here see succeed for certain, and what `make test` leaves to them: they know Stripe's
contract, and how to sign."""


def operations(attacked: Target) -> list[str]:
    """All of them, as the log calls them."""
    paths = httpx.get(f"{attacked.server.base_url}/openapi.json", trust_env=False).json()["paths"]
    return [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]


def test_every_answer_and_every_story_is_as_documented(attacked: Target, tally: Tally, tmp_path: Path) -> None:
    """In a story what one call answers is sent to the next: the id of a new subscription, a record, a cursor."""
    phases = ["examples", "coverage", "fuzzing", "stateful"] if BOTH else ["fuzzing", "stateful"]
    without = () if BOTH else ELSEWHERE
    examples = EXAMPLES // 2 if BOTH else EXAMPLES
    done = fuzz(
        attacked, tmp_path, phases, examples=examples, stories=max(10, examples // 4 if BOTH else 0), without=without
    )
    assert done.returncode == 0, done.stdout + done.stderr
    links = re.search(r"API Links: +(\d+) covered", done.stdout)
    assert links is not None, done.stdout
    # a few stories may all end with their first call; many do not
    assert int(links[1]) > 0 or not BOTH, "no call was followed by another"
    seen = Tally().count_log(attacked.server.output)
    for operation in operations(attacked):
        statuses = set(seen[operation])
        assert statuses or operation.partition(" ")[2].startswith(tuple(without)), f"{operation} was never asked"
        assert not [status for status in statuses if status >= "500"], (operation, statuses)
        if examples >= MANY and not operation.partition(" ")[2].startswith(ELSEWHERE):
            assert "200" in statuses, (operation, statuses)
