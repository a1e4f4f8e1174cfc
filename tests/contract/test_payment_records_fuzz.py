"""Whatever Stripe's contract allows or forbids, a running service answers as the contract says, and soon."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from contract._stripe_contract import CONTRACT, operations
from databases import PostgresDatabases, SqliteDatabases
from e2e.processes import serving
from e2e.senders import complaints, open_account
from fuzz.payment_records import fuzz

EXAMPLES = 100
SOON_S = 5

ON_SQLITE = operations()[0::2]
ON_POSTGRES = operations()[1::2]


def answers(log: str) -> Counter[tuple[str, str, int]]:
    """How often each call was answered with each status."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return Counter(
        (line["method"].lower(), line["route"], line["status"]) for line in lines if line["event"] == "request"
    )


@pytest.mark.parametrize("databases", ["sqlite", "postgresql"], indirect=True)
def test_every_answer_keeps_the_contract(
    databases: SqliteDatabases | PostgresDatabases, database_url: str, tmp_path: Path
) -> None:
    """Half of the calls on each database: to think of the requests takes longer than to answer them."""
    calls = ON_SQLITE if isinstance(databases, SqliteDatabases) else ON_POSTGRES
    account = open_account(database_url)
    names = [CONTRACT["paths"][path][method]["operationId"] for method, path in calls]
    wanted = [argument for name in names for argument in ("--include-operation-id", name)]
    limits = ["--phases", "fuzzing", "--max-examples", str(EXAMPLES), "--max-response-time", str(SOON_S)]
    with serving(database_url, log_level="info") as server:
        done = fuzz(server.base_url, account.token, tmp_path, [*wanted, *limits, "--no-color"], is_captured=True)
        answered = answers(server.output)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in answered if line[2] >= 500] == []
    for method, path in calls:
        assert answered[method, path, 200], (method, path)
        assert answered[method, path, 400], (method, path)
    assert complaints(database_url) == []
