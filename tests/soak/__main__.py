"""`make soak`: thousands of payments are worked off by two workers that are killed at random, through an endpoint that
fails at random, and the endpoint's own book is compared with the ledger.

Exits with 1 when a payment was charged twice, or not at all, or anything else is not as the book says; and it stops by
itself. `make soak ARGS="--payments 20000 --seconds 3600 --seed 7"`.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from databases import PostgresDatabases, postgres_server
from e2e.charging_book import Conduct
from e2e.killed_workers import Plan, work_off

_SHOWN = 40


def main() -> int:
    chosen = _arguments()
    plan = Plan(
        payments=chosen.payments,
        seed=chosen.seed,
        due_within_s=chosen.seconds * 0.3,
        killing_s=chosen.seconds * 0.7,
        kills=0,
        patience_s=chosen.seconds,
        lives_s=(0.1, 6.0),
        silent_s=10.0,  # several times as long as the ledger waits
        timeout_s=2.4,
        claim_s=5,
        callers=64,
    )
    _say(f"{plan.payments} payments in at most {plan.patience_s:.0f} s; seed {plan.seed}")
    with postgres_server() as server:
        databases = PostgresDatabases(server)
        try:
            found = work_off(databases.create(), plan, _say)
        finally:
            databases.close()
    for problem in found.problems[:_SHOWN]:
        _say(f"FAIL: {problem}")
    _say(", ".join(f"{conduct}: {found.conducts[conduct]}" for conduct in Conduct))
    _say(str(found))
    if found.problems:
        _say(f"FAIL: {len(found.problems)} things went wrong, see above; seed {plan.seed}")
        return 1
    _say("Every payment was charged as often as it should have been, and the ledger says what the book says.")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/soak", description="Kills workers while payments fall due.")
    parser.add_argument("--payments", type=int, default=5_000, help="that fall due (%(default)s)")
    parser.add_argument("--seconds", type=float, default=600.0, help="after which no payment may be left (%(default)s)")
    parser.add_argument(
        "--seed", type=int, default=random.randrange(1_000_000), help="of what goes wrong; another each time"
    )
    chosen = parser.parse_args()
    if chosen.payments < 1 or chosen.seconds < 60:
        parser.error("--payments must be above 0, and --seconds 60 or more")
    return chosen


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
