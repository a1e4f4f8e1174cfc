"""Whatever Stripe's contract allows or forbids, a running service answers as the contract says, and soon."""

from __future__ import annotations

from pathlib import Path

from contract._stripe_contract import operations
from fuzz.conftest import BOTH
from fuzz.payment_records import fuzz
from fuzz.tally import EXAMPLES, MANY, Tally
from fuzz.target import target

DATABASE = "sqlite"
"""Where `make test` does this: to think of the requests takes far longer than to answer them, so once has to do."""


def test_every_answer_keeps_the_contract(fuzzed_url: str, tally: Tally, tmp_path: Path) -> None:
    examples = EXAMPLES // 2 if BOTH else EXAMPLES
    with target(fuzzed_url, tally) as attacked:
        done = fuzz(attacked, tmp_path, ["--phases", "fuzzing", "--max-examples", str(examples)])
        assert done.returncode == 0, done.stdout + done.stderr
        seen = Tally().count_log(attacked.server.output)
    calls = {(method, path): seen[f"{method.upper()} {path}"] for method, path in operations()}
    for call, statuses in calls.items():
        assert statuses["400"], (call, statuses)
        assert statuses["200"] or examples < MANY, (call, statuses)
        assert not [status for status in statuses if status >= "500"], (call, statuses)
    assert sum(statuses["200"] for statuses in calls.values()) > examples
