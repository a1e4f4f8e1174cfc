"""Whatever Stripe's contract allows or forbids, a running service answers as the contract says, and soon."""

from __future__ import annotations

from pathlib import Path

from contract._stripe_contract import operations
from fuzz.conftest import BOTH
from fuzz.payment_records import fuzz
from fuzz.tally import EXAMPLES, Tally
from fuzz.target import target

DATABASE = "sqlite"
"""Where `make test` does this: to think of the requests takes far longer than to answer them, so once has to do."""


def test_every_answer_keeps_the_contract(fuzzed_url: str, tally: Tally, tmp_path: Path) -> None:
    with target(fuzzed_url, tally) as attacked:
        limits = ["--phases", "fuzzing", "--max-examples", str(EXAMPLES // 2 if BOTH else EXAMPLES)]
        done = fuzz(attacked, tmp_path, limits)
        assert done.returncode == 0, done.stdout + done.stderr
        seen = Tally().count_log(attacked.server.output)
    for method, path in operations():
        statuses = seen[f"{method.upper()} {path}"]
        assert statuses["200"], (method, path, statuses)
        assert statuses["400"], (method, path, statuses)
        assert not [status for status in statuses if status >= "500"], (method, path, statuses)
