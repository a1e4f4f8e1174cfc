"""`make soak`: what may die is killed at random, for as long as you like, and the books are compared.

`workers`: thousands of payments are worked off by two workers that are killed, through an endpoint that fails at
random, and the endpoint's own book is compared with the ledger. `kills`: notices are sent while API processes, their
PostgreSQL, or both are killed, and the senders' book is compared with the ledger.

Exits with 1 when something was lost, doubled or charged twice, or anything else is not as the book says; and it stops
by itself. `make soak ARGS="--only workers --payments 20000 --seconds 3600 --seed 7"`,
`make soak ARGS="--only kills --rounds 200"`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

import machine
from databases import postgres_databases
from e2e import killed_services, killed_workers
from e2e.charging_book import Conduct
from machine import say
from soak import kills_report

_SHOWN = 40
_ROUND_S = 30
"""So long a round of kills may take, on average."""


def main() -> int:
    chosen = _arguments()
    machine.use_a_disk()
    passed = [
        part(chosen)
        for name, part in (("workers", _kill_workers), ("kills", _kill_services))
        if chosen.only in (None, name)
    ]
    return 0 if all(passed) else 1


def _kill_workers(chosen: argparse.Namespace) -> bool:
    plan = killed_workers.Plan(
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
    say(f"{plan.payments} payments in at most {plan.patience_s:.0f} s; seed {plan.seed}")
    with postgres_databases() as databases:
        found = killed_workers.work_off(databases.create(), plan, say)
    for problem in found.problems[:_SHOWN]:
        say(f"FAIL: {problem}")
    say(", ".join(f"{conduct}: {found.conducts[conduct]}" for conduct in Conduct))
    say(str(found))
    if found.problems:
        say(f"FAIL: {len(found.problems)} things went wrong, see above; seed {plan.seed}")
        return False
    say("Every payment was charged as often as it should have been, and the ledger says what the book says.")
    return True


def _kill_services(chosen: argparse.Namespace) -> bool:
    plan = killed_services.Plan(
        rounds=chosen.rounds, seed=chosen.seed, seconds=chosen.rounds * _ROUND_S, is_careless=chosen.careless
    )
    say(f"{plan.rounds} rounds of kills in at most {plan.seconds:.0f} s; seed {plan.seed}")
    about = machine.describe()
    say(machine.sentence(about))
    found = killed_services.run(plan, say)
    together = kills_report.total(found)
    for problem in together.problems[:_SHOWN]:
        say(f"FAIL: {problem}")
    told = json.dumps(kills_report.as_json(found, about, plan.seed))
    say(f"\n{kills_report.table(found)}\n\n{told}\n")
    if chosen.out is not None:
        chosen.out.write_text(told + "\n", "utf-8")
    if together.problems:
        say(f"FAIL: {len(together.problems)} things went wrong, see above; seed {plan.seed}")
        return False
    say(f"Nothing that was acknowledged was lost, and nothing was doubled; seed {plan.seed}.")
    return True


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools/soak", description="Kills what may die, and compares the books.")
    parser.add_argument("--only", choices=("workers", "kills"), help="one part of it; both unless given")
    parser.add_argument("--payments", type=int, default=5_000, help="workers: that fall due (%(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=600.0, help="workers: after which no payment may be left (%(default)s)"
    )
    parser.add_argument(
        "--rounds", type=int, default=200, help="kills: of sending, killing, sending again (%(default)s)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="kills: where the JSON is written as well")
    parser.add_argument(
        "--careless", action="store_true", help="kills: with a PostgreSQL that may lose commits, to see it found out"
    )
    parser.add_argument(
        "--seed", type=int, default=random.randrange(1_000_000), help="of what goes wrong; another each time"
    )
    chosen = parser.parse_args()
    if chosen.payments < 1 or chosen.seconds < 60:
        parser.error("--payments must be above 0, and --seconds 60 or more")
    if chosen.rounds < 5:
        parser.error("--rounds must be 5 or more")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
